// Tokenizer: text to ids and back, the same ids, type ids and offsets as Hugging Face `tokenizers`.
//
// encode(): added tokens are cut out of the text, the rest is normalised (normalizer.h, normalizer_steps.h), cut into
// words (pre_tokenizer.h, byte_level.h, pre_tokenizer_steps.h) and into pieces (word_model.h); a template puts [CLS]
// and [SEP] around it (post_processor.h). A SentencePiece model by itself has its own way (sentencepiece.h). Immutable
// once built: any number of threads may share one. To add a kind of tokenizer, see docs/add_a_tokenizer.md.
#pragma once
#include <bert/tokenizers/code_points.h>
#include <bert/tokenizers/decoder_steps.h>
#include <bert/tokenizers/encoding.h>
#include <bert/tokenizers/json.h>
#include <bert/tokenizers/normalizer_steps.h>
#include <bert/tokenizers/pre_tokenizer_steps.h>
#include <bert/tokenizers/to_json.h>
#include <bert/tokenizers/word_model.h>

#include <span>

namespace bert::inline BERT_ABI {

class Tokenizer {
 public:
  /// From the text of a vocab.txt, one token a line. Error when it is empty, has a token twice, or lacks the unknown,
  /// [CLS] or [SEP] token.
  static Tokenizer from_vocab(std::string_view vocab_txt, const WordPieceOptions& options = {});
  /// From the texts of a vocab.json and a merges.txt: byte-level BPE, RoBERTa's or GPT-2's (spec_from_bpe). Error when
  /// one is damaged or they do not go together.
  static Tokenizer from_bpe(std::string_view vocab_json, std::string_view merges_txt, bool add_prefix_space = false);
  /// From the text of a tokenizer.json. Error when it is damaged or asks for a component that is not known here.
  static Tokenizer from_json(std::string_view tokenizer_json);

  explicit Tokenizer(TokenizerSpec spec);

  /// Encodes a text, or a pair of texts. Nothing is cut off unless options.truncation asks for it; then further windows
  /// are in Encoding::overflowing. Invalid UTF-8 is read as U+FFFD, one for every maximal invalid part.
  Encoding encode(std::string_view text, const EncodeOptions& options = {}) const;
  Encoding encode(std::string_view a, std::string_view b, const EncodeOptions& options = {}) const;

  /// Appends the ids of a text with its special tokens, as encode(text).ids: the fast way when offsets are not needed.
  void encode_ids(std::string_view text, std::vector<std::int32_t>& ids) const;

  /// The text of ids, as Hugging Face's decode(): pieces glued together, spaces between words, and none before
  /// punctuation where the tokenizer's decoder says so ("cleanup"; from_vocab: yes). Error for an id outside the
  /// vocabulary.
  std::string decode(std::span<const std::int32_t> ids, bool skip_special_tokens = true) const;

  /// The same of tokens.
  std::string join(std::span<const std::string> tokens) const;

  /// Decoding id by id (stream_decoder.h): appends to `text` what an id adds, as far as later ids cannot change it, and
  /// at the end what is left.
  struct DecodeState {
    DecoderState steps;
    SentencePiece::DecoderState sentencepiece;
  };
  void decode_next(std::int32_t id, bool skip_special_tokens, DecodeState& state, std::string& text) const;
  void decode_end(DecodeState& state, std::string& text) const;

  /// Whether token t of the text's encoding goes on with the word of the token before, as Hugging Face's
  /// token-classification pipeline sees it. WordPiece: its text is not what stands in the original (the prefix ##).
  /// Others: it does not begin with the text, and no space stands before it or at its beginning.
  bool continues_word(const CodePoints& text, const Encoding& encoding, std::size_t t) const;

  std::optional<std::int32_t> token_to_id(std::string_view token) const;
  std::string_view id_to_token(
      std::int32_t id) const;  ///< valid as long as the tokenizer; error outside the vocabulary
  std::size_t vocab_size() const { return vocab_size_; }  ///< with added tokens

  std::int32_t unk_id() const { return unk_id_; }                 ///< -1: the tokenizer has none, as byte-level BPE
  std::optional<std::int32_t> cls_id() const { return cls_id_; }  ///< what the template begins with
  std::optional<std::int32_t> sep_id() const { return sep_id_; }  ///< what it ends with
  std::optional<std::int32_t> pad_id() const { return token_to_id(spec_.options.pad_token); }
  std::optional<std::int32_t> mask_id() const { return token_to_id(spec_.options.mask_token); }

  const TokenizerSpec& spec() const { return spec_; }

  /// A tokenizer.json that Hugging Face `tokenizers` loads and that gives the same tokens.
  std::string to_json() const;

 private:
  class TextEncoder;
  /// Appends ids, and to `out`, where there is one, offsets and word numbers.
  void append_tokens(std::string_view text, std::vector<std::int32_t>& ids, Encoding* out) const;
  void append_sentencepiece(std::string_view text, std::vector<std::int32_t>& ids, Encoding* out) const;
  void normalize(std::string_view piece, std::uint32_t first, NormalizedText& out) const;
  Encoding encode_text(std::string_view text) const;
  Encoding finish(const Template& parts, Encoding a, Encoding* b, const EncodeOptions& options) const;
  Span trimmed(std::string_view token, Span span, bool first) const;
  void trim_offsets(Encoding& encoding) const;

  TokenizerSpec spec_;
  BertNormalizer normalizer_;
  std::int32_t unk_id_;
  WordModel model_;
  std::optional<NormalizerSteps> normalizer_steps_;
  std::optional<PreTokenizerSteps> pre_tokenizer_steps_;
  std::optional<SentencePiece> sentencepiece_;
  DecoderSteps decoder_;
  std::optional<std::int32_t> cls_id_, sep_id_;
  AddedTokenMatcher as_given_, normalized_;  // added tokens looked for before and after normalisation
  std::vector<std::string> beyond_;          // added tokens whose ids follow the vocabulary's
  std::vector<std::pair<std::int32_t, std::string>>
      shown_;  // added tokens that normalisation changes are shown changed
  std::size_t vocab_size_;
  std::vector<char> is_added_, is_special_;  // yes or no by id; as in Hugging Face those shown changed are not special
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <bert/tokenizers/byte_level.h>
#include <bert/tokenizers/pre_tokenizer.h>
#include <bert/tokenizers/windows.h>

#include <algorithm>

namespace bert::inline BERT_ABI {

BERT_INLINE Tokenizer Tokenizer::from_vocab(std::string_view vocab_txt, const WordPieceOptions& options) {
  return Tokenizer(spec_from_vocab(vocab_txt, options));
}

BERT_INLINE Tokenizer Tokenizer::from_json(std::string_view tokenizer_json) {
  return Tokenizer(spec_from_json(tokenizer_json));
}

BERT_INLINE Tokenizer Tokenizer::from_bpe(std::string_view vocab_json, std::string_view merges_txt,
                                          bool add_prefix_space) {
  return Tokenizer(spec_from_bpe(vocab_json, merges_txt, add_prefix_space));
}

BERT_INLINE Encoding Tokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  return finish(spec_.single, encode_text(text), nullptr, options);
}

BERT_INLINE Encoding Tokenizer::encode(std::string_view a, std::string_view b, const EncodeOptions& options) const {
  Encoding second = encode_text(b);
  return finish(spec_.pair, encode_text(a), &second, options);
}

BERT_INLINE std::string Tokenizer::to_json() const { return spec_to_json(spec_); }

namespace detail {
inline std::int32_t require_unk(const TokenizerSpec& spec) {
  if (spec.options.unk_token.empty()) return -1;
  const auto id = spec.vocabulary.find(spec.options.unk_token);
  if (!id)
    fail("the vocabulary has no unknown token ", spec.options.unk_token, " among its ", spec.vocabulary.size(),
         " tokens");
  return *id;
}

/// What decode() does: the file's decoders, or those that go with the model.
inline std::vector<DecoderStep> decoder_steps_of(const TokenizerSpec& spec) {
  using Kind = DecoderStep::Kind;
  if (spec.steps) return spec.steps->decoders.empty() ? std::vector{DecoderStep{Kind::spaces}} : spec.steps->decoders;
  if (spec.kind == TokenizerKind::byte_level_bpe)
    return {DecoderStep{spec.byte_level.decode ? Kind::byte_level : Kind::spaces}};
  DecoderStep step{spec.decoder.wordpiece ? Kind::word_piece : Kind::spaces};
  step.text = spec.decoder.prefix, step.cleanup = spec.decoder.cleanup;
  return {step};
}
}  // namespace detail

BERT_INLINE Tokenizer::Tokenizer(TokenizerSpec spec)
    : spec_(std::move(spec)),
      normalizer_(spec_.options),
      unk_id_(detail::require_unk(spec_)),
      model_(spec_, unk_id_),
      decoder_(detail::decoder_steps_of(spec_)) {
  if (spec_.sentencepiece) {
    sentencepiece_.emplace(spec_.vocabulary, *spec_.sentencepiece);
  } else if (spec_.steps) {
    normalizer_steps_.emplace(spec_.steps->normalizers);
    pre_tokenizer_steps_.emplace(spec_.steps->pre_tokenizers);
  }
  for (const AddedToken& token : spec_.added_tokens) {
    NormalizedText pattern{token.normalized ? "" : token.content, {}, false};
    if (token.normalized) normalize(token.content, 0, pattern);
    if (pattern.text != token.content) shown_.emplace_back(token.id, pattern.text);
    if (pattern.text.empty()) fail("the added token \"", token.content, "\" is nothing once normalised");
    (token.normalized ? normalized_ : as_given_).add(pattern.text, token);
  }
  for (const AddedToken& token : spec_.added_tokens) {
    if (static_cast<std::size_t>(token.id) >= spec_.vocabulary.size()) beyond_.push_back(token.content);
  }
  vocab_size_ = spec_.vocabulary.size() + beyond_.size();
  is_added_.resize(vocab_size_), is_special_.resize(vocab_size_);
  for (const AddedToken& token : spec_.added_tokens) {
    is_added_.at(static_cast<std::size_t>(token.id)) = true;
    if (token.special && id_to_token(token.id) == token.content) is_special_[static_cast<std::size_t>(token.id)] = true;
  }
  for (const Template* parts : {&spec_.single, &spec_.pair}) {
    for (const TemplatePart& part : *parts) {
      for (const std::int32_t id : part.ids) id_to_token(id);  // an error when there is no such token
    }
  }
  if (!spec_.single.empty() && !spec_.single.front().ids.empty()) cls_id_ = spec_.single.front().ids.front();
  if (!spec_.single.empty() && !spec_.single.back().ids.empty()) sep_id_ = spec_.single.back().ids.back();
}

BERT_INLINE void Tokenizer::normalize(std::string_view piece, std::uint32_t first, NormalizedText& out) const {
  if (spec_.kind == TokenizerKind::wordpiece) return normalizer_.append(piece, first, out);
  out.text += piece;
  std::uint32_t source = first - 1;
  if (out.with_sources)
    for (const char c : piece) out.sources.push_back(source += (c & 0xC0) != 0x80);  // the first byte of a code point
  if (normalizer_steps_) normalizer_steps_->apply(out);
}

/// Appends the tokens of one text: added tokens, and of the text between them the pieces of its words. Memory for words
/// is kept from part to part.
class Tokenizer::TextEncoder {
 public:
  /// `out` may be null: ids alone.
  TextEncoder(const Tokenizer& tokenizer, std::vector<std::int32_t>& ids, Encoding* out)
      : tokenizer_(tokenizer), ids_(ids), out_(out) {
    const auto& steps = tokenizer.pre_tokenizer_steps_;
    normal_.with_sources = out || (steps && steps->needs_sources());
    trims_ = out && tokenizer.model_.is_byte_level() && tokenizer.spec_.byte_level.trim_offsets;
  }

  /// Valid UTF-8.
  void append(std::string_view text) {
    tokenizer_.as_given_.split(text, [&](std::string_view part, const AddedToken* token) { append(part, token); });
  }

 private:
  /// A part of the text as given, or an added token. It may begin before the end of the one before.
  void append(std::string_view part, const AddedToken* token) {
    const auto count = [](const char* begin, const char* end) {
      return static_cast<std::uint32_t>(detail::count_code_points({begin, end}));
    };
    if (part.data() < behind_) first_ -= count(part.data(), behind_);
    behind_ = part.data() + part.size();
    const std::uint32_t behind = first_ + (normal_.with_sources ? count(part.data(), behind_) : 0);
    last_word_ = nullptr;
    if (token) {
      ids_.push_back(token->id);
      if (out_) {
        const Span span{first_, behind};
        out_->offsets.push_back(trims_ ? tokenizer_.trimmed(part, span, ids_.size() == 1) : span);
        out_->words.push_back(++word_number_);
      }
    } else {
      append_normalized(part);
    }
    first_ = behind;
  }

  void append_normalized(std::string_view part) {
    normal_.text.clear(), normal_.sources.clear();
    tokenizer_.normalize(part, first_, normal_);
    source_ = &normal_;
    tokenizer_.normalized_.split(normal_.text, [&](std::string_view text, const AddedToken* token) {
      if (!token) return append_words(text);
      add(token->id, text, 0, text.size());
      if (trims_) out_->offsets.back() = tokenizer_.trimmed(text, out_->offsets.back(), ids_.size() == 1);
    });
  }

  /// A part of the normalised text.
  void append_words(std::string_view text) {
    const std::uint32_t* const sources =
        normal_.with_sources ? normal_.sources.data() + (text.data() - normal_.text.data()) : nullptr;
    if (tokenizer_.pre_tokenizer_steps_) return append_step_words(text, sources);
    if (tokenizer_.spec_.byte_level.add_prefix_space && !text.starts_with(' ')) return append_prefixed(text, sources);
    cut_words(text);
  }

  /// Cut by the steps of a tokenizer.json.
  void append_step_words(std::string_view text, const std::uint32_t* sources) {
    words_.assign(text, sources);
    tokenizer_.pre_tokenizer_steps_->apply(words_, spare_);
    source_ = &words_.text;
    std::size_t begin = 0;
    for (const std::size_t end : words_.ends) {
      const std::string_view word(words_.text.text.data() + begin, end - begin);
      append_word(word);
      if (last_word_ != word.data()) last_word_ = word.data(), ++word_number_;  // it has no tokens, and counts
      begin = end;
    }
    source_ = &normal_;
    last_word_ = nullptr;
  }

  /// Cut with a space before it.
  void append_prefixed(std::string_view text, const std::uint32_t* sources) {
    prefixed_.text.assign(" ").append(text);
    if (sources) {
      prefixed_.sources.assign(1, *sources);
      prefixed_.sources.insert(prefixed_.sources.end(), sources, sources + text.size());
    }
    source_ = &prefixed_;
    last_word_ = nullptr;
    cut_words(prefixed_.text);
    source_ = &normal_;
    last_word_ = nullptr;
  }

  /// Cut as BERT or GPT-2 does.
  void cut_words(std::string_view text) {
    const auto use = [&](std::string_view word) { append_word(word); };
    tokenizer_.model_.is_byte_level() ? split_gpt2_words(text, use) : split_bert_words(text, use);
  }

  void append_word(std::string_view word) {
    tokenizer_.model_.split(tokenizer_.spec_.vocabulary, word, model_,
                            [&](std::int32_t id, std::size_t begin, std::size_t end) { add(id, word, begin, end); });
  }

  void add(std::int32_t id, std::string_view word, std::size_t begin, std::size_t end) {
    ids_.push_back(id);
    if (!out_) return;
    const auto at = static_cast<std::size_t>(word.data() - source_->text.data());
    out_->offsets.push_back({source_->sources[at + begin], source_->sources[at + end - 1] + 1});
    if (word.data() != last_word_) last_word_ = word.data(), ++word_number_;
    out_->words.push_back(word_number_);
  }

  const Tokenizer& tokenizer_;
  std::vector<std::int32_t>& ids_;
  Encoding* out_;
  bool trims_;                              // offsets of added tokens; those of others are trimmed in finish()
  NormalizedText normal_, prefixed_;        // a part of the text, and with a space before it
  Words words_, spare_;                     // the same, cut
  const NormalizedText* source_ = nullptr;  // what words are views of
  WordModel::Scratch model_;
  const char *behind_ = nullptr, *last_word_ = nullptr;
  std::uint32_t first_ = 0;  // code point that the part begins with
  std::int32_t word_number_ = -1;
};

BERT_INLINE void Tokenizer::append_tokens(std::string_view text, std::vector<std::int32_t>& ids, Encoding* out) const {
  if (sentencepiece_) return append_sentencepiece(text, ids, out);
  std::string repaired;
  TextEncoder(*this, ids, out).append(detail::repair_utf8(text, repaired));
}

BERT_INLINE void Tokenizer::append_sentencepiece(std::string_view text, std::vector<std::int32_t>& ids,
                                                 Encoding* out) const {
  std::string repaired;
  NormalizedText normal{{}, {}, out != nullptr};
  sentencepiece_->normalize(detail::repair_utf8(text, repaired), normal);
  if (normal.text.empty()) return;
  WordModel::Scratch scratch;
  const auto add = [&](std::int32_t id, std::uint32_t start, std::uint32_t end) {
    ids.push_back(id);
    if (out) out->offsets.push_back({start, end}), out->words.push_back(0);
  };
  bool after_unknown = false;
  model_.split(spec_.vocabulary, normal.text, scratch, [&](std::int32_t id, std::size_t begin, std::size_t end) {
    const std::uint32_t start = out ? normal.sources[begin] : 0, stop = out ? normal.sources[end] : 0;
    const bool unknown = id == Unigram::kUnknown;
    if (unknown && sentencepiece_->options().byte_fallback) {
      for (std::size_t i = begin; i < end; ++i)  // the last byte has the character's text
        add(sentencepiece_->byte_id(normal.text[i]), start, i + 1 == end ? stop : start);
    } else if (unknown && after_unknown) {
      if (out) out->offsets.back().end = stop;
    } else {
      add(unknown ? unk_id_ : id, start, stop);
    }
    after_unknown = unknown;
  });
}

BERT_INLINE Encoding Tokenizer::encode_text(std::string_view text) const {
  Encoding out;
  append_tokens(text, out.ids, &out);
  out.type_ids.resize(out.ids.size());
  out.special_tokens_mask.resize(out.ids.size());
  return out;
}

BERT_INLINE void Tokenizer::trim_offsets(Encoding& encoding) const {
  for (std::size_t t = 0; t < encoding.ids.size(); ++t)
    if (!is_added_[static_cast<std::size_t>(encoding.ids[t])])
      encoding.offsets[t] = trimmed(id_to_token(encoding.ids[t]), encoding.offsets[t], t == 0);
  for (Encoding& window : encoding.overflowing) trim_offsets(window);
}

BERT_INLINE Encoding Tokenizer::finish(const Template& parts, Encoding a, Encoding* b,
                                       const EncodeOptions& options) const {
  const std::size_t special = options.add_special_tokens ? count_special(parts) : 0;
  const std::size_t length = a.ids.size() + (b ? b->ids.size() : 0) + special;
  if (options.truncation != Truncation::none && options.max_length > 0 && length > options.max_length) {
    detail::truncate_pair(a, b, special, options);
  }
  if (model_.is_byte_level() && spec_.byte_level.trim_offsets)
    for (Encoding* each : {&a, b})
      if (each) trim_offsets(*each);
  return apply_template(parts, std::move(a), b ? std::move(*b) : Encoding(), options.add_special_tokens);
}

/// As process_offsets in Hugging Face's ByteLevel: white space and the character of the space byte at a token's ends
/// do not count; a space that was put before the text never did.
BERT_INLINE Span Tokenizer::trimmed(std::string_view token, Span span, bool first) const {
  const auto blank = [](char32_t c) { return c == 0x120 || detail::is_whitespace(c); };
  const char *at = token.data(), *const last = at + token.size();
  std::uint32_t leading = 0, trailing = 0;
  while (at != last && blank(detail::next_code_point(at, last))) ++leading;
  for (const char* back = last; back != token.data() && blank(detail::previous_code_point(back));) ++trailing;
  if (leading == 1 && (first || span.start == 0) && spec_.byte_level.put_prefix_space) leading = 0;  // put there
  span.start = std::min(span.start + leading, span.end);
  if (trailing > 0 && span.end >= trailing) span.end = std::max(span.end - trailing, span.start);
  return span;
}

BERT_INLINE void Tokenizer::encode_ids(std::string_view text, std::vector<std::int32_t>& ids) const {
  for (const TemplatePart& part : spec_.single) {
    if (part.special.empty()) append_tokens(text, ids, nullptr);
    ids.insert(ids.end(), part.ids.begin(), part.ids.end());
  }
}

BERT_INLINE std::string Tokenizer::decode(std::span<const std::int32_t> ids, bool skip_special_tokens) const {
  DecodeState state;
  std::string text;
  for (const std::int32_t id : ids) decode_next(id, skip_special_tokens, state, text);
  decode_end(state, text);
  return text;
}

BERT_INLINE void Tokenizer::decode_next(std::int32_t id, bool skip_special_tokens, DecodeState& state,
                                        std::string& text) const {
  const std::string_view token = id_to_token(id);
  if (skip_special_tokens && is_special_[static_cast<std::size_t>(id)]) return;
  sentencepiece_ ? sentencepiece_->push(id, token, state.sentencepiece, text) : decoder_.push(token, state.steps, text);
}

BERT_INLINE void Tokenizer::decode_end(DecodeState& state, std::string& text) const {
  sentencepiece_ ? sentencepiece_->finish(state.sentencepiece, text) : decoder_.finish(state.steps, text);
}

BERT_INLINE bool Tokenizer::continues_word(const CodePoints& text, const Encoding& encoding, std::size_t t) const {
  if (encoding.ids[t] == unk_id_) return false;
  const auto [start, end] = encoding.offsets[t];
  if (spec_.kind == TokenizerKind::wordpiece)
    return detail::count_code_points(id_to_token(encoding.ids[t])) != end - start;
  return start > 0 && text.bytes(start - 1, start + 1).find(' ') == std::string_view::npos;
}

BERT_INLINE std::string Tokenizer::join(std::span<const std::string> tokens) const {
  DecoderState state;
  std::string text;
  for (const std::string& token : tokens) decoder_.push(token, state, text);
  decoder_.finish(state, text);
  return text;
}

BERT_INLINE std::optional<std::int32_t> Tokenizer::token_to_id(std::string_view token) const {
  const auto added = std::find(beyond_.begin(), beyond_.end(), token);
  if (added == beyond_.end()) return spec_.vocabulary.find(token);
  return static_cast<std::int32_t>(spec_.vocabulary.size()) + static_cast<std::int32_t>(added - beyond_.begin());
}

BERT_INLINE std::string_view Tokenizer::id_to_token(std::int32_t id) const {
  const auto index = static_cast<std::size_t>(id);
  if (id < 0 || index >= vocab_size_)
    fail("id ", id, " is outside the vocabulary: ids run from 0 to ", vocab_size_ - 1);
  for (const auto& [changed, text] : shown_) {
    if (changed == id) return text;
  }
  return index < spec_.vocabulary.size() ? spec_.vocabulary.token(id) : beyond_[index - spec_.vocabulary.size()];
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

// SentencePiece's own way from text to pieces and back (its normalizer.cc and sentencepiece_processor.cc): what a
// .model file by itself means. io/sentencepiece_model.h reads such a file.
//
// There are no added tokens: user-defined pieces are found in the text while it is normalised, control pieces never.
#pragma once
#include <bert/tokenizers/charsmap.h>
#include <bert/tokenizers/normalizer.h>
#include <bert/tokenizers/trie.h>
#include <bert/tokenizers/vocabulary.h>

#include <optional>

namespace bert::inline BERT_ABI {

/// ModelProto.SentencePiece.Type, under the numbers files have.
enum class PieceType : std::uint8_t { normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5, byte = 6 };

/// What a .model says beside its pieces and scores, under its own names.
struct SentencePieceOptions {
  std::string precompiled_charsmap;
  bool add_dummy_prefix = true, remove_extra_whitespaces = true, escape_whitespaces = true;
  bool treat_whitespace_as_suffix = false, byte_fallback = false;
  std::string unk_surface = " \xE2\x81\x87 ";  ///< what an unknown piece is in text
  std::vector<PieceType> types;                ///< of every piece
};

class SentencePiece {
 public:
  /// Error when the character map is damaged.
  SentencePiece(const Vocabulary& pieces, const SentencePieceOptions& options);

  /// Normalises a whole text (valid UTF-8). out.sources has one entry more than the text has bytes: where it ends.
  void normalize(std::string_view text, NormalizedText& out) const;

  PieceType type(std::int32_t id) const { return options_.types[static_cast<std::size_t>(id)]; }
  const SentencePieceOptions& options() const { return options_; }
  /// The piece of a byte; -1: none.
  std::int32_t byte_id(char byte) const { return bytes_[static_cast<unsigned char>(byte)]; }

  /// Decoding, one piece after the other; text that later pieces may change is held back.
  struct DecoderState {
    std::string bytes;
    bool begins = true, took_space = false;  // the text has not begun; a beginning space was taken away
  };
  void push(std::int32_t id, std::string_view piece, DecoderState& state, std::string& text) const;
  void finish(DecoderState& state, std::string& text) const;

 private:
  struct Rule {
    std::string_view replacement;
    std::size_t length;  // bytes of the text
  };
  Rule next(std::string_view text) const;
  std::size_t copy_plain(std::string_view text, std::string_view symbol, std::uint32_t source, bool& after_space,
                         NormalizedText& out) const;
  void flush(bool all, DecoderState& state, std::string& text) const;

  SentencePieceOptions options_;
  std::optional<Charsmap> map_;
  std::optional<Trie> user_defined_;
  std::array<bool, 256> stays_{};  // ASCII characters that stay as they are before another one of ASCII
  std::array<std::int32_t, 256> bytes_;
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <bert/tokenizers/character_bpe.h>
#include <bert/tokenizers/decoder_steps.h>
#include <bert/tokenizers/unicode.h>

#include <algorithm>

namespace bert::inline BERT_ABI {

BERT_INLINE SentencePiece::SentencePiece(const Vocabulary& pieces, const SentencePieceOptions& options)
    : options_(options), bytes_(detail::byte_ids(pieces)) {
  if (!options.precompiled_charsmap.empty()) map_.emplace(options.precompiled_charsmap);
  for (unsigned char c = 0; c < 128; ++c) stays_[c] = !map_ || map_->is_plain(c);
  std::vector<std::pair<std::string_view, std::int32_t>> user_defined;
  for (std::int32_t id = 0; id < static_cast<std::int32_t>(pieces.size()); ++id) {
    if (type(id) != PieceType::user_defined) continue;
    user_defined.emplace_back(pieces.token(id), id);
    if (const auto first = static_cast<unsigned char>(pieces.token(id)[0]); first < 128) stays_[first] = false;
  }
  if (!user_defined.empty()) user_defined_.emplace(std::move(user_defined));
}

BERT_INLINE SentencePiece::Rule SentencePiece::next(std::string_view text) const {
  std::size_t length = 0;
  if (user_defined_) user_defined_->for_each_prefix(text, [&](std::int32_t, std::size_t bytes) { length = bytes; });
  if (length > 0) return {text.substr(0, length), length};
  if (map_)
    if (const auto match = map_->longest(text); match.length > 0) return {match.replacement, match.length};
  length = std::min(detail::character_length(text[0]), text.size());
  return {text.substr(0, length), length};
}

/// Copies the ASCII characters that no rule changes, with single spaces between; returns their number. The last one
/// before another kind of character is left: there may be a rule for both.
BERT_INLINE std::size_t SentencePiece::copy_plain(std::string_view text, std::string_view symbol, std::uint32_t source,
                                                  bool& after_space, NormalizedText& out) const {
  const bool removes = options_.remove_extra_whitespaces;
  std::size_t at = 0, spaces = 0;
  for (bool space = after_space; at < text.size(); ++at) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if (!stays_[byte]) break;
    if (byte == ' ') {
      if (space) break;
      ++spaces;
    }
    space = byte == ' ' && removes;
  }
  if (at > 0 && at < text.size() && static_cast<signed char>(text[at]) < 0) spaces -= text[--at] == ' ';
  if (at == 0) return 0;
  after_space = text[at - 1] == ' ' && removes;
  const std::size_t size = out.text.size();
  out.text.resize(size + at + spaces * (symbol.size() - 1));
  char* to = out.text.data() + size;
  const bool escapes = symbol.size() == 3;
  for (const char c : text.substr(0, at)) {
    if (c == ' ' && escapes)
      *to++ = symbol[0], *to++ = symbol[1], *to++ = symbol[2];
    else
      *to++ = c;
  }
  if (!out.with_sources) return at;
  for (std::size_t i = 0; i < at; ++i)
    out.sources.insert(out.sources.end(), text[i] == ' ' ? symbol.size() : 1, source + static_cast<std::uint32_t>(i));
  return at;
}

BERT_INLINE void SentencePiece::normalize(std::string_view text, NormalizedText& out) const {
  const std::string_view symbol = options_.escape_whitespaces ? detail::kSpaceSymbol : " ";
  out.text.clear(), out.sources.clear();
  std::uint32_t source = 0;
  const auto put = [&](std::string_view bytes) {
    out.text += bytes;
    if (out.with_sources) out.sources.resize(out.text.size(), source);
  };
  const auto consume = [&](std::size_t bytes) {
    if (out.with_sources) source += static_cast<std::uint32_t>(detail::count_code_points(text.substr(0, bytes)));
    text.remove_prefix(bytes);
  };
  const bool removes = options_.remove_extra_whitespaces;
  while (removes && !text.empty()) {
    const Rule rule = next(text);
    if (rule.replacement != " ") break;
    consume(rule.length);
  }
  if (text.empty()) return;
  const bool suffix = options_.treat_whitespace_as_suffix;
  if (options_.add_dummy_prefix && !suffix) put(symbol);
  bool after_space = removes;
  while (!text.empty()) {
    if (const std::size_t run = copy_plain(text, symbol, source, after_space, out); run > 0) {
      source += static_cast<std::uint32_t>(run);
      text.remove_prefix(run);
      continue;
    }
    auto [replacement, length] = next(text);
    while (after_space && replacement.starts_with(' ')) replacement.remove_prefix(1);
    if (!replacement.empty()) after_space = removes && replacement.ends_with(' ');
    for (std::size_t at; (at = replacement.find(' ')) != replacement.npos; replacement.remove_prefix(at + 1))
      put(replacement.substr(0, at)), put(symbol);
    put(replacement);
    consume(length);
  }
  while (removes && out.text.ends_with(symbol)) {
    out.text.resize(out.text.size() - symbol.size());
    if (out.with_sources) source = out.sources[out.text.size()], out.sources.resize(out.text.size());
  }
  if (options_.add_dummy_prefix && suffix) put(symbol);
  if (out.with_sources) out.sources.push_back(source);
}

BERT_INLINE void SentencePiece::push(std::int32_t id, std::string_view piece, DecoderState& state,
                                     std::string& text) const {
  if (type(id) == PieceType::byte) {
    state.bytes += static_cast<char>(detail::byte_of_token(piece));
    return flush(false, state, text);
  }
  flush(true, state, text);
  if (state.took_space) state.begins = false;
  state.took_space = false;
  if (type(id) == PieceType::control) return;
  if (type(id) == PieceType::unknown) {
    state.begins = state.begins && options_.unk_surface.empty();
    text += options_.unk_surface;
    return;
  }
  std::string out(piece);
  if (state.begins && (options_.add_dummy_prefix || options_.remove_extra_whitespaces) &&
      piece.starts_with(detail::kSpaceSymbol)) {
    out.erase(0, detail::kSpaceSymbol.size());
    state.took_space = !options_.remove_extra_whitespaces;  // then all beginning spaces go, not one
  }
  detail::replace_all(out, detail::kSpaceSymbol, " ");
  if (!out.empty()) state.begins = false;
  text += out;
}

/// Of the bytes that byte pieces left what is whole; each byte of the rest is a U+FFFD at the end of their run.
BERT_INLINE void SentencePiece::flush(bool all, DecoderState& state, std::string& text) const {
  std::string_view rest = state.bytes;
  while (!rest.empty()) {
    const char *at = rest.data(), *const end = at + rest.size();
    const bool replacement = rest.starts_with("\xEF\xBF\xBD");
    if (detail::next_code_point(at, end) != detail::kReplacement || replacement) {
      text.append(rest.data(), at);
      rest.remove_prefix(static_cast<std::size_t>(at - rest.data()));
    } else {
      if (!all && detail::unfinished_bytes(rest) == rest.size()) break;
      text += "\xEF\xBF\xBD";
      rest.remove_prefix(1);
    }
    state.begins = false;
  }
  state.bytes = std::string(rest);
}

BERT_INLINE void SentencePiece::finish(DecoderState& state, std::string& text) const { flush(true, state, text); }

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

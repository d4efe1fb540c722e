// What a SentencePiece model is in the folder of a model family: the tokenizer that transformers makes of it.
//
// A new family is a function here and a line in family_spec().
#pragma once
#include <bert/io/sentencepiece_model.h>
#include <bert/tokenizers/spec.h>

namespace bert::inline BERT_ABI {

/// What tokenizer_config.json may say; nothing: the family's default.
struct SentencePieceFamilyOptions {
  std::optional<bool> do_lower_case, keep_accents, legacy, add_bos_token, add_eos_token;
};

/// The tokenizer that a .model is by itself: SentencePiece's ids and pieces, no special tokens.
TokenizerSpec spec_from_sentencepiece(const SentencePieceModel& model);

/// The tokenizer of a family: "albert", "xlnet" or "llama" (config.json's model_type). Error for others, and where the
/// model lacks a token that the family needs.
TokenizerSpec family_spec(const SentencePieceModel& model, std::string_view family,
                          const SentencePieceFamilyOptions& options);

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <algorithm>

namespace bert::inline BERT_ABI {

namespace detail {

/// The vocabulary, and added tokens: the control pieces and the unknown one, and user-defined pieces where `with_user`.
inline TokenizerSpec family_vocabulary(const SentencePieceModel& model, bool with_user) {
  TokenizerSpec spec{Vocabulary(model.pieces), {}, {}, {}, {}, {}};
  spec.kind = model.is_bpe ? TokenizerKind::bpe : TokenizerKind::unigram;
  spec.options = special_names(spec.vocabulary);
  spec.options.unk_token = model.pieces[static_cast<std::size_t>(model.unk_id)];
  spec.scores.assign(model.scores.begin(), model.scores.end());
  for (std::size_t id = 0; id < model.pieces.size(); ++id) {
    const PieceType type = model.options.types[id];
    const bool user = type == PieceType::user_defined;
    if (type == PieceType::control || type == PieceType::unknown || (user && with_user))
      spec.added_tokens.push_back({.content = model.pieces[id], .id = static_cast<std::int32_t>(id), .special = !user});
  }
  spec.steps.emplace();
  return spec;
}

inline TemplatePart family_token(const TokenizerSpec& spec, const std::string& name, std::int32_t type_id) {
  const auto id = spec.vocabulary.find(name);
  if (!id) fail("the SentencePiece model lacks ", name, ", which the model family of its folder needs");
  return {name, {*id}, false, type_id};
}

inline NormalizerStep replace_step(std::string pattern, std::string by, bool is_regex = false) {
  NormalizerStep step{NormalizerStep::Kind::replace, std::move(by)};
  step.pattern = {std::move(pattern), is_regex};
  return step;
}

/// ALBERT's and XLNet's: quotes, accents, lower case, the model's map; words at white space.
inline TokenizerSpec word_family(const SentencePieceModel& model, bool keep_accents, bool lowercase) {
  if (model.is_bpe) fail("the SentencePiece model is of model_type bpe, ALBERT and XLNet have unigram");
  TokenizerSpec spec = family_vocabulary(model, true);
  auto& steps = spec.steps->normalizers;
  steps = {replace_step("``", "\""), replace_step("''", "\"")};
  using Kind = NormalizerStep::Kind;
  if (!keep_accents) steps.push_back({Kind::nfkd, ""}), steps.push_back({Kind::strip_accents, ""});
  if (lowercase) steps.push_back({Kind::lowercase, ""});
  if (const std::string& map = model.options.precompiled_charsmap; !map.empty())
    steps.push_back({Kind::precompiled, map});
  spec.steps->pre_tokenizers = {{PreTokenizerStep::Kind::whitespace_split}, {PreTokenizerStep::Kind::metaspace}};
  spec.steps->decoders = {{DecoderStep::Kind::metaspace}};
  return spec;
}

/// The merges of a model, the one that makes the best piece first. Only normal pieces take part.
inline Bpe::Merges merges_of(const SentencePieceModel& model, const Vocabulary& vocabulary) {
  struct Merge {
    float score;
    std::int32_t id;
    std::string_view left, right;
  };
  const auto is_normal = [&](std::string_view piece) {
    const auto id = vocabulary.find(piece);
    return id && model.options.types[static_cast<std::size_t>(*id)] == PieceType::normal;
  };
  std::vector<Merge> merges;
  for (std::size_t id = 0; id < model.pieces.size(); ++id) {
    if (model.options.types[id] != PieceType::normal) continue;
    for_each_cut(model.pieces[id], [&](std::string_view left, std::string_view right) {
      if (is_normal(left) && is_normal(right))
        merges.push_back({model.scores[id], static_cast<std::int32_t>(id), left, right});
    });
  }
  std::sort(merges.begin(), merges.end(), [](const Merge& a, const Merge& b) {
    return a.score != b.score ? a.score > b.score : a.id != b.id ? a.id < b.id : a.left < b.left;
  });
  Bpe::Merges out;
  for (const Merge& merge : merges) out.emplace_back(merge.left, merge.right);
  return out;
}

/// Any of the user-defined pieces, the longest first, as a regular expression.
inline std::string any_user_defined(const SentencePieceModel& model) {
  std::vector<std::string> pieces;
  for (std::size_t id = 0; id < model.pieces.size(); ++id)
    if (model.options.types[id] == PieceType::user_defined) pieces.push_back(model.pieces[id]);
  std::stable_sort(pieces.begin(), pieces.end(),
                   [](const auto& a, const auto& b) { return count_code_points(a) > count_code_points(b); });
  std::string pattern;
  for (const std::string& piece : pieces) {
    pattern += pattern.empty() ? "" : "|";
    for (const char c : piece) {
      if (std::string_view("\\.|()[]{}*+?^$&~#-").find(c) != std::string_view::npos) pattern += '\\';
      pattern += c;
    }
  }
  return pattern;
}

/// Llama's: the model's own settings, and <s> before the text.
inline TokenizerSpec llama_spec(const SentencePieceModel& model, const SentencePieceFamilyOptions& options) {
  TokenizerSpec spec = family_vocabulary(model, false);
  const bool legacy = options.legacy.value_or(true), prefix = model.options.add_dummy_prefix;
  const std::string users = any_user_defined(model), symbol(kSpaceSymbol);
  if (model.is_bpe) spec.merges = merges_of(model, spec.vocabulary);
  spec.character_bpe = {
      .fuse_unk = true, .byte_fallback = model.options.byte_fallback, .ignore_merges = !users.empty()};
  auto& normalizers = spec.steps->normalizers;
  if (const std::string& map = model.options.precompiled_charsmap; !map.empty())
    normalizers.push_back({NormalizerStep::Kind::precompiled, map});
  if (model.options.remove_extra_whitespaces)
    normalizers.push_back(replace_step("\\A +| +\\z", "", true)),
        normalizers.push_back(replace_step(" {2,}", " ", true));
  if (model.options.escape_whitespaces) normalizers.push_back(replace_step(" ", symbol));
  if (prefix && legacy) normalizers.push_back(replace_step("\\A" + symbol, symbol + symbol, true));
  auto& words = spec.steps->pre_tokenizers;
  if (prefix) words.push_back({.scheme = legacy ? PrependScheme::always : PrependScheme::first, .split = false});
  if (!users.empty())
    words.push_back(
        {.kind = PreTokenizerStep::Kind::split, .behavior = SplitBehavior::isolated, .pattern = {users, true}});
  auto& decoders = spec.steps->decoders;
  decoders.push_back({.kind = DecoderStep::Kind::replace, .pattern = {symbol, false}, .text = " "});
  if (model.options.byte_fallback) decoders.push_back({.kind = DecoderStep::Kind::byte_fallback});
  if (prefix || model.options.byte_fallback) decoders.push_back({.kind = DecoderStep::Kind::fuse});
  if (prefix) decoders.push_back({.kind = DecoderStep::Kind::strip, .symbol = " ", .start = 1});
  for (const bool second : {false, true}) {
    if (options.add_bos_token.value_or(true)) spec.pair.push_back(family_token(spec, model.bos_piece, second));
    spec.pair.push_back({"", {}, second, second});
    if (options.add_eos_token.value_or(false)) spec.pair.push_back(family_token(spec, model.eos_piece, second));
    if (!second) spec.single = spec.pair;
  }
  return spec;
}

inline TokenizerSpec albert_spec(const SentencePieceModel& model, const SentencePieceFamilyOptions& options) {
  TokenizerSpec spec = word_family(model, options.keep_accents.value_or(false), options.do_lower_case.value_or(true));
  const TemplatePart cls = family_token(spec, "[CLS]", 0), sep = family_token(spec, "[SEP]", 0), a{"", {}, false, 0};
  spec.single = {cls, a, sep};
  spec.pair = {cls, a, sep, {"", {}, true, 1}, family_token(spec, "[SEP]", 1)};
  return spec;
}

inline TokenizerSpec xlnet_spec(const SentencePieceModel& model, const SentencePieceFamilyOptions& options) {
  TokenizerSpec spec = word_family(model, false, options.do_lower_case.value_or(false));
  const TemplatePart a{"", {}, false, 0}, sep = family_token(spec, "<sep>", 0), cls = family_token(spec, "<cls>", 2);
  spec.single = {a, sep, cls};
  spec.pair = {a, sep, {"", {}, true, 1}, family_token(spec, "<sep>", 1), cls};
  return spec;
}

}  // namespace detail

BERT_INLINE TokenizerSpec spec_from_sentencepiece(const SentencePieceModel& model) {
  TokenizerSpec spec{Vocabulary(model.pieces), {}, {}, {}, {}, {}};
  spec.kind = model.is_bpe ? TokenizerKind::bpe : TokenizerKind::unigram;
  spec.options = special_names(spec.vocabulary);
  spec.options.unk_token = model.pieces[static_cast<std::size_t>(model.unk_id)];
  spec.scores.assign(model.scores.begin(), model.scores.end());
  spec.sentencepiece = model.options;
  spec.single = {{"", {}, false, 0}};
  spec.pair = {{"", {}, false, 0}, {"", {}, true, 1}};
  return spec;
}

BERT_INLINE TokenizerSpec family_spec(const SentencePieceModel& model, std::string_view family,
                                      const SentencePieceFamilyOptions& options) {
  if (family == "albert") return detail::albert_spec(model, options);
  if (family == "xlnet") return detail::xlnet_spec(model, options);
  if (family == "llama") return detail::llama_spec(model, options);
  fail("what the SentencePiece model means in a folder of model_type ", family,
       " is not known, only albert, xlnet and llama; with a tokenizer.json (save_pretrained of transformers writes "
       "one) it "
       "can be read");
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

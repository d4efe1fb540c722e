// tokenizer.json, Hugging Face's file format, read into a TokenizerSpec. (to_json.h writes it.)
//
// Known: model WordPiece with BertNormalizer or none, BertPreTokenizer, decoder WordPiece or none; models BPE, of bytes
// or characters, and Unigram with the normalizers, pre-tokenizers and decoders of steps_json.h; TemplateProcessing,
// BertProcessing, RobertaProcessing, ByteLevel, a Sequence of them or none; added_tokens. Anything else is an error
// that names it. A new component gets a branch here or there and a file of its own. "truncation" and "padding" are
// ignored: the window is the model's business.
#pragma once
#include <bert/tokenizers/spec.h>

namespace bert::inline BERT_ABI {

/// Reads the text of a tokenizer.json.
TokenizerSpec spec_from_json(std::string_view text);

/// The tokenizer of a vocab.json (token to id) and a merges.txt: RoBERTa's when the vocabulary has <s> and </s>, which
/// go around texts, else GPT-2's, which adds nothing and counts spaces in offsets.
TokenizerSpec spec_from_bpe(std::string_view vocab_json, std::string_view merges_txt, bool add_prefix_space = false);

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <bert/io/json.h>
#include <bert/tokenizers/json_values.h>
#include <bert/tokenizers/steps_json.h>

#include <algorithm>
#include <charconv>

namespace bert::inline BERT_ABI {

namespace detail {

inline Vocabulary read_vocabulary(const Json& vocab) {
  std::vector<std::string> tokens(vocab.members.size());
  std::vector<bool> taken(tokens.size());
  for (const Json& entry : vocab.members) {
    const std::string& token = entry.name;
    const auto id = value_of<std::size_t>(entry, token);
    if (id >= tokens.size() || taken[id]) {
      fail(kTokenizerFile, "the vocabulary has ", tokens.size(), " tokens, but \"", token, "\" has id ", id,
           taken.size() > id ? ", as another has" : "; ids must run from 0 without a gap");
    }
    tokens[id] = token;
    taken[id] = true;
  }
  return Vocabulary(tokens);
}

inline void read_normalizer(const Json& root, WordPieceOptions& options) {
  const std::string_view type = component_type(root, "normalizer");
  options.clean_text = options.tokenize_chinese_chars = options.lowercase = false;
  if (type.empty()) return;
  if (type != "BertNormalizer") unsupported("normalizer", type, "BertNormalizer");
  const Json& normalizer = member(root, "normalizer");
  options.clean_text = read<bool>(normalizer, "clean_text");
  options.tokenize_chinese_chars = read<bool>(normalizer, "handle_chinese_chars");
  options.lowercase = read<bool>(normalizer, "lowercase");
  if (!member(normalizer, "strip_accents").is(Json::Kind::null))
    options.strip_accents = read<bool>(normalizer, "strip_accents");
}

inline Template read_template(const Json& processor, std::string_view name) {
  Template parts;
  for (const Json& part : member(processor, name).members) {
    const bool special = part.find("SpecialToken") != nullptr;
    const Json& body = member(part, special ? "SpecialToken" : "Sequence");
    TemplatePart& out = parts.emplace_back();
    const auto id = read<std::string>(body, "id");
    out.type_id = read<std::int32_t>(body, "type_id");
    out.second = !special && id == "B";
    if (!special && name == "single" && out.second) fail(kTokenizerFile, "the template for a single text asks for B");
    if (!special) continue;
    out.special = id;
    for (const Json& token : member(member(member(processor, "special_tokens"), id), "ids").members) {
      out.ids.push_back(value_of<std::int32_t>(token, id));
    }
    if (id.empty() || out.ids.empty())
      fail(kTokenizerFile, "the template's special token \"", id, "\" has no name or no ids");
  }
  return parts;
}

/// A special token as BertProcessing and RobertaProcessing have it, [token, id].
inline TemplatePart special_part(const Json& processor, std::string_view name, std::int32_t type_id) {
  const auto& entry = member(processor, name).members;
  if (entry.size() != 2 || entry[0].text.empty())
    fail(kTokenizerFile, "the post-processor's \"", name, "\" is not [token, id]");
  return TemplatePart{entry[0].text, {value_of<std::int32_t>(entry[1], name)}, false, type_id};
}

inline void read_trimming(const Json& processor, ByteLevelOptions& options) {
  options.trim_offsets = is_on(processor, "trim_offsets", true);
  options.put_prefix_space = is_on(processor, "add_prefix_space", true);
}

inline void read_post_processor(const Json& processor, TokenizerSpec& spec, bool in_sequence = false) {
  const std::string_view type =
      processor.is(Json::Kind::null) ? std::string_view() : std::string_view(member(processor, "type").text);
  const TemplatePart a{"", {}, false, 0}, b{"", {}, true, 1};
  if (type == "Sequence" && !in_sequence) {
    for (const Json& each : member(processor, "processors").members) read_post_processor(each, spec, true);
  } else if (type.empty()) {
  } else if (type == "TemplateProcessing") {
    spec.single = read_template(processor, "single");
    spec.pair = read_template(processor, "pair");
  } else if (type == "BertProcessing") {
    const auto special = [&](std::string_view name, std::int32_t type_id) {
      return special_part(processor, name, type_id);
    };
    spec.single = {special("cls", 0), a, special("sep", 0)};
    spec.pair = {special("cls", 0), a, special("sep", 0), b, special("sep", 1)};
  } else if (type == "RobertaProcessing") {
    const TemplatePart cls = special_part(processor, "cls", 0), sep = special_part(processor, "sep", 0);
    spec.single = {cls, a, sep};
    spec.pair = {cls, a, sep, sep, {"", {}, true, 0}, sep};
    read_trimming(processor, spec.byte_level);
  } else if (type == "ByteLevel") {
    read_trimming(processor, spec.byte_level);
  } else {
    unsupported("post_processor", type,
                "TemplateProcessing, BertProcessing, RobertaProcessing, ByteLevel and a Sequence of them");
  }
  if (spec.single.empty()) spec.single = {a}, spec.pair = {a, b};
}

inline void read_added_tokens(const Json& root, TokenizerSpec& spec) {
  const Json* const list = root.find("added_tokens");
  auto next = static_cast<std::int32_t>(spec.vocabulary.size());
  for (std::size_t i = 0; list && i < list->members.size(); ++i) {
    const Json& entry = list->members[i];
    AddedToken token{read<std::string>(entry, "content"), read<std::int32_t>(entry, "id"),
                     read<bool>(entry, "single_word"),    read<bool>(entry, "lstrip"),
                     read<bool>(entry, "rstrip"),         read<bool>(entry, "normalized"),
                     read<bool>(entry, "special")};
    const std::int32_t expected = spec.vocabulary.find(token.content).value_or(next);
    if (token.content.empty()) fail(kTokenizerFile, "an added token is empty");
    if (token.id != expected) {
      fail(kTokenizerFile, "the added token \"", token.content, "\" has id ", token.id, ", the vocabulary asks for ",
           expected);
    }
    next += expected == next;
    spec.added_tokens.push_back(std::move(token));
  }
}

/// The decoder of WordPiece, or of byte-level BPE without steps.
inline void read_decoder(const Json& root, TokenizerSpec& spec) {
  const auto decoder = component_type(root, "decoder");
  spec.decoder.wordpiece = decoder == "WordPiece";
  spec.byte_level.decode = decoder == "ByteLevel";
  if (spec.kind == TokenizerKind::wordpiece && !decoder.empty() && !spec.decoder.wordpiece)
    unsupported("decoder", decoder, "WordPiece");
  if (spec.decoder.wordpiece) {
    spec.decoder.prefix = read<std::string>(member(root, "decoder"), "prefix");
    spec.decoder.cleanup = read<bool>(member(root, "decoder"), "cleanup");
  }
}

inline void read_wordpiece(const Json& root, const Json& model, TokenizerSpec& spec) {
  if (const auto type = component_type(root, "pre_tokenizer"); type != "BertPreTokenizer")
    unsupported("pre_tokenizer", type, "BertPreTokenizer");
  spec.options.unk_token = read<std::string>(model, "unk_token");
  spec.options.continuing_subword_prefix = read<std::string>(model, "continuing_subword_prefix");
  spec.options.max_input_chars_per_word = read<std::size_t>(model, "max_input_chars_per_word");
  read_normalizer(root, spec.options);
}

/// "a b" as a and b. The error begins with `where`.
inline std::pair<std::string, std::string> split_merge(std::string_view merge, std::string_view where) {
  const std::size_t space = merge.find(' ');
  if (space == merge.npos || merge.find(' ', space + 1) != merge.npos)
    fail(where, " is not two tokens with a space between: ", merge);
  return {std::string(merge.substr(0, space)), std::string(merge.substr(space + 1))};
}

/// A merge is "a b", or since 2024 ["a", "b"].
inline std::pair<std::string, std::string> read_merge(const Json& merge) {
  if (merge.members.size() == 2) return {merge.members[0].text, merge.members[1].text};
  return split_merge(merge.text, concat(kTokenizerFile, "a merge"));
}

/// A string, empty when it is null or absent.
inline std::string optional_text(const Json& object, std::string_view name) {
  const Json* const value = object.find(name);
  return value && !value->is(Json::Kind::null) ? value_of<std::string>(*value, name) : std::string();
}

/// What does not fit BERT's or GPT-2's fixed components.
inline void read_steps(const Json& root, TokenizerSpec& spec) {
  static constexpr Json::Kind kNull = Json::Kind::null;
  Steps& steps = spec.steps.emplace();
  const auto component = [&](std::string_view name) {
    const Json* const found = root.find(name);
    return found && !found->is(kNull) ? found : nullptr;
  };
  if (const Json* each = component("normalizer")) read_normalizers(*each, steps.normalizers);
  if (const Json* each = component("pre_tokenizer")) read_pre_tokenizers(*each, steps.pre_tokenizers);
  if (const Json* each = component("decoder")) read_decoders(*each, steps.decoders);
  for (std::size_t i = 0; i < steps.pre_tokenizers.size(); ++i) {
    if (steps.pre_tokenizers[i].kind != PreTokenizerStep::Kind::byte_level) continue;
    if (i + 1 < steps.pre_tokenizers.size()) fail(kTokenizerFile, "a pre_tokenizer behind ByteLevel is not supported");
    if (spec.kind == TokenizerKind::unigram) unsupported("pre_tokenizer", "ByteLevel", "with BPE");
    spec.kind = TokenizerKind::byte_level_bpe;
    spec.byte_level.add_prefix_space = steps.pre_tokenizers[i].add_prefix_space;
  }
}

inline void read_bpe(const Json& root, const Json& model, TokenizerSpec& spec) {
  spec.kind = TokenizerKind::bpe;
  spec.options = special_names(spec.vocabulary);
  spec.options.unk_token = optional_text(model, "unk_token");
  spec.byte_level.trim_offsets = false;  // unless a post-processor says so
  if (const Json* const value = model.find("dropout"); value && !value->is(Json::Kind::null))
    fail(kTokenizerFile, "BPE with dropout is not supported");
  for (const char* name : {"continuing_subword_prefix", "end_of_word_suffix"})
    if (!optional_text(model, name).empty()) fail(kTokenizerFile, "BPE with ", name, " is not supported");
  spec.character_bpe = {.fuse_unk = is_on(model, "fuse_unk", false),
                        .byte_fallback = is_on(model, "byte_fallback", false),
                        .ignore_merges = is_on(model, "ignore_merges", false)};
  for (const Json& merge : member(model, "merges").members) spec.merges.push_back(read_merge(merge));
  const auto decoder = component_type(root, "decoder");
  const bool gpt2 =
      component_type(root, "pre_tokenizer") == "ByteLevel" && component_type(root, "normalizer").empty() &&
      is_on(member(root, "pre_tokenizer"), "use_regex", true) && (decoder.empty() || decoder == "ByteLevel");
  if (gpt2) {
    spec.kind = TokenizerKind::byte_level_bpe;
    spec.byte_level.add_prefix_space = read<bool>(member(root, "pre_tokenizer"), "add_prefix_space");
  } else {
    read_steps(root, spec);
  }
  if (spec.kind != TokenizerKind::byte_level_bpe) return;
  if (spec.character_bpe.byte_fallback) fail(kTokenizerFile, "BPE of bytes with byte_fallback is not supported");
  spec.options.unk_token.clear();  // every byte is a token
}

/// A score as Hugging Face reads it: digits as a whole number, rounded, then times or by a power of ten, rounded again
/// (serde_json without float_roundtrip). The nearest double can be the next one, which shows where paths are equal.
inline bool read_score(const Json& value, double& score) {
  if (!value.to(score)) return false;
  std::uint64_t digits = 0;
  int exponent = 0;
  bool behind_point = false, full = false;
  std::size_t i = value.text.starts_with('-');
  for (; i < value.text.size() && (value.text[i] | 0x20) != 'e'; ++i) {
    if (value.text[i] == '.') {
      behind_point = true;
      continue;
    }
    const auto digit = static_cast<std::uint64_t>(value.text[i] - '0');
    full = full || digits > (UINT64_MAX - digit) / 10;
    if (!full) digits = 10 * digits + digit;
    exponent += full ? !behind_point : -behind_point;
  }
  int written = 0;
  if (i < value.text.size()) {
    const char* const begin = value.text.data() + i + 1;
    std::from_chars(begin + (*begin == '+'), value.text.data() + value.text.size(), written);
  }
  exponent += written;
  double power = 1;
  const std::string text = concat("1e", exponent < 0 ? -exponent : exponent);
  if (std::from_chars(text.data(), text.data() + text.size(), power).ec != std::errc()) return true;  // as it was read
  score = exponent < 0 ? static_cast<double>(digits) / power : static_cast<double>(digits) * power;
  if (value.text.starts_with('-')) score = -score;
  return true;
}

inline TokenizerSpec read_unigram(const Json& root, const Json& model) {
  std::vector<std::string> tokens;
  std::vector<double> scores;
  for (const Json& entry : member(model, "vocab").members) {
    double score = 0;
    if (entry.members.size() != 2 || !read_score(entry.members[1], score))
      fail(kTokenizerFile, "entry ", tokens.size(), " of the vocabulary is not [token, score]");
    tokens.push_back(value_of<std::string>(entry.members[0], "vocab"));
    scores.push_back(score);
  }
  TokenizerSpec spec{Vocabulary(tokens), {}, {}, {}, {}, {}};
  spec.kind = TokenizerKind::unigram;
  spec.options = special_names(spec.vocabulary);
  spec.options.unk_token.clear();
  if (const Json* const unk = model.find("unk_id"); unk && !unk->is(Json::Kind::null)) {
    const auto id = value_of<std::size_t>(*unk, "unk_id");
    if (id >= tokens.size())
      fail(kTokenizerFile, "unk_id ", id, " is outside the vocabulary of ", tokens.size(), " tokens");
    spec.options.unk_token = tokens[id];
  }
  spec.scores = std::move(scores);
  spec.character_bpe.byte_fallback = is_on(model, "byte_fallback", false);
  read_steps(root, spec);
  return spec;
}

}  // namespace detail

BERT_INLINE TokenizerSpec spec_from_json(std::string_view text) {
  const Json root = parse_json(text, "tokenizer.json");
  const Json& model = detail::member(root, "model");
  const Json* const said = model.find("type");  // files of before 2020 have none
  const std::string type = said                                      ? said->text
                           : model.find("merges")                    ? "BPE"
                           : model.find("continuing_subword_prefix") ? "WordPiece"
                           : model.find("unk_id")                    ? "Unigram"
                                                                     : "without a type";
  if (type != "WordPiece" && type != "BPE" && type != "Unigram")
    detail::unsupported("model", type, "WordPiece, BPE and Unigram");
  TokenizerSpec spec = type == "Unigram"
                           ? detail::read_unigram(root, model)
                           : TokenizerSpec{detail::read_vocabulary(detail::member(model, "vocab")), {}, {}, {}, {}, {}};
  if (type == "BPE") detail::read_bpe(root, model, spec);
  if (type == "WordPiece") detail::read_wordpiece(root, model, spec);
  const Json* const processor = root.find("post_processor");
  detail::read_post_processor(processor ? *processor : Json(), spec);
  detail::read_added_tokens(root, spec);
  if (!spec.steps) detail::read_decoder(root, spec);
  return spec;
}

BERT_INLINE TokenizerSpec spec_from_bpe(std::string_view vocab_json, std::string_view merges_txt,
                                        bool add_prefix_space) {
  TokenizerSpec spec{detail::read_vocabulary(parse_json(vocab_json, "vocab.json")), {}, {}, {}, {}, {}};
  spec.kind = TokenizerKind::byte_level_bpe;
  spec.options = special_names(spec.vocabulary);
  spec.byte_level.add_prefix_space = spec.byte_level.put_prefix_space = add_prefix_space;
  for (std::size_t number = 1; !merges_txt.empty(); ++number) {
    std::string_view line = merges_txt.substr(0, merges_txt.find('\n'));
    merges_txt.remove_prefix(std::min(line.size() + 1, merges_txt.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || (number == 1 && line.starts_with("#version"))) continue;
    spec.merges.push_back(detail::split_merge(line, concat("merges.txt: line ", number)));
  }
  const TemplatePart a{"", {}, false, 0};
  if (const auto cls = spec.vocabulary.find("<s>"), sep = spec.vocabulary.find("</s>"); cls && sep) {
    const TemplatePart begin{"<s>", {*cls}, false, 0}, end{"</s>", {*sep}, false, 0};
    spec.single = {begin, a, end};
    spec.pair = {begin, a, end, end, {"", {}, true, 0}, end};
  } else {
    spec.single = {a};
    spec.pair = {a, {"", {}, true, 1}};
    spec.byte_level.trim_offsets = false;
  }
  for (const char* name : {"<s>", "<pad>", "</s>", "<unk>", "<mask>", "<|endoftext|>"})
    if (const auto id = spec.vocabulary.find(name))
      spec.added_tokens.push_back({.content = name, .id = *id, .lstrip = std::string_view(name) == "<mask>"});
  return spec;
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

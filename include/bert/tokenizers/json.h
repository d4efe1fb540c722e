// tokenizer.json, Hugging Face's file format, read into a TokenizerSpec. (to_json.h writes it.)
//
// Known: model WordPiece with BertNormalizer or none, BertPreTokenizer, decoder WordPiece or none; model BPE with
// pre-tokeniser and decoder ByteLevel; TemplateProcessing, BertProcessing, RobertaProcessing, ByteLevel or none;
// added_tokens. Anything else is an error that names it. A new component gets a branch here and a file of its own.
// "truncation" and "padding" are ignored: the window is the model's business.
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

#include <algorithm>

namespace bert::inline BERT_ABI {

namespace detail {

inline constexpr std::string_view kTokenizerFile = "tokenizer.json: ";

inline const Json& member(const Json& object, std::string_view name) {
  const Json* found = object.find(name);
  if (!found) fail(kTokenizerFile, "\"", name, "\" is missing");
  return *found;
}

/// The "type" of a component; empty when it is null or absent.
inline std::string_view component_type(const Json& root, std::string_view name) {
  const Json* component = root.find(name);
  return !component || component->is(Json::Kind::null) ? std::string_view()
                                                       : std::string_view(member(*component, "type").text);
}

[[noreturn]] inline void unsupported(std::string_view component, std::string_view type, std::string_view supported) {
  fail(kTokenizerFile, component, " ", type.empty() ? "null" : type, " is not supported, only ", supported);
}

/// A text, a truth value, or a whole number in 0 .. 2^31 - 1.
template <class T>
T value_of(const Json& value, std::string_view name) {
  std::int32_t number = -1;
  const auto require = [&](bool good, std::string_view wanted) {
    if (!good) fail(kTokenizerFile, "\"", name, "\" is not ", wanted, value.text.empty() ? "" : ": ", value.text);
  };
  if constexpr (std::is_same_v<T, std::string>) {
    require(value.is(Json::Kind::string), "a string");
    return value.text;
  } else if constexpr (std::is_same_v<T, bool>) {
    require(value.is(Json::Kind::boolean), "true or false");
    return value.is_true();
  } else {
    require(value.to(number) && number >= 0, "a whole number from 0");
    return static_cast<T>(number);
  }
}

template <class T>
T read(const Json& object, std::string_view name) {
  return value_of<T>(member(object, name), name);
}

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

/// Whether a component is switched on: true, and not absent or null.
inline bool is_on(const Json& object, std::string_view name, bool otherwise) {
  const Json* const value = object.find(name);
  return value && !value->is(Json::Kind::null) ? value_of<bool>(*value, name) : otherwise;
}

inline void read_post_processor(const Json& root, TokenizerSpec& spec) {
  const std::string_view type = component_type(root, "post_processor");
  const TemplatePart a{"", {}, false, 0}, b{"", {}, true, 1};
  if (type.empty()) {
    spec.single = {a};
    spec.pair = {a, b};
  } else if (type == "TemplateProcessing") {
    spec.single = read_template(member(root, "post_processor"), "single");
    spec.pair = read_template(member(root, "post_processor"), "pair");
  } else if (type == "BertProcessing") {
    const auto special = [&](std::string_view name, std::int32_t type_id) {
      return special_part(member(root, "post_processor"), name, type_id);
    };
    spec.single = {special("cls", 0), a, special("sep", 0)};
    spec.pair = {special("cls", 0), a, special("sep", 0), b, special("sep", 1)};
  } else if (type == "RobertaProcessing") {
    const Json& processor = member(root, "post_processor");
    const TemplatePart cls = special_part(processor, "cls", 0), sep = special_part(processor, "sep", 0);
    spec.single = {cls, a, sep};
    spec.pair = {cls, a, sep, sep, {"", {}, true, 0}, sep};
    spec.byte_level.trim_offsets = is_on(processor, "trim_offsets", true);
  } else if (type == "ByteLevel") {
    spec.single = {a};
    spec.pair = {a, b};
    spec.byte_level.trim_offsets = is_on(member(root, "post_processor"), "trim_offsets", true);
  } else {
    unsupported("post_processor", type, "TemplateProcessing, BertProcessing, RobertaProcessing and ByteLevel");
  }
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

inline void read_decoder(const Json& root, TokenizerSpec& spec) {
  const auto decoder = component_type(root, "decoder");
  spec.decoder.wordpiece = decoder == "WordPiece";
  spec.byte_level.decode = decoder == "ByteLevel";
  const bool known = spec.kind == TokenizerKind::wordpiece ? spec.decoder.wordpiece : spec.byte_level.decode;
  if (!decoder.empty() && !known)
    unsupported("decoder", decoder, spec.kind == TokenizerKind::wordpiece ? "WordPiece" : "ByteLevel");
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

inline void read_bpe(const Json& root, const Json& model, TokenizerSpec& spec) {
  spec.kind = TokenizerKind::byte_level_bpe;
  spec.options = byte_level_names(spec.vocabulary);
  if (const auto type = component_type(root, "normalizer"); !type.empty()) unsupported("normalizer", type, "none");
  if (const auto type = component_type(root, "pre_tokenizer"); type != "ByteLevel")
    unsupported("pre_tokenizer", type, "ByteLevel with BPE");
  const Json& words = member(root, "pre_tokenizer");
  spec.byte_level.add_prefix_space = read<bool>(words, "add_prefix_space");
  if (!is_on(words, "use_regex", true)) fail(kTokenizerFile, "ByteLevel without use_regex is not supported");
  for (const char* name : {"dropout", "unk_token"})
    if (const Json* const value = model.find(name); value && !value->is(Json::Kind::null))
      fail(kTokenizerFile, "BPE with ", name, " is not supported");
  for (const char* name : {"continuing_subword_prefix", "end_of_word_suffix"})
    if (const Json* const value = model.find(name); value && !value->text.empty() && !value->is(Json::Kind::null))
      fail(kTokenizerFile, "BPE with ", name, " is not supported");
  for (const char* name : {"fuse_unk", "byte_fallback", "ignore_merges"})
    if (is_on(model, name, false)) fail(kTokenizerFile, "BPE with ", name, " is not supported");
  for (const Json& merge : member(model, "merges").members) spec.merges.push_back(read_merge(merge));
}

}  // namespace detail

BERT_INLINE TokenizerSpec spec_from_json(std::string_view text) {
  const Json root = parse_json(text, "tokenizer.json");
  const Json& model = detail::member(root, "model");
  const Json* const said = model.find("type");  // files of before 2020 have none
  const std::string type = said                                      ? said->text
                           : model.find("merges")                    ? "BPE"
                           : model.find("continuing_subword_prefix") ? "WordPiece"
                                                                     : "without a type";
  if (type != "WordPiece" && type != "BPE") detail::unsupported("model", type, "WordPiece and BPE");
  TokenizerSpec spec{detail::read_vocabulary(detail::member(model, "vocab")), {}, {}, {}, {}, {}};
  type == "BPE" ? detail::read_bpe(root, model, spec) : detail::read_wordpiece(root, model, spec);
  detail::read_post_processor(root, spec);
  detail::read_added_tokens(root, spec);
  detail::read_decoder(root, spec);
  return spec;
}

BERT_INLINE TokenizerSpec spec_from_bpe(std::string_view vocab_json, std::string_view merges_txt,
                                        bool add_prefix_space) {
  TokenizerSpec spec{detail::read_vocabulary(parse_json(vocab_json, "vocab.json")), {}, {}, {}, {}, {}};
  spec.kind = TokenizerKind::byte_level_bpe;
  spec.options = byte_level_names(spec.vocabulary);
  spec.byte_level.add_prefix_space = add_prefix_space;
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

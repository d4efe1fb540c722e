// tokenizer.json, Hugging Face's file format, read into a TokenizerSpec. (to_json.h writes it.)
//
// Known: model WordPiece; BertNormalizer or none; BertPreTokenizer; TemplateProcessing, BertProcessing or none; decoder
// WordPiece or none; added_tokens. Anything else is an error that names it. A new component gets a branch here and a
// file of its own. "truncation" and "padding" are ignored: the window is the model's business.
#pragma once
#include <bert/tokenizers/spec.h>

namespace bert::inline BERT_ABI {

/// Reads the text of a tokenizer.json.
TokenizerSpec spec_from_json(std::string_view text);

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <bert/io/json.h>

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
      const auto& entry = member(member(root, "post_processor"), name).members;
      if (entry.size() != 2 || entry[0].text.empty())
        fail(kTokenizerFile, "BertProcessing's \"", name, "\" is not [token, id]");
      return TemplatePart{entry[0].text, {value_of<std::int32_t>(entry[1], name)}, false, type_id};
    };
    spec.single = {special("cls", 0), a, special("sep", 0)};
    spec.pair = {special("cls", 0), a, special("sep", 0), b, special("sep", 1)};
  } else {
    unsupported("post_processor", type, "TemplateProcessing and BertProcessing");
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

}  // namespace detail

BERT_INLINE TokenizerSpec spec_from_json(std::string_view text) {
  const Json root = parse_json(text, "tokenizer.json");
  const Json& model = detail::member(root, "model");
  const Json* const model_type = model.find("type");  // files of before 2020 have none
  if (model_type ? model_type->text != "WordPiece" : !model.find("continuing_subword_prefix")) {
    detail::unsupported("model", model_type ? model_type->text : "without a type", "WordPiece");
  }
  if (const auto type = detail::component_type(root, "pre_tokenizer"); type != "BertPreTokenizer") {
    detail::unsupported("pre_tokenizer", type, "BertPreTokenizer");
  }
  TokenizerSpec spec{detail::read_vocabulary(detail::member(model, "vocab")), {}, {}, {}, {}, {}};
  spec.options.unk_token = detail::read<std::string>(model, "unk_token");
  spec.options.continuing_subword_prefix = detail::read<std::string>(model, "continuing_subword_prefix");
  spec.options.max_input_chars_per_word = detail::read<std::size_t>(model, "max_input_chars_per_word");
  detail::read_normalizer(root, spec.options);
  detail::read_post_processor(root, spec);
  detail::read_added_tokens(root, spec);
  const auto decoder = detail::component_type(root, "decoder");
  spec.decoder.wordpiece = decoder == "WordPiece";
  if (!decoder.empty() && !spec.decoder.wordpiece) detail::unsupported("decoder", decoder, "WordPiece");
  if (spec.decoder.wordpiece) {
    spec.decoder.prefix = detail::read<std::string>(detail::member(root, "decoder"), "prefix");
    spec.decoder.cleanup = detail::read<bool>(detail::member(root, "decoder"), "cleanup");
  }
  return spec;
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

// tokenizer.json, Hugging Face's file format, to and from a TokenizerSpec.
//
// Known: model WordPiece; BertNormalizer or none; BertPreTokenizer; TemplateProcessing, BertProcessing or none; decoder
// WordPiece or none; added_tokens. Anything else is an error that names it. A new component gets a branch here and a
// file of its own. "truncation" and "padding" are ignored: the window is the model's business.
#pragma once
#include <bert/io/json.h>
#include <bert/tokenizers/spec.h>

namespace bert::inline BERT_ABI {

/// Reads the text of a tokenizer.json.
inline TokenizerSpec spec_from_json(std::string_view text);

/// The text of a tokenizer.json that Hugging Face `tokenizers` loads.
inline std::string spec_to_json(const TokenizerSpec& spec);

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

inline const std::string& read_string(const Json& object, std::string_view name) {
  const Json& value = member(object, name);
  if (!value.is(Json::Kind::string)) fail(kTokenizerFile, "\"", name, "\" is not a string");
  return value.text;
}

/// A whole number in 0 .. 2^31 - 1.
template <class Integer>
Integer to_integer(const Json& value, std::string_view name) {
  std::int32_t number = -1;
  if (!value.to(number) || number < 0)
    fail(kTokenizerFile, "\"", name, "\" is not a whole number from 0: ", value.text);
  return static_cast<Integer>(number);
}

inline bool read_bool(const Json& object, std::string_view name) {
  const Json& value = member(object, name);
  if (!value.is(Json::Kind::boolean)) fail(kTokenizerFile, "\"", name, "\" is neither true nor false");
  return value.is_true();
}

inline Vocabulary read_vocabulary(const Json& vocab) {
  std::vector<std::string> tokens(vocab.members.size());
  std::vector<bool> taken(tokens.size());
  for (const Json& entry : vocab.members) {
    const std::string& token = entry.name;
    const auto id = to_integer<std::size_t>(entry, token);
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
  options.clean_text = read_bool(normalizer, "clean_text");
  options.tokenize_chinese_chars = read_bool(normalizer, "handle_chinese_chars");
  options.lowercase = read_bool(normalizer, "lowercase");
  if (!member(normalizer, "strip_accents").is(Json::Kind::null))
    options.strip_accents = read_bool(normalizer, "strip_accents");
}

inline Template read_template(const Json& processor, std::string_view name) {
  Template parts;
  for (const Json& part : member(processor, name).members) {
    const bool special = part.find("SpecialToken") != nullptr;
    const Json& body = member(part, special ? "SpecialToken" : "Sequence");
    TemplatePart& out = parts.emplace_back();
    const std::string& id = read_string(body, "id");
    out.type_id = to_integer<std::int32_t>(member(body, "type_id"), "type_id");
    out.second = !special && id == "B";
    if (!special && name == "single" && out.second) fail(kTokenizerFile, "the template for a single text asks for B");
    if (!special) continue;
    out.special = id;
    for (const Json& token : member(member(member(processor, "special_tokens"), id), "ids").members) {
      out.ids.push_back(to_integer<std::int32_t>(token, id));
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
      if (entry.size() != 2) fail(kTokenizerFile, "BertProcessing's \"", name, "\" is not [token, id]");
      return TemplatePart{entry[0].text, {to_integer<std::int32_t>(entry[1], name)}, false, type_id};
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
    AddedToken token{read_string(entry, "content"),   to_integer<std::int32_t>(member(entry, "id"), "id"),
                     read_bool(entry, "single_word"), read_bool(entry, "lstrip"),
                     read_bool(entry, "rstrip"),      read_bool(entry, "normalized"),
                     read_bool(entry, "special")};
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

inline std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    if (const auto byte = static_cast<unsigned char>(c); byte < 0x20) {
      out += concat("\\u00", kDigits[byte >> 4], kDigits[byte & 15]);
    } else {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
  }
  return out += '"';
}

/// The items that write(item) gives, with commas between.
template <class Items, class Write>
std::string joined(const Items& items, Write&& write) {
  std::string out;
  for (const auto& item : items) out += (out.empty() ? "" : ",") + write(item);
  return out;
}

inline std::string_view truth(bool value) { return value ? "true" : "false"; }

inline std::string template_to_json(const Template& parts) {
  return joined(parts, [](const TemplatePart& part) {
    const bool text = part.special.empty();
    return concat("{\"", text ? "Sequence" : "SpecialToken",
                  "\":{\"id\":", text ? std::string(part.second ? "\"B\"" : "\"A\"") : json_string(part.special),
                  ",\"type_id\":", part.type_id, "}}");
  });
}

inline std::string special_tokens_to_json(const TokenizerSpec& spec) {
  std::vector<TemplatePart> specials;
  for (const Template* parts : {&spec.single, &spec.pair}) {
    for (const TemplatePart& part : *parts) {
      const bool known =
          std::any_of(specials.begin(), specials.end(), [&](const auto& s) { return s.special == part.special; });
      if (!part.special.empty() && !known) specials.push_back(part);
    }
  }
  const auto name = [&](std::int32_t id) {
    const auto added =
        std::find_if(spec.added_tokens.begin(), spec.added_tokens.end(), [&](const auto& t) { return t.id == id; });
    return json_string(added != spec.added_tokens.end() ? std::string_view(added->content) : spec.vocabulary.token(id));
  };
  return joined(specials, [&](const TemplatePart& part) {
    return concat(json_string(part.special), ":{\"id\":", json_string(part.special), ",\"ids\":[",
                  joined(part.ids, [](std::int32_t id) { return concat(id); }), "],\"tokens\":[",
                  joined(part.ids, name), "]}");
  });
}

}  // namespace detail

inline TokenizerSpec spec_from_json(std::string_view text) {
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
  spec.options.unk_token = detail::read_string(model, "unk_token");
  spec.options.continuing_subword_prefix = detail::read_string(model, "continuing_subword_prefix");
  spec.options.max_input_chars_per_word =
      detail::to_integer<std::size_t>(detail::member(model, "max_input_chars_per_word"), "max_input_chars_per_word");
  detail::read_normalizer(root, spec.options);
  detail::read_post_processor(root, spec);
  detail::read_added_tokens(root, spec);
  const auto decoder = detail::component_type(root, "decoder");
  spec.decoder.wordpiece = decoder == "WordPiece";
  if (!decoder.empty() && !spec.decoder.wordpiece) detail::unsupported("decoder", decoder, "WordPiece");
  if (spec.decoder.wordpiece) {
    spec.decoder.prefix = detail::read_string(detail::member(root, "decoder"), "prefix");
    spec.decoder.cleanup = detail::read_bool(detail::member(root, "decoder"), "cleanup");
  }
  return spec;
}

inline std::string spec_to_json(const TokenizerSpec& spec) {
  using namespace detail;
  const WordPieceOptions& options = spec.options;
  std::string vocab;
  for (std::size_t id = 0; id < spec.vocabulary.size(); ++id) {
    vocab += concat(id ? "," : "", json_string(spec.vocabulary.token(static_cast<std::int32_t>(id))), ":", id);
  }
  const auto added_to_json = [](const AddedToken& token) {
    return concat("{\"id\":", token.id, ",\"content\":", json_string(token.content),
                  ",\"single_word\":", truth(token.single_word), ",\"lstrip\":", truth(token.lstrip),
                  ",\"rstrip\":", truth(token.rstrip), ",\"normalized\":", truth(token.normalized),
                  ",\"special\":", truth(token.special), "}");
  };
  const std::string decoder = concat("{\"type\":\"WordPiece\",\"prefix\":", json_string(spec.decoder.prefix),
                                     ",\"cleanup\":", truth(spec.decoder.cleanup), "}");
  return concat(
      R"({"version":"1.0","truncation":null,"padding":null,"added_tokens":[)", joined(spec.added_tokens, added_to_json),
      R"(],"normalizer":{"type":"BertNormalizer","clean_text":)", truth(options.clean_text),
      R"(,"handle_chinese_chars":)", truth(options.tokenize_chinese_chars), R"(,"strip_accents":)",
      options.strip_accents ? truth(*options.strip_accents) : "null", R"(,"lowercase":)", truth(options.lowercase),
      R"(},"pre_tokenizer":{"type":"BertPreTokenizer"},"post_processor":{"type":"TemplateProcessing","single":[)",
      template_to_json(spec.single), R"(],"pair":[)", template_to_json(spec.pair), R"(],"special_tokens":{)",
      special_tokens_to_json(spec), R"(}},"decoder":)", spec.decoder.wordpiece ? decoder : std::string("null"),
      R"(,"model":{"type":"WordPiece","unk_token":)", json_string(options.unk_token),
      R"(,"continuing_subword_prefix":)", json_string(options.continuing_subword_prefix),
      R"(,"max_input_chars_per_word":)", options.max_input_chars_per_word, R"(,"vocab":{)", vocab, "}}}");
}

}  // namespace bert::inline BERT_ABI

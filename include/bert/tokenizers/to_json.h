// Tokenizer::to_json: a TokenizerSpec as the text of a tokenizer.json that Hugging Face `tokenizers` loads.
//
// The counterpart of json.h: what one learns to read, the other learns to write.
#pragma once
#include <bert/tokenizers/spec.h>

namespace bert::inline BERT_ABI {

/// The text of a tokenizer.json.
std::string spec_to_json(const TokenizerSpec& spec);

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <algorithm>

namespace bert::inline BERT_ABI {

namespace detail {

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

/// Everything but the vocabulary of byte-level BPE. Templates are RoBERTa's or empty.
inline std::string byte_level_to_json(const TokenizerSpec& spec) {
  const std::string prefix = concat("\"add_prefix_space\":", truth(spec.byte_level.add_prefix_space)),
                    trim = concat("\"trim_offsets\":", truth(spec.byte_level.trim_offsets));
  const auto pair_of = [](const TemplatePart& part) {
    return concat("[", json_string(part.special), ",", part.ids[0], "]");
  };
  const std::string processor = spec.single.size() == 3
                                    ? concat("{\"type\":\"RobertaProcessing\",\"sep\":", pair_of(spec.single[2]),
                                             ",\"cls\":", pair_of(spec.single[0]), ",", trim, ",", prefix, "}")
                                    : concat("{\"type\":\"ByteLevel\",", prefix, ",", trim, ",\"use_regex\":true}");
  return concat(
      R"("normalizer":null,"pre_tokenizer":{"type":"ByteLevel",)", prefix, R"(,"trim_offsets":true,"use_regex":true},)",
      "\"post_processor\":", processor,
      R"(,"decoder":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,)",
      R"("use_regex":true},"model":{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":"",)",
      R"("end_of_word_suffix":"","fuse_unk":false,"byte_fallback":false,"merges":[)",
      joined(spec.merges, [](const auto& merge) { return json_string(concat(merge.first, " ", merge.second)); }), "]");
}

}  // namespace detail

BERT_INLINE std::string spec_to_json(const TokenizerSpec& spec) {
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
  const std::string head = concat(R"({"version":"1.0","truncation":null,"padding":null,"added_tokens":[)",
                                  joined(spec.added_tokens, added_to_json), "],");
  const std::string processor =
      concat(R"("single":[)", template_to_json(spec.single), R"(],"pair":[)", template_to_json(spec.pair),
             R"(],"special_tokens":{)", special_tokens_to_json(spec), "}}");
  if (spec.kind == TokenizerKind::byte_level_bpe)
    return concat(head, byte_level_to_json(spec), ",\"vocab\":{", vocab, "}}}");
  const std::string decoder = concat("{\"type\":\"WordPiece\",\"prefix\":", json_string(spec.decoder.prefix),
                                     ",\"cleanup\":", truth(spec.decoder.cleanup), "}");
  return concat(head, R"("normalizer":{"type":"BertNormalizer","clean_text":)", truth(options.clean_text),
                R"(,"handle_chinese_chars":)", truth(options.tokenize_chinese_chars), R"(,"strip_accents":)",
                options.strip_accents ? truth(*options.strip_accents) : "null", R"(,"lowercase":)",
                truth(options.lowercase),
                R"(},"pre_tokenizer":{"type":"BertPreTokenizer"},"post_processor":{"type":"TemplateProcessing",)",
                processor, R"(,"decoder":)", spec.decoder.wordpiece ? decoder : std::string("null"),
                R"(,"model":{"type":"WordPiece","unk_token":)", json_string(options.unk_token),
                R"(,"continuing_subword_prefix":)", json_string(options.continuing_subword_prefix),
                R"(,"max_input_chars_per_word":)", options.max_input_chars_per_word, R"(,"vocab":{)", vocab, "}}}");
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

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
#include <bert/tokenizers/json_values.h>
#include <bert/tokenizers/steps_json.h>

#include <algorithm>
#include <charconv>

namespace bert::inline BERT_ABI {

namespace detail {

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

inline std::string number_to_json(double value) {
  char digits[40];
  return std::string(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
}

inline std::string merges_to_json(const TokenizerSpec& spec) {
  return joined(spec.merges, [](const auto& merge) {
    return concat("[", json_string(merge.first), ",", json_string(merge.second), "]");
  });
}

/// The model of a spec with steps; `vocab` is the text of a vocabulary by name.
inline std::string model_to_json(const TokenizerSpec& spec, const std::string& vocab) {
  const CharacterBpeOptions& options = spec.character_bpe;
  if (spec.kind == TokenizerKind::unigram) {
    std::string entries;
    for (std::size_t id = 0; id < spec.vocabulary.size(); ++id)
      entries += concat(id ? "," : "", "[", json_string(spec.vocabulary.token(static_cast<std::int32_t>(id))), ",",
                        number_to_json(spec.scores[id]), "]");
    const auto unk = spec.options.unk_token.empty() ? std::nullopt : spec.vocabulary.find(spec.options.unk_token);
    return concat(R"({"type":"Unigram","unk_id":)", unk ? concat(*unk) : "null", ",\"vocab\":[", entries,
                  "],\"byte_fallback\":", truth(options.byte_fallback), "}");
  }
  const std::string unk = spec.options.unk_token.empty() ? "null" : json_string(spec.options.unk_token);
  return concat(R"({"type":"BPE","dropout":null,"unk_token":)", unk, R"(,"continuing_subword_prefix":null,)",
                R"("end_of_word_suffix":null,"fuse_unk":)", truth(options.fuse_unk),
                ",\"byte_fallback\":", truth(options.byte_fallback),
                ",\"ignore_merges\":", truth(options.ignore_merges), ",\"vocab\":{", vocab, "},\"merges\":[",
                merges_to_json(spec), "]}");
}

/// Everything but the vocabulary of byte-level BPE. Templates are RoBERTa's or empty.
inline std::string byte_level_to_json(const TokenizerSpec& spec) {
  const std::string prefix = concat("\"add_prefix_space\":", truth(spec.byte_level.add_prefix_space)),
                    trim = concat("\"add_prefix_space\":", truth(spec.byte_level.put_prefix_space),
                                  ",\"trim_offsets\":", truth(spec.byte_level.trim_offsets));
  const auto pair_of = [](const TemplatePart& part) {
    return concat("[", json_string(part.special), ",", part.ids[0], "]");
  };
  const std::string processor = spec.single.size() == 3
                                    ? concat("{\"type\":\"RobertaProcessing\",\"sep\":", pair_of(spec.single[2]),
                                             ",\"cls\":", pair_of(spec.single[0]), ",", trim, "}")
                                    : concat("{\"type\":\"ByteLevel\",", trim, ",\"use_regex\":true}");
  return concat(
      R"("normalizer":null,"pre_tokenizer":{"type":"ByteLevel",)", prefix, R"(,"trim_offsets":true,"use_regex":true},)",
      "\"post_processor\":", processor,
      R"(,"decoder":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,)",
      R"("use_regex":true},"model":{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":"",)",
      R"("end_of_word_suffix":"","fuse_unk":false,"byte_fallback":false,)",
      "\"ignore_merges\":", truth(spec.character_bpe.ignore_merges), ",\"merges\":[",
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
  if (spec.sentencepiece)
    fail(
        "a SentencePiece model by itself has no tokenizer.json that gives the same tokens; the family's config.json "
        "beside it says which one is meant");
  if (spec.steps) {
    const bool trims = spec.kind == TokenizerKind::byte_level_bpe && spec.byte_level.trim_offsets;
    const std::string trim =
        concat(R"({"type":"ByteLevel","add_prefix_space":)", truth(spec.byte_level.put_prefix_space),
               R"(,"trim_offsets":true,"use_regex":true})");
    const std::string own = concat(R"({"type":"TemplateProcessing",)", processor);
    return concat(head, steps_to_json(*spec.steps), ",\"post_processor\":",
                  trims ? concat(R"({"type":"Sequence","processors":[)", trim, ",", own, "]}") : own,
                  ",\"model\":", model_to_json(spec, vocab), "}");
  }
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

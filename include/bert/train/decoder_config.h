// The config.json of a run of a causal model: what the run began with, where it says what the new weights are.
#pragma once
#include <bert/io/json.h>
#include <bert/io/safetensors_writer.h>

namespace bert::inline BERT_ABI {

/// `text` with the class that opens the model, float32, and no quantisation. Of what it returns it returns the same.
std::string decoder_run_config(std::string_view text, std::string_view architecture);

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
namespace bert::inline BERT_ABI {

namespace detail {
inline std::string json_text(const Json& value) {
  if (value.is(Json::Kind::null)) return "null";
  if (value.is(Json::Kind::string)) return quote_json(value.text);
  const bool object = value.is(Json::Kind::object);
  if (!object && !value.is(Json::Kind::array)) return value.text;
  std::string text;
  for (const Json& member : value.members)
    text += concat(text.empty() ? "" : ", ", object ? concat(quote_json(member.name), ": ") : "", json_text(member));
  return object ? concat("{", text, "}") : concat("[", text, "]");
}
}  // namespace detail

BERT_INLINE std::string decoder_run_config(std::string_view text, std::string_view architecture) {
  std::string members;
  for (const Json& member : parse_json(text, "the model's config").members)
    if (member.name != "architectures" && member.name != "dtype" && member.name != "torch_dtype" &&
        member.name != "quantization_config")
      members += concat(",\n  ", quote_json(member.name), ": ", detail::json_text(member));
  return concat("{\n  \"architectures\": [", quote_json(std::string(architecture)), "],\n  \"dtype\": \"float32\"",
                members, "\n}\n");
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

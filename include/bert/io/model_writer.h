// write_model_file: the converted form, one .safetensors file that is the whole model (docs/weights.md).
#pragma once
#include <bert/io/provenance.h>
#include <bert/io/safetensors_writer.h>
#include <bert/io/tokenizer_files.h>

namespace bert::inline BERT_ABI {

/// Writes these tensors with the configuration, tokenizer and pooling of `source`; the file appears only when complete.
/// `provenance` is compact JSON. Errors: as write_safetensors; a tokenizer that cannot be read.
void write_model_file(const std::filesystem::path& path, const Checkpoint& source, const std::string& provenance,
                      std::vector<TensorRef> tensors);

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
namespace bert::inline BERT_ABI {

BERT_INLINE void write_model_file(const std::filesystem::path& path, const Checkpoint& source,
                                  const std::string& provenance, std::vector<TensorRef> tensors) {
  Metadata metadata{{"format", "pt"}, {"bert.format", "1"}, {"bert.config", source.config_json()}};
  metadata.emplace_back("bert.provenance", provenance);
  if (const TokenizerFiles& files = source.tokenizer(); !files.sentencepiece.empty()) {
    metadata.emplace_back("bert.sentencepiece", to_base64(files.sentencepiece));
    if (!files.tokenizer_config_json.empty())
      metadata.emplace_back("bert.tokenizer_config", files.tokenizer_config_json);
  } else if (!files.empty()) {
    const std::string& text = files.tokenizer_json;
    metadata.emplace_back("bert.tokenizer", text.empty() ? load_tokenizer(source).to_json() : text);
  }
  std::string pooling, dense;  // members sorted by name, as the converter writes them
  const auto add = [&](std::string_view key, const std::string& value) {
    pooling += concat(pooling.empty() ? "" : ",", quote_json(key), ":", value);
  };
  for (const DenseModule& module : source.pooling().dense)
    dense += concat(dense.empty() ? "" : ",", "{\"activation_function\":", quote_json(module.activation_function),
                    ",\"bias\":", module.bias ? "true" : "false", ",\"in_features\":", module.in_features,
                    ",\"out_features\":", module.out_features, ",\"path\":", quote_json(module.path), "}");
  if (!dense.empty()) add("dense", concat("[", dense, "]"));
  if (const auto length = source.pooling().max_seq_length) add("max_seq_length", concat(*length));
  if (!source.pooling().mode.empty()) add("mode", quote_json(source.pooling().mode));
  if (const auto normalize = source.pooling().normalize) add("normalize", *normalize ? "true" : "false");
  if (!pooling.empty()) metadata.emplace_back("bert.pooling", concat("{", pooling, "}"));
  write_safetensors(path, std::move(metadata), std::move(tensors));
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

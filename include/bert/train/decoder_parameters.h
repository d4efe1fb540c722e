// DecoderParameters: the parameters of GPT-2 or Llama, or their gradients, as the matrices and vectors that the blocks
// take.
#pragma once
#include <bert/models/gpt2.h>
#include <bert/models/llama.h>
#include <bert/train/parameters.h>

#include <cmath>

namespace bert::inline BERT_ABI {

/// Causal models are trained on the next token alone.
struct DecoderHeads {};

template <class T>
struct DecoderParameters {
  using Scalar = T;
  using Config = DecoderConfig;
  using Heads = DecoderHeads;
  struct Layer {
    NormParameters<T> attention_norm, feed_forward_norm;
    LinearParameters<T> qkv, attention_output, up, down;  // up: gate and up, where there is a gate
  };

  TensorView<T, 2> word, position;  // [V, H]; [positions, H], or none: they are rotations
  std::vector<Layer> layers;
  NormParameters<T> final_norm;
  TensorView<T, 2> decoder;  // [V, H]; none: it is `word`

  DecoderParameters() = default;
  /// As BertParameters.
  DecoderParameters(ParameterLayout& layout, const DecoderConfig& config, const DecoderHeads& heads, T* array);

  static DecoderConfig read_config(const ConfigReader& config);
  /// GPT-2's matrices that end a branch begin smaller: the sum of 2 L branches has their deviation (Radford et al.
  /// 2019).
  static double initial_deviation(const DecoderConfig& config, const std::string& name, double range) {
    const bool ends_branch = name.ends_with("c_proj.weight");
    return ends_branch ? range / std::sqrt(2 * static_cast<double>(config.num_hidden_layers)) : range;
  }
  static bool is_head(const DecoderConfig&, const std::string&) { return false; }
  static void ignore_other_heads(WeightReader& reader, const DecoderConfig& config, const DecoderHeads& heads);
};

/// Null: a model of this type is no causal one that can be trained.
inline const DecoderFamily* trainable_decoder(std::string_view model_type) {
  for (const DecoderFamily* family : {&gpt2_family, &llama_family})
    if (family->model_type == model_type) return family;
  return nullptr;
}

}  // namespace bert::inline BERT_ABI

namespace bert::inline BERT_ABI {

template <class T>
DecoderParameters<T>::DecoderParameters(ParameterLayout& layout, const DecoderConfig& config, const DecoderHeads&,
                                        T* array) {
  const ParameterBuilder<T> build(layout, array);
  const DecoderFamily& family = *trainable_decoder(config.model_type);
  const std::size_t hidden = config.hidden_size, inner = config.intermediate_size;
  const std::size_t heads = config.num_attention_heads * config.head_size,
                    kv_heads = config.num_key_value_heads * config.head_size;
  const bool norm_bias = !config.rms_norm;
  const auto named = [&](std::string_view part) { return concat(family.prefix, part); };
  word = build.matrix(named(family.words) + ".weight", config.vocab_size, hidden);
  if (config.rope_theta == 0)
    position = build.matrix(named(family.positions) + ".weight", config.max_position_embeddings, hidden);
  for (std::size_t i = 0; i < config.num_hidden_layers; ++i) {
    const auto name = [&](std::string_view part) { return concat(family.prefix, family.layer, i, ".", part); };
    const auto product = [&](const std::vector<std::string>& names, const std::vector<std::size_t>& rows, std::size_t k,
                             bool bias) { return build.product(names, rows, k, bias, family.transposed); };
    Layer& layer = layers.emplace_back();
    layer.attention_norm = build.norm(name(family.attention_norm), hidden, norm_bias);
    layer.qkv = family.qkv[1].empty()
                    ? product({name(family.qkv[0])}, {heads + 2 * kv_heads}, hidden, config.attention_bias)
                    : product({name(family.qkv[0]), name(family.qkv[1]), name(family.qkv[2])},
                              {heads, kv_heads, kv_heads}, hidden, config.attention_bias);
    layer.attention_output = product({name(family.attention_output)}, {hidden}, heads, config.output_bias);
    layer.feed_forward_norm = build.norm(name(family.feed_forward_norm), hidden, norm_bias);
    layer.up = config.gated
                   ? product({name(family.up[0]), name(family.up[1])}, {inner, inner}, hidden, config.feed_forward_bias)
                   : product({name(family.up[0])}, {inner}, hidden, config.feed_forward_bias);
    layer.down = product({name(family.down)}, {hidden}, inner, config.feed_forward_bias);
  }
  final_norm = build.norm(named(family.final_norm), hidden, norm_bias);
  if (!config.tie_word_embeddings)
    decoder = build.matrix(concat(family.heads.decoder, ".weight"), config.vocab_size, hidden);
}

template <class T>
DecoderConfig DecoderParameters<T>::read_config(const ConfigReader& config) {
  const std::string type = config.get("model_type", "");
  const DecoderFamily* const family = trainable_decoder(type);
  if (!family)
    fail(config.what(), ": model_type is \"", type, "\"; causal models that can be trained are gpt2 and llama");
  return family->read_config(config);
}

template <class T>
void DecoderParameters<T>::ignore_other_heads(WeightReader& reader, const DecoderConfig& config, const DecoderHeads&) {
  const HeadNames& names = trainable_decoder(config.model_type)->heads;
  reader.ignore(concat(names.classifier, "."));
  if (config.tie_word_embeddings) reader.ignore(concat(names.decoder, "."));  // a copy of the word table
}

}  // namespace bert::inline BERT_ABI

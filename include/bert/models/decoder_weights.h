// Which tensor of a checkpoint becomes which field of DecoderModel. Included by decoder.h.
#pragma once
#include <bert/models/decoder.h>

#if BERT_WITH_DEFINITIONS
#include <bert/models/loading.h>
#include <bert/quant/decoder_probe.h>

namespace bert::inline BERT_ABI {

template <class T>
DecoderModel<T>::DecoderModel(WeightReader& reader, const DecoderFamily& family, const KernelTable<T>& kernels,
                              std::optional<Precision> precision, bool tied_words)
    : family_(&family),
      config_(family.read_config(reader.checkpoint().config())),
      precision_(precision_of(reader.checkpoint(), precision, std::is_same_v<T, float>)) {
  const std::size_t hidden = config_.hidden_size;
  words_ = PackedMatrix<T>(config_.vocab_size, hidden, kernels, tied_words ? Packing::panels : Packing::row_major);
  load_rows(reader, concat(family.prefix, family.words, ".weight"), words_, 0, config_.vocab_size);
  zero_ = Tensor<T, 2>({1, hidden});
  if (config_.rope_theta > 0)
    rotary_ = Rotary<T>(config_.window(), config_.head_size, config_.rope_theta, config_.rope_scaling);
  else
    positions_ = load_table<T>(reader, concat(family.prefix, family.positions, ".weight"),
                               config_.max_position_embeddings, hidden);
  std::optional<DecoderProbe> probe;
  if constexpr (std::is_same_v<T, float>)
    if (precision_ == Precision::int8 && !holds_int8(reader.checkpoint())) probe.emplace(this->probe());
  for (std::size_t i = 0; i < config_.num_hidden_layers; ++i) load_layer(reader, i, kernels, probe ? &*probe : nullptr);
  final_norm_ = load_norm(reader, concat(family.prefix, family.final_norm), kernels);
}

template <class T>
std::string DecoderModel<T>::layer_prefix(std::size_t i) const {
  return concat(family_->prefix, family_->layer, i, ".");
}

template <class T>
std::array<std::vector<std::string>, 4> DecoderModel<T>::linear_names(std::size_t i) const {
  const auto names = [&](std::span<const std::string_view> parts) {
    std::vector<std::string> all;
    for (std::string_view part : parts)
      if (!part.empty()) all.push_back(concat(layer_prefix(i), part));
    return all;
  };
  return {names(family_->qkv), names({&family_->attention_output, 1}), names(family_->up), names({&family_->down, 1})};
}

template <class T>
std::array<std::vector<std::size_t>, 4> DecoderModel<T>::linear_rows() const {
  const DecoderConfig& c = config_;
  const std::size_t queries = c.num_attention_heads * c.head_size, keys = c.num_key_value_heads * c.head_size;
  const bool fused = family_->qkv[1].empty();
  return {fused ? std::vector{queries + 2 * keys} : std::vector{queries, keys, keys},
          {c.hidden_size},
          std::vector<std::size_t>(family_->up[1].empty() ? 1 : 2, c.intermediate_size),
          {c.hidden_size}};
}

template <class T>
DecoderProbe DecoderModel<T>::probe() const {
  if constexpr (std::is_same_v<T, float>) {
    PackedBatch batch = probe_batch(config_.vocab_size, config_.window());
    Tensor<float, 2> x({batch.tokens(), config_.hidden_size});
    embed(Team(), batch.ids, batch.type_ids, batch.positions, x.view());
    return {std::move(batch), std::move(x), rotary_.empty() ? nullptr : &rotary_};
  } else {
    fail("8-bit weights are made of a model in float");
  }
}

template <class T>
AnyNorm<T> DecoderModel<T>::load_norm(WeightReader& reader, const std::string& name,
                                      const KernelTable<T>& kernels) const {
  const std::size_t hidden = config_.hidden_size;
  if (!config_.rms_norm) return load_layer_norm(reader, name, hidden, config_.layer_norm_eps, kernels);
  RmsNorm<T> norm(hidden, static_cast<T>(config_.layer_norm_eps), kernels);
  reader.read(name + ".weight", {hidden}, norm.weight().data());
  return norm;
}

template <class T>
void DecoderModel<T>::load_layer(WeightReader& reader, std::size_t i, const KernelTable<T>& kernels,
                                 [[maybe_unused]] DecoderProbe* probe) {
  const DecoderConfig& c = config_;
  DecoderLayer<T>& layer = layers_.emplace_back();
  layer.attention.heads = c.num_attention_heads, layer.attention.kv_heads = c.num_key_value_heads;
  layer.attention.head_size = c.head_size;
  layer.gated = c.gated, layer.activation = activation_by_name(c.hidden_act);
  layer.attention_norm = load_norm(reader, layer_prefix(i) + std::string(family_->attention_norm), kernels);
  layer.feed_forward_norm = load_norm(reader, layer_prefix(i) + std::string(family_->feed_forward_norm), kernels);

  const auto names = linear_names(i);
  const auto rows = linear_rows();
  const std::size_t k[] = {c.hidden_size, c.num_attention_heads * c.head_size, c.hidden_size, c.intermediate_size};
  const bool bias[] = {c.attention_bias, c.output_bias, c.feed_forward_bias, c.feed_forward_bias};
  if (family_->transposed)
    for (const auto& product : names)
      for (const std::string& name : product) reader.transpose(name + ".weight");
  const auto load_products = [&](Precision precision, const std::array<std::vector<float>, 4>& input_sizes) {
    for (std::size_t p = 0; p < 4; ++p)
      *layer.products()[p] =
          load_any_linear(reader, names[p], rows[p], k[p], kernels, precision, input_sizes[p], bias[p]);
  };
  if constexpr (std::is_same_v<T, float>)
    if (probe) {
      load_products(Precision::fp32, {});
      return load_products(Precision::int8, probe->advance(layer));
    }
  load_products(precision_, {});
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

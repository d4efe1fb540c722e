// Which tensor of a checkpoint becomes which field of EncoderModel. Included by encoder.h.
//
// Names are those of Hugging Face's current checkpoints; io/names.h has turned older spellings into them.
#pragma once
#include <bert/models/encoder.h>

#if BERT_WITH_DEFINITIONS
#include <bert/models/loading.h>

namespace bert::inline BERT_ABI {

template <class T>
EncoderModel<T>::EncoderModel(WeightReader& reader, const EncoderFamily& family, const KernelTable<T>& kernels,
                              std::optional<Precision> precision, bool tied_words)
    : family_(&family),
      config_(family.read_config(reader.checkpoint().config())),
      precision_(precision_of(reader.checkpoint(), precision, std::is_same_v<T, float>)) {
  load_embeddings(reader, tied_words, kernels);
  turn_stored(reader);
  std::optional<Probe> probe;
  if constexpr (std::is_same_v<T, float>)
    if (precision_ == Precision::int8 && !holds_int8(reader.checkpoint()))
      probe.emplace(embeddings_, probe_batch(config_.vocab_size, config_.window()), config_.first_position);
  const std::size_t layers = config_.num_hidden_groups ? config_.num_hidden_groups : config_.num_hidden_layers;
  for (std::size_t i = 0; i < layers; ++i) load_layer(reader, i, kernels, probe ? &*probe : nullptr);
  if (const std::string pooler = concat(family.prefix, family.pooler);
      !family.pooler.empty() && reader.has(pooler + ".weight"))
    pooler_.dense = load_linear(reader, pooler, config_.hidden_size, config_.hidden_size, kernels);
}

template <class T>
void EncoderModel<T>::load_embeddings(WeightReader& reader, bool tied_words, const KernelTable<T>& kernels) {
  const std::size_t width = config_.table_width();
  const std::string embeddings = concat(family_->prefix, "embeddings.");
  const std::string words = concat(family_->prefix, family_->words, ".weight");
  embeddings_.word =
      PackedMatrix<T>(config_.vocab_size, width, kernels, tied_words ? Packing::panels : Packing::row_major);
  load_rows(reader, words, embeddings_.word, 0, config_.vocab_size);
  embeddings_.token_type = Tensor<T, 2>({config_.type_vocab_size, width});  // zeros
  if (!family_->relative.empty()) {
    target_.resize(width);
    return reader.read(concat(family_->prefix, family_->target), {1, 1, width}, target_.data());
  }
  embeddings_.position =
      load_table<T>(reader, embeddings + "position_embeddings.weight", config_.max_position_embeddings, width);
  if (family_->token_types)
    embeddings_.token_type =
        load_table<T>(reader, embeddings + "token_type_embeddings.weight", config_.type_vocab_size, width);
  embeddings_.layer_norm = load_layer_norm(reader, embeddings + "LayerNorm", width, config_.layer_norm_eps, kernels);
  if (const std::string projection = concat(family_->prefix, family_->projection);
      !family_->projection.empty() && reader.has(projection + ".weight"))
    embeddings_.projection = load_linear(reader, projection, config_.hidden_size, width, kernels);
  else if (width != config_.hidden_size)
    reader.broken(projection, ".weight is missing");
}

template <class T>
std::string EncoderModel<T>::layer_prefix(std::size_t i) const {
  return concat(family_->prefix, family_->layer, i, family_->layer_end);
}

template <class T>
std::array<std::vector<std::string>, 4> EncoderModel<T>::linear_names(std::size_t i) const {
  const std::string layer = layer_prefix(i);
  const auto name = [&](std::string_view part) { return concat(layer, part); };
  return {{{name(family_->query), name(family_->key), name(family_->value)},
           {name(family_->attention_output)},
           {name(family_->up)},
           {name(family_->down)}}};
}

template <class T>
void EncoderModel<T>::turn_stored(WeightReader& reader) const {
  for (std::size_t i = 0; i < config_.num_hidden_layers && !family_->relative.empty(); ++i) {
    const auto names = linear_names(i);
    for (const std::string& name : names[0]) reader.transpose(name + ".weight");
  }
}

template <class T>
RelativeAttention<T> EncoderModel<T>::load_relative(WeightReader& reader, std::size_t i,
                                                    const KernelTable<T>& kernels) const {
  const std::size_t hidden = config_.hidden_size, heads = config_.num_attention_heads, size = hidden / heads;
  const auto name = [&](std::string_view part) { return concat(layer_prefix(i), family_->relative, part); };
  reader.transpose(name("r.weight"));
  RelativeAttention<T> relative;
  relative.distances = i > 0 ? layers_[0].relative.distances
                             : std::make_shared<const Tensor<T, 2>>(distance_table<T>(config_.window(), hidden));
  relative.keys = PackedMatrix<T>(hidden, hidden, kernels);
  load_rows(reader, name("r.weight"), relative.keys, 0, hidden);
  relative.biases = Tensor<T, 2>({3, hidden});
  std::size_t row = 0;
  for (std::string_view part : {"r_w_bias", "r_r_bias", "r_s_bias"})
    reader.read(name(part), {heads, size}, relative.biases.view().row(row++));
  Tensor<T, 2> segments({2, hidden});
  reader.read(name("seg_embed"), {2, heads, size}, segments.data());
  for (std::size_t head = 0; head < heads; ++head)
    relative.segments.emplace_back(2, size, kernels).set_rows(0, segments.view().slice_columns(head * size, size));
  return relative;
}

template <class T>
void EncoderModel<T>::load_layer(WeightReader& reader, std::size_t i, const KernelTable<T>& kernels,
                                 [[maybe_unused]] Probe* probe) {
  const std::size_t hidden = config_.hidden_size, intermediate = config_.intermediate_size;
  const auto norm = [&](std::string_view part) {
    return load_layer_norm(reader, concat(layer_prefix(i), part), hidden, config_.layer_norm_eps, kernels);
  };
  EncoderLayer<T>& layer = layers_.emplace_back();
  layer.attention.heads = config_.num_attention_heads;
  layer.attention_norm = norm(family_->attention_norm);
  layer.feed_forward.activation = activation_by_name(config_.hidden_act);
  layer.output_norm = norm(family_->output_norm);
  if (!family_->relative.empty()) layer.relative = load_relative(reader, i, kernels);

  const auto load_products = [&](Precision precision, const std::array<std::vector<float>, 4>& input_sizes) {
    const auto names = linear_names(i);
    const std::size_t rows[] = {hidden, hidden, intermediate, hidden}, k[] = {hidden, hidden, hidden, intermediate};
    for (std::size_t p = 0; p < 4; ++p)
      *layer.products()[p] = load_any_linear(reader, names[p], std::vector<std::size_t>(names[p].size(), rows[p]), k[p],
                                             kernels, precision, input_sizes[p], has_bias(p));
  };
  if constexpr (std::is_same_v<T, float>)
    if (probe) {
      load_products(Precision::fp32, {});
      const std::size_t uses = config_.num_hidden_groups ? config_.num_hidden_layers / config_.num_hidden_groups : 1;
      return load_products(Precision::int8, probe->advance(layer, uses));
    }
  load_products(precision_, {});
}

template <class T>
EncoderModel<T>::EncoderModel(const Checkpoint& checkpoint, const EncoderFamily& family, const KernelTable<T>& kernels,
                              std::optional<Precision> precision, const Threads& threads)
    : EncoderModel([&] {
        WeightReader reader(checkpoint, threads);
        EncoderModel model(reader, family, kernels, precision, false);
        Heads<T>::ignore(reader, family.heads);
        reader.finish();
        return model;
      }()) {}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

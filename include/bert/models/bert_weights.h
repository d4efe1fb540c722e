// Which tensor of a checkpoint becomes which field of BertModel and BertForPreTraining. Included by bert.h.
//
// Names are those of Hugging Face's current checkpoints; io/names.h has turned older spellings into them.
#pragma once
#include <bert/models/bert.h>

#if BERT_WITH_DEFINITIONS
#include <bert/models/loading.h>

namespace bert::inline BERT_ABI {

template <class T>
BertModel<T>::BertModel(WeightReader& reader, const KernelTable<T>& kernels, std::optional<Precision> precision,
                        bool tied_words)
    : config_(BertConfig::from(reader.checkpoint().config())),
      precision_(precision_of(reader.checkpoint(), precision, std::is_same_v<T, float>)) {
  if (config_.model_type != "bert")
    fail("cannot load \"", reader.checkpoint().path().string(), "\": model_type \"", config_.model_type,
         "\" is not supported; supported is \"bert\"");
  const std::size_t hidden = config_.hidden_size;
  const std::string embeddings = "bert.embeddings.", words = embeddings + "word_embeddings.weight";
  embeddings_.word =
      PackedMatrix<T>(config_.vocab_size, hidden, kernels, tied_words ? Packing::panels : Packing::row_major);
  load_rows(reader, words, embeddings_.word, 0, config_.vocab_size);
  embeddings_.position =
      load_table<T>(reader, embeddings + "position_embeddings.weight", config_.max_position_embeddings, hidden);
  embeddings_.token_type =
      load_table<T>(reader, embeddings + "token_type_embeddings.weight", config_.type_vocab_size, hidden);
  embeddings_.layer_norm = load_layer_norm(reader, embeddings + "LayerNorm", hidden, config_.layer_norm_eps, kernels);
  std::optional<Probe> probe;
  if constexpr (std::is_same_v<T, float>)
    if (precision_ == Precision::int8 && !holds_int8(reader.checkpoint()))
      probe.emplace(embeddings_, probe_batch(config_.vocab_size, config_.max_position_embeddings));
  for (std::size_t i = 0; i < config_.num_hidden_layers; ++i) load_layer(reader, i, kernels, probe ? &*probe : nullptr);
  if (reader.has("bert.pooler.dense.weight"))
    pooler_.dense = load_linear(reader, "bert.pooler.dense", hidden, hidden, kernels);
}

template <class T>
void BertModel<T>::load_layer(WeightReader& reader, std::size_t i, const KernelTable<T>& kernels,
                              [[maybe_unused]] Probe* probe) {
  const std::size_t hidden = config_.hidden_size, intermediate = config_.intermediate_size;
  const std::string prefix = concat("bert.encoder.layer.", i, ".");
  EncoderLayer<T>& layer = layers_.emplace_back();
  layer.attention.heads = config_.num_attention_heads;
  layer.attention_norm =
      load_layer_norm(reader, prefix + "attention.output.LayerNorm", hidden, config_.layer_norm_eps, kernels);
  layer.feed_forward.activation = activation_by_name(config_.hidden_act);
  layer.output_norm = load_layer_norm(reader, prefix + "output.LayerNorm", hidden, config_.layer_norm_eps, kernels);

  const auto load_products = [&](Precision precision, const std::array<std::vector<float>, 4>& input_sizes) {
    const auto names = bert_layer_linears(i);
    const std::size_t rows[] = {hidden, hidden, intermediate, hidden}, k[] = {hidden, hidden, hidden, intermediate};
    for (std::size_t p = 0; p < 4; ++p)
      *layer.products()[p] = load_any_linear(reader, names[p], rows[p], k[p], kernels, precision, input_sizes[p]);
  };
  if constexpr (std::is_same_v<T, float>)
    if (probe) {
      load_products(Precision::fp32, {});
      return load_products(Precision::int8, probe->advance(layer));
    }
  load_products(precision_, {});
}

template <class T>
BertModel<T>::BertModel(const Checkpoint& checkpoint, const KernelTable<T>& kernels, std::optional<Precision> precision,
                        const Threads& threads)
    : BertModel([&] {
        WeightReader reader(checkpoint, threads);
        BertModel model(reader, kernels, precision, false);
        for (const char* head : {"cls.", "classifier.", "qa_outputs."}) reader.ignore(head);
        reader.finish();
        return model;
      }()) {}

template <class T>
BertForPreTraining<T>::BertForPreTraining(const Checkpoint& checkpoint, const KernelTable<T>& kernels,
                                          std::optional<Precision> precision, const Threads& threads)
    : BertForPreTraining(WeightReader(checkpoint, threads), kernels, precision) {}

template <class T>
BertForPreTraining<T>::BertForPreTraining(WeightReader reader, const KernelTable<T>& kernels,
                                          std::optional<Precision> precision)
    : bert_(reader, kernels, precision,
            reader.has("cls.predictions.transform.dense.weight") && !reader.has("cls.predictions.decoder.weight")) {
  const std::size_t hidden = config().hidden_size, vocabulary = config().vocab_size;
  const std::string predictions = "cls.predictions.", transform = predictions + "transform.";
  if (reader.has(transform + "dense.weight")) {
    transform_ = load_linear(reader, transform + "dense", hidden, hidden, kernels);
    transform_norm_ = load_layer_norm(reader, transform + "LayerNorm", hidden, config().layer_norm_eps, kernels);
    decoder_bias_.resize(vocabulary);
    const bool own_bias = reader.has(predictions + "decoder.bias");
    reader.read(predictions + (own_bias ? "decoder.bias" : "bias"), {vocabulary}, decoder_bias_.data());
    if (own_bias) reader.ignore(predictions + "bias");
    if (reader.has(predictions + "decoder.weight")) {
      untied_ = PackedMatrix<T>(vocabulary, hidden, kernels);
      load_rows(reader, predictions + "decoder.weight", untied_, 0, vocabulary);
    }
  }
  if (reader.has("cls.seq_relationship.weight"))
    seq_relationship_ = load_linear(reader, "cls.seq_relationship", 2, hidden, kernels);
  for (const char* head : {"classifier.", "qa_outputs."}) reader.ignore(head);
  reader.finish();
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

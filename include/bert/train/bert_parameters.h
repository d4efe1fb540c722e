// BertParameters: the parameters of BERT or RoBERTa, or their gradients, as the matrices and vectors that the blocks
// take.
//
// The same struct over two arrays of one layout: a backward pass reads weights.up and writes gradients.up.
#pragma once
#include <bert/models/bert.h>
#include <bert/models/roberta.h>
#include <bert/train/parameters.h>

namespace bert::inline BERT_ABI {

/// What a model predicts beside its token states. To add a task: a value here, its parameters in BertParameters, its
/// loss in train/heads.h.
struct BertHeads {
  bool mlm = false, nsp = false;
  std::size_t classes = 0;  // of a sequence, through the pooler: classifier
  std::size_t tags = 0;     // of a token: classifier
  bool spans = false;       // start and end of an answer: qa_outputs
  bool similarity = false;  // of two texts' mean vectors: no parameters

  bool pooler() const { return nsp || classes > 0; }
};

template <class T>
struct BertParameters {
  using Scalar = T;
  using Config = BertConfig;
  using Heads = BertHeads;
  using Matrix = TensorView<T, 2>;
  struct Layer {
    LinearParameters<T> qkv, attention_output, up, down;
    NormParameters<T> attention_norm, output_norm;
  };

  Matrix word, position, token_type;  // [V, H], [positions, H], [types, H]
  NormParameters<T> embeddings_norm;
  std::vector<Layer> layers;
  LinearParameters<T> pooler;
  LinearParameters<T> transform;  // with its norm and the decoder's bias: the MLM head; the decoder is `word`
  NormParameters<T> transform_norm;
  T* decoder_bias = nullptr;
  LinearParameters<T> next_sentence, classifier, spans;

  BertParameters() = default;
  /// Views of `array`, or of nothing where it is null; `layout`, empty at first, receives names, shapes and offsets.
  BertParameters(ParameterLayout& layout, const BertConfig& config, const BertHeads& heads, T* array);

  static BertConfig read_config(const ConfigReader& config);
  /// Of a new model's matrix; `range` is the config's initializer_range.
  static double initial_deviation(const BertConfig&, const std::string&, double range) { return range; }
  /// Whether a checkpoint may lack the parameter, which is then a new one.
  static bool is_head(const BertConfig& config, const std::string& name);
  /// Counts as read what a checkpoint has of other heads. Error when its decoder is not the word table.
  static void ignore_other_heads(WeightReader& reader, const BertConfig& config, const BertHeads& heads);
};

/// The families that can be trained: one of them, or an error.
inline const EncoderFamily& trainable_family(std::string_view model_type, const std::string& what) {
  for (const EncoderFamily* family : {&bert_family, &roberta_family})
    if (family->model_type == model_type) return *family;
  fail(what, ": model_type is \"", model_type,
       "\"; models that can be trained are bert and roberta, and on the next token gpt2 and llama");
}
inline const EncoderFamily& family_of(const BertConfig& config) {
  return trainable_family(config.model_type, "the model's config");
}

}  // namespace bert::inline BERT_ABI

namespace bert::inline BERT_ABI {

template <class T>
BertParameters<T>::BertParameters(ParameterLayout& layout, const BertConfig& config, const BertHeads& heads, T* array) {
  const ParameterBuilder<T> build(layout, array);
  const EncoderFamily& family = family_of(config);
  const HeadNames& names = family.heads;
  const std::size_t hidden = config.hidden_size, intermediate = config.intermediate_size;
  const std::string embeddings = concat(family.prefix, "embeddings.");
  word = build.matrix(concat(family.prefix, family.words, ".weight"), config.vocab_size, hidden);
  position = build.matrix(embeddings + "position_embeddings.weight", config.max_position_embeddings, hidden);
  token_type = build.matrix(embeddings + "token_type_embeddings.weight", config.type_vocab_size, hidden);
  embeddings_norm = build.norm(embeddings + "LayerNorm", hidden);
  for (std::size_t i = 0; i < config.num_hidden_layers; ++i) {
    const auto name = [&](std::string_view part) { return concat(family.prefix, family.layer, i, ".", part); };
    Layer& layer = layers.emplace_back();
    layer.qkv = build.product({name(family.query), name(family.key), name(family.value)}, {hidden, hidden, hidden},
                              hidden, true);
    layer.attention_output = build.linear(name(family.attention_output), hidden, hidden);
    layer.attention_norm = build.norm(name(family.attention_norm), hidden);
    layer.up = build.linear(name(family.up), intermediate, hidden);
    layer.down = build.linear(name(family.down), hidden, intermediate);
    layer.output_norm = build.norm(name(family.output_norm), hidden);
  }
  const bool own_pooler = names.class_dense.empty();  // RoBERTa's classes have a dense layer instead
  if (heads.nsp && names.next_sentence.empty()) fail(config.model_type, " has no head for next sentences");
  if (heads.pooler())
    pooler = build.linear(own_pooler ? concat(family.prefix, family.pooler) : std::string(names.class_dense), hidden,
                          hidden);
  if (heads.mlm) {
    transform = build.linear(std::string(names.transform), hidden, hidden);
    transform_norm = build.norm(std::string(names.transform_norm), hidden);
    decoder_bias = build.vector(std::string(names.decoder_bias), config.vocab_size);
  }
  if (heads.nsp) next_sentence = build.linear(std::string(names.next_sentence), 2, hidden);
  if (heads.classes > 0) classifier = build.linear(std::string(names.classifier), heads.classes, hidden);
  if (heads.tags > 0) classifier = build.linear(std::string(names.tags), heads.tags, hidden);
  if (heads.spans) spans = build.linear(std::string(names.spans), 2, hidden);
}

template <class T>
BertConfig BertParameters<T>::read_config(const ConfigReader& config) {
  return trainable_family(config.get("model_type", "bert"), config.what()).read_config(config);
}

template <class T>
bool BertParameters<T>::is_head(const BertConfig& config, const std::string& name) {
  const EncoderFamily& family = family_of(config);
  return !name.starts_with(family.prefix) || name.starts_with(concat(family.prefix, family.pooler));
}

template <class T>
void BertParameters<T>::ignore_other_heads(WeightReader& reader, const BertConfig& config, const BertHeads& heads) {
  const std::string decoder = concat(family_of(config).heads.decoder, ".weight");
  if (heads.mlm && reader.has(decoder))
    reader.broken(concat(decoder, " is not the word table, to which training ties the decoder"));
  for (const char* rest : {"cls.", "lm_head.", "classifier.", "qa_outputs.", "bert.pooler.", "roberta.pooler."})
    reader.ignore(rest);
}

}  // namespace bert::inline BERT_ABI

// BertParameters: BERT's parameters, or their gradients, as the matrices and vectors that the blocks take.
//
// The same struct over two arrays of one layout: a backward pass reads weights.up and writes gradients.up.
#pragma once
#include <bert/io/model_config.h>
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
  using Matrix = TensorView<T, 2>;
  struct LinearParameters {
    Matrix weight;  // [N, K]
    T* bias = nullptr;
  };
  struct NormParameters {
    T *gamma = nullptr, *beta = nullptr;  // [H]
  };
  struct Layer {
    LinearParameters qkv, attention_output, up, down;
    NormParameters attention_norm, output_norm;
  };

  Matrix word, position, token_type;  // [V, H], [positions, H], [types, H]
  NormParameters embeddings_norm;
  std::vector<Layer> layers;
  LinearParameters pooler;
  LinearParameters transform;  // with its norm and the decoder's bias: the MLM head; the decoder is `word`
  NormParameters transform_norm;
  T* decoder_bias = nullptr;
  LinearParameters next_sentence, classifier, spans;

  BertParameters() = default;
  /// Views of `array`, or of nothing where it is null; `layout`, empty at first, receives names, shapes and offsets.
  BertParameters(ParameterLayout& layout, const BertConfig& config, const BertHeads& heads, T* array);

 private:
  struct Builder;
};

}  // namespace bert::inline BERT_ABI

namespace bert::inline BERT_ABI {

template <class T>
struct BertParameters<T>::Builder {
  ParameterLayout& layout;
  T* array;

  T* at(std::size_t offset) const { return array ? array + offset : nullptr; }
  Matrix matrix(const std::string& name, std::size_t rows, std::size_t columns, bool joined = false) const {
    return {at(layout.add(name, {rows, columns}, joined)), {rows, columns}};
  }
  T* vector(const std::string& name, std::size_t size, bool joined = false) const {
    return at(layout.add(name, {size}, joined));
  }
  LinearParameters linear(const std::string& name, std::size_t n, std::size_t k) const {
    const Matrix weight = matrix(name + ".weight", n, k);
    return {weight, vector(name + ".bias", n)};
  }
  NormParameters norm(const std::string& name, std::size_t size) const {
    T* const gamma = vector(name + ".weight", size);
    return {gamma, vector(name + ".bias", size)};
  }
  /// Query, key and value end to end: one product.
  LinearParameters qkv(const std::string& prefix, std::size_t hidden) const {
    LinearParameters all{matrix(prefix + "query.weight", hidden, hidden), nullptr};
    matrix(prefix + "key.weight", hidden, hidden, true);
    matrix(prefix + "value.weight", hidden, hidden, true);
    all.weight = {all.weight.data(), {3 * hidden, hidden}};
    all.bias = vector(prefix + "query.bias", hidden);
    vector(prefix + "key.bias", hidden, true);
    vector(prefix + "value.bias", hidden, true);
    return all;
  }
};

template <class T>
BertParameters<T>::BertParameters(ParameterLayout& layout, const BertConfig& config, const BertHeads& heads, T* array) {
  const Builder build{layout, array};
  const std::size_t hidden = config.hidden_size, intermediate = config.intermediate_size;
  const std::string embeddings = "bert.embeddings.";
  word = build.matrix(embeddings + "word_embeddings.weight", config.vocab_size, hidden);
  position = build.matrix(embeddings + "position_embeddings.weight", config.max_position_embeddings, hidden);
  token_type = build.matrix(embeddings + "token_type_embeddings.weight", config.type_vocab_size, hidden);
  embeddings_norm = build.norm(embeddings + "LayerNorm", hidden);
  for (std::size_t i = 0; i < config.num_hidden_layers; ++i) {
    const std::string prefix = concat("bert.encoder.layer.", i, ".");
    Layer& layer = layers.emplace_back();
    layer.qkv = build.qkv(prefix + "attention.self.", hidden);
    layer.attention_output = build.linear(prefix + "attention.output.dense", hidden, hidden);
    layer.attention_norm = build.norm(prefix + "attention.output.LayerNorm", hidden);
    layer.up = build.linear(prefix + "intermediate.dense", intermediate, hidden);
    layer.down = build.linear(prefix + "output.dense", hidden, intermediate);
    layer.output_norm = build.norm(prefix + "output.LayerNorm", hidden);
  }
  if (heads.pooler()) pooler = build.linear("bert.pooler.dense", hidden, hidden);
  if (heads.mlm) {
    transform = build.linear("cls.predictions.transform.dense", hidden, hidden);
    transform_norm = build.norm("cls.predictions.transform.LayerNorm", hidden);
    decoder_bias = build.vector("cls.predictions.bias", config.vocab_size);
  }
  if (heads.nsp) next_sentence = build.linear("cls.seq_relationship", 2, hidden);
  if (heads.classes + heads.tags > 0) classifier = build.linear("classifier", heads.classes + heads.tags, hidden);
  if (heads.spans) spans = build.linear("qa_outputs", 2, hidden);
}

}  // namespace bert::inline BERT_ABI

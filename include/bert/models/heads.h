// Heads: what stands on a model's hidden states: logits over the vocabulary, of sentence pairs, classes, tags, answers.
//
// All families have these same few shapes; a family says in a HeadNames what its tensors are called and which parts it
// has. A further kind of head is a value of Head (model.h), a member here, and its lines in the loader and in
// forward().
#pragma once
#include <bert/core/workspace.h>
#include <bert/io/weights.h>
#include <bert/models/model.h>
#include <bert/nn/activation.h>
#include <bert/nn/layer_norm.h>
#include <bert/nn/pooler.h>

namespace bert::inline BERT_ABI {

/// Names of a family's head tensors, without ".weight" and ".bias"; empty: the family has no such part.
struct HeadNames {
  // words: logits = norm(activation(dense(h))) words^T + bias   [M, V]
  std::string_view transform = "", transform_norm = "";
  std::string_view transform_act = "";  // empty: the config's hidden_act
  std::string_view decoder = "";        // where it is not tied to the word embeddings
  std::string_view decoder_bias = "";   // the whole name of the tensor
  bool tied_shows = true;  // false: a tied decoder leaves no tensor; it is there where the config ties it, unless there
                           // is a classifier: logits = h words^T
  // next_sentence: logits = dense(pooled)   [B, 2]
  std::string_view next_sentence = "";
  // classes: logits = classifier(x)   [B, N], x the pooler's output or activation(dense(h of the first or last token))
  enum class Summary { pooled, first, last };
  Summary summary = Summary::pooled;
  std::string_view class_dense = "", class_act = "", classifier = "";
  bool class_bias = true;
  // tags and spans: logits = dense(h)   [T, N]
  std::string_view tags = "", spans = "";
  // replaced: logit = replaced(activation(dense(h)))   [T, 1]
  std::string_view replaced_dense = "", replaced_act = "", replaced = "";
};

template <class T>
class Heads {
 public:
  Heads() = default;
  /// Reads those heads that the checkpoint has. `width` E is that of the word embeddings, to which the decoder is tied.
  Heads(WeightReader& reader, const HeadNames& names, const ModelConfig& config, std::size_t width, bool has_pooler,
        const KernelTable<T>& kernels);

  /// Whether the decoder is the word table, which then has to be packed for products.
  static bool ties_words(const WeightReader& reader, const HeadNames& names);
  /// Counts every tensor of these heads as read, for a model without them.
  static void ignore(WeightReader& reader, const HeadNames& names);

  bool has(Head head) const;
  /// Outputs of the classifier, of sequences or of tokens; 0 without one.
  std::size_t outputs() const { return has(Head::classes) ? classifier_.weight().n() : token_.weight().n(); }

  /// Activations of one pass, laid out over an arena.
  struct Activations {
    TensorView<T, 2> states, transformed, words;  // [M, H], [M, E], [M, V]
    TensorView<T, 2> pair;                        // [B, 2]
    std::vector<std::size_t> tokens;              // [B], those whose states classes are read from
    TensorView<T, 2> token, dense, classes;       // [B, H] each, [B, N]
    TensorView<T, 2> wide, tags;                  // [T, H], [T, N]
    Activations() = default;
    Activations(Arena& arena, const Heads& heads, const ModelConfig& config, std::size_t width,
                const PackedBatch& batch, std::size_t rows);
  };

  /// All threads of the team together. hidden [T, H], pooled [B, H]; `words` is the model's word table [V, E].
  void forward(const Team& team, TensorView<const T, 2> hidden, TensorView<const T, 2> pooled,
               const PackedMatrix<T>& words, std::span<const std::size_t> rows, const Activations& activations) const;

 private:
  void load_words(WeightReader& reader, const HeadNames& names, const ModelConfig& config, std::size_t width,
                  const KernelTable<T>& kernels);
  void load_classes(WeightReader& reader, const HeadNames& names, const ModelConfig& config, bool has_pooler,
                    const KernelTable<T>& kernels);

  // words
  bool has_words_ = false;
  Linear<T> transform_;  // [E, H], or empty
  Activation transform_act_ = Activation::gelu;
  LayerNorm<T> transform_norm_;
  PackedMatrix<T> untied_;  // [V, E], when the decoder has weights of its own
  std::vector<T> decoder_bias_;

  Linear<T> next_sentence_;  // [2, H]

  HeadNames::Summary summary_ = HeadNames::Summary::pooled;
  Linear<T> class_dense_;  // [H, H], or empty
  Activation class_act_ = Activation::tanh;
  Linear<T> classifier_;  // [N, H]

  // One head of every token: tags, spans or replaced
  Head token_head_ = Head::tags;
  Linear<T> token_dense_;  // [H, H], or empty
  Activation token_act_ = Activation::gelu;
  Linear<T> token_;  // [N, H]
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <bert/models/heads_weights.h>

namespace bert::inline BERT_ABI {

template <class T>
bool Heads<T>::has(Head head) const {
  switch (head) {
    case Head::words:
      return has_words_;
    case Head::next_sentence:
      return !next_sentence_.weight().empty();
    case Head::classes:
      return !classifier_.weight().empty();
    default:
      return head == token_head_ && !token_.weight().empty();
  }
}

template <class T>
Heads<T>::Activations::Activations(Arena& arena, const Heads& heads, const ModelConfig& config, std::size_t width,
                                   const PackedBatch& batch, std::size_t rows) {
  const std::size_t hidden = config.hidden_size, sequences = batch.sequences();
  if (heads.has_words_) {
    states = arena.matrix<T>(rows, hidden);
    if (!heads.transform_.weight().empty()) transformed = arena.matrix<T>(rows, width);
    words = arena.matrix<T>(rows, config.vocab_size);
  }
  if (heads.has(Head::next_sentence)) pair = arena.matrix<T>(sequences, 2);
  if (heads.has(Head::classes)) {
    if (heads.summary_ != HeadNames::Summary::pooled) {
      const bool last = heads.summary_ == HeadNames::Summary::last;
      for (std::size_t b = 0; b < sequences; ++b) tokens.push_back(last ? batch.offsets[b + 1] - 1 : batch.offsets[b]);
      token = arena.matrix<T>(sequences, hidden);
    }
    if (!heads.class_dense_.weight().empty()) dense = arena.matrix<T>(sequences, hidden);
    classes = arena.matrix<T>(sequences, heads.classifier_.weight().n());
  }
  if (!heads.token_.weight().empty()) {
    if (!heads.token_dense_.weight().empty()) wide = arena.matrix<T>(batch.tokens(), hidden);
    tags = arena.matrix<T>(batch.tokens(), heads.token_.weight().n());
  }
}

template <class T>
void Heads<T>::forward(const Team& team, TensorView<const T, 2> hidden, TensorView<const T, 2> pooled,
                       const PackedMatrix<T>& words, std::span<const std::size_t> rows, const Activations& a) const {
  if (!rows.empty()) {
    gather_rows<T>(team, hidden, rows, a.states);
    const bool transformed = !transform_.weight().empty();
    if (transformed) {
      transform_.forward(team, a.states, a.transformed, transform_act_);
      transform_norm_.forward(team, a.transformed, a.transformed);
    }
    const PackedMatrix<T>& decoder = untied_.empty() ? words : untied_;
    decoder.multiply(team, transformed ? a.transformed : a.states,
                     decoder_bias_.empty() ? nullptr : decoder_bias_.data(), a.words);
  }
  if (has(Head::next_sentence)) next_sentence_.forward(team, pooled, a.pair);
  if (has(Head::classes)) {
    const bool dense = !class_dense_.weight().empty();
    if (!a.tokens.empty()) gather_rows<T>(team, hidden, a.tokens, a.token);
    if (dense) class_dense_.forward(team, a.token, a.dense, class_act_);
    classifier_.forward(team, dense ? a.dense : a.tokens.empty() ? pooled : a.token, a.classes);
  }
  if (!token_.weight().empty()) {
    const bool dense = !token_dense_.weight().empty();
    if (dense) token_dense_.forward(team, hidden, a.wide, token_act_);
    token_.forward(team, dense ? a.wide : hidden, a.tags);
  }
}

}  // namespace bert::inline BERT_ABI
#else
namespace bert::inline BERT_ABI {
extern template class Heads<float>;
extern template class Heads<double>;
}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

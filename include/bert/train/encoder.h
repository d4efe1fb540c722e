// EncoderPass: BERT's embeddings and layers forward and backward, with the activations that the way back needs.
//
// Read forward() and backward() side by side: each operation of the one has its counterpart in the other, in reverse.
// The formulas stand above the NAME_backward functions of nn/.
#pragma once
#include <bert/nn/activation.h>
#include <bert/nn/attention.h>
#include <bert/nn/dropout.h>
#include <bert/nn/embedding.h>
#include <bert/train/bert_parameters.h>

namespace bert::inline BERT_ABI {

/// Where the random numbers of a step's dropout come from, and how much there is.
struct DropoutPlan {
  double hidden = 0, attention = 0, classifier = 0;  // rates, as Hugging Face's ..._dropout_prob
  std::uint64_t seed = 0;
  std::uint32_t step = 0;
  std::span<const std::uint32_t> sequences;  // [B] numbers of the batch's sequences in the run

  Dropout at(RandomSite site, double rate, std::size_t offset = 0) const {
    return {rate, seed, step, static_cast<std::uint32_t>(site) + static_cast<std::uint32_t>(offset), sequences};
  }
  Dropout embeddings() const { return at(RandomSite::embeddings_dropout, hidden); }
  Dropout attention_of(std::size_t layer) const { return at(RandomSite::layer_dropout, attention, 4 * layer); }
  Dropout attention_output(std::size_t layer) const { return at(RandomSite::layer_dropout, hidden, 4 * layer + 1); }
  Dropout layer_output(std::size_t layer) const { return at(RandomSite::layer_dropout, hidden, 4 * layer + 2); }
  Dropout before_classifier() const { return at(RandomSite::classifier_dropout, classifier); }
};

/// y [M, N] = x [M, N], row by row.
template <class T>
void copy_rows(const Team& team, TensorView<const T, 2> x, TensorView<T, 2> y) {
  const Share rows = team.share(x.rows());
  for (std::size_t r = rows.begin; r < rows.end; ++r) std::copy(x.row(r), x.row(r) + x.columns(), y.row(r));
  team.sync();
}

/// y [M, N] = activation(x [M, N]); x stays, for activation_backward().
template <class T>
void activate_into(const Team& team, const TrainingSpace<T>& space, Activation activation, TensorView<const T, 2> x,
                   TensorView<T, 2> y) {
  copy_rows(team, x, y);
  activate(team, activation, y, *space.kernels);
}

/// Sets a gradient array and the gradient of the states to 0, before backward passes that add to them.
template <class T>
void clear_gradients(const Team& team, std::span<T> array, TensorView<T, 2> dstates) {
  const Share mine = team.share(array.size(), 64), rows = team.share(dstates.rows());
  std::fill(array.data() + mine.begin, array.data() + mine.end, T(0));
  std::fill(dstates.row(rows.begin), dstates.row(rows.end), T(0));
  team.sync();
}

template <class T>
class EncoderPass {
 public:
  using Matrix = TensorView<T, 2>;
  using Parameters = BertParameters<T>;

  /// Lays the activations of T tokens out over the arena.
  EncoderPass(Arena& arena, const BertConfig& config, std::size_t tokens) : config_(&config) {
    const std::size_t hidden = config.hidden_size, intermediate = config.intermediate_size;
    embedded_ = arena.matrix<T>(tokens, hidden);
    for (std::size_t i = 0; i < config.num_hidden_layers; ++i)
      layers_.push_back({arena.matrix<T>(tokens, hidden), arena.matrix<T>(tokens, 3 * hidden),
                         arena.matrix<T>(tokens, hidden), arena.matrix<T>(tokens, hidden),
                         arena.matrix<T>(tokens, hidden), arena.matrix<T>(tokens, intermediate),
                         arena.matrix<T>(tokens, hidden)});
    states_ = arena.matrix<T>(tokens, hidden);
    gradient_ = arena.matrix<T>(tokens, hidden);
    wide_ = arena.matrix<T>(tokens, std::max(3 * hidden, intermediate));
    intermediate_ = arena.matrix<T>(tokens, intermediate);
    sum_ = arena.matrix<T>(tokens, hidden);
    branch_ = arena.matrix<T>(tokens, hidden);
  }

  /// What forward and backward of the batch ask of a TrainingSpace.
  static void count(typename TrainingSpace<T>::Needs& needs, const BertConfig& config, const PackedBatch& batch,
                    const TrainingKernels<T>& training) {
    const std::size_t tokens = batch.tokens();
    std::size_t longest = 0;
    for (std::size_t b = 0; b < batch.sequences(); ++b) longest = std::max(longest, batch.length(b));
    const std::size_t hidden = config.hidden_size, intermediate = config.intermediate_size;
    needs.linear(tokens, 3 * hidden, hidden);
    needs.linear(tokens, intermediate, hidden);
    needs.linear(tokens, hidden, intermediate);
    needs.sums(tokens, 2 * hidden);
    needs.scratch = std::max(needs.scratch, training.attention_scratch(longest, hidden / config.num_attention_heads));
  }

  /// The last hidden state [T, H], and where its gradient is to be put before backward().
  Matrix states() const { return states_; }
  Matrix gradient() const { return gradient_; }

  void forward(const Team& team, const TrainingSpace<T>& space, const Parameters& weights, const PackedBatch& batch,
               const DropoutPlan& dropout) const {
    const T eps = static_cast<T>(config_->layer_norm_eps);
    const std::size_t heads = config_->num_attention_heads;
    const Activation activation = activation_by_name(config_->hidden_act);
    const auto& offsets = batch.offsets;

    embedding_forward<T>(team, space, weights.word, weights.token_type, weights.position, batch, embedded_);
    norm_forward(team, space, embedded_, weights.embeddings_norm, eps, input(0));
    apply_dropout(team, space, dropout.embeddings(), offsets, input(0));
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      const auto& [x, qkv, context, attention_sum, attended, up, output_sum] = layers_[i];
      const auto& w = weights.layers[i];
      linear_forward<T>(team, space, w.qkv.weight, w.qkv.bias, x, qkv);
      attention_forward<T>(team, space, heads, offsets, qkv, context, dropout.attention_of(i));
      residual_linear(team, space, w.attention_output, context, x, attention_sum, offsets, dropout.attention_output(i));
      norm_forward(team, space, attention_sum, w.attention_norm, eps, attended);
      linear_forward<T>(team, space, w.up.weight, w.up.bias, attended, up);
      activate_into<T>(team, space, activation, up, intermediate_);
      residual_linear(team, space, w.down, intermediate_, attended, output_sum, offsets, dropout.layer_output(i));
      norm_forward(team, space, output_sum, w.output_norm, eps, input(i + 1));
    }
  }

  /// gradient() holds dL/dstates [T, H] and is used up. Writes the gradients of the layers and the embeddings' norm;
  /// adds to those of the three tables, which the caller has set to 0 or begun.
  void backward(const Team& team, const TrainingSpace<T>& space, const Parameters& weights, const Parameters& gradients,
                const PackedBatch& batch, const DropoutPlan& dropout) const {
    const T eps = static_cast<T>(config_->layer_norm_eps);
    const std::size_t heads = config_->num_attention_heads;
    const Activation activation = activation_by_name(config_->hidden_act);
    const auto& offsets = batch.offsets;
    const Matrix dqkv(wide_.data(), {batch.tokens(), 3 * config_->hidden_size});
    const Matrix dup(wide_.data(), {batch.tokens(), config_->intermediate_size});

    for (std::size_t i = layers_.size(); i-- > 0;) {
      const auto& [x, qkv, context, attention_sum, attended, up, output_sum] = layers_[i];
      const auto& w = weights.layers[i];
      const auto& g = gradients.layers[i];
      norm_backward(team, space, output_sum, w.output_norm, eps, gradient_, sum_, g.output_norm);
      Matrix branch = dropped(team, space, dropout.layer_output(i), offsets);
      activate_into<T>(team, space, activation, up, intermediate_);
      linear_backward<T>(team, space, w.down.weight, intermediate_, branch, dup, {}, g.down.weight, g.down.bias);
      activation_backward<T>(team, space, activation, up, dup);
      linear_backward<T>(team, space, w.up.weight, attended, dup, gradient_, sum_, g.up.weight, g.up.bias);

      norm_backward(team, space, attention_sum, w.attention_norm, eps, gradient_, sum_, g.attention_norm);
      branch = dropped(team, space, dropout.attention_output(i), offsets);
      linear_backward<T>(team, space, w.attention_output.weight, context, branch, gradient_, {},
                         g.attention_output.weight, g.attention_output.bias);
      attention_backward<T>(team, space, heads, offsets, qkv, context, gradient_, dqkv, dropout.attention_of(i));
      linear_backward<T>(team, space, w.qkv.weight, x, dqkv, gradient_, sum_, g.qkv.weight, g.qkv.bias);
    }
    apply_dropout(team, space, dropout.embeddings(), offsets, gradient_);
    norm_backward(team, space, embedded_, weights.embeddings_norm, eps, gradient_, sum_, gradients.embeddings_norm);
    lookup_backward<T>(team, space, batch.ids, sum_, gradients.word);
    lookup_backward<T>(team, space, batch.type_ids, sum_, gradients.token_type);
    lookup_backward<T>(team, space, batch.positions, sum_, gradients.position);
  }

 private:
  struct Layer {
    Matrix x, qkv, context, attention_sum, attended, up, output_sum;  // inputs of the layer's operations, in order
  };
  using Norm = typename Parameters::NormParameters;
  using LinearParameters = typename Parameters::LinearParameters;

  Matrix input(std::size_t layer) const { return layer < layers_.size() ? layers_[layer].x : states_; }

  static void norm_forward(const Team& team, const TrainingSpace<T>& space, Matrix x, const Norm& norm, T eps,
                           Matrix y) {
    layer_norm_forward<T>(team, space, x, norm.gamma, norm.beta, eps, y);
  }
  static void norm_backward(const Team& team, const TrainingSpace<T>& space, Matrix x, const Norm& norm, T eps,
                            Matrix dy, Matrix dx, const Norm& gradient) {
    layer_norm_backward<T>(team, space, x, norm.gamma, eps, dy, dx, gradient.gamma, gradient.beta);
  }
  /// out = dropout(x W^T + b) + residual
  static void residual_linear(const Team& team, const TrainingSpace<T>& space, const LinearParameters& linear, Matrix x,
                              Matrix residual, Matrix out, std::span<const std::size_t> offsets,
                              const Dropout& dropout) {
    if (!dropout.active()) return linear_forward<T>(team, space, linear.weight, linear.bias, x, out, residual);
    linear_forward<T>(team, space, linear.weight, linear.bias, x, out);
    apply_dropout(team, space, dropout, offsets, out);
    add_rows<T>(team, space, residual, out);
  }
  /// The gradient in sum_ as it goes into a branch behind dropout; sum_ itself is the residual's.
  Matrix dropped(const Team& team, const TrainingSpace<T>& space, const Dropout& dropout,
                 std::span<const std::size_t> offsets) const {
    if (!dropout.active()) return sum_;
    copy_rows<T>(team, sum_, branch_);
    apply_dropout(team, space, dropout, offsets, branch_);
    return branch_;
  }

  const BertConfig* config_;
  Matrix embedded_;  // before the embeddings' norm
  std::vector<Layer> layers_;
  Matrix states_, gradient_;
  Matrix wide_, intermediate_, sum_, branch_;  // of the layer at hand
};

}  // namespace bert::inline BERT_ABI

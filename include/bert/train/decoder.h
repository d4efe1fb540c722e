// DecoderPass: the embeddings and layers of a causal model forward and backward, with the activations that the way back
// needs: EncoderPass's counterpart.
//
// A layer adds to its input instead of replacing it, and normalises what it reads instead of what it writes:
//
//   x <- x + dropout(W_o attention(W_qkv norm(x)))
//   x <- x + dropout(W_d f(W_u norm(x)))
//
// so on the way back the gradient of x goes past each branch, which adds its own.
#pragma once
#include <bert/nn/activation.h>
#include <bert/nn/causal_attention.h>
#include <bert/nn/dropout.h>
#include <bert/nn/embedding.h>
#include <bert/nn/rms_norm.h>
#include <bert/train/decoder_parameters.h>
#include <bert/train/dropout_plan.h>
#include <bert/train/rows.h>

#include <algorithm>

namespace bert::inline BERT_ABI {

inline DropoutRates dropout_rates(const DecoderConfig& config) {
  return {config.embedding_dropout, config.hidden_dropout, config.attention_dropout};
}

/// y = norm(x), a layer norm or, without beta, an RMS norm.
template <class T>
void any_norm_forward(const Team& team, const TrainingSpace<T>& space, TensorView<T, 2> x,
                      const NormParameters<T>& norm, T eps, TensorView<T, 2> y) {
  norm.beta ? layer_norm_forward<T>(team, space, x, norm.gamma, norm.beta, eps, y)
            : rms_norm_forward<T>(team, space, x, norm.gamma, eps, y);
}
template <class T>
void any_norm_backward(const Team& team, const TrainingSpace<T>& space, TensorView<T, 2> x,
                       const NormParameters<T>& norm, T eps, TensorView<T, 2> dy, TensorView<T, 2> dx,
                       const NormParameters<T>& gradient) {
  norm.beta ? layer_norm_backward<T>(team, space, x, norm.gamma, eps, dy, dx, gradient.gamma, gradient.beta)
            : rms_norm_backward<T>(team, space, x, norm.gamma, eps, dy, dx, gradient.gamma);
}

/// Rotations of a model's positions, and back; empty where positions are learned.
template <class T>
struct Rotations {
  Rotary<T> forward, backward;

  Rotations() = default;
  Rotations(const DecoderConfig& config, std::size_t positions) {
    if (config.rope_theta == 0) return;
    forward = Rotary<T>(positions, config.head_size, config.rope_theta, config.rope_scaling);
    backward = forward.inverse();
  }
};

template <class T>
class DecoderPass {
 public:
  using Matrix = TensorView<T, 2>;
  using Parameters = DecoderParameters<T>;

  /// Lays the activations of the batch out over the arena.
  DecoderPass(Arena& arena, const DecoderConfig& config, const PackedBatch& batch)
      : config_(&config), sizes_{config.num_attention_heads, config.num_key_value_heads, config.head_size} {
    const std::size_t tokens = batch.tokens(), hidden = config.hidden_size, inner = config.intermediate_size;
    const std::size_t outer = config.gated ? 2 * inner : inner, heads = sizes_.heads * sizes_.size;
    for (std::size_t i = 0; i < config.num_hidden_layers; ++i)
      layers_.push_back({arena.matrix<T>(tokens, hidden), arena.matrix<T>(tokens, hidden),
                         arena.matrix<T>(tokens, sizes_.width()), arena.matrix<T>(tokens, heads),
                         arena.matrix<T>(tokens, hidden), arena.matrix<T>(tokens, hidden),
                         arena.matrix<T>(tokens, outer)});
    last_ = arena.matrix<T>(tokens, hidden);
    states_ = arena.matrix<T>(tokens, hidden);
    gradient_ = arena.matrix<T>(tokens, hidden);
    branch_ = arena.matrix<T>(tokens, hidden);
    context_gradient_ = arena.matrix<T>(tokens, heads);
    intermediate_ = arena.matrix<T>(tokens, outer);
    intermediate_gradient_ = arena.matrix<T>(tokens, inner);
    wide_ = arena.matrix<T>(tokens, std::max(sizes_.width(), outer));
    zero_ = arena.matrix<T>(1, hidden);
    if (zero_.data()) rotations_ = Rotations<T>(config, longest(batch));  // else the arena is only counted
  }

  static void count(typename TrainingSpace<T>::Needs& needs, const DecoderConfig& config, const PackedBatch& batch,
                    const TrainingKernels<T>& training) {
    const std::size_t tokens = batch.tokens(), hidden = config.hidden_size, inner = config.intermediate_size;
    const HeadSizes sizes{config.num_attention_heads, config.num_key_value_heads, config.head_size};
    needs.linear(tokens, sizes.width(), hidden);
    needs.linear(tokens, hidden, sizes.heads * sizes.size);
    needs.linear(tokens, config.gated ? 2 * inner : inner, hidden);
    needs.linear(tokens, hidden, inner);
    needs.sums(tokens, 2 * hidden);
    needs.scratch = std::max(needs.scratch, causal_training_scratch(training, longest(batch), sizes.size));
  }

  /// The last hidden state [T, H], after the final norm, and where its gradient is to be put before backward().
  Matrix states() const { return states_; }
  Matrix gradient() const { return gradient_; }

  void forward(const Team& team, const TrainingSpace<T>& space, const Parameters& weights, const PackedBatch& batch,
               const DropoutPlan& dropout) const {
    const T eps = static_cast<T>(config_->layer_norm_eps);
    const auto& offsets = batch.offsets;
    embed(team, space, weights, batch, input(0));
    apply_dropout(team, space, dropout.embeddings(), offsets, input(0));
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      const auto& [x, normed, qkv, context, attended, attended_normed, up] = layers_[i];
      const auto& w = weights.layers[i];
      any_norm_forward(team, space, x, w.attention_norm, eps, normed);
      linear_forward<T>(team, space, w.qkv.weight, w.qkv.bias, normed, qkv);
      rotate(team, space, rotations_.forward, batch, qkv);
      causal_forward<T>(team, space, sizes_, offsets, qkv, context, dropout.attention_of(i));
      residual_linear(team, space, w.attention_output, context, x, attended, offsets, {}, dropout.attention_output(i));
      any_norm_forward(team, space, attended, w.feed_forward_norm, eps, attended_normed);
      linear_forward<T>(team, space, w.up.weight, w.up.bias, attended_normed, up);
      residual_linear(team, space, w.down, activated(team, space, up), attended, input(i + 1), offsets, {},
                      dropout.layer_output(i));
    }
    any_norm_forward(team, space, last_, weights.final_norm, eps, states_);
  }

  /// gradient() holds dL/dstates and is used up. Writes the gradients of the layers and norms; adds to those of the
  /// tables.
  void backward(const Team& team, const TrainingSpace<T>& space, const Parameters& weights, const Parameters& gradients,
                const PackedBatch& batch, const DropoutPlan& dropout) const {
    const T eps = static_cast<T>(config_->layer_norm_eps);
    const auto& offsets = batch.offsets;
    const Matrix dqkv(wide_.data(), {batch.tokens(), sizes_.width()});
    any_norm_backward(team, space, last_, weights.final_norm, eps, gradient_, gradient_, gradients.final_norm);
    for (std::size_t i = layers_.size(); i-- > 0;) {
      const auto& [x, normed, qkv, context, attended, attended_normed, up] = layers_[i];
      const auto& w = weights.layers[i];
      const auto& g = gradients.layers[i];
      const Matrix dup(wide_.data(), {batch.tokens(), up.columns()});
      Matrix branch = dropped(team, space, dropout.layer_output(i), offsets, gradient_, branch_);
      linear_backward<T>(team, space, w.down.weight, activated(team, space, up), branch, intermediate_gradient_, {},
                         g.down.weight, g.down.bias);
      activated_backward(team, space, up, dup);
      linear_backward<T>(team, space, w.up.weight, attended_normed, dup, branch_, {}, g.up.weight, g.up.bias);
      any_norm_backward(team, space, attended, w.feed_forward_norm, eps, branch_, branch_, g.feed_forward_norm);
      add_rows<T>(team, space, branch_, gradient_);

      branch = dropped(team, space, dropout.attention_output(i), offsets, gradient_, branch_);
      linear_backward<T>(team, space, w.attention_output.weight, context, branch, context_gradient_, {},
                         g.attention_output.weight, g.attention_output.bias);
      causal_backward<T>(team, space, sizes_, offsets, qkv, context, context_gradient_, dqkv, dropout.attention_of(i));
      rotate(team, space, rotations_.backward, batch, dqkv);
      linear_backward<T>(team, space, w.qkv.weight, normed, dqkv, branch_, {}, g.qkv.weight, g.qkv.bias);
      any_norm_backward(team, space, x, w.attention_norm, eps, branch_, branch_, g.attention_norm);
      add_rows<T>(team, space, branch_, gradient_);
    }
    apply_dropout(team, space, dropout.embeddings(), offsets, gradient_);
    lookup_backward<T>(team, space, batch.ids, gradient_, gradients.word);
    if (!gradients.position.empty()) lookup_backward<T>(team, space, batch.positions, gradient_, gradients.position);
  }

 private:
  struct Layer {
    Matrix x, normed, qkv, context, attended, attended_normed, up;  // inputs of the layer's operations, in order
  };

  Matrix input(std::size_t layer) const { return layer < layers_.size() ? layers_[layer].x : last_; }
  Activation activation() const { return activation_by_name(config_->hidden_act); }

  /// word[id] + position[p]; there are no token types, whose table is a row of zeros, as are positions that turn.
  void embed(const Team& team, const TrainingSpace<T>& space, const Parameters& weights, const PackedBatch& batch,
             Matrix out) const {
    if (team.rank() == 0) std::fill_n(zero_.data(), zero_.columns(), T(0));
    team.sync();
    const bool learned = !weights.position.empty();
    embedding_forward<T>(team, space, weights.word, zero_, learned ? weights.position : zero_, batch.ids,
                         batch.type_ids, learned ? batch.positions : batch.type_ids, out);
  }

  void rotate(const Team& team, const TrainingSpace<T>& space, const Rotary<T>& rotary, const PackedBatch& batch,
              Matrix qkv) const {
    if (!rotary.empty()) rotary.forward(team, *space.kernels, qkv, batch.positions, sizes_.heads + sizes_.kv_heads);
  }

  /// f(up) [T, I]: the activation, or gate and up, which stay in `up` for activated_backward().
  Matrix activated(const Team& team, const TrainingSpace<T>& space, Matrix up) const {
    copy_rows<T>(team, up, intermediate_);
    config_->gated ? gate(team, space, activation(), intermediate_)
                   : activate(team, activation(), intermediate_, *space.kernels);
    return intermediate_.slice_columns(0, config_->intermediate_size);
  }
  /// intermediate_gradient_ through f, into dup.
  void activated_backward(const Team& team, const TrainingSpace<T>& space, Matrix up, Matrix dup) const {
    if (config_->gated) return gate_backward<T>(team, space, activation(), up, intermediate_gradient_, dup);
    copy_rows<T>(team, intermediate_gradient_, dup);
    activation_backward<T>(team, space, activation(), up, dup);
  }

  const DecoderConfig* config_;
  HeadSizes sizes_;
  std::vector<Layer> layers_;
  Matrix last_, states_, gradient_;                                                 // last_: before the final norm
  Matrix branch_, context_gradient_, intermediate_, intermediate_gradient_, wide_;  // of the layer at hand
  Matrix zero_;
  Rotations<T> rotations_;
};

}  // namespace bert::inline BERT_ABI

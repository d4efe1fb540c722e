// EncoderPass: BERT's embeddings and layers forward and backward, with the activations that the way back needs.
//
// Heads may read the states of some tokens only (the masked ones, [CLS], a word's first). What the last layer does
// after attention is done for these alone, forward and backward: for them nothing changes, the others would be thrown
// away.
//
// Read forward() and backward() side by side: each operation of the one has its counterpart in the other, in reverse.
// The formulas stand above the NAME_backward functions of nn/.
#pragma once
#include <bert/nn/activation.h>
#include <bert/nn/attention.h>
#include <bert/nn/embedding.h>
#include <bert/nn/pooler.h>
#include <bert/train/bert_parameters.h>
#include <bert/train/dropout_plan.h>
#include <bert/train/rows.h>

#include <algorithm>

namespace bert::inline BERT_ABI {

inline DropoutRates dropout_rates(const BertConfig& config) {
  const double classifier = config.classifier_dropout < 0 ? config.hidden_dropout_prob : config.classifier_dropout;
  const bool own_dense = !family_of(config).heads.class_dense.empty();
  return {config.hidden_dropout_prob, config.hidden_dropout_prob, config.attention_probs_dropout_prob, classifier,
          own_dense ? classifier : 0};
}

template <class T>
class EncoderPass {
 public:
  using Matrix = TensorView<T, 2>;
  using Parameters = BertParameters<T>;

  /// Lays the activations of T tokens out over the arena. `outputs`: the tokens whose states are read, ascending and
  /// all different; empty: all.
  EncoderPass(Arena& arena, const BertConfig& config, std::size_t tokens, std::vector<std::size_t> outputs = {})
      : config_(&config), outputs_(std::move(outputs)) {
    const std::size_t hidden = config.hidden_size, intermediate = config.intermediate_size;
    const std::size_t chosen = outputs_.size(), states = chosen > 0 ? chosen : tokens;
    embedded_ = arena.matrix<T>(tokens, hidden);
    for (std::size_t i = 0; i < config.num_hidden_layers; ++i) {
      const std::size_t rows = i + 1 < config.num_hidden_layers ? tokens : states;
      layers_.push_back({arena.matrix<T>(tokens, hidden), arena.matrix<T>(tokens, 3 * hidden),
                         arena.matrix<T>(tokens, hidden), arena.matrix<T>(rows, hidden), arena.matrix<T>(rows, hidden),
                         arena.matrix<T>(rows, intermediate), arena.matrix<T>(rows, hidden)});
    }
    if (config.first_position > 0) positions_ = {arena.take<std::int32_t>(tokens), tokens};
    states_ = arena.matrix<T>(states, hidden);
    chosen_x_ = arena.matrix<T>(chosen, hidden);
    chosen_context_ = arena.matrix<T>(chosen, hidden);
    spread_ = arena.matrix<T>(chosen > 0 ? tokens : 0, hidden);
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
    const std::size_t hidden = config.hidden_size, intermediate = config.intermediate_size;
    needs.linear(tokens, 3 * hidden, hidden);
    needs.linear(tokens, intermediate, hidden);
    needs.linear(tokens, hidden, intermediate);
    needs.sums(tokens, 2 * hidden);
    needs.scratch =
        std::max(needs.scratch, training.attention_scratch(longest(batch), hidden / config.num_attention_heads));
  }

  /// The last hidden state [T, H], or of the outputs alone [M, H], and where its gradient is to be put before
  /// backward().
  Matrix states() const { return states_; }
  Matrix gradient() const { return gradient_.slice_rows(0, states_.rows()); }
  /// The rows of states() that these tokens have.
  std::vector<std::size_t> rows_of(std::span<const std::size_t> tokens) const {
    std::vector<std::size_t> rows(tokens.begin(), tokens.end());
    if (!outputs_.empty())
      for (std::size_t& row : rows)
        row = static_cast<std::size_t>(std::lower_bound(outputs_.begin(), outputs_.end(), row) - outputs_.begin());
    return rows;
  }

  void forward(const Team& team, const TrainingSpace<T>& space, const Parameters& weights, const PackedBatch& batch,
               const DropoutPlan& dropout) const {
    const T eps = static_cast<T>(config_->layer_norm_eps);
    const std::size_t heads = config_->num_attention_heads;
    const Activation activation = activation_by_name(config_->hidden_act);
    const auto& offsets = batch.offsets;

    embedding_forward<T>(team, space, weights.word, weights.token_type, weights.position, batch.ids, batch.type_ids,
                         positions(team, batch), embedded_);
    norm_forward(team, space, embedded_, weights.embeddings_norm, eps, input(0));
    apply_dropout(team, space, dropout.embeddings(), offsets, input(0));
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      const auto& [x, qkv, context, attention_sum, attended, up, output_sum] = layers_[i];
      const auto& w = weights.layers[i];
      linear_forward<T>(team, space, w.qkv.weight, w.qkv.bias, x, qkv);
      attention_forward<T>(team, space, heads, offsets, qkv, context, dropout.attention_of(i));
      const Matrix context_rows = chosen(team, i, context, chosen_context_), residual = chosen(team, i, x, chosen_x_);
      const Matrix intermediate = intermediate_.slice_rows(0, up.rows());
      residual_linear(team, space, w.attention_output, context_rows, residual, attention_sum, offsets, tokens(i),
                      dropout.attention_output(i));
      norm_forward(team, space, attention_sum, w.attention_norm, eps, attended);
      linear_forward<T>(team, space, w.up.weight, w.up.bias, attended, up);
      activate_into<T>(team, space, activation, up, intermediate);
      residual_linear(team, space, w.down, intermediate, attended, output_sum, offsets, tokens(i),
                      dropout.layer_output(i));
      norm_forward(team, space, output_sum, w.output_norm, eps, input(i + 1));
    }
  }

  /// gradient() holds dL/dstates and is used up. Writes the gradients of the layers and the embeddings' norm;
  /// adds to those of the three tables, which the caller has set to 0 or begun.
  void backward(const Team& team, const TrainingSpace<T>& space, const Parameters& weights, const Parameters& gradients,
                const PackedBatch& batch, const DropoutPlan& dropout) const {
    const T eps = static_cast<T>(config_->layer_norm_eps);
    const std::size_t heads = config_->num_attention_heads;
    const Activation activation = activation_by_name(config_->hidden_act);
    const auto& offsets = batch.offsets;
    const Matrix dqkv(wide_.data(), {batch.tokens(), 3 * config_->hidden_size});

    for (std::size_t i = layers_.size(); i-- > 0;) {
      const auto& [x, qkv, context, attention_sum, attended, up, output_sum] = layers_[i];
      const auto& w = weights.layers[i];
      const auto& g = gradients.layers[i];
      const std::size_t rows = up.rows();
      const Matrix gradient = gradient_.slice_rows(0, rows), sum = sum_.slice_rows(0, rows);
      const Matrix intermediate = intermediate_.slice_rows(0, rows);
      const Matrix dup(wide_.data(), {rows, config_->intermediate_size});
      norm_backward(team, space, output_sum, w.output_norm, eps, gradient, sum, g.output_norm);
      Matrix branch = dropped(team, space, dropout.layer_output(i), offsets, sum, branch_, tokens(i));
      activate_into<T>(team, space, activation, up, intermediate);
      linear_backward<T>(team, space, w.down.weight, intermediate, branch, dup, {}, g.down.weight, g.down.bias);
      activation_backward<T>(team, space, activation, up, dup);
      linear_backward<T>(team, space, w.up.weight, attended, dup, gradient, sum, g.up.weight, g.up.bias);

      norm_backward(team, space, attention_sum, w.attention_norm, eps, gradient, sum, g.attention_norm);
      branch = dropped(team, space, dropout.attention_output(i), offsets, sum, branch_, tokens(i));
      linear_backward<T>(team, space, w.attention_output.weight, is_chosen(i) ? chosen_context_ : context, branch,
                         gradient, {}, g.attention_output.weight, g.attention_output.bias);
      attention_backward<T>(team, space, heads, offsets, qkv, context, spread(team, i, gradient, gradient_), dqkv,
                            dropout.attention_of(i));
      linear_backward<T>(team, space, w.qkv.weight, x, dqkv, gradient_, spread(team, i, sum, sum_), g.qkv.weight,
                         g.qkv.bias);
    }
    apply_dropout(team, space, dropout.embeddings(), offsets, gradient_);
    norm_backward(team, space, embedded_, weights.embeddings_norm, eps, gradient_, sum_, gradients.embeddings_norm);
    lookup_backward<T>(team, space, batch.ids, sum_, gradients.word);
    lookup_backward<T>(team, space, batch.type_ids, sum_, gradients.token_type);
    lookup_backward<T>(team, space, positions(team, batch), sum_, gradients.position);
  }

 private:
  struct Layer {
    Matrix x, qkv, context, attention_sum, attended, up, output_sum;  // inputs of the layer's operations, in order
  };

  /// Of each token; RoBERTa's sequences do not begin at 0.
  std::span<const std::int32_t> positions(const Team& team, const PackedBatch& batch) const {
    if (positions_.empty()) return batch.positions;
    const Share mine = team.share(batch.tokens());
    for (std::size_t t = mine.begin; t < mine.end; ++t)
      positions_[t] = batch.positions[t] + static_cast<std::int32_t>(config_->first_position);
    team.sync();
    return positions_;
  }

  /// Whether what the layer does after attention is done for the outputs alone.
  bool is_chosen(std::size_t layer) const { return layer + 1 == layers_.size() && !outputs_.empty(); }
  /// The tokens of the layer's rows after attention, for apply_dropout().
  std::span<const std::size_t> tokens(std::size_t layer) const {
    return is_chosen(layer) ? std::span(outputs_) : std::span<const std::size_t>();
  }
  /// The rows of x [T, H] that the layer goes on with after attention, …
  Matrix chosen(const Team& team, std::size_t layer, Matrix x, Matrix out) const {
    if (!is_chosen(layer)) return x;
    gather_rows<T>(team, x, outputs_, out);
    return out;
  }
  /// … and on the way back their gradient among those of all tokens.
  Matrix spread(const Team& team, std::size_t layer, Matrix dx, Matrix all) const {
    if (!is_chosen(layer)) return all;
    spread_rows<T>(team, dx, outputs_, spread_);
    return spread_;
  }

  Matrix input(std::size_t layer) const { return layer < layers_.size() ? layers_[layer].x : states_; }

  static void norm_forward(const Team& team, const TrainingSpace<T>& space, Matrix x, const NormParameters<T>& norm,
                           T eps, Matrix y) {
    layer_norm_forward<T>(team, space, x, norm.gamma, norm.beta, eps, y);
  }
  static void norm_backward(const Team& team, const TrainingSpace<T>& space, Matrix x, const NormParameters<T>& norm,
                            T eps, Matrix dy, Matrix dx, const NormParameters<T>& gradient) {
    layer_norm_backward<T>(team, space, x, norm.gamma, eps, dy, dx, gradient.gamma, gradient.beta);
  }
  const BertConfig* config_;
  std::vector<std::size_t> outputs_;
  std::span<std::int32_t> positions_;  // where they do not begin at 0
  Matrix embedded_;                    // before the embeddings' norm
  std::vector<Layer> layers_;
  Matrix states_, gradient_;
  Matrix chosen_x_, chosen_context_, spread_;  // of the last layer, where the outputs are not all tokens
  Matrix wide_, intermediate_, sum_, branch_;  // of the layer at hand
};

}  // namespace bert::inline BERT_ABI

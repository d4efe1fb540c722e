// The heads of pre-training forward and backward: masked words (MLM) and next sentences (NSP), each with its loss
// (Devlin et al. 2019, section 3.1; transformers BertForPreTraining).
//
// A head takes rows of the encoder's states, computes logits, turns them into the loss's gradient in place, and adds
// its part to the gradient of the states. Losses are means over the whole step, of which this batch may be a part: so
// the weight of one term is given.
#pragma once
#include <bert/nn/pooler.h>
#include <bert/train/batch.h>
#include <bert/train/encoder.h>

namespace bert::inline BERT_ABI {

/// row indices[m] of y += row m of x. The indices are all different.
template <class T>
void scatter_add_rows(const Team& team, const TrainingSpace<T>& space, TensorView<const T, 2> x,
                      std::span<const std::size_t> indices, TensorView<T, 2> y) {
  const Share rows = team.share(indices.size());
  for (std::size_t m = rows.begin; m < rows.end; ++m) space.training->add(x.row(m), y.row(indices[m]), x.columns());
  team.sync();
}

/// Of each row of `logits` [M, N] the loss against its label -> losses [M]; whether no logit is larger than the label's
/// -> right [M]. logits <- weight * (softmax - onehot), the gradient of weight * loss.
template <class T>
void cross_entropy(const Team& team, const TrainingSpace<T>& space, TensorView<T, 2> logits,
                   std::span<const std::int32_t> labels, T weight, T* losses, std::uint8_t* right) {
  const Share rows = team.share(logits.rows());
  for (std::size_t m = rows.begin; m < rows.end; ++m)
    losses[m] = space.training->cross_entropy(
        {logits.row(m), logits.columns(), static_cast<std::size_t>(labels[m]), weight, right + m});
  team.sync();
}

/// The sequences' first tokens, [CLS].
inline std::span<const std::size_t> first_tokens(const PackedBatch& batch) {
  return std::span(batch.offsets).first(batch.sequences());
}

/// What a batch lost: sums, to be divided by the step's counts.
struct LossSums {
  double loss = 0;
  std::size_t right = 0, count = 0;

  template <class T>
  void add(std::span<const T> losses, std::span<const std::uint8_t> hits) {
    for (std::size_t i = 0; i < losses.size(); ++i) loss += static_cast<double>(losses[i]), right += hits[i];
    count += losses.size();
  }
  void add(const LossSums& other) { loss += other.loss, right += other.right, count += other.count; }
  double mean() const { return count ? loss / static_cast<double>(count) : 0; }
  double accuracy() const { return count ? static_cast<double>(right) / static_cast<double>(count) : 0; }
};

/// logits = decoder(LayerNorm(activation(transform(h)))) + bias for the masked rows h of the states only; the decoder
/// is the word table, whose gradient it begins.
template <class T>
class MlmHead {
 public:
  using Matrix = TensorView<T, 2>;

  MlmHead(Arena& arena, const BertConfig& config, std::size_t masked)
      : config_(&config),
        rows_(arena.matrix<T>(masked, config.hidden_size)),
        up_(arena.matrix<T>(masked, config.hidden_size)),
        activated_(arena.matrix<T>(masked, config.hidden_size)),
        transformed_(arena.matrix<T>(masked, config.hidden_size)),
        gradient_(arena.matrix<T>(masked, config.hidden_size)),
        logits_(arena.matrix<T>(masked, config.vocab_size)),
        losses_(arena.take<T>(masked)),
        right_(arena.take<std::uint8_t>(masked)) {}

  static void count(typename TrainingSpace<T>::Needs& needs, const BertConfig& config, std::size_t masked) {
    needs.linear(masked, config.hidden_size, config.hidden_size);
    needs.linear(masked, config.vocab_size, config.hidden_size);
    needs.sums(masked, 2 * config.hidden_size);
  }

  std::span<const T> losses() const { return {losses_, rows_.rows()}; }
  std::span<const std::uint8_t> right() const { return {right_, rows_.rows()}; }

  void forward(const Team& team, const TrainingSpace<T>& space, const BertParameters<T>& w,
               TensorView<const T, 2> states, std::span<const std::size_t> masked) const {
    const Activation activation = transform_act();
    gather_rows<T>(team, states, masked, rows_);
    linear_forward<T>(team, space, w.transform.weight, w.transform.bias, rows_, up_);
    activate_into<T>(team, space, activation, up_, activated_);
    layer_norm_forward<T>(team, space, activated_, w.transform_norm.gamma, w.transform_norm.beta, eps(), transformed_);
    linear_forward<T>(team, space, w.word, w.decoder_bias, transformed_, logits_);
  }

  /// Losses of the labels [M], and their gradients times `weight`, into those of the parameters; adds that of the
  /// states to dstates [T, H].
  void backward(const Team& team, const TrainingSpace<T>& space, const BertParameters<T>& w, const BertParameters<T>& g,
                std::span<const std::size_t> masked, std::span<const std::int32_t> labels, T weight,
                Matrix dstates) const {
    loss(team, space, labels, weight);
    linear_backward<T>(team, space, w.word, transformed_, logits_, gradient_, {}, g.word, g.decoder_bias);
    layer_norm_backward<T>(team, space, activated_, w.transform_norm.gamma, eps(), gradient_, gradient_,
                           g.transform_norm.gamma, g.transform_norm.beta);
    activation_backward<T>(team, space, transform_act(), up_, gradient_);
    linear_backward<T>(team, space, w.transform.weight, rows_, gradient_, activated_, {}, g.transform.weight,
                       g.transform.bias);
    scatter_add_rows<T>(team, space, activated_, masked, dstates);
  }

  /// The losses alone, after forward().
  void loss(const Team& team, const TrainingSpace<T>& space, std::span<const std::int32_t> labels, T weight) const {
    cross_entropy(team, space, logits_, labels, weight, losses_, right_);
  }

 private:
  T eps() const { return static_cast<T>(config_->layer_norm_eps); }
  Activation transform_act() const {
    const std::string_view own = family_of(*config_).heads.transform_act;
    return activation_by_name(own.empty() ? std::string_view(config_->hidden_act) : own);
  }

  const BertConfig* config_;
  Matrix rows_, up_, activated_, transformed_, gradient_, logits_;
  T* losses_;
  std::uint8_t* right_;
};

/// logits = W dropout(tanh(pooler(h of [CLS]))) + b: next sentences, and classes of whole sequences. `rows` are those
/// of the sequences' first tokens among the states; `input` is dropout of these (RoBERTa).
template <class T>
class PooledHead {
 public:
  using Matrix = TensorView<T, 2>;

  PooledHead(Arena& arena, const BertConfig& config, std::size_t sequences, std::size_t outputs)
      : first_(arena.matrix<T>(sequences, config.hidden_size)),
        pooled_before_(arena.matrix<T>(sequences, config.hidden_size)),
        pooled_(arena.matrix<T>(sequences, config.hidden_size)),
        gradient_(arena.matrix<T>(sequences, config.hidden_size)),
        logits_(arena.matrix<T>(sequences, outputs)),
        losses_(arena.take<T>(sequences)),
        right_(arena.take<std::uint8_t>(sequences)) {}

  static void count(typename TrainingSpace<T>::Needs& needs, const BertConfig& config, std::size_t sequences,
                    std::size_t outputs) {
    needs.linear(sequences, config.hidden_size, config.hidden_size);
    needs.linear(sequences, outputs, config.hidden_size);
  }

  Matrix logits() const { return logits_; }
  std::span<const T> losses() const { return {losses_, first_.rows()}; }
  std::span<const std::uint8_t> right() const { return {right_, first_.rows()}; }

  void forward(const Team& team, const TrainingSpace<T>& space, const LinearParameters<T>& pooler,
               const LinearParameters<T>& output, const PackedBatch& batch, std::span<const std::size_t> rows,
               TensorView<const T, 2> states, const Dropout& input, const Dropout& dropout) const {
    gather_rows<T>(team, states, rows, first_);
    apply_dropout(team, space, input, batch.offsets, first_, first_tokens(batch));
    linear_forward<T>(team, space, pooler.weight, pooler.bias, first_, pooled_before_);
    activate_into<T>(team, space, Activation::tanh, pooled_before_, pooled_);
    apply_dropout(team, space, dropout, batch.offsets, pooled_, first_tokens(batch));
    linear_forward<T>(team, space, output.weight, output.bias, pooled_, logits_);
  }

  void loss(const Team& team, const TrainingSpace<T>& space, std::span<const std::int32_t> labels, T weight) const {
    cross_entropy(team, space, logits_, labels, weight, losses_, right_);
  }

  /// logits() hold dL/dlogits.
  void backward(const Team& team, const TrainingSpace<T>& space, const LinearParameters<T>& pooler,
                const LinearParameters<T>& output, const LinearParameters<T>& dpooler,
                const LinearParameters<T>& doutput, const PackedBatch& batch, std::span<const std::size_t> rows,
                const Dropout& input, const Dropout& dropout, Matrix dstates) const {
    linear_backward<T>(team, space, output.weight, pooled_, logits_, gradient_, {}, doutput.weight, doutput.bias);
    apply_dropout(team, space, dropout, batch.offsets, gradient_, first_tokens(batch));
    activation_backward<T>(team, space, Activation::tanh, pooled_before_, gradient_);
    linear_backward<T>(team, space, pooler.weight, first_, gradient_, pooled_, {}, dpooler.weight, dpooler.bias);
    apply_dropout(team, space, input, batch.offsets, pooled_, first_tokens(batch));
    scatter_add_rows<T>(team, space, pooled_, rows, dstates);
  }

 private:
  Matrix first_, pooled_before_, pooled_, gradient_, logits_;
  T* losses_;
  std::uint8_t* right_;
};

}  // namespace bert::inline BERT_ABI

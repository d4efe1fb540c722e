// The objective of causal models on one gradient shard: the next token after each but the last of a sequence, forward,
// losses and backward (Radford et al. 2019). PretrainingPass's counterpart.
#pragma once
#include <bert/train/decoder.h>
#include <bert/train/pretraining.h>

namespace bert::inline BERT_ABI {

template <class T>
using TrainableDecoder = TrainableModel<DecoderParameters<T>>;

/// logits = decoder h for the rows h [M, H] of the states that have a next token; the decoder is the word table where
/// the model ties it.
template <class T>
class NextTokenHead {
 public:
  using Matrix = TensorView<T, 2>;
  using Parameters = DecoderParameters<T>;

  NextTokenHead(Arena& arena, const DecoderConfig& config, std::size_t rows)
      : rows_(arena.matrix<T>(rows, config.hidden_size)),
        gradient_(arena.matrix<T>(rows, config.hidden_size)),
        logits_(arena.matrix<T>(rows, config.vocab_size)),
        losses_(arena.take<T>(rows)),
        right_(arena.take<std::uint8_t>(rows)) {}

  static void count(typename TrainingSpace<T>::Needs& needs, const DecoderConfig& config, std::size_t rows) {
    needs.linear(rows, config.vocab_size, config.hidden_size);
  }

  std::span<const T> losses() const { return {losses_, rows_.rows()}; }
  std::span<const std::uint8_t> right() const { return {right_, rows_.rows()}; }

  void forward(const Team& team, const TrainingSpace<T>& space, const Parameters& w, TensorView<const T, 2> states,
               std::span<const std::size_t> tokens) const {
    gather_rows<T>(team, states, tokens, rows_);
    linear_forward<T>(team, space, decoder(w), nullptr, rows_, logits_);
  }
  void loss(const Team& team, const TrainingSpace<T>& space, std::span<const std::int32_t> labels, T weight) const {
    cross_entropy(team, space, logits_, labels, weight, losses_, right_);
  }
  /// Writes the decoder's gradient, of which a tied table has more to come; adds that of the states to dstates [T, H].
  void backward(const Team& team, const TrainingSpace<T>& space, const Parameters& w, const Parameters& g,
                std::span<const std::size_t> tokens, std::span<const std::int32_t> labels, T weight,
                Matrix dstates) const {
    loss(team, space, labels, weight);
    linear_backward<T>(team, space, decoder(w), rows_, logits_, gradient_, {}, decoder(g), nullptr);
    scatter_add_rows<T>(team, space, gradient_, tokens, dstates);
  }

 private:
  static Matrix decoder(const Parameters& w) { return w.decoder.empty() ? w.word : w.decoder; }

  Matrix rows_, gradient_, logits_;
  T* losses_;
  std::uint8_t* right_;
};

template <class T>
class CausalPass {
 public:
  using Scalar = T;
  using Model = TrainableDecoder<T>;
  using Batch = PretrainingBatch;
  using Counts = PretrainingCounts;
  using Loss = PretrainingLoss;  // its `mlm` are the next tokens

  CausalPass(Arena& arena, const DecoderConfig& config, const DecoderHeads&, const PretrainingBatch& batch,
             std::size_t threads, const KernelTable<T>& kernels, Precision precision = Precision::fp32)
      : decoder_(arena, config, batch.tokens), head_(arena, config, batch.masked.size()) {
    typename TrainingSpace<T>::Needs needs(kernels, precision);
    DecoderPass<T>::count(needs, config, batch.tokens, training_kernels(kernels));
    NextTokenHead<T>::count(needs, config, batch.masked.size());
    space_ = TrainingSpace<T>(arena, needs, threads, kernels, training_kernels(kernels));
  }

  void forward(const Team& team, const DecoderParameters<T>& weights, const PretrainingBatch& batch,
               const DropoutPlan& dropout) const {
    decoder_.forward(team, space_, weights, batch.tokens, dropout);
    head_.forward(team, space_, weights, decoder_.states(), batch.masked);
  }
  void loss(const Team& team, const PretrainingBatch& batch) const { head_.loss(team, space_, batch.masked_ids, T(1)); }
  void backward(const Team& team, const DecoderParameters<T>& weights, const DecoderParameters<T>& gradients,
                std::span<T> array, const PretrainingBatch& batch, const PretrainingCounts& counts,
                const DropoutPlan& dropout) const {
    const TensorView<T, 2> dstates = decoder_.gradient();
    clear_gradients(team, array, dstates);
    head_.backward(team, space_, weights, gradients, batch.masked, batch.masked_ids,
                   T(1) / static_cast<T>(counts.masked), dstates);
    decoder_.backward(team, space_, weights, gradients, batch.tokens, dropout);
  }
  PretrainingLoss losses(const PretrainingBatch&) const {
    PretrainingLoss loss;
    loss.mlm.add(head_.losses(), head_.right());
    return loss;
  }

 private:
  TrainingSpace<T> space_;
  DecoderPass<T> decoder_;
  NextTokenHead<T> head_;
};

}  // namespace bert::inline BERT_ABI

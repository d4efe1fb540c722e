// The pre-training objective on one gradient shard: forward, losses and backward of a batch (Devlin et al. 2019,
// section 3.1). Trainer (train/trainer.h) takes steps with it.
#pragma once
#include <bert/core/session.h>
#include <bert/train/heads.h>
#include <bert/train/kernels.h>
#include <bert/train/trainer.h>

#include <algorithm>
#include <iterator>

namespace bert::inline BERT_ABI {

/// Terms of a whole step's losses, of which a shard holds some: the losses are means over these.
struct PretrainingCounts {
  std::size_t masked = 0, pairs = 0;

  void add(const PretrainingBatch& batch) { masked += batch.masked.size(), pairs += batch.next_sentence.size(); }
};

struct PretrainingLoss {
  LossSums mlm, nsp;

  void add(const PretrainingLoss& other) { mlm.add(other.mlm), nsp.add(other.nsp); }
  double total() const { return mlm.mean() + nsp.mean(); }
  /// What a run's loss curve is hashed from.
  std::array<double, 2> sums() const { return {mlm.loss, nsp.loss}; }
};

/// Activations and scratch of one batch, over an arena.
template <class T>
class PretrainingPass {
 public:
  using Scalar = T;
  using Model = TrainableBert<T>;
  using Batch = PretrainingBatch;
  using Counts = PretrainingCounts;
  using Loss = PretrainingLoss;

  PretrainingPass(Arena& arena, const BertConfig& config, const BertHeads& heads, const PretrainingBatch& batch,
                  std::size_t threads, const KernelTable<T>& kernels, Precision precision = Precision::fp32)
      : encoder_(arena, config, batch.tokens.tokens(), outputs(heads, batch)),
        masked_(encoder_.rows_of(batch.masked)),
        first_(encoder_.rows_of(first_tokens(batch.tokens))),
        mlm_(arena, config, batch.masked.size()),
        nsp_(arena, config, batch.next_sentence.size(), 2),
        heads_(heads) {
    typename TrainingSpace<T>::Needs needs(kernels, precision);
    EncoderPass<T>::count(needs, config, batch.tokens, training_kernels(kernels));
    MlmHead<T>::count(needs, config, batch.masked.size());
    PooledHead<T>::count(needs, config, batch.next_sentence.size(), 2);
    space_ = TrainingSpace<T>(arena, needs, threads, kernels, training_kernels(kernels));
  }

  /// Losses of the batch, which is called by all threads of a team; results after it, by losses().
  void forward(const Team& team, const BertParameters<T>& weights, const PretrainingBatch& batch,
               const DropoutPlan& dropout) const {
    encoder_.forward(team, space_, weights, batch.tokens, dropout);
    if (mlm(batch)) mlm_.forward(team, space_, weights, encoder_.states(), masked_);
    if (nsp(batch))
      nsp_.forward(team, space_, weights.pooler, weights.next_sentence, batch.tokens, first_, encoder_.states(), {},
                   {});
  }
  /// Losses alone, without gradients.
  void loss(const Team& team, const PretrainingBatch& batch) const {
    if (mlm(batch)) mlm_.loss(team, space_, batch.masked_ids, T(1));
    if (nsp(batch)) nsp_.loss(team, space_, batch.next_sentence, T(1));
  }
  /// Gradients of mlm.mean() + nsp.mean() over `counts`: writes all of `gradients`, an array of `layout`.
  void backward(const Team& team, const BertParameters<T>& weights, const BertParameters<T>& gradients,
                std::span<T> array, const PretrainingBatch& batch, const PretrainingCounts& counts,
                const DropoutPlan& dropout) const {
    const TensorView<T, 2> dstates = encoder_.gradient();
    clear_gradients(team, array, dstates);
    if (mlm(batch))
      mlm_.backward(team, space_, weights, gradients, masked_, batch.masked_ids, T(1) / static_cast<T>(counts.masked),
                    dstates);
    if (nsp(batch)) {
      nsp_.loss(team, space_, batch.next_sentence, T(1) / static_cast<T>(counts.pairs));
      nsp_.backward(team, space_, weights.pooler, weights.next_sentence, gradients.pooler, gradients.next_sentence,
                    batch.tokens, first_, {}, {}, dstates);
    }
    encoder_.backward(team, space_, weights, gradients, batch.tokens, dropout);
  }

  PretrainingLoss losses(const PretrainingBatch& batch) const {
    PretrainingLoss loss;
    if (mlm(batch)) loss.mlm.add(mlm_.losses(), mlm_.right());
    if (nsp(batch)) loss.nsp.add(nsp_.losses(), nsp_.right());
    return loss;
  }

 private:
  /// The tokens that the heads read.
  static std::vector<std::size_t> outputs(const BertHeads& heads, const PretrainingBatch& batch) {
    std::vector<std::size_t> tokens;
    if (heads.mlm) tokens = batch.masked;
    if (heads.nsp && !batch.next_sentence.empty()) {
      const auto first = first_tokens(batch.tokens);
      std::vector<std::size_t> both;
      std::set_union(tokens.begin(), tokens.end(), first.begin(), first.end(), std::back_inserter(both));
      tokens = std::move(both);
    }
    return tokens;
  }
  bool mlm(const PretrainingBatch& batch) const { return heads_.mlm && !batch.masked.empty(); }
  bool nsp(const PretrainingBatch& batch) const { return heads_.nsp && !batch.next_sentence.empty(); }

  TrainingSpace<T> space_;
  EncoderPass<T> encoder_;
  std::vector<std::size_t> masked_, first_;  // rows of the encoder's states
  MlmHead<T> mlm_;
  PooledHead<T> nsp_;
  BertHeads heads_;
};

template <class T>
using Pretrainer = Trainer<PretrainingPass<T>>;

}  // namespace bert::inline BERT_ABI

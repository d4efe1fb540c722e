// CausalSteps: sequences that grow token by token, all of them in one batch. Those of a causal model have a cache each;
// a model with targets (XLNet), whose tokens see those behind them too, reads the whole sequence again for every token.
//
// What chooses the tokens stands on this: generate.h one at a time, beam_search.h several ways at once.
#pragma once
#include <bert/core/session.h>
#include <bert/models/model.h>

namespace bert::inline BERT_ABI {

/// A sequence that grows. Tokens are pushed to `ids`; those that the cache has not seen are read with the next step.
struct GrowingSequence {
  std::vector<std::int32_t> ids;
  KeyValueCache<float> cache;  // empty: of a model with targets
};

class CausalSteps {
 public:
  /// Borrows both. Throws Error for a model that is neither causal nor has targets, or has no language-model head.
  CausalSteps(const Model<float>& model, Session& session);

  /// A sequence of these ids with room for `capacity` tokens; error when that is beyond a causal
  /// model's window; one with targets says so in next().
  GrowingSequence start(std::span<const std::int32_t> ids, std::size_t capacity) const;

  /// Another sequence that has come as far as this one.
  GrowingSequence fork(const GrowingSequence& sequence) const;

  /// Reads the new tokens of every sequence, at least one each, in one pass. Returns logits [B, V] of what follows
  /// their last tokens, valid until the next call.
  TensorView<const float, 2> next(std::span<GrowingSequence* const> sequences);

 private:
  const Model<float>* model_;
  Session* session_;
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
namespace bert::inline BERT_ABI {

BERT_INLINE CausalSteps::CausalSteps(const Model<float>& model, Session& session) : model_(&model), session_(&session) {
  if (!model.continues()) fail("this model is not causal: its tokens see those behind them, so that none can follow");
  model.require(Head::words);
}

BERT_INLINE GrowingSequence CausalSteps::start(std::span<const std::int32_t> ids, std::size_t capacity) const {
  GrowingSequence sequence{{ids.begin(), ids.end()}, {}};
  if (model_->causal()) sequence.cache = model_->causal()->make_cache(capacity);
  return sequence;
}

BERT_INLINE GrowingSequence CausalSteps::fork(const GrowingSequence& sequence) const {
  GrowingSequence other = start(sequence.ids, sequence.cache.capacity());
  if (model_->causal()) other.cache.copy_from(sequence.cache);
  return other;
}

BERT_INLINE TensorView<const float, 2> CausalSteps::next(std::span<GrowingSequence* const> sequences) {
  const CausalModel<float>* const causal = model_->causal();
  PackedBatch batch;
  batch.targets = !causal;
  std::vector<KeyValueCache<float>*> caches;
  std::vector<std::size_t> last;
  for (GrowingSequence* const sequence : sequences) {
    if (causal) {
      batch.add(std::span(sequence->ids).subspan(sequence->cache.length()));
      caches.push_back(&sequence->cache);
    } else {
      std::vector<std::int32_t> ids = sequence->ids;
      ids.push_back(0);  // the target
      batch.add(ids);
    }
    last.push_back(batch.tokens() - 1);
  }
  return (causal ? causal->forward(*session_, batch, caches, last) : model_->forward(*session_, batch, last))
      .prediction_logits;
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

// CausalSteps: sequences of a causal model that grow token by token, each with its cache, all of them in one batch.
//
// What chooses the tokens stands on this: generate.h one at a time, beam_search.h several ways at once.
#pragma once
#include <bert/core/session.h>
#include <bert/models/model.h>

namespace bert::inline BERT_ABI {

/// A sequence that grows. Tokens are pushed to `ids`; those that the cache has not seen are read with the next step.
struct GrowingSequence {
  std::vector<std::int32_t> ids;
  KeyValueCache<float> cache;
};

class CausalSteps {
 public:
  /// Borrows both. Throws Error for a model that is not causal or has no language-model head.
  CausalSteps(const Model<float>& model, Session& session);

  /// A sequence of these ids with room for `capacity` tokens; error when that is beyond the window.
  GrowingSequence start(std::span<const std::int32_t> ids, std::size_t capacity) const;

  /// Another sequence that has come as far as this one.
  GrowingSequence fork(const GrowingSequence& sequence) const;

  /// Reads the new tokens of every sequence, at least one each, in one pass. Returns logits [B, V] of what follows
  /// their last tokens, valid until the next call.
  TensorView<const float, 2> next(std::span<GrowingSequence* const> sequences);

 private:
  const CausalModel<float>* model_;
  Session* session_;
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
namespace bert::inline BERT_ABI {

BERT_INLINE CausalSteps::CausalSteps(const Model<float>& model, Session& session)
    : model_(model.causal()), session_(&session) {
  if (!model_) fail("this model is not causal: its tokens see those behind them, so that none can follow");
  model.require(Head::words);
}

BERT_INLINE GrowingSequence CausalSteps::start(std::span<const std::int32_t> ids, std::size_t capacity) const {
  return {{ids.begin(), ids.end()}, model_->make_cache(capacity)};
}

BERT_INLINE GrowingSequence CausalSteps::fork(const GrowingSequence& sequence) const {
  GrowingSequence other = start(sequence.ids, sequence.cache.capacity());
  other.cache.copy_from(sequence.cache);
  return other;
}

BERT_INLINE TensorView<const float, 2> CausalSteps::next(std::span<GrowingSequence* const> sequences) {
  PackedBatch batch;
  std::vector<KeyValueCache<float>*> caches;
  std::vector<std::size_t> last;
  for (GrowingSequence* const sequence : sequences) {
    batch.add(std::span(sequence->ids).subspan(sequence->cache.length()));
    caches.push_back(&sequence->cache);
    last.push_back(batch.tokens() - 1);
  }
  return model_->forward(*session_, batch, caches, last).prediction_logits;
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

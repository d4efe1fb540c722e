// GradientTree: the sum of the gradients of a step's shards, always added in the same pairs (numerics rule 6).
//
// Shards 0 and 1 make a pair, 2 and 3 make one, then the pairs make a pair, and so on; what is left over at the end is
// added from the last to the first. So who computes which shard, and when, changes no bit, and log2(shards) + 1 arrays
// are enough when they come in order.
#pragma once
#include <bert/core/team.h>
#include <bert/train/kernels.h>
#include <bert/train/parameters.h>

namespace bert::inline BERT_ABI {

template <class T>
class GradientTree {
 public:
  GradientTree(const ParameterLayout& layout, const TrainingKernels<T>& training)
      : size_(layout.size()), training_(&training) {}

  /// Where the next shard's gradient is to be written.
  std::span<T> next() {
    if (levels_.size() == arrays_.size()) arrays_.emplace_back(Shape<1>{size_});
    return arrays_[levels_.size()].span();
  }
  /// The shard in next() is complete.
  void push(const Threads& threads) {
    levels_.push_back(0);
    while (levels_.size() > 1 && levels_.back() == levels_[levels_.size() - 2]) merge(threads);
  }
  /// The sum over all shards pushed; the tree is empty after it.
  std::span<const T> finish(const Threads& threads) {
    while (levels_.size() > 1) merge(threads);
    levels_.clear();
    return arrays_[0].span();
  }

 private:
  void merge(const Threads& threads) {
    const T* const from = arrays_[levels_.size() - 1].data();
    T* const to = arrays_[levels_.size() - 2].data();
    threads.run([&](const Team& team) {
      const Share mine = team.share(size_, 64);
      training_->add(from + mine.begin, to + mine.begin, mine.end - mine.begin);
    });
    levels_.pop_back();
    ++levels_.back();
  }

  std::size_t size_;
  const TrainingKernels<T>* training_;
  std::vector<ParameterArray<T>> arrays_;
  std::vector<int> levels_;  // of the sums in arrays_: 2^level shards
};

}  // namespace bert::inline BERT_ABI

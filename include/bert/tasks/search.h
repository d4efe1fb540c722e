// SearchIndex: the vectors of a corpus that are nearest to a query by cosine, exactly: scores are one matrix product of
// all queries with all vectors, a block of vectors at a time that stays in the cache.
#pragma once
#include <bert/core/session.h>
#include <bert/nn/pooler.h>

#include <vector>

namespace bert::inline BERT_ABI {

struct SearchHit {
  std::size_t corpus_id;  ///< in the order of add()
  float score;            ///< cosine
};

class SearchIndex {
 public:
  /// Of vectors of so many numbers.
  explicit SearchIndex(std::size_t dimension, const KernelTable<float>& kernels = default_kernels<float>())
      : dimension_(dimension), kernels_(&kernels) {}

  std::size_t size() const { return size_; }
  /// Puts a vector [dimension] behind the others. Throws Error for another size and for numbers that are
  /// not finite.
  void add(std::span<const float> vector);

  /// For each query [dimension] its `top_k` nearest vectors, best first; ties go to the smaller id. Neither the other
  /// queries nor the threads change a bit. Errors as add().
  std::vector<std::vector<SearchHit>> operator()(Session& session, std::span<const std::vector<float>> queries,
                                                 std::size_t top_k = 10) const;
  /// Of one query, on one thread.
  std::vector<SearchHit> operator()(std::span<const float> query, std::size_t top_k = 10) const;

 private:
  static constexpr std::size_t block = 256;  // vectors

  /// The vector at unit length, unless it is shorter than 1e-12.
  void set_unit(std::span<const float> vector, float* out) const;
  void look(std::size_t which, TensorView<const float, 2> queries, TensorView<float, 2> scores, std::size_t top_k,
            std::span<std::vector<SearchHit>> best) const;

  std::size_t dimension_, size_ = 0;
  const KernelTable<float>* kernels_;
  std::vector<PackedMatrix<float>> blocks_;  // [block, dimension] each; the last has zeros behind what is there
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <algorithm>
#include <cmath>

namespace bert::inline BERT_ABI {

namespace detail {
inline bool is_nearer(const SearchHit& a, const SearchHit& b) {
  return a.score != b.score ? a.score > b.score : a.corpus_id < b.corpus_id;
}
/// Adds a hit to a heap of the `top_k` nearest, whose front is the farthest of them.
inline void keep_hit(std::vector<SearchHit>& heap, const SearchHit& hit, std::size_t top_k) {
  if (heap.size() == top_k) {
    if (top_k == 0 || !is_nearer(hit, heap.front())) return;
    std::pop_heap(heap.begin(), heap.end(), is_nearer);
    heap.pop_back();
  }
  heap.push_back(hit);
  std::push_heap(heap.begin(), heap.end(), is_nearer);
}
}  // namespace detail

BERT_INLINE void SearchIndex::set_unit(std::span<const float> vector, float* out) const {
  if (vector.size() != dimension_)
    fail("a vector of ", vector.size(), " numbers, in an index of vectors of ", dimension_);
  if (!std::isfinite(kernels_->dot(vector.data(), vector.data(), vector.size())))
    fail("a vector in the index or a query holds a number that is not finite");
  pool<float>(PoolingMode::cls, true, {vector.data(), {1, dimension_}}, {out, dimension_}, *kernels_);
}

BERT_INLINE void SearchIndex::add(std::span<const float> vector) {
  const FloatEnvironment environment;
  std::vector<float> unit(dimension_);
  set_unit(vector, unit.data());
  if (size_ % block == 0) {
    blocks_.emplace_back(block, dimension_, *kernels_);
    blocks_.back().set_rows(0, Tensor<float, 2>({block, dimension_}).view());
  }
  blocks_.back().set_rows(size_++ % block, TensorView<const float, 2>(unit.data(), {1, dimension_}));
}

BERT_INLINE void SearchIndex::look(std::size_t which, TensorView<const float, 2> queries, TensorView<float, 2> scores,
                                   std::size_t top_k, std::span<std::vector<SearchHit>> best) const {
  blocks_[which].multiply(Team(), queries, nullptr, scores);
  const std::size_t first = which * block, count = std::min(block, size_ - first);
  for (std::size_t q = 0; q < best.size(); ++q)
    for (std::size_t i = 0; i < count; ++i) detail::keep_hit(best[q], {first + i, scores(q, i)}, top_k);
}

BERT_INLINE std::vector<std::vector<SearchHit>> SearchIndex::operator()(Session& session,
                                                                        std::span<const std::vector<float>> queries,
                                                                        std::size_t top_k) const {
  if (queries.empty()) return {};
  Tensor<float, 2> units({queries.size(), dimension_});
  {
    const FloatEnvironment environment;
    for (std::size_t q = 0; q < queries.size(); ++q) set_unit(queries[q], units.view().row(q));
  }
  const auto threads = static_cast<std::size_t>(session.threads.count());
  std::vector<std::vector<SearchHit>> best(threads * queries.size());  // of each thread's blocks
  session.threads.run([&](const Team& team) {
    const Share mine = team.share(blocks_.size());
    const auto rank = static_cast<std::size_t>(team.rank());
    Tensor<float, 2> scores({queries.size(), block});
    for (std::size_t i = mine.begin; i < mine.end; ++i)
      look(i, units.view(), scores.view(), top_k, std::span(best).subspan(rank * queries.size(), queries.size()));
  });
  std::vector<std::vector<SearchHit>> hits(queries.size());
  for (std::size_t q = 0; q < queries.size(); ++q) {
    for (std::size_t rank = 0; rank < threads; ++rank)
      for (const SearchHit& hit : best[rank * queries.size() + q]) detail::keep_hit(hits[q], hit, top_k);
    std::sort(hits[q].begin(), hits[q].end(), detail::is_nearer);
  }
  return hits;
}

BERT_INLINE std::vector<SearchHit> SearchIndex::operator()(std::span<const float> query, std::size_t top_k) const {
  Session session(1);
  const std::vector<float> one(query.begin(), query.end());
  return std::move((*this)(session, {&one, 1}, top_k)[0]);
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

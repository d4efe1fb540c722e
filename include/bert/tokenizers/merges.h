// MergeTable: the merging of byte-pair encoding (Sennrich et al. 2016, algorithm 1). Of all pairs of neighbours the one
// with the lowest rank is merged, the leftmost of equal ones, until none is left that the table knows.
//
// What the symbols are, bytes (bpe.h) or characters (character_bpe.h), and where ranks come from is the caller's
// business.
#pragma once
#include <bert/core/error.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace bert::inline BERT_ABI {

class MergeTable {
 public:
  struct Symbol {
    std::int32_t id, before, after;  // neighbours; -1: none. id -1: merged into the one before
    std::uint32_t begin, end;
  };
  struct Candidate {
    std::int32_t rank, left, right;  // symbols
    std::int32_t left_id, right_id;  // what they were: a candidate whose symbols have changed is void
    std::int32_t merged;
  };
  /// Memory for run(), to be kept from word to word; one for each thread.
  struct Scratch {
    std::vector<Symbol> symbols;
    std::vector<Candidate> heap;
    void clear() { symbols.clear(), heap.clear(); }
    void append(std::int32_t id, std::uint32_t begin, std::uint32_t end) {
      const auto at = static_cast<std::int32_t>(symbols.size());
      if (at > 0) symbols.back().after = at;
      symbols.push_back({id, at - 1, -1, begin, end});
    }
  };

  /// Makes room for so many merges; those before are forgotten.
  void reset(std::size_t merges);
  /// The first entry of a pair counts. At most as many as there is room for.
  void add(std::int32_t left, std::int32_t right, std::int32_t rank, std::int32_t merged);

  /// Merges scratch.symbols; those that are left have an id that is not negative.
  void run(Scratch& scratch) const;

 private:
  static constexpr std::size_t few = 32;  // symbols, of which the next pair is found faster by looking at all
  void run_few(std::vector<Symbol>& symbols) const;
  struct Merge {
    std::uint64_t pair = empty;
    std::int32_t rank = 0, merged = 0;
  };
  static constexpr std::uint64_t empty = ~std::uint64_t{0};
  static std::uint64_t pair_of(std::int32_t left, std::int32_t right) {
    return std::uint64_t{static_cast<std::uint32_t>(left)} << 32 | static_cast<std::uint32_t>(right);
  }
  std::size_t slot_of(std::uint64_t pair) const { return (pair * 0x9E3779B97F4A7C15) >> 32 & (merges_.size() - 1); }
  const Merge* find(std::int32_t left, std::int32_t right) const;
  void add_candidate(std::int32_t left, std::int32_t right, Scratch& scratch) const;

  std::vector<Merge> merges_;  // open addressing, at most half full
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <algorithm>
#include <bit>

namespace bert::inline BERT_ABI {

BERT_INLINE void MergeTable::reset(std::size_t merges) { merges_.assign(std::bit_ceil(2 * merges + 1), Merge()); }

BERT_INLINE void MergeTable::add(std::int32_t left, std::int32_t right, std::int32_t rank, std::int32_t merged) {
  const std::uint64_t pair = pair_of(left, right);
  std::size_t i = slot_of(pair);
  while (merges_[i].pair != empty && merges_[i].pair != pair) i = (i + 1) & (merges_.size() - 1);
  if (merges_[i].pair == empty) merges_[i] = {pair, rank, merged};
}

BERT_INLINE const MergeTable::Merge* MergeTable::find(std::int32_t left, std::int32_t right) const {
  const std::uint64_t pair = pair_of(left, right);
  for (std::size_t i = slot_of(pair); merges_[i].pair != empty; i = (i + 1) & (merges_.size() - 1))
    if (merges_[i].pair == pair) return &merges_[i];
  return nullptr;
}

namespace detail {
/// For a heap whose top is the pair of the lowest rank, of equal ones the leftmost.
inline bool merges_later(const MergeTable::Candidate& a, const MergeTable::Candidate& b) {
  return a.rank != b.rank ? a.rank > b.rank : a.left > b.left;
}
}  // namespace detail

BERT_INLINE void MergeTable::add_candidate(std::int32_t left, std::int32_t right, Scratch& scratch) const {
  if (left < 0 || right < 0) return;
  const std::int32_t a = scratch.symbols[static_cast<std::size_t>(left)].id;
  const std::int32_t b = scratch.symbols[static_cast<std::size_t>(right)].id;
  const Merge* const found = find(a, b);
  if (!found) return;
  scratch.heap.push_back({found->rank, left, right, a, b, found->merged});
  std::push_heap(scratch.heap.begin(), scratch.heap.end(), detail::merges_later);
}

BERT_INLINE void MergeTable::run_few(std::vector<Symbol>& symbols) const {
  constexpr std::int32_t none = INT32_MAX;
  const std::size_t size = symbols.size();
  std::int32_t ranks[few], merged[few];  // of each symbol with the one behind it
  const auto look = [&](std::size_t i) {
    const std::int32_t after = symbols[i].after;
    const Merge* const found = after < 0 ? nullptr : find(symbols[i].id, symbols[static_cast<std::size_t>(after)].id);
    ranks[i] = found ? found->rank : none;
    if (found) merged[i] = found->merged;
  };
  for (std::size_t i = 0; i < size; ++i) look(i);
  for (;;) {
    std::size_t first = 0;
    for (std::size_t i = 1; i < size; ++i) first = ranks[i] < ranks[first] ? i : first;
    if (size == 0 || ranks[first] == none) return;
    Symbol& left = symbols[first];
    const auto next = static_cast<std::size_t>(left.after);
    left.id = merged[first], left.end = symbols[next].end, left.after = symbols[next].after;
    symbols[next].id = -1, ranks[next] = none;
    if (left.after >= 0) symbols[static_cast<std::size_t>(left.after)].before = static_cast<std::int32_t>(first);
    look(first);
    if (left.before >= 0) look(static_cast<std::size_t>(left.before));
  }
}

BERT_INLINE void MergeTable::run(Scratch& scratch) const {
  auto& [symbols, heap] = scratch;
  if (symbols.size() <= few) return run_few(symbols);
  for (std::int32_t i = 1; i < static_cast<std::int32_t>(symbols.size()); ++i) add_candidate(i - 1, i, scratch);
  while (!heap.empty()) {
    const Candidate next = heap.front();
    std::pop_heap(heap.begin(), heap.end(), detail::merges_later);
    heap.pop_back();
    Symbol& left = symbols[static_cast<std::size_t>(next.left)];
    Symbol& right = symbols[static_cast<std::size_t>(next.right)];
    if (left.id != next.left_id || right.id != next.right_id || left.after != next.right) continue;
    left.id = next.merged, left.end = right.end, left.after = right.after;
    right.id = -1;
    if (left.after >= 0) symbols[static_cast<std::size_t>(left.after)].before = next.left;
    add_candidate(left.before, next.left, scratch);
    add_candidate(next.left, left.after, scratch);
  }
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

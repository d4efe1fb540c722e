// Bpe: byte-pair encoding (Sennrich et al. 2016, algorithm 1). A word begins as single bytes; of all pairs of
// neighbours the one that was learnt first is merged, the leftmost of equal ones, until none is left that was learnt.
//
// Nearly all words of real text are tokens themselves: those that merging makes of their own bytes are found when the
// tokenizer is built, and later cost one look-up.
#pragma once
#include <bert/tokenizers/vocabulary.h>

#include <array>
#include <utility>

namespace bert::inline BERT_ABI {

class Bpe {
 public:
  struct Piece {
    std::int32_t id;
    std::uint32_t begin, end;  // bytes of the word
  };
  /// Memory for split(), to be kept from word to word; one for each thread.
  struct Scratch {
    std::vector<Piece> pieces;
    struct Symbol {
      std::int32_t id, before, after;  // neighbours; -1: none. id -1: merged into the one before
      std::uint32_t begin, end;
    };
    struct Candidate {
      std::int32_t rank, left, right;  // symbols
      std::int32_t left_id, right_id;  // what they were: a candidate whose symbols have changed is void
      std::int32_t merged;
    };
    std::vector<Symbol> symbols;
    std::vector<Candidate> heap;
  };
  using Merges = std::vector<std::pair<std::string, std::string>>;

  /// `tokens` are strings of bytes, one for each id; `merges` pairs of them, the one learnt first first. Throws Error
  /// when a pair's parts, or what they make, are no tokens.
  Bpe(const std::vector<std::string>& tokens, const Merges& merges);

  /// Fills scratch.pieces with the pieces of `word`. Bytes that are no token are left out, as Hugging Face does.
  void split(std::string_view word, Scratch& scratch) const;

  std::string_view bytes(std::int32_t id) const { return tokens_.token(id); }

 private:
  struct Merge {
    std::uint64_t pair = empty;
    std::int32_t rank = 0, merged = 0;
  };
  static constexpr std::uint64_t empty = ~std::uint64_t{0};
  static std::uint64_t pair_of(std::int32_t left, std::int32_t right) {
    return std::uint64_t{static_cast<std::uint32_t>(left)} << 32 | static_cast<std::uint32_t>(right);
  }
  std::size_t slot_of(std::uint64_t pair) const { return (pair * 0x9E3779B97F4A7C15) >> 40 & (merges_.size() - 1); }
  const Merge* find(std::int32_t left, std::int32_t right) const;
  void add_candidate(std::int32_t left, std::int32_t right, Scratch& scratch) const;
  void merge(std::string_view word, Scratch& scratch) const;

  Vocabulary tokens_;
  std::vector<Merge> merges_;  // open addressing, at most half full
  std::array<std::int32_t, 256> of_byte_;
  std::vector<bool> is_whole_;  // merging makes this token of its own bytes
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <algorithm>
#include <bit>

namespace bert::inline BERT_ABI {

BERT_INLINE Bpe::Bpe(const std::vector<std::string>& tokens, const Merges& merges) : tokens_(tokens) {
  for (std::size_t byte = 0; byte < 256; ++byte) {
    const char text = static_cast<char>(byte);
    of_byte_[byte] = tokens_.find({&text, 1}).value_or(-1);
  }
  merges_.resize(std::bit_ceil(2 * merges.size() + 1));
  std::int32_t rank = 0;
  for (const auto& [left, right] : merges) {
    const auto a = tokens_.find(left), b = tokens_.find(right), both = tokens_.find(left + right);
    if (!a || !b || !both)
      fail("merge ", rank + 1, ", \"", left, "\" and \"", right, "\": ", !a || !b ? "one of them" : "what they make",
           " is no token");
    std::size_t i = slot_of(pair_of(*a, *b));
    while (merges_[i].pair != empty && merges_[i].pair != pair_of(*a, *b)) i = (i + 1) & (merges_.size() - 1);
    if (merges_[i].pair == empty) merges_[i] = {pair_of(*a, *b), rank, *both};
    ++rank;
  }
  is_whole_.resize(tokens.size());
  Scratch scratch;
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    merge(tokens[id], scratch);
    is_whole_[id] = scratch.pieces.size() == 1 && scratch.pieces[0].id == static_cast<std::int32_t>(id);
  }
}

BERT_INLINE void Bpe::split(std::string_view word, Scratch& scratch) const {
  if (const auto id = tokens_.find(word); id && is_whole_[static_cast<std::size_t>(*id)])
    scratch.pieces.assign(1, {*id, 0, static_cast<std::uint32_t>(word.size())});
  else
    merge(word, scratch);
}

BERT_INLINE const Bpe::Merge* Bpe::find(std::int32_t left, std::int32_t right) const {
  const std::uint64_t pair = pair_of(left, right);
  for (std::size_t i = slot_of(pair); merges_[i].pair != empty; i = (i + 1) & (merges_.size() - 1))
    if (merges_[i].pair == pair) return &merges_[i];
  return nullptr;
}

namespace detail {
/// For a heap whose top is the pair that was learnt first, of equal ones the leftmost.
inline bool merges_later(const Bpe::Scratch::Candidate& a, const Bpe::Scratch::Candidate& b) {
  return a.rank != b.rank ? a.rank > b.rank : a.left > b.left;
}
}  // namespace detail

BERT_INLINE void Bpe::add_candidate(std::int32_t left, std::int32_t right, Scratch& scratch) const {
  if (left < 0 || right < 0) return;
  const std::int32_t a = scratch.symbols[static_cast<std::size_t>(left)].id;
  const std::int32_t b = scratch.symbols[static_cast<std::size_t>(right)].id;
  const Merge* const found = find(a, b);
  if (!found) return;
  scratch.heap.push_back({found->rank, left, right, a, b, found->merged});
  std::push_heap(scratch.heap.begin(), scratch.heap.end(), detail::merges_later);
}

BERT_INLINE void Bpe::merge(std::string_view word, Scratch& scratch) const {
  auto& [pieces, symbols, heap] = scratch;
  pieces.clear(), symbols.clear(), heap.clear();
  for (std::size_t i = 0; i < word.size(); ++i) {
    const std::int32_t id = of_byte_[static_cast<unsigned char>(word[i])];
    const auto at = static_cast<std::int32_t>(symbols.size());
    if (id < 0) continue;
    if (at > 0) symbols.back().after = at;
    symbols.push_back({id, at - 1, -1, static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(i + 1)});
  }
  for (std::int32_t i = 1; i < static_cast<std::int32_t>(symbols.size()); ++i) add_candidate(i - 1, i, scratch);
  while (!heap.empty()) {
    const Scratch::Candidate next = heap.front();
    std::pop_heap(heap.begin(), heap.end(), detail::merges_later);
    heap.pop_back();
    Scratch::Symbol& left = symbols[static_cast<std::size_t>(next.left)];
    Scratch::Symbol& right = symbols[static_cast<std::size_t>(next.right)];
    if (left.id != next.left_id || right.id != next.right_id || left.after != next.right) continue;
    left.id = next.merged, left.end = right.end, left.after = right.after;
    right.id = -1;
    if (left.after >= 0) symbols[static_cast<std::size_t>(left.after)].before = next.left;
    add_candidate(left.before, next.left, scratch);
    add_candidate(next.left, left.after, scratch);
  }
  for (const Scratch::Symbol& symbol : symbols)
    if (symbol.id >= 0) pieces.push_back({symbol.id, symbol.begin, symbol.end});
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

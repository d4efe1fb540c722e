// PackedBatch: token ids of several sequences end to end, without padding.
//
// ids, type_ids and positions are [T]; offsets are [B + 1], sequence b being tokens [offsets[b], offsets[b + 1]).
// Activations over a batch are [T, H]; attention runs per sequence, so nothing is computed for a token that is not
// there.
#pragma once
#include <bert/core/error.h>

#include <cstdint>
#include <span>
#include <vector>

namespace bert::inline BERT_ABI {

struct PackedBatch {
  std::vector<std::int32_t> ids, type_ids, positions;  // [T]
  std::vector<std::size_t> offsets{0};                 // [B + 1]
  /// Whether the last token of every sequence is a target: a place whose word is asked for, which no other token sees
  /// (XLNet's query stream). Its id does not count.
  bool targets = false;

  PackedBatch() = default;
  /// A batch of one sequence.
  explicit PackedBatch(std::span<const std::int32_t> sequence, std::span<const std::int32_t> types = {}) {
    add(sequence, types);
  }

  std::size_t sequences() const { return offsets.size() - 1; }
  std::size_t tokens() const { return ids.size(); }
  std::size_t length(std::size_t sequence) const { return offsets[sequence + 1] - offsets[sequence]; }
  std::vector<std::size_t> lengths() const;

  /// Appends a sequence; positions count from 0, token types are 0 when not given. Throws Error when it is empty or the
  /// two differ in length.
  void add(std::span<const std::int32_t> sequence, std::span<const std::int32_t> types = {});
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
namespace bert::inline BERT_ABI {

BERT_INLINE std::vector<std::size_t> PackedBatch::lengths() const {
  std::vector<std::size_t> all(sequences());
  for (std::size_t b = 0; b < all.size(); ++b) all[b] = length(b);
  return all;
}

BERT_INLINE void PackedBatch::add(std::span<const std::int32_t> sequence, std::span<const std::int32_t> types) {
  if (sequence.empty()) fail("cannot add an empty sequence to a batch");
  if (!types.empty() && types.size() != sequence.size())
    fail("a sequence of ", sequence.size(), " ids has ", types.size(), " token type ids");
  ids.insert(ids.end(), sequence.begin(), sequence.end());
  type_ids.insert(type_ids.end(), types.begin(), types.end());
  type_ids.resize(ids.size(), 0);
  for (std::size_t i = 0; i < sequence.size(); ++i) positions.push_back(static_cast<std::int32_t>(i));
  offsets.push_back(ids.size());
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

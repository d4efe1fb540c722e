// Schedule: how the sequences of a packed batch are spread over threads and over time.
//
// When there are enough sequences, each thread takes whole ones and needs no barrier; otherwise all threads work on
// every operation together. Either way sequences pass in chunks, which keeps activations in cache and memory small.
// Results are the same bits for every schedule, because no sum crosses a row.
#pragma once
#include <bert/core/team.h>

#include <span>
#include <vector>

namespace bert::inline BERT_ABI {

struct Schedule {
  /// Most tokens in flight per thread, unless one sequence is longer.
  static constexpr std::size_t chunk_tokens = 512;

  std::size_t threads = 1, longest = 0, largest_chunk = 0;  // tokens
  std::vector<Share> groups;  // sequences of each thread, or one group of all when threads work together

  bool together() const { return groups.size() == 1; }
  /// Threads that share one set of activation buffers, and the number of sets.
  std::size_t threads_per_group() const { return together() ? threads : 1; }

  /// For sequences bounded by `offsets` [B + 1].
  Schedule(std::span<const std::size_t> offsets, std::size_t thread_count);

  /// Calls visit(Share of sequences) for runs of the group's sequences that stay within the tokens in flight.
  template <class Visit>
  void for_each_chunk(std::span<const std::size_t> offsets, Share group, const Visit& visit) const {
    for (std::size_t b = group.begin; b < group.end;) {
      std::size_t end = b + 1;
      while (end < group.end && offsets[end + 1] - offsets[b] <= chunk_tokens * threads_per_group()) ++end;
      visit(Share{b, end});
      b = end;
    }
  }

  /// Runs encode(team, group number, Share of sequences) for every chunk, on all threads of the team.
  template <class Encode>
  void run(const Team& team, std::span<const std::size_t> offsets, const Encode& encode) const {
    if (together()) {
      for_each_chunk(offsets, groups[0], [&](Share chunk) { encode(team, std::size_t{0}, chunk); });
    } else {
      for (std::size_t g = static_cast<std::size_t>(team.rank()); g < groups.size();
           g += static_cast<std::size_t>(team.size()))
        for_each_chunk(offsets, groups[g], [&](Share chunk) { encode(Team(), g, chunk); });
      team.sync();
    }
  }

 private:
  /// Contiguous groups of about equal token counts: a sequence goes where its middle token falls.
  static std::vector<Share> split(std::span<const std::size_t> offsets, std::size_t parts);
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <algorithm>

namespace bert::inline BERT_ABI {

BERT_INLINE Schedule::Schedule(std::span<const std::size_t> offsets, std::size_t thread_count) : threads(thread_count) {
  const std::size_t sequences = offsets.size() - 1;
  for (std::size_t b = 0; b < sequences; ++b) longest = std::max(longest, offsets[b + 1] - offsets[b]);
  groups = split(offsets, threads);
  std::size_t most = 0;
  for (const Share& group : groups) most = std::max(most, offsets[group.end] - offsets[group.begin]);
  if (most * threads * 8 > offsets[sequences] * 9) groups = {{0, sequences}};  // a thread would wait over 1/9
  for (const Share& group : groups)
    for_each_chunk(offsets, group, [&](Share chunk) {
      largest_chunk = std::max(largest_chunk, offsets[chunk.end] - offsets[chunk.begin]);
    });
}

BERT_INLINE std::vector<Share> Schedule::split(std::span<const std::size_t> offsets, std::size_t parts) {
  const std::size_t sequences = offsets.size() - 1, tokens = offsets[sequences];
  std::vector<Share> groups;
  for (std::size_t part = 0, b = 0; part < parts; ++part) {
    const std::size_t begin = b;
    while (b < sequences && (offsets[b] + offsets[b + 1]) * parts < 2 * tokens * (part + 1)) ++b;
    groups.push_back({begin, part + 1 == parts ? sequences : b});
  }
  return groups;
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

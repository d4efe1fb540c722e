// Causal self-attention: the query at position p of a sequence sees keys 0 to p. Keys and values stay packed in caches,
// so that a sequence may go on token by token; the bits are those of computing it whole (numerics rule 8).
//
// Grouped-query attention (Ainslie et al. 2023): several query heads share one head of keys and values.
#pragma once
#include <bert/nn/attention.h>
#include <bert/nn/rotary.h>

namespace bert::inline BERT_ABI {

/// Where one sequence's keys and values lie: for each layer, G heads' caches one after another.
template <class T>
struct CachedSequence {
  T* data = nullptr;
  std::size_t layer_stride = 0;  // elements; 0: all layers use the same room in turn
  std::size_t capacity = 0;      // tokens
  std::size_t first = 0;         // tokens that are there already
};

template <class T>
struct CausalAttention {
  std::size_t heads = 1, kv_heads = 1;  // A, G; A is a multiple of G
  std::size_t head_size = 1;            // D
  AnyLinear<T> qkv;                     // [(A + 2 G) D, H]: query rows, then key rows, then value rows

  const KernelTable<T>& kernels() const { return qkv.kernels(); }
  /// Elements of one layer of a sequence's cache.
  std::size_t cache_size(std::size_t capacity) const { return kv_heads * kernels().cache_size(capacity, head_size); }
  /// Elements of scratch that each thread needs for sequences up to `longest` tokens.
  std::size_t scratch_size(std::size_t longest) const { return kernels().causal_scratch(longest, head_size); }

  /// context [T, A D] from the projected q, k, v [T, (A + 2 G) D], whose q and k it turns; `rotary` may be null.
  /// `offsets` [B + 1] bound the sequences' new tokens, row 0 being token offsets[0]; `positions` [T]; `sequences` [B]
  /// are their caches, of `layer`, which receive the new keys and values. `scratch` holds scratch_size() elements per
  /// thread. `probabilities` may be null, else it has an [A, S, S] tensor for each sequence, which then starts at 0.
  /// Threads share sequences and heads; on return `context` is whole.
  void attend(const Team& team, std::span<const std::size_t> offsets, std::span<const std::int32_t> positions,
              std::span<const CachedSequence<T>> sequences, std::size_t layer, const Rotary<T>* rotary,
              TensorView<T, 2> projected, TensorView<T, 2> scratch, TensorView<T, 2> context,
              Tensor<T, 3>* probabilities = nullptr) const {
    if (rotary) rotary->forward(team, kernels(), projected, positions, heads + kv_heads);
    const auto cache = [&](std::size_t b, std::size_t kv_head) {
      return sequences[b].data + layer * sequences[b].layer_stride +
             kv_head * kernels().cache_size(sequences[b].capacity, head_size);
    };
    for_each_head(team, offsets, kv_heads, [&](std::size_t b, std::size_t head) {
      const T* const k = projected.row(offsets[b] - offsets[0]) + (heads + head) * head_size;
      kernels().cache({k, k + kv_heads * head_size, projected.row_stride(), sequences[b].first,
                       offsets[b + 1] - offsets[b], head_size, sequences[b].capacity, cache(b, head)});
    });
    team.sync();
    for_each_head(team, offsets, heads, [&](std::size_t b, std::size_t head) {
      const std::size_t first = offsets[b] - offsets[0], length = offsets[b + 1] - offsets[b];
      kernels().causal_attention({projected.row(first) + head * head_size, projected.row_stride(),
                                  cache(b, head / (heads / kv_heads)), context.row(first) + head * head_size,
                                  context.row_stride(), sequences[b].first, length, head_size, sequences[b].capacity,
                                  T(1) / std::sqrt(static_cast<T>(head_size)),
                                  probabilities ? probabilities[b].data() + head * length * length : nullptr,
                                  scratch.row(static_cast<std::size_t>(team.rank()))});
    });
    team.sync();
  }
};

}  // namespace bert::inline BERT_ABI

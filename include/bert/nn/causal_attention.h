// Causal self-attention: the query at position p of a sequence sees keys 0 to p. Keys and values stay packed in caches,
// so that a sequence may go on token by token; the bits are those of computing it whole (numerics rule 8).
//
// Grouped-query attention (Ainslie et al. 2023): several query heads share one head of keys and values.
#pragma once
#include <bert/nn/attention.h>
#include <bert/nn/rotary.h>

#include <cstring>

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

// --- Training --------------------------------------------------------------------------------------------------------

/// Sizes of a causal attention: A heads of queries, G of keys and values, D elements each.
struct HeadSizes {
  std::size_t heads = 1, kv_heads = 1, size = 1;

  std::size_t width() const { return (heads + 2 * kv_heads) * size; }
  std::size_t key_column(std::size_t head) const { return (heads + head / (heads / kv_heads)) * size; }
};

/// Elements of scratch of a thread: the kernel's, and behind it the gradients of one head's keys and values.
template <class T>
std::size_t causal_training_scratch(const kernels::TrainingKernels<T>& training, std::size_t longest,
                                    std::size_t size) {
  return training.attention_scratch(longest, size) + 2 * longest * size;
}

namespace detail {
template <class T>
kernels::TrainingAttentionArgs<T> causal_head(const Team& team, const TrainingSpace<T>& space, const HeadSizes& sizes,
                                              std::span<const std::size_t> offsets, std::size_t b, std::size_t head,
                                              TensorView<const T, 2> qkv, TensorView<T, 2> context,
                                              const Dropout& dropout) {
  const std::size_t first = offsets[b] - offsets[0], length = offsets[b + 1] - offsets[b];
  const T* const row = qkv.row(first);
  kernels::TrainingAttentionArgs<T> args{};
  args.q = row + head * sizes.size, args.k = row + sizes.key_column(head);
  args.v = args.k + sizes.kv_heads * sizes.size, args.stride = qkv.row_stride();
  args.out = context.row(first) + head * sizes.size, args.out_stride = context.row_stride();
  args.length = length, args.head_size = sizes.size, args.scale = T(1) / std::sqrt(static_cast<T>(sizes.size));
  args.mask = dropout.mask(b), args.first_element = head * length * Dropout::row_elements(length);
  args.scratch = space.scratch.row(static_cast<std::size_t>(team.rank())), args.causal = true;
  return args;
}

/// Calls work(), which overwrites x [rows, columns], rows `stride` apart; then x is what it was plus what work() wrote.
template <class T, class Work>
void add_result(const TrainingSpace<T>& space, T* x, std::size_t stride, std::size_t rows, std::size_t columns,
                T* before, const Work& work) {
  for (std::size_t r = 0; r < rows; ++r) std::memcpy(before + r * columns, x + r * stride, columns * sizeof(T));
  work();
  for (std::size_t r = 0; r < rows; ++r) space.training->add(before + r * columns, x + r * stride, columns);
}
}  // namespace detail

/// context [T, A D] from q, k, v [T, (A + 2 G) D], whole sequences, with dropout of the probabilities.
template <class T>
void causal_forward(const Team& team, const TrainingSpace<T>& space, const HeadSizes& sizes,
                    std::span<const std::size_t> offsets, TensorView<const T, 2> qkv, TensorView<T, 2> context,
                    const Dropout& dropout) {
  for_each_head(team, offsets, sizes.heads, [&](std::size_t b, std::size_t head) {
    space.training->attention(detail::causal_head(team, space, sizes, offsets, b, head, qkv, context, dropout));
  });
  team.sync();
}

/// Gradients as attention_backward's (nn/attention.h): what a query does not see has p = 0, so ds = 0 there. Keys and
/// values that several heads of queries share get the sum over these heads, in their order:
///   dL/dk = sum over heads of c ds^T q,   dL/dv = sum over heads of d(p)^T do
/// context [T, A D] is the forward pass's, dcontext [T, A D] -> dqkv [T, (A + 2 G) D].
template <class T>
void causal_backward(const Team& team, const TrainingSpace<T>& space, const HeadSizes& sizes,
                     std::span<const std::size_t> offsets, TensorView<const T, 2> qkv, TensorView<T, 2> context,
                     TensorView<const T, 2> dcontext, TensorView<T, 2> dqkv, const Dropout& dropout) {
  const std::size_t group = sizes.heads / sizes.kv_heads, size = sizes.size;
  for_each_head(team, offsets, sizes.kv_heads, [&](std::size_t b, std::size_t kv_head) {
    const std::size_t first = offsets[b] - offsets[0], length = offsets[b + 1] - offsets[b];
    T* const dk = dqkv.row(first) + sizes.key_column(kv_head * group);
    T* const dv = dk + sizes.kv_heads * size;
    for (std::size_t head = kv_head * group; head < (kv_head + 1) * group; ++head) {
      auto args = detail::causal_head(team, space, sizes, offsets, b, head, qkv, context, dropout);
      args.dout = dcontext.row(first) + head * size;
      args.dq = dqkv.row(first) + head * size, args.dk = dk, args.dv = dv;
      const auto run = [&] { space.training->attention_backward(args); };
      if (head == kv_head * group) {
        run();
        continue;
      }
      T* const before = args.scratch + space.scratch.columns() - 2 * length * size;
      detail::add_result(space, dk, dqkv.row_stride(), length, size, before, [&] {
        detail::add_result(space, dv, dqkv.row_stride(), length, size, before + length * size, run);
      });
    }
  });
  team.sync();
}

}  // namespace bert::inline BERT_ABI

// Multi-head self-attention over a packed batch: per sequence and head, softmax(q k^T / sqrt(D)) v
// (Vaswani et al. 2017, section 3.2). Query, key and value are one GEMM; there is no mask because there is no padding.
#pragma once
#include <bert/nn/any_linear.h>
#include <bert/nn/dropout.h>

#include <cmath>

namespace bert::inline BERT_ABI {

/// Attention probabilities of a batch, for those who look inside: one [A, S, S] tensor per sequence.
template <class T>
using AttentionProbabilities = std::vector<Tensor<T, 3>>;

/// Calls visit(sequence, head) for this thread's part of the heads of all sequences, which differ in cost: packing and
/// projecting grow with S, scores with S^2.
template <class Visit>
void for_each_head(const Team& team, std::span<const std::size_t> offsets, std::size_t heads, const Visit& visit) {
  const auto cost = [&](std::size_t b) {
    const double length = static_cast<double>(offsets[b + 1] - offsets[b]);
    return length * (length + 32);
  };
  const std::size_t sequences = offsets.size() - 1;
  double total = 0, done = 0;
  for (std::size_t b = 0; b < sequences; ++b) total += cost(b);
  for (std::size_t b = 0; b < sequences; ++b)
    for (std::size_t head = 0; head < heads; ++head) {
      const double share = cost(b) / static_cast<double>(heads);
      const double middle = (done + share / 2) / total * team.size();
      done += share;
      if (static_cast<int>(middle) == team.rank()) visit(b, head);
    }
}

template <class T>
struct SelfAttention {
  std::size_t heads = 1;
  AnyLinear<T> qkv;  // [3H, H]: query rows, then key rows, then value rows

  std::size_t hidden_size() const { return qkv.k(); }
  std::size_t head_size() const { return hidden_size() / heads; }
  /// Elements of scratch that each thread needs for sequences up to `longest` tokens.
  std::size_t scratch_size(std::size_t longest) const { return qkv.kernels().attention_scratch(longest, head_size()); }

  /// context [T, H] from the projected q, k, v [T, 3H]. `offsets` [B + 1] bound the sequences; row 0 is token
  /// offsets[0]. `scratch` holds scratch_size() elements per thread. `probabilities` may be null, else it has an
  /// [A, S, S] tensor for each sequence. Threads share sequences and heads; on return `context` is whole.
  void attend(const Team& team, std::span<const std::size_t> offsets, TensorView<const T, 2> projected,
              TensorView<T, 2> scratch, TensorView<T, 2> context, Tensor<T, 3>* probabilities = nullptr) const {
    for_each_head(team, offsets, heads, [&](std::size_t b, std::size_t head) {
      one_head(projected, offsets[b] - offsets[0], offsets[b + 1] - offsets[b], head,
               scratch.row(static_cast<std::size_t>(team.rank())), context,
               probabilities ? probabilities[b].data() : nullptr);
    });
    team.sync();
  }

  /// context [T, H] from x [T, H]: the projection and attend(). `projected` [T, 3H] receives q, k, v.
  /// `space` is for a projection of 8 bits.
  void forward(const Team& team, TensorView<const T, 2> x, std::span<const std::size_t> offsets,
               TensorView<T, 2> projected, TensorView<T, 2> scratch, TensorView<T, 2> context,
               Tensor<T, 3>* probabilities = nullptr, const Int8Rows& space = {}) const {
    qkv.forward(team, x, projected, Activation::linear, {}, space);
    attend(team, offsets, projected, scratch, context, probabilities);
  }

 private:
  void one_head(TensorView<const T, 2> projected, std::size_t first, std::size_t length, std::size_t head, T* scratch,
                TensorView<T, 2> context, T* probabilities) const {
    const std::size_t hidden = hidden_size(), size = head_size();
    const T* q = projected.row(first) + head * size;
    qkv.kernels().attention({q, q + hidden, q + 2 * hidden, projected.row_stride(), context.row(first) + head * size,
                             context.row_stride(), length, size, 0, length, T(1) / std::sqrt(static_cast<T>(size)),
                             probabilities ? probabilities + head * length * length : nullptr, scratch});
  }
};

// --- Training --------------------------------------------------------------------------------------------------------

namespace detail {
/// The arguments of one head of sequence b, forward and backward.
template <class T>
kernels::TrainingAttentionArgs<T> training_head(const Team& team, const TrainingSpace<T>& space, std::size_t heads,
                                                std::span<const std::size_t> offsets, std::size_t b, std::size_t head,
                                                TensorView<const T, 2> qkv, TensorView<T, 2> context,
                                                const Dropout& dropout) {
  const std::size_t first = offsets[b] - offsets[0], length = offsets[b + 1] - offsets[b];
  const std::size_t hidden = context.columns(), size = hidden / heads;
  const T* q = qkv.row(first) + head * size;
  return {q,
          q + hidden,
          q + 2 * hidden,
          qkv.row_stride(),
          context.row(first) + head * size,
          context.row_stride(),
          length,
          size,
          T(1) / std::sqrt(static_cast<T>(size)),
          dropout.mask(b),
          head * length * Dropout::row_elements(length),
          space.scratch.row(static_cast<std::size_t>(team.rank()))};
}
}  // namespace detail

/// context [T, H] from q, k, v [T, 3H] as SelfAttention::attend, with dropout of the probabilities.
template <class T>
void attention_forward(const Team& team, const TrainingSpace<T>& space, std::size_t heads,
                       std::span<const std::size_t> offsets, TensorView<const T, 2> qkv, TensorView<T, 2> context,
                       const Dropout& dropout) {
  for_each_head(team, offsets, heads, [&](std::size_t b, std::size_t head) {
    space.training->attention(detail::training_head(team, space, heads, offsets, b, head, qkv, context, dropout));
  });
  team.sync();
}

/// Gradients of o = d(p) v, p = softmax(s), s = c q k^T with c = 1 / sqrt(D), row by row of queries; d is dropout, a
/// mask of 0 and 1 / (1 - rate) times p:
///   dL/dv = d(p)^T do
///   dL/dp = d(do v^T)
///   dL/ds_ij = p_ij (dp_ij - sum over j of p_ij dp_ij)      since dp_j/ds_k = p_j (1[j=k] - p_k)
///   sum over j of p_ij dp_ij = do_i . o_i                   so no second pass over the row is needed
///   dL/dq = c ds k,   dL/dk = c ds^T q
/// p is computed again from q and k: to keep it would take A S^2 numbers a sequence and layer. context [T, H] is the
/// forward pass's, dcontext [T, H] -> dqkv [T, 3H].
template <class T>
void attention_backward(const Team& team, const TrainingSpace<T>& space, std::size_t heads,
                        std::span<const std::size_t> offsets, TensorView<const T, 2> qkv, TensorView<T, 2> context,
                        TensorView<const T, 2> dcontext, TensorView<T, 2> dqkv, const Dropout& dropout) {
  for_each_head(team, offsets, heads, [&](std::size_t b, std::size_t head) {
    auto args = detail::training_head(team, space, heads, offsets, b, head, qkv, context, dropout);
    const std::size_t hidden = context.columns(), first = offsets[b] - offsets[0], column = head * args.head_size;
    args.dout = dcontext.row(first) + column;
    args.dq = dqkv.row(first) + column, args.dk = args.dq + hidden, args.dv = args.dq + 2 * hidden;
    space.training->attention_backward(args);
  });
  team.sync();
}

}  // namespace bert::inline BERT_ABI

// Multi-head self-attention over a packed batch: per sequence and head, softmax(q k^T / sqrt(D)) v
// (Vaswani et al. 2017, section 3.2). Query, key and value are one GEMM; there is no mask because there is no padding.
#pragma once
#include <bert/nn/any_linear.h>

#include <cmath>

namespace bert::inline BERT_ABI {

/// Attention probabilities of a batch, for those who look inside: one [A, S, S] tensor per sequence.
template <class T>
using AttentionProbabilities = std::vector<Tensor<T, 3>>;

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
    const std::size_t sequences = offsets.size() - 1;
    double total = 0, done = 0;
    for (std::size_t b = 0; b < sequences; ++b) total += cost(offsets[b + 1] - offsets[b]);
    for (std::size_t b = 0; b < sequences; ++b)
      for (std::size_t head = 0; head < heads; ++head) {
        const double share = cost(offsets[b + 1] - offsets[b]) / static_cast<double>(heads);
        const double middle = (done + share / 2) / total * team.size();
        done += share;
        if (static_cast<int>(middle) != team.rank()) continue;
        one_head(projected, offsets[b] - offsets[0], offsets[b + 1] - offsets[b], head,
                 scratch.row(static_cast<std::size_t>(team.rank())), context,
                 probabilities ? probabilities[b].data() : nullptr);
      }
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
  /// Work of one sequence in arbitrary units: packing and projecting grow with S, scores with S^2.
  static double cost(std::size_t length) { return static_cast<double>(length) * static_cast<double>(length + 32); }

  void one_head(TensorView<const T, 2> projected, std::size_t first, std::size_t length, std::size_t head, T* scratch,
                TensorView<T, 2> context, T* probabilities) const {
    const std::size_t hidden = hidden_size(), size = head_size();
    const T* q = projected.row(first) + head * size;
    qkv.kernels().attention({q, q + hidden, q + 2 * hidden, projected.row_stride(), context.row(first) + head * size,
                             context.row_stride(), length, size, 0, length, T(1) / std::sqrt(static_cast<T>(size)),
                             probabilities ? probabilities + head * length * length : nullptr, scratch});
  }
};

}  // namespace bert::inline BERT_ABI

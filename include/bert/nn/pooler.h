// Pooler: tanh(W h_[CLS] + b), the sentence vector BERT was trained to predict next sentences from.
// pool(): the sentence vectors of sentence-transformers: [CLS], mean, maximum or last token, normalised if asked.
#pragma once
#include <bert/nn/linear.h>

namespace bert::inline BERT_ABI {

/// out [M, H]: rows `indices` [M] of x.
template <class T>
void gather_rows(const Team& team, TensorView<const T, 2> x, std::span<const std::size_t> indices,
                 TensorView<T, 2> out) {
  const Share rows = team.share(indices.size());
  for (std::size_t m = rows.begin; m < rows.end; ++m)
    std::copy(x.row(indices[m]), x.row(indices[m]) + x.columns(), out.row(m));
  team.sync();
}

template <class T>
struct Pooler {
  Linear<T> dense;  // [H, H]

  /// out [B, H] from hidden [T, H]. `first` [B, H] receives each sequence's first row.
  void forward(const Team& team, TensorView<const T, 2> hidden, std::span<const std::size_t> offsets,
               TensorView<T, 2> first, TensorView<T, 2> out) const {
    gather_rows(team, hidden, offsets.first(offsets.size() - 1), first);
    dense.forward(team, first, out, Activation::tanh);
  }
};

/// out [H]: one vector for the sequence whose token states are the rows of x.
template <class T>
void pool(PoolingMode mode, bool normalize, TensorView<const T, 2> x, std::span<T> out,
          const KernelTable<T>& kernels = default_kernels<T>()) {
  if (out.size() != x.columns()) fail("a sentence vector of ", out.size(), " cannot hold ", x.columns(), " numbers");
  const FloatEnvironment environment;
  kernels.pool({x.data(), x.row_stride(), x.rows(), x.columns(), mode, normalize, out.data()});
}

}  // namespace bert::inline BERT_ABI

// Operations on rows of activations that passes forward and backward are made of.
#pragma once
#include <bert/core/packed_batch.h>
#include <bert/nn/activation.h>
#include <bert/nn/dropout.h>
#include <bert/nn/linear.h>
#include <bert/train/parameters.h>

#include <algorithm>

namespace bert::inline BERT_ABI {

/// y [M, N] = x [M, N], row by row.
template <class T>
void copy_rows(const Team& team, TensorView<const T, 2> x, TensorView<T, 2> y) {
  const Share rows = team.share(x.rows());
  for (std::size_t r = rows.begin; r < rows.end; ++r) std::copy(x.row(r), x.row(r) + x.columns(), y.row(r));
  team.sync();
}

/// y [M, N] = activation(x [M, N]); x stays, for activation_backward().
template <class T>
void activate_into(const Team& team, const TrainingSpace<T>& space, Activation activation, TensorView<const T, 2> x,
                   TensorView<T, 2> y) {
  copy_rows(team, x, y);
  activate(team, activation, y, *space.kernels);
}

/// y [T, N] <- 0, but for the rows tokens[m], which become row m of x [M, N]. `tokens` ascend.
template <class T>
void spread_rows(const Team& team, TensorView<const T, 2> x, std::span<const std::size_t> tokens, TensorView<T, 2> y) {
  const Share mine = team.share(y.rows());
  std::size_t m = static_cast<std::size_t>(std::lower_bound(tokens.begin(), tokens.end(), mine.begin) - tokens.begin());
  for (std::size_t t = mine.begin; t < mine.end; ++t) {
    if (m < tokens.size() && tokens[m] == t)
      std::copy(x.row(m), x.row(m) + x.columns(), y.row(t)), ++m;
    else
      std::fill_n(y.row(t), y.columns(), T(0));
  }
  team.sync();
}

/// Sets a gradient array and the gradient of the states to 0, before backward passes that add to them.
template <class T>
void clear_gradients(const Team& team, std::span<T> array, TensorView<T, 2> dstates) {
  const Share mine = team.share(array.size(), 64), rows = team.share(dstates.rows());
  std::fill(array.data() + mine.begin, array.data() + mine.end, T(0));
  std::fill(dstates.row(rows.begin), dstates.row(rows.end), T(0));
  team.sync();
}

/// out = dropout(x W^T + b) + residual
template <class T>
void residual_linear(const Team& team, const TrainingSpace<T>& space, const LinearParameters<T>& linear,
                     TensorView<T, 2> x, TensorView<T, 2> residual, TensorView<T, 2> out,
                     std::span<const std::size_t> offsets, std::span<const std::size_t> tokens,
                     const Dropout& dropout) {
  if (!dropout.active()) return linear_forward<T>(team, space, linear.weight, linear.bias, x, out, residual);
  linear_forward<T>(team, space, linear.weight, linear.bias, x, out);
  apply_dropout(team, space, dropout, offsets, out, tokens);
  add_rows<T>(team, space, residual, out);
}

/// The gradient of a sum as it goes into a branch behind dropout: itself, or in `space_of_branch` where there is
/// dropout.
template <class T>
TensorView<T, 2> dropped(const Team& team, const TrainingSpace<T>& space, const Dropout& dropout,
                         std::span<const std::size_t> offsets, TensorView<T, 2> gradient,
                         TensorView<T, 2> space_of_branch, std::span<const std::size_t> tokens = {}) {
  if (!dropout.active()) return gradient;
  const TensorView<T, 2> branch = space_of_branch.slice_rows(0, gradient.rows());
  copy_rows<T>(team, gradient, branch);
  apply_dropout(team, space, dropout, offsets, branch, tokens);
  return branch;
}

/// Most tokens of a sequence.
inline std::size_t longest(const PackedBatch& batch) {
  std::size_t most = 0;
  for (std::size_t b = 0; b < batch.sequences(); ++b) most = std::max(most, batch.length(b));
  return most;
}

}  // namespace bert::inline BERT_ABI

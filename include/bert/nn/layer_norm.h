// LayerNorm: y = (x - mean) / sqrt(variance + eps) * gamma + beta over the last dimension (Ba et al. 2016).
#pragma once
#include <bert/core/team.h>
#include <bert/core/tensor.h>
#include <bert/kernels.h>
#include <bert/nn/training_space.h>

#include <vector>

namespace bert::inline BERT_ABI {

template <class T>
class LayerNorm {
 public:
  LayerNorm() = default;
  /// weight (gamma) 1, bias (beta) 0.
  explicit LayerNorm(std::size_t size, T eps = T(1e-12), const KernelTable<T>& kernels = default_kernels<T>())
      : weight_(size, T(1)), bias_(size, T(0)), eps_(eps), kernels_(&kernels) {}

  std::span<T> weight() { return weight_; }
  std::span<T> bias() { return bias_; }

  /// y [M, H] = LayerNorm(x [M, H]), row by row; x and y may be the same.
  void forward(const Team& team, TensorView<const T, 2> x, TensorView<T, 2> y) const {
    check_shape("the input of a layer norm", x, {x.rows(), weight_.size()});
    check_shape("the output of a layer norm", y, x.shape());
    const Share rows = team.share(x.rows());
    kernels_->layer_norm({x.row(rows.begin), x.row_stride(), weight_.data(), bias_.data(), y.row(rows.begin),
                          y.row_stride(), rows.end - rows.begin, weight_.size(), eps_});
    team.sync();
  }

 private:
  std::vector<T> weight_, bias_;
  T eps_ = T(1e-12);
  const KernelTable<T>* kernels_ = nullptr;
};

/// y [M, H] = LayerNorm(x [M, H]) with gamma and beta [H] that training changes.
template <class T>
void layer_norm_forward(const Team& team, const TrainingSpace<T>& space, TensorView<const T, 2> x, const T* gamma,
                        const T* beta, T eps, TensorView<T, 2> y) {
  const Share rows = team.share(x.rows());
  space.kernels->layer_norm({x.row(rows.begin), x.row_stride(), gamma, beta, y.row(rows.begin), y.row_stride(),
                             rows.end - rows.begin, x.columns(), eps});
  team.sync();
}

/// Gradients of y = n gamma + beta with n = (x - mean) r, r = 1 / sqrt(variance + eps). With dn = dy gamma, and since
/// mean and variance depend on all of the row (dn_j/dx_i = r (1[i=j] - 1/H - n_i n_j / H)):
///   dL/dx     = r (dn - mean(dn) - n mean(dn n))
///   dL/dgamma = sum over rows of dy n,   dL/dbeta = sum over rows of dy
/// x [M, H] is what the forward pass normalised; dx [M, H] may be dy; dgamma, dbeta [H].
template <class T>
void layer_norm_backward(const Team& team, const TrainingSpace<T>& space, TensorView<const T, 2> x, const T* gamma,
                         T eps, TensorView<const T, 2> dy, TensorView<T, 2> dx, T* dgamma, T* dbeta) {
  constexpr std::size_t block = kernels::partial_rows;
  const std::size_t columns = x.columns(), blocks = (x.rows() + block - 1) / block;
  T *gammas = space.partials, *betas = space.partials + blocks * columns;  // [blocks, H] each
  const Share mine = team.share(x.rows(), block);
  if (mine.end > mine.begin)
    space.training->layer_norm_backward({x.row(mine.begin), x.row_stride(), gamma, dy.row(mine.begin), dy.row_stride(),
                                         dx.row(mine.begin), dx.row_stride(), mine.end - mine.begin, columns, eps,
                                         gammas + mine.begin / block * columns, betas + mine.begin / block * columns,
                                         columns});
  add_partials(team, space, blocks, columns, gammas, dgamma);
  add_partials(team, space, blocks, columns, betas, dbeta);
}

}  // namespace bert::inline BERT_ABI

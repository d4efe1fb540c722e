// RmsNorm: y = x / sqrt(mean(x^2) + eps) * gamma over the last dimension (Zhang and Sennrich 2019). AnyNorm: this or a
// LayerNorm, chosen when a model is loaded.
#pragma once
#include <bert/nn/layer_norm.h>

namespace bert::inline BERT_ABI {

template <class T>
class RmsNorm {
 public:
  RmsNorm() = default;
  /// weight (gamma) 1.
  explicit RmsNorm(std::size_t size, T eps = T(1e-6), const KernelTable<T>& kernels = default_kernels<T>())
      : weight_(size, T(1)), eps_(eps), kernels_(&kernels) {}

  std::size_t size() const { return weight_.size(); }
  std::span<T> weight() { return weight_; }

  /// y [M, H] = RmsNorm(x [M, H]), row by row; x and y may be the same.
  void forward(const Team& team, TensorView<const T, 2> x, TensorView<T, 2> y) const {
    check_shape("the input of an RMS norm", x, {x.rows(), weight_.size()});
    check_shape("the output of an RMS norm", y, x.shape());
    const Share rows = team.share(x.rows());
    kernels_->rms_norm({x.row(rows.begin), x.row_stride(), weight_.data(), nullptr, y.row(rows.begin), y.row_stride(),
                        rows.end - rows.begin, weight_.size(), eps_});
    team.sync();
  }

 private:
  std::vector<T> weight_;
  T eps_ = T(1e-6);
  const KernelTable<T>* kernels_ = nullptr;
};

template <class T>
class AnyNorm {
 public:
  AnyNorm() = default;
  AnyNorm(LayerNorm<T> norm) : layer_(std::move(norm)) {}
  AnyNorm(RmsNorm<T> norm) : rms_(std::move(norm)) {}

  void forward(const Team& team, TensorView<const T, 2> x, TensorView<T, 2> y) const {
    rms_.size() > 0 ? rms_.forward(team, x, y) : layer_.forward(team, x, y);
  }

 private:
  LayerNorm<T> layer_;
  RmsNorm<T> rms_;
};

/// y [M, H] = RmsNorm(x [M, H]) with gamma [H] that training changes.
template <class T>
void rms_norm_forward(const Team& team, const TrainingSpace<T>& space, TensorView<const T, 2> x, const T* gamma, T eps,
                      TensorView<T, 2> y) {
  const Share rows = team.share(x.rows());
  space.kernels->rms_norm({x.row(rows.begin), x.row_stride(), gamma, nullptr, y.row(rows.begin), y.row_stride(),
                           rows.end - rows.begin, x.columns(), eps});
  team.sync();
}

/// Gradients of y = n gamma with n = x r, r = 1 / sqrt(mean(x^2) + eps). With dn = dy gamma, and since the mean depends
/// on all of the row (dn_j/dx_i = r (1[i=j] - n_i n_j / H)):
///   dL/dx     = r (dn - n mean(dn n))
///   dL/dgamma = sum over rows of dy n
/// Shapes as layer_norm_backward's.
template <class T>
void rms_norm_backward(const Team& team, const TrainingSpace<T>& space, TensorView<const T, 2> x, const T* gamma, T eps,
                       TensorView<const T, 2> dy, TensorView<T, 2> dx, T* dgamma) {
  constexpr std::size_t block = kernels::partial_rows;
  const std::size_t columns = x.columns(), blocks = (x.rows() + block - 1) / block;
  const Share mine = team.share(x.rows(), block);
  if (mine.end > mine.begin)
    space.training->rms_norm_backward({x.row(mine.begin), x.row_stride(), gamma, dy.row(mine.begin), dy.row_stride(),
                                       dx.row(mine.begin), dx.row_stride(), mine.end - mine.begin, columns, eps,
                                       space.partials + mine.begin / block * columns, nullptr, columns});
  add_partials(team, space, blocks, columns, space.partials, dgamma);
}

}  // namespace bert::inline BERT_ABI

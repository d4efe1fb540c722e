// LayerNorm: y = (x - mean) / sqrt(variance + eps) * gamma + beta over the last dimension (Ba et al. 2016).
#pragma once
#include <bert/core/team.h>
#include <bert/core/tensor.h>
#include <bert/kernels.h>

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

}  // namespace bert::inline BERT_ABI

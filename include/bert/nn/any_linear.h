// AnyLinear: a linear layer of one precision or another, chosen when a model is loaded; blocks do not care which.
//
// Float and bfloat16 are both a Linear, whose PackedMatrix knows. A further precision is a member, a constructor and a
// line of forward() here.
#pragma once
#include <bert/nn/linear.h>
#include <bert/quant/int8_linear.h>

namespace bert::inline BERT_ABI {

template <class T>
class AnyLinear {
 public:
  AnyLinear() = default;
  AnyLinear(Linear<T> layer) : plain_(std::move(layer)) {}
  AnyLinear(Int8Linear layer) requires(std::is_same_v<T, float>) : int8_(std::move(layer)) {}

  bool is_int8() const { return int8_.n() > 0; }
  /// Bytes of weights and scales less than in float.
  std::ptrdiff_t bytes_saved() const { return is_int8() ? int8_.bytes_saved() : plain_.weight().bytes_saved(); }
  std::size_t n() const { return is_int8() ? int8_.n() : plain_.weight().n(); }
  std::size_t k() const { return is_int8() ? int8_.k() : plain_.weight().k(); }
  const KernelTable<T>& kernels() const {
    if constexpr (std::is_same_v<T, float>)
      if (is_int8()) return int8_.kernels();
    return plain_.weight().kernels();
  }

  /// out [M, N] = activation(x [M, K] W^T + b) + residual [M, N], as Linear::forward. `space` is where a layer of 8
  /// bits puts its quantised input.
  void forward(const Team& team, TensorView<const T, 2> x, TensorView<T, 2> out,
               Activation activation = Activation::linear, TensorView<const T, 2> residual = {},
               const Int8Rows& space = {}) const {
    if constexpr (std::is_same_v<T, float>)
      if (is_int8()) return int8_.forward(team, x, out, activation, residual, space);
    plain_.forward(team, x, out, activation, residual);
  }

 private:
  Linear<T> plain_;
  Int8Linear int8_;
};

}  // namespace bert::inline BERT_ABI

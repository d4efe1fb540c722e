// FeedForward: down(activation(up(x))) + x, the position-wise network with its residual (Vaswani et al. 2017,
// section 3.3).
#pragma once
#include <bert/nn/activation.h>
#include <bert/nn/any_linear.h>

namespace bert::inline BERT_ABI {

template <class T>
struct FeedForward {
  AnyLinear<T> up;    // [I, H], Hugging Face: intermediate.dense
  AnyLinear<T> down;  // [H, I], Hugging Face: output.dense
  Activation activation = Activation::gelu;

  /// out [T, H] = down(activation(up(x [T, H]))) + x. `intermediate` is [T, I]; `space` is for layers of 8 bits.
  void forward(const Team& team, TensorView<const T, 2> x, TensorView<T, 2> intermediate, TensorView<T, 2> out,
               const Int8Rows& space = {}) const {
    up.forward(team, x, intermediate, activation, {}, space);
    down.forward(team, intermediate, out, Activation::linear, x, space);
  }
};

}  // namespace bert::inline BERT_ABI

// FeedForward: down(activation(up(x))) + x, the position-wise network with its residual (Vaswani et al. 2017,
// section 3.3).
#pragma once
#include <bert/nn/activation.h>
#include <bert/nn/linear.h>

namespace bert::inline BERT_ABI {

template <class T>
struct FeedForward {
  Linear<T> up;    // [I, H], Hugging Face: intermediate.dense
  Linear<T> down;  // [H, I], Hugging Face: output.dense
  Activation activation = Activation::gelu;

  /// out [T, H] = down(activation(up(x [T, H]))) + x. `intermediate` is [T, I].
  void forward(const Team& team, TensorView<const T, 2> x, TensorView<T, 2> intermediate, TensorView<T, 2> out) const {
    up.forward(team, x, intermediate, activation);
    down.forward(team, intermediate, out, Activation::linear, x);
  }
};

}  // namespace bert::inline BERT_ABI

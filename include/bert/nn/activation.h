// Activations by the names of Hugging Face's `hidden_act` (transformers/activations.py).
//
// To add one: a value in kernels/table.h, its formula in kernels/ops/math.h and reference.h, a name here.
#pragma once
#include <bert/core/team.h>
#include <bert/core/tensor.h>
#include <bert/kernels.h>
#include <bert/nn/training_space.h>

#include <string_view>
#include <utility>

namespace bert::inline BERT_ABI {

inline constexpr std::pair<std::string_view, Activation> activation_names[] = {
    {"gelu", Activation::gelu},
    {"gelu_python", Activation::gelu},
    {"gelu_new", Activation::gelu_tanh},
    {"gelu_pytorch_tanh", Activation::gelu_tanh},
    {"gelu_fast", Activation::gelu_tanh},
    {"gelu_python_tanh", Activation::gelu_tanh},
    {"gelu_accurate", Activation::gelu_tanh},
    {"quick_gelu", Activation::quick_gelu},
    {"relu", Activation::relu},
    {"relu2", Activation::relu2},
    {"relu6", Activation::relu6},
    {"silu", Activation::silu},
    {"swish", Activation::silu},
    {"tanh", Activation::tanh},
    {"sigmoid", Activation::sigmoid},
    {"linear", Activation::linear},
};

/// Throws Error, listing the known names, for a name that is not among them.
Activation activation_by_name(std::string_view name);

/// x <- activation(x), element by element; the team shares the rows.
template <class T>
void activate(const Team& team, Activation activation, TensorView<T, 2> x,
              const KernelTable<T>& kernels = default_kernels<T>()) {
  const Share rows = team.share(x.rows());
  for (std::size_t r = rows.begin; r < rows.end; ++r) kernels.activate(activation, x.row(r), x.columns());
  team.sync();
}

/// Gradient of y = f(x): dL/dx = f'(x) dL/dy. dy [M, N] is replaced by it; x is what the forward pass put into f.
template <class T>
void activation_backward(const Team& team, const TrainingSpace<T>& space, Activation activation,
                         TensorView<const T, 2> x, TensorView<T, 2> dy) {
  const Share rows = team.share(x.rows());
  for (std::size_t r = rows.begin; r < rows.end; ++r)
    space.training->activation_backward(activation, x.row(r), dy.row(r), x.columns());
  team.sync();
}

/// y [M, N] = activation(gate) * up for gate and up side by side in x [M, 2 N]: x <- y in its first N columns.
template <class T>
void gate(const Team& team, const TrainingSpace<T>& space, Activation activation, TensorView<T, 2> x) {
  const Share rows = team.share(x.rows());
  space.kernels->gate({x.row(rows.begin), x.row_stride(), rows.end - rows.begin, x.columns() / 2, activation});
  team.sync();
}

/// Gradient of y = f(g) u: dL/dg = f'(g) u dL/dy, dL/du = f(g) dL/dy. x [M, 2 N] is g and u as they went into gate(),
/// dy [M, N] -> dx [M, 2 N].
template <class T>
void gate_backward(const Team& team, const TrainingSpace<T>& space, Activation activation, TensorView<const T, 2> x,
                   TensorView<const T, 2> dy, TensorView<T, 2> dx) {
  const Share rows = team.share(x.rows());
  space.training->gate_backward({x.row(rows.begin), x.row_stride(), dy.row(rows.begin), dy.row_stride(),
                                 dx.row(rows.begin), dx.row_stride(), rows.end - rows.begin, dy.columns(), activation});
  team.sync();
}

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
namespace bert::inline BERT_ABI {

BERT_INLINE Activation activation_by_name(std::string_view name) {
  std::string known;
  for (const auto& [key, value] : activation_names) {
    if (key == name) return value;
    known += concat(known.empty() ? "" : ", ", key);
  }
  fail("hidden_act \"", name, "\" is not supported; supported are ", known);
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

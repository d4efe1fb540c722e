// The elementary functions and activations with their double oracles and the errors that docs/numerics.md promises.
//
// To add a function: a line in `functions`; the strided sweep (tests/kernels/test_math.cpp), the sweep over all of
// float32 (`bert_tests '[all-floats]'`) and the table in the document follow from it.
#pragma once
#include <bert/kernels.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace tests {

/// transformers/activations.py
template <bert::Activation kind>
double exact_activation(double x) {
  using bert::Activation;
  const auto logistic = [](double z) { return 1 / (1 + std::exp(-z)); };
  const double positive = x > 0 ? x : 0;
  switch (kind) {
    case Activation::linear:
      return x;
    case Activation::gelu:
      return 0.5 * x * std::erfc(-x * 0.70710678118654752440);
    case Activation::gelu_tanh:  // 0.5 (1 + tanh z) = logistic(2 z)
      return x * logistic(2 * 0.79788456080286535588 * (x + 0.044715 * x * x * x));
    case Activation::quick_gelu:
      return x * logistic(1.702 * x);
    case Activation::relu:
      return positive;
    case Activation::relu2:
      return positive * positive;
    case Activation::relu6:
      return positive < 6 ? positive : 6;
    case Activation::silu:
      return x * logistic(x);
    case Activation::tanh:
      return std::tanh(x);
    case Activation::sigmoid:
      return logistic(x);
  }
  return std::nan("");
}

template <bert::Activation kind>
void run_activation(const bert::KernelTable<float>& kernels, float* x, std::size_t count) {
  kernels.activate(kind, x, count);
}

/// What docs/numerics.md promises about `run` between `low` and `high`.
struct Function {
  const char* name;
  void (*run)(const bert::KernelTable<float>&, float* x, std::size_t count);
  double (*exact)(double);
  float low, high;
  double ulp;       // largest error in units in the last place of the exact result; infinite: not promised
  double absolute;  // largest absolute error; infinite: not promised
};

inline const std::vector<Function>& functions() {
  using Limits = std::numeric_limits<float>;
  using bert::Activation;
  using Kernels = bert::KernelTable<float>;
  constexpr float most = Limits::max(), none = Limits::infinity();
  constexpr auto exp = [](const Kernels& kernels, float* x, std::size_t count) { kernels.exp(x, count); };
  constexpr auto erf = [](const Kernels& kernels, float* x, std::size_t count) { kernels.erf(x, count); };
  constexpr auto tanh = [](const Kernels& kernels, float* x, std::size_t count) { kernels.tanh(x, count); };
  constexpr auto log = [](const Kernels& kernels, float* x, std::size_t count) { kernels.log(x, count); };
#define BERT_ACTIVATION(kind) #kind, run_activation < Activation::kind>, exact_activation < Activation::kind>
  static const std::vector<Function> all = {{"exp", exp, std::exp, -87.3f, 88.72283f, 1.1, none},
                                            {"log", log, std::log, Limits::denorm_min(), most, 1.3, none},
                                            {"erf", erf, std::erf, -most, most, 1.6, 1e-7},
                                            {"tanh", tanh, std::tanh, -most, most, 1.7, 1e-7},
                                            {BERT_ACTIVATION(sigmoid), -87.3f, most, 2.6, 1e-7},
                                            {BERT_ACTIVATION(gelu), 0, most, 2.6, none},
                                            {BERT_ACTIVATION(gelu), -3, 0, 12, none},
                                            {BERT_ACTIVATION(gelu), -most, 0, none, 5e-8},
                                            {BERT_ACTIVATION(gelu_tanh), 0, most, 2.6, none},
                                            {BERT_ACTIVATION(gelu_tanh), -3, 0, 14, none},
                                            {BERT_ACTIVATION(gelu_tanh), -most, 0, none, 6e-8},
                                            {BERT_ACTIVATION(quick_gelu), 0, most, 2.6, none},
                                            {BERT_ACTIVATION(quick_gelu), -3, 0, 8, none},
                                            {BERT_ACTIVATION(quick_gelu), -most, 0, none, 5e-8},
                                            {BERT_ACTIVATION(silu), -80, most, 2.9, none},
                                            {BERT_ACTIVATION(silu), -most, 0, none, 5e-8},
                                            {BERT_ACTIVATION(relu2), -most, 1.8e19f, 0.5, none}};
#undef BERT_ACTIVATION
  return all;
}

/// Distance between the float32 numbers around x.
inline double unit_in_last_place(double x) {
  return std::ldexp(1.0, x == 0 ? -149 : std::max(std::ilogb(x), -126) - 23);
}

/// Largest errors and where they are.
struct Worst {
  double ulp = 0, absolute = 0;
  float ulp_at = 0, absolute_at = 0;

  void add(float x, float y, double exact) {
    const double error = std::fabs(static_cast<double>(y) - exact), units = error / unit_in_last_place(exact);
    raise(ulp, ulp_at, units, x);
    raise(absolute, absolute_at, error, x);
  }
  void add(const Worst& other) {
    raise(ulp, ulp_at, other.ulp, other.ulp_at);
    raise(absolute, absolute_at, other.absolute, other.absolute_at);
  }

 private:
  static void raise(double& worst, float& at, double value, float x) {
    if (worst == worst && !(value <= worst)) worst = value, at = x;  // NaN is the worst of all, and stays
  }
};

/// Runs the function on the float32 numbers whose bits are begin, begin + stride, … below `end` and lie in its range.
inline Worst sweep(const Function& function, const bert::KernelTable<float>& kernels, std::uint64_t begin,
                   std::uint64_t end, std::uint64_t stride) {
  Worst worst;
  std::vector<float> x, y;
  for (std::uint64_t bits = begin; bits < end; bits += stride) {
    const float value = std::bit_cast<float>(static_cast<std::uint32_t>(bits));
    if (value >= function.low && value <= function.high) x.push_back(value);
    if (x.size() < 4096 && bits + stride < end) continue;
    y = x;
    function.run(kernels, y.data(), y.size());
    for (std::size_t i = 0; i < x.size(); ++i) worst.add(x[i], y[i], function.exact(static_cast<double>(x[i])));
    x.clear();
  }
  return worst;
}

}  // namespace tests

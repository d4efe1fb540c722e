// AdamW: the optimiser (Loshchilov and Hutter 2019), with clipping by the global norm, and learning-rate schedules.
#pragma once
#include <bert/core/team.h>
#include <bert/train/kernels.h>
#include <bert/train/parameters.h>

#include <algorithm>
#include <cmath>

namespace bert::inline BERT_ABI {

struct AdamWOptions {
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  double weight_decay = 0.01;  // of matrices only
  double clip = 1;             // largest norm of the gradient; 0: no limit
};

/// Warms up from 0 linearly, then falls to 0 at the last step, by a straight line or half a cosine.
struct LearningRate {
  enum class Shape { constant, linear, cosine };
  static constexpr std::string_view shape_names[] = {"constant", "linear", "cosine"};  // in the order of the values
  double peak = 1e-4;
  std::uint64_t warmup = 0, steps = 0;
  Shape shape = Shape::linear;

  std::string_view shape_name() const { return shape_names[static_cast<int>(shape)]; }
  /// A name that is not known changes nothing.
  void set_shape(std::string_view name) {
    for (std::size_t i = 0; i < std::size(shape_names); ++i)
      if (shape_names[i] == name) shape = static_cast<Shape>(i);
  }
  /// Of step `step`, counted from 0.
  double at(std::uint64_t step) const {
    if (step < warmup) return peak * static_cast<double>(step + 1) / static_cast<double>(warmup);
    if (shape == Shape::constant || steps <= warmup) return peak;
    const double done = static_cast<double>(step - warmup) / static_cast<double>(steps - warmup);
    if (done >= 1) return 0;
    return shape == Shape::linear ? peak * (1 - done) : peak * half_cosine(done);
  }

  /// (1 + cos(pi x)) / 2 for x in [0, 1] by the cosine's series about 1/2, in which no library takes part: the bits of
  /// a run do not depend on one.
  static double half_cosine(double x) {
    const double t = 3.14159265358979323846 * (0.5 - x), s = t * t;  // cos(pi x) = sin(pi (1/2 - x))
    double term = t, sum = t;
    for (int n = 2; n < 24; n += 2) term *= -s / (n * (n + 1)), sum += term;
    return (1 + sum) / 2;
  }
};

/// The moments of a run. `steps` counts updates.
template <class T>
struct AdamWState {
  ParameterArray<T> m, v;
  std::uint64_t steps = 0;

  AdamWState() = default;
  explicit AdamWState(const ParameterLayout& layout) : m({layout.size()}), v({layout.size()}) {}
};

/// Elements whose squares are summed at a time; the sums of blocks are added in order, in double.
inline constexpr std::size_t norm_block = 4096;

/// sqrt(sum of squares) over a gradient. `partials` has layout.size() / norm_block + 1 doubles.
template <class T>
double gradient_norm(const Team& team, const KernelTable<T>& kernels, std::span<const T> gradient,
                     std::span<double> partials) {
  const std::size_t blocks = (gradient.size() + norm_block - 1) / norm_block;
  const Share mine = team.share(blocks);
  for (std::size_t b = mine.begin; b < mine.end; ++b) {
    const T* const at = gradient.data() + b * norm_block;
    const std::size_t count = std::min(norm_block, gradient.size() - b * norm_block);
    partials[b] = static_cast<double>(kernels.dot(at, at, count));
  }
  team.sync();
  double sum = 0;
  for (std::size_t b = 0; b < blocks; ++b) sum += partials[b];
  team.sync();
  return std::sqrt(sum);
}

/// x^n for whole n by squaring: no library's pow.
inline double whole_power(double x, std::uint64_t n) {
  double result = 1;
  for (; n > 0; n /= 2, x *= x)
    if (n % 2) result *= x;
  return result;
}

/// One update of `values` by `gradient`, whose norm is `norm`; the caller counts state.steps up before.
template <class T>
void adamw_update(const Team& team, const TrainingKernels<T>& training, const ParameterLayout& layout,
                  const AdamWOptions& options, double rate, double norm, std::span<const T> gradient,
                  AdamWState<T>& state, std::span<T> values) {
  // torch.nn.utils.clip_grad_norm_ divides by norm + 1e-6
  const double clip = options.clip > 0 ? std::min(1.0, options.clip / (norm + 1e-6)) : 1.0;
  const double correction1 = 1 - whole_power(options.beta1, state.steps);
  const double correction2 = 1 - whole_power(options.beta2, state.steps);
  for (const ParameterInfo& info : layout.all()) {
    const Share mine = team.share(info.size, 64);
    const std::size_t at = info.offset + mine.begin;
    training.adamw({values.data() + at, state.m.data() + at, state.v.data() + at, gradient.data() + at,
                    mine.end - mine.begin, static_cast<T>(clip), static_cast<T>(options.beta1),
                    static_cast<T>(options.beta2), static_cast<T>(options.eps),
                    static_cast<T>(info.decays() ? rate * options.weight_decay : 0), static_cast<T>(rate / correction1),
                    static_cast<T>(std::sqrt(correction2))});
  }
  team.sync();
}

}  // namespace bert::inline BERT_ABI

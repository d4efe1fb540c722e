// Smoothing (Xiao et al. 2023, "SmoothQuant"): input channel k of a product is divided by s_k and column k of its
// weights multiplied by it, so that a few large channels do not take the 8 bits of all others.
//
// All of it is part of the bit promise: single operations and square roots.
#pragma once
#include <bert/core/tensor.h>

#include <span>
#include <vector>

namespace bert::inline BERT_ABI {

/// sizes [K] = the larger of itself (empty: 0) and the largest magnitude in column k of x [T, K].
void widen(std::vector<float>& sizes, TensorView<const float, 2> x);

/// How much of the difference between channels is taken from the input, in eighths: the exponent of its size.
inline constexpr int smoothing_half = 4;

/// s_k = input_size_k^(e/8) / weight_size_k^(1-e/8), 0 < e < 8, sizes relative to their largest and not below 0.03 of
/// it: a channel that no text has stirred yet may be stirred by the next. Throws Error when that is not finite.
std::vector<float> smoothing_scale(std::span<const float> input_size, std::span<const float> weight_size,
                                   int eighths = smoothing_half);

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <algorithm>
#include <cmath>

namespace bert::inline BERT_ABI {

BERT_INLINE void widen(std::vector<float>& sizes, TensorView<const float, 2> x) {
  sizes.resize(x.columns());
  for (std::size_t r = 0; r < x.rows(); ++r)
    for (std::size_t k = 0; k < x.columns(); ++k) sizes[k] = std::max(sizes[k], std::fabs(x.row(r)[k]));
}

BERT_INLINE std::vector<float> smoothing_scale(std::span<const float> input_size, std::span<const float> weight_size,
                                               int eighths) {
  if (input_size.size() != weight_size.size())
    fail("sizes of ", input_size.size(), " input channels for weights of ", weight_size.size());
  // (size / largest) to the power of e / 8, by square roots: no C library's pow gives the same bits everywhere
  const auto powers = [](std::span<const float> sizes, int e) {
    const float largest = *std::max_element(sizes.begin(), sizes.end());
    std::vector<float> all(sizes.size(), 1.0f);
    for (std::size_t k = 0; largest > 0 && k < sizes.size(); ++k) {
      float root = std::max(sizes[k] / largest, 0.03f);
      for (int bit = 4; bit > 0; bit /= 2) {
        root = std::sqrt(root);
        if (e & bit) all[k] *= root;
      }
    }
    return all;
  };
  std::vector<float> scale = powers(input_size, eighths);
  const std::vector<float> weights = powers(weight_size, 8 - eighths);
  for (std::size_t k = 0; k < scale.size(); ++k) {
    scale[k] /= weights[k];
    if (!std::isfinite(scale[k]))
      fail("channel ", k, " of a product's input has no finite size: 8 bits cannot hold it");
  }
  return scale;
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

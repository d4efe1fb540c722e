// The numerics contract (docs/numerics.md) in plain loops: what every instruction set must compute, bit for bit.
//
// Only exp and log are borrowed from the kernels; tests/kernels/test_math.cpp measures those. No product here feeds an
// addition, so a compiler that fuses multiplications and additions changes nothing.
#pragma once
#include <bert/kernels.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

namespace tests::contract {

/// Rule 1: the sum over k of a[k] b[k]: chains of 256 fused multiply-adds from +0, their sums added in order.
inline float product(const float* a, std::size_t a_step, const float* b, std::size_t b_step, std::size_t count) {
  float total = 0;
  for (std::size_t first = 0; first < count; first += 256) {
    float block = 0;
    for (std::size_t k = first; k < std::min(count, first + 256); ++k)
      block = std::fma(a[k * a_step], b[k * b_step], block);
    total = first == 0 ? block : total + block;
  }
  return total;
}

/// Rule 2: sixteen lanes, element i in lane i mod 16, folded in halves.
class Lanes {
 public:
  explicit Lanes(float start) { lane_.fill(start); }
  float& operator[](std::size_t element) { return lane_[element % 16]; }
  float sum() {
    return fold([](float a, float b) { return a + b; });
  }
  float max() {
    return fold([](float a, float b) { return a > b ? a : b; });
  }

 private:
  template <class Join>
  float fold(Join join) {
    for (std::size_t half : {8, 4, 2, 1})
      for (std::size_t i = 0; i < half; ++i) lane_[i] = join(lane_[i], lane_[i + half]);
    return lane_[0];
  }
  std::array<float, 16> lane_;
};

inline float dot(const float* a, const float* b, std::size_t count) {
  Lanes sum(0);
  for (std::size_t i = 0; i < count; ++i) sum[i] = std::fma(a[i], b[i], sum[i]);
  return sum.sum();
}

/// x <- exp(x - max); the sum is returned, the maximum left in `largest`.
inline float exp_row(const bert::KernelTable<float>& kernels, float* x, std::size_t count, float& largest) {
  Lanes top(-std::numeric_limits<float>::infinity()), sum(0);
  for (std::size_t i = 0; i < count; ++i) top[i] = top[i] > x[i] ? top[i] : x[i];
  largest = top.max();
  for (std::size_t i = 0; i < count; ++i) x[i] -= largest;
  kernels.exp(x, count);
  for (std::size_t i = 0; i < count; ++i) sum[i] += x[i];
  return sum.sum();
}

inline std::vector<float> layer_norm(const float* x, const float* gamma, const float* beta, std::size_t count,
                                     float eps) {
  Lanes sum(0), squares(0);
  for (std::size_t i = 0; i < count; ++i) sum[i] += x[i];
  const float mean = sum.sum() / static_cast<float>(count);
  for (std::size_t i = 0; i < count; ++i) squares[i] = std::fma(x[i] - mean, x[i] - mean, squares[i]);
  const float scale = 1 / std::sqrt(squares.sum() / static_cast<float>(count) + eps);
  std::vector<float> y(count);
  for (std::size_t i = 0; i < count; ++i) y[i] = std::fma((x[i] - mean) * scale, gamma[i], beta[i]);
  return y;
}

/// One query row: scores by rule 1 from scaled queries, exp unnormalised, values by rule 1, one multiplication.
struct AttentionRow {
  std::vector<float> out, probabilities;
};
inline AttentionRow attention_row(const bert::KernelTable<float>& kernels, const float* q, const float* k,
                                  const float* v, std::size_t stride, std::size_t length, std::size_t head_size,
                                  float scale) {
  std::vector<float> query(q, q + head_size), scores(length);
  for (float& x : query) x *= scale;
  for (std::size_t j = 0; j < length; ++j) scores[j] = product(query.data(), 1, k + j * stride, 1, head_size);
  float largest = 0;
  const float inverse = 1 / exp_row(kernels, scores.data(), length, largest);
  AttentionRow row;
  for (std::size_t d = 0; d < head_size; ++d)
    row.out.push_back(product(scores.data(), 1, v + d, stride, length) * inverse);
  for (float score : scores) row.probabilities.push_back(score * inverse);
  return row;
}

}  // namespace tests::contract

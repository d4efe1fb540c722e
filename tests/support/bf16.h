// For tests of products of bfloat16: the kernels that have them, and their rounding.
#pragma once
#include "support/matrix.h"

#include <bert/kernels.h>

#include <cmath>

namespace tests {

/// The nearest number of 8 significant bits, ties to even; for normal numbers.
inline float rounded(float x) {
  int exponent = 0;
  const float fraction = std::frexp(x, &exponent);
  return std::ldexp(std::nearbyint(std::ldexp(fraction, 8)), exponent - 8);
}

/// The tables with products of bfloat16 that run here, scalar among them.
inline std::vector<const bert::KernelTable<float>*> with_bf16() {
  std::vector<const bert::KernelTable<float>*> some;
  for (const auto* kernels : all_kernels())
    if (kernels->bf16) some.push_back(kernels);
  return some;
}

}  // namespace tests

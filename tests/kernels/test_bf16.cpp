// Products of bfloat16, on every instruction set that has them, against plain arithmetic on rounded numbers.
#include "support/bf16.h"
#include "support/catch.h"
#include "support/kernel_cases.h"
#include "support/matrix.h"

using namespace tests;
using bert::Activation;
using Kernels = bert::KernelTable<float>;

namespace {

/// A product with strides wider than its matrices and pointers off every alignment.
struct Problem {
  std::size_t m, n, k, a_stride, c_stride;
  std::vector<float> a, weight, bias, residual;

  Problem(std::size_t rows, std::size_t columns, std::size_t depth, std::uint64_t seed)
      : m(rows), n(columns), k(depth), a_stride(depth + 3), c_stride(columns + 5) {
    a = random_values(m * a_stride + 1, seed), weight = random_values(n * k, seed + 1);
    bias = random_values(n, seed + 2), residual = random_values(m * c_stride, seed + 3);
  }

  std::size_t panels(const Kernels& kernels) const {
    return (n + kernels.bf16->panel_width - 1) / kernels.bf16->panel_width;
  }
  /// In two pieces, as a loader does; rows that pad the last panel hold NaN: they must not reach any result.
  std::vector<float> pack(const Kernels& kernels) const {
    const std::size_t units = panels(kernels) * kernels.bf16->panel_width * ((k + 1) / 2), half = n / 2;
    std::vector<float> packed(units, std::numeric_limits<float>::quiet_NaN());
    kernels.bf16->pack({weight.data(), k, 0, half, k, packed.data()});
    kernels.bf16->pack({weight.data() + half * k, k, half, n - half, k, packed.data()});
    return packed;
  }
  /// Rows [first, first + count) of c, panels [begin, end); a canary elsewhere.
  std::vector<float> run(const Kernels& kernels, std::size_t first, std::size_t count, std::size_t begin,
                         std::size_t end, Activation activation, bool whole) const {
    const std::vector<float> packed = pack(kernels);
    std::vector<float> c(m * c_stride + 1, canary);
    kernels.bf16->gemm({a.data() + 1 + first * a_stride, a_stride, packed.data(), whole ? bias.data() : nullptr,
                        whole ? residual.data() + first * c_stride : nullptr, c_stride, c.data() + 1 + first * c_stride,
                        c_stride, count, n, k, begin, end, activation});
    c.erase(c.begin());
    return c;
  }
  std::vector<float> run(const Kernels& kernels, Activation activation = Activation::linear, bool whole = false) const {
    return run(kernels, 0, m, 0, panels(kernels), activation, whole);
  }

  /// One chain over blocks of 512 k; in a pair the odd k comes first, as in the instruction's description (Intel,
  /// "Architecture Instruction Set Extensions", VDPBF16PS).
  std::vector<float> expected() const {
    std::vector<float> c(m * c_stride, canary), x, w;
    for (float v : a) x.push_back(rounded(v));
    for (float v : weight) w.push_back(rounded(v));
    for (std::size_t i = 0; i < m; ++i)
      for (std::size_t j = 0; j < n; ++j) {
        const float *row = x.data() + 1 + i * a_stride, *column = w.data() + j * k;
        float sum = 0;
        for (std::size_t begin = 0; begin < k; begin += 512) {
          float part = 0;
          for (std::size_t p = begin; p < k && p < begin + 512; p += 2) {
            if (p + 1 < k) part = std::fma(row[p + 1], column[p + 1], part);
            part = std::fma(row[p], column[p], part);
          }
          sum = begin == 0 ? part : part + sum;
        }
        c[i * c_stride + j] = sum;
      }
    return c;
  }

  static constexpr float canary = 12345;
};

}  // namespace

TEST_CASE("products of bfloat16 are exact products in one chain, at every edge", "[kernels][bf16]") {
  REQUIRE(with_bf16().size() >= 1);
  for (std::size_t m : {1, 2, 5, 13, 14, 15, 29})
    for (std::size_t n : {1, 15, 16, 17, 31, 32, 33, 65})
      for (std::size_t k : {1, 2, 3, 31, 32, 33, 511, 512, 513, 1027}) {
        const Problem problem(m, n, k, m * 1000003 + n * 1009 + k);
        const std::vector<float> expected = problem.expected();
        for (const Kernels* kernels : with_bf16()) {
          INFO(kernels->name << " " << m << " x " << n << " x " << k);
          REQUIRE(difference(problem.run(*kernels), expected) == "");
        }
      }
}

TEST_CASE("products of bfloat16 end in activation(product + bias) + residual", "[kernels][bf16]") {
  for (std::size_t k : {3, 700})
    for (Activation activation : {Activation::linear, Activation::gelu, Activation::relu}) {
      const Problem p(5, 33, k, k);
      for (const Kernels* kernels : with_bf16()) {
        std::vector<float> expected = p.expected();
        for (std::size_t i = 0; i < p.m; ++i)
          for (std::size_t j = 0; j < p.n; ++j) {
            float& x = expected[i * p.c_stride + j];
            x += p.bias[j];
            kernels->activate(activation, &x, 1);
            x += p.residual[i * p.c_stride + j];
          }
        INFO(kernels->name << " activation " << static_cast<int>(activation));
        REQUIRE(difference(p.run(*kernels, activation, true), expected) == "");
      }
    }
}

TEST_CASE("products of bfloat16 depend neither on the rows around nor on the range of panels", "[kernels][bf16]") {
  const Problem p(29, 100, 600, 5);
  for (const Kernels* kernels : with_bf16()) {
    const std::vector<float> whole = p.run(*kernels, Activation::gelu, true);
    const std::size_t width = kernels->bf16->panel_width, panels = p.panels(*kernels);
    for (std::size_t first : {0, 1, 13, 28})
      for (std::size_t count : {1, 2, 14, 15})
        for (std::size_t begin = 0; begin < panels; ++begin) {
          if (first + count > p.m) continue;
          std::vector<float> expected(p.m * p.c_stride, Problem::canary);
          for (std::size_t i = first; i < first + count; ++i)
            for (std::size_t j = begin * width; j < p.n; ++j) expected[i * p.c_stride + j] = whole[i * p.c_stride + j];
          INFO(kernels->name << " rows from " << first << ", " << count << " of them, panels from " << begin);
          REQUIRE(difference(p.run(*kernels, first, count, begin, panels, Activation::gelu, true), expected) == "");
        }
  }
}

// GEMM: numerics rule 1 to the bit, its accuracy, its epilogues, and that it leaves everything else alone.
#include "support/catch.h"
#include "support/contract.h"
#include "support/kernel_cases.h"
#include "support/matrix.h"
#include "support/oracle.h"

using namespace tests;
using bert::Activation;
using bert::kernels::GemmArgs;
using Kernels = bert::KernelTable<float>;

namespace {

constexpr Activation all_activations[] = {
    Activation::linear, Activation::gelu,  Activation::gelu_tanh, Activation::quick_gelu, Activation::relu,
    Activation::relu2,  Activation::relu6, Activation::silu,      Activation::tanh,       Activation::sigmoid};

/// A product with strides wider than its matrices and pointers off every alignment.
struct Problem {
  std::size_t m, n, k, a_stride, c_stride;
  std::vector<float> a, weight, bias, residual;

  Problem(std::size_t rows, std::size_t columns, std::size_t depth, std::uint64_t seed, std::size_t rarity = 0)
      : m(rows), n(columns), k(depth), a_stride(depth + 3), c_stride(columns + 5) {
    const auto fill = [&](std::size_t count) {
      return rarity ? awkward_values(count, ++seed, rarity) : random_values(count, ++seed);
    };
    a = fill(m * a_stride + 1), weight = fill(n * k), bias = fill(n), residual = fill(m * c_stride);
  }

  /// c [M, c_stride], with a canary in the columns that are not the product's.
  std::vector<float> run(const Kernels& kernels, Activation activation = Activation::linear, bool with_bias = false,
                         bool with_residual = false) const {
    const std::size_t panels = (n + kernels.panel_width - 1) / kernels.panel_width;
    return run_panels(kernels, 0, panels, activation, with_bias, with_residual);
  }
  std::vector<float> run_panels(const Kernels& kernels, std::size_t begin, std::size_t end, Activation activation,
                                bool with_bias, bool with_residual) const {
    const std::vector<float> packed = pack(kernels);
    std::vector<float> c(m * c_stride + 1, canary);
    kernels.gemm({a.data() + 1, a_stride, packed.data(), with_bias ? bias.data() : nullptr,
                  with_residual ? residual.data() : nullptr, c_stride, c.data() + 1, c_stride, m, n, k, begin, end,
                  activation});
    c.erase(c.begin());
    return c;
  }
  /// Rows that pad the last panel hold NaN: they must not reach any result.
  std::vector<float> pack(const Kernels& kernels) const {
    const std::size_t width = kernels.panel_width;
    std::vector<float> packed((n + width - 1) / width * width * k, std::numeric_limits<float>::quiet_NaN());
    const std::size_t half = n / 2;  // in two pieces, as a loader does
    kernels.pack({weight.data(), k, 0, half, k, packed.data()});
    kernels.pack({weight.data() + half * k, k, half, n - half, k, packed.data()});
    return packed;
  }
  std::vector<float> contract() const {
    std::vector<float> c(m * c_stride, canary);
    for (std::size_t i = 0; i < m; ++i)
      for (std::size_t j = 0; j < n; ++j)
        c[i * c_stride + j] = contract::product(a.data() + 1 + i * a_stride, 1, weight.data() + j * k, 1, k);
    return c;
  }

  static constexpr float canary = 12345;
};

std::string name(const Kernels& kernels, const Problem& p) {
  return bert::concat(kernels.name, " ", p.m, " x ", p.n, " x ", p.k);
}

}  // namespace

TEST_CASE("gemm keeps numerics rule 1 to the bit at every edge, on every ISA", "[kernels][gemm]") {
  for (std::size_t m : row_edges)
    for (std::size_t n : column_edges)
      for (std::size_t k : depth_edges) {
        if (m > 7 && n > 17 && k > 257) continue;  // edges of large sizes meet in the next test
        const Problem problem(m, n, k, m * 1000003 + n * 1009 + k);
        const std::vector<float> expected = problem.contract();
        for (const Kernels* kernels : all_kernels()) {
          INFO(name(*kernels, problem));
          REQUIRE(difference(problem.run(*kernels), expected) == "");
        }
      }
}

TEST_CASE("gemm keeps numerics rule 1 across blocks of panels and of rows, on every ISA", "[kernels][gemm]") {
  for (std::size_t n : {383, 384, 385, 769})
    for (std::size_t k : {17, 257}) {
      const Problem problem(15, n, k, n + k);
      const std::vector<float> expected = problem.contract();
      for (const Kernels* kernels : all_kernels()) {
        INFO(name(*kernels, problem));
        REQUIRE(difference(problem.run(*kernels), expected) == "");
      }
    }
  const Problem deep(29, 65, 1025, 1);
  for (const Kernels* kernels : all_kernels()) REQUIRE(difference(deep.run(*kernels), deep.contract()) == "");
}

TEST_CASE("gemm gives the contract's bits for zeros, subnormal, huge and infinite numbers and NaN", "[kernels][gemm]") {
  for (std::size_t rarity : {2, 20, 1000})
    for (std::size_t n : {1, 15, 33})
      for (std::size_t k : {1, 16, 300}) {
        const Problem problem(7, n, k, rarity * 31 + n + k, rarity);
        const std::vector<float> expected = problem.contract();
        for (const Kernels* kernels : all_kernels()) {
          INFO(name(*kernels, problem));
          REQUIRE(difference(problem.run(*kernels), expected) == "");
        }
      }
}

// |error| <= gamma |A| |W|^T: in a chain of 256 each term is rounded at most 256 times, then once per block sum.
TEST_CASE("gemm is within the rounding error bound of an Eigen double product, on every ISA", "[kernels][gemm]") {
  for (const GemmCase& size : gemm_models) {
    if (size.flops() > 4e7) continue;  // what the scalar kernels do in a twentieth of a second
    const Problem p(size.m, size.n, size.k, size.n + size.k);
    const oracle::Matrix a = oracle::matrix(p.a.data() + 1, p.m, p.k, p.a_stride),
                         w = oracle::matrix(p.weight, p.n, p.k), exact = a * w.transpose(),
                         bound = a.cwiseAbs() * w.cwiseAbs().transpose() *
                                 (static_cast<double>(256 + p.k / 256 + 1) * 0x1p-24);
    for (const Kernels* kernels : all_kernels()) {
      const std::vector<float> c = p.run(*kernels);
      INFO(name(*kernels, p));
      const oracle::Matrix error = (oracle::matrix(c.data(), p.m, p.n, p.c_stride) - exact).cwiseAbs();
      CHECK((error.array() <= bound.array()).all());
      // On random signs errors grow like sqrt(k) and blocks keep chains short: 40 x below the bound.
      CHECK(error.norm() * 40 < bound.norm());
    }
  }
}

TEST_CASE("gemm's epilogue is activation(product + bias) + residual, to the bit", "[kernels][gemm]") {
  for (std::size_t n : {1, 15, 16, 17, 31, 33, 65})
    for (std::size_t k : {3, 256, 300, 700})  // one block, a whole one, two and three
      for (Activation activation : all_activations)
        for (int parts = 0; parts < 4; ++parts) {
          const bool with_bias = parts & 1, with_residual = parts & 2;
          const Problem p(5, n, k, n + k);
          const std::vector<float> product = p.contract();
          for (const Kernels* kernels : all_kernels()) {
            std::vector<float> expected = product;
            for (std::size_t i = 0; i < p.m; ++i)
              for (std::size_t j = 0; j < n; ++j) {
                float& x = expected[i * p.c_stride + j];
                if (with_bias) x += p.bias[j];
                kernels->activate(activation, &x, 1);
                if (with_residual) x += p.residual[i * p.c_stride + j];
              }
            INFO(name(*kernels, p) << " activation " << static_cast<int>(activation) << " parts " << parts);
            REQUIRE(difference(p.run(*kernels, activation, with_bias, with_residual), expected) == "");
          }
        }
}

TEST_CASE("gemm over a range of panels writes those columns only, with the same bits", "[kernels][gemm]") {
  const Problem p(9, 100, 270, 5);
  for (const Kernels* kernels : all_kernels()) {
    const std::size_t width = kernels->panel_width, panels = (p.n + width - 1) / width;
    const std::vector<float> whole = p.run(*kernels, Activation::gelu, true, true);
    for (std::size_t begin = 0; begin <= panels; ++begin)
      for (std::size_t end = begin; end <= panels; ++end) {
        std::vector<float> expected(p.m * p.c_stride, Problem::canary);
        for (std::size_t i = 0; i < p.m; ++i)
          for (std::size_t j = begin * width; j < std::min(p.n, end * width); ++j)
            expected[i * p.c_stride + j] = whole[i * p.c_stride + j];
        INFO(kernels->name << " panels " << begin << " to " << end);
        REQUIRE(difference(p.run_panels(*kernels, begin, end, Activation::gelu, true, true), expected) == "");
      }
  }
}

TEST_CASE("gemm rows do not depend on the rows around them", "[kernels][gemm]") {
  const Problem p(29, 49, 270, 6);
  for (const Kernels* kernels : all_kernels()) {
    const std::vector<float> whole = p.run(*kernels, Activation::gelu, true, true), packed = p.pack(*kernels);
    for (std::size_t first : {0, 1, 13, 28})
      for (std::size_t count : {1, 2, 14, 15}) {
        if (first + count > p.m) continue;
        std::vector<float> c(p.m * p.c_stride, Problem::canary);
        const std::size_t panels = (p.n + kernels->panel_width - 1) / kernels->panel_width;
        kernels->gemm({p.a.data() + 1 + first * p.a_stride, p.a_stride, packed.data(), p.bias.data(),
                       p.residual.data() + first * p.c_stride, p.c_stride, c.data() + first * p.c_stride, p.c_stride,
                       count, p.n, p.k, 0, panels, Activation::gelu});
        std::vector<float> expected(p.m * p.c_stride, Problem::canary);
        std::copy_n(whole.begin() + static_cast<std::ptrdiff_t>(first * p.c_stride), count * p.c_stride,
                    expected.begin() + static_cast<std::ptrdiff_t>(first * p.c_stride));
        REQUIRE(difference(c, expected) == "");
      }
  }
}

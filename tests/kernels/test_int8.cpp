// 8-bit integers: rows quantised and products on every ISA against plain integer arithmetic, to the bit.
#include "support/catch.h"
#include "support/guard_page.h"
#include "support/kernel_cases.h"
#include "support/matrix.h"

using namespace tests;
using bert::Activation;
using Kernels = bert::KernelTable<float>;

namespace {

constexpr Activation all_activations[] = {
    Activation::linear, Activation::gelu,  Activation::gelu_tanh, Activation::quick_gelu, Activation::relu,
    Activation::relu2,  Activation::relu6, Activation::silu,      Activation::tanh,       Activation::sigmoid};

std::size_t padded(std::size_t columns) { return (columns + 63) / 64 * 64; }

/// Whole numbers in [-127, 127]; one in `rarity` is an end of that range.
std::vector<std::int8_t> random_integers(std::size_t count, std::uint64_t seed, int rarity) {
  std::vector<std::int8_t> x;
  for (float v : random_values(count, seed)) {
    const int whole = static_cast<int>(std::fabs(v) * 1e6f) % 255 - 127;
    x.push_back(static_cast<std::int8_t>(whole % rarity == 0 ? (whole < 0 ? -127 : 127) : whole));
  }
  return x;
}

/// A product with strides wider than its matrices and pointers off every alignment. Behind the K inputs of a row lie
/// zeros, as quantize() leaves them.
struct Problem {
  std::size_t m, n, k, a_stride, c_stride;
  std::vector<std::int8_t> a, weight;
  std::vector<float> a_scale, w_scale, bias, residual;

  Problem(std::size_t rows, std::size_t columns, std::size_t depth, std::uint64_t seed, int rarity = 50)
      : m(rows), n(columns), k(depth), a_stride(padded(depth) + 64), c_stride(columns + 5) {
    a = random_integers(m * a_stride + 1, seed, rarity), weight = random_integers(n * k, seed + 1, rarity);
    for (std::size_t i = 0; i < m; ++i)
      for (std::size_t j = k; j < padded(k); ++j) a[1 + i * a_stride + j] = 0;
    a_scale = random_values(m, seed + 2), w_scale = random_values(n, seed + 3);
    bias = random_values(n, seed + 4), residual = random_values(m * c_stride + 1, seed + 5);
  }

  std::size_t panels(const Kernels& kernels) const {
    return (n + kernels.int8->panel_width - 1) / kernels.int8->panel_width;
  }
  /// In three pieces, the last first, as a loader may.
  std::vector<std::byte> pack(const Kernels& kernels) const {
    std::vector<std::byte> packed(kernels.int8->packed_bytes(n, k));
    const std::size_t third = n / 3, piece[] = {0, third, 2 * third, n};
    for (int i = 2; i >= 0; --i)
      kernels.int8->pack({weight.data() + piece[i] * k, k, piece[i], piece[i + 1] - piece[i], n, k, packed.data()});
    return packed;
  }
  /// c [M, c_stride], with a canary in the columns that are not the product's.
  std::vector<float> run(const Kernels& kernels, Activation activation, bool with_bias, bool with_residual,
                         std::size_t begin, std::size_t end) const {
    const std::vector<std::byte> packed = pack(kernels);
    std::vector<float> c(m * c_stride + 1, canary);
    kernels.int8->gemm({a.data() + 1, a_stride, a_scale.data(), packed.data(), w_scale.data(),
                        with_bias ? bias.data() : nullptr, with_residual ? residual.data() + 1 : nullptr, c_stride,
                        c.data() + 1, c_stride, m, n, k, begin, end, activation});
    c.erase(c.begin());
    return c;
  }
  std::vector<float> run(const Kernels& kernels, Activation activation = Activation::linear, bool with_bias = true,
                         bool with_residual = false) const {
    return run(kernels, activation, with_bias, with_residual, 0, panels(kernels));
  }
  std::int64_t sum(std::size_t i, std::size_t j) const {
    std::int64_t total = 0;
    for (std::size_t x = 0; x < k; ++x) total += std::int64_t{a[1 + i * a_stride + x]} * weight[j * k + x];
    return total;
  }
  /// Numerics rule 5.
  std::vector<float> contract(Activation activation = Activation::linear, bool with_bias = true,
                              bool with_residual = false) const {
    std::vector<float> c(m * c_stride, canary);
    for (std::size_t i = 0; i < m; ++i) {
      for (std::size_t j = 0; j < n; ++j)
        c[i * c_stride + j] =
            std::fma(static_cast<float>(sum(i, j)), a_scale[i] * w_scale[j], with_bias ? bias[j] : 0.0f);
      all_kernels()[0]->activate(activation, c.data() + i * c_stride, n);
      for (std::size_t j = 0; with_residual && j < n; ++j) c[i * c_stride + j] += residual[1 + i * c_stride + j];
    }
    return c;
  }

  static constexpr float canary = 12345;
};

std::string name(const Kernels& kernels, const Problem& p) {
  return bert::concat(kernels.name, " ", p.m, " x ", p.n, " x ", p.k);
}

void check_everywhere(const Problem& problem) {
  const std::vector<float> expected = problem.contract();
  for (const Kernels* kernels : all_kernels()) {
    INFO(name(*kernels, problem));
    REQUIRE(difference(problem.run(*kernels), expected) == "");
  }
}

}  // namespace

TEST_CASE("int8 gemm is integer arithmetic to the bit at every edge, on every ISA", "[kernels][int8]") {
  for (std::size_t m = 1; m <= 33; ++m)
    for (std::size_t n : {1, 17, 33, 70}) check_everywhere({m, n, 67, m * 1009 + n});
  for (std::size_t n : column_edges)
    for (std::size_t k : {1, 2, 3, 4, 5, 6, 7, 8, 63, 64, 65, 127, 128, 129, 255})
      for (std::size_t m : {1, 7}) check_everywhere({m, n, k, n * 1009 + k});
}

TEST_CASE("int8 gemm keeps its bits across blocks of inputs, of panels and of rows", "[kernels][int8]") {
  for (std::size_t k : {1023, 1024, 1025, 2047, 2048, 2049, 3072}) check_everywhere({5, 37, k, k});
  check_everywhere({3, 801, 1100, 1});
  check_everywhere({130, 40, 70, 2});
}

TEST_CASE("int8 gemm cannot overflow or saturate at the ends of the range", "[kernels][int8]") {
  for (int a_sign : {-1, 1})
    for (int w_sign : {-1, 1}) {
      Problem p(7, 35, 3072, 1);
      for (std::size_t i = 0; i < p.m; ++i)
        std::fill_n(p.a.begin() + static_cast<std::ptrdiff_t>(1 + i * p.a_stride), p.k,
                    static_cast<std::int8_t>(127 * a_sign));
      std::fill(p.weight.begin(), p.weight.end(), static_cast<std::int8_t>(127 * w_sign));
      REQUIRE(p.sum(0, 0) == 127 * 127 * 3072 * a_sign * w_sign);
      check_everywhere(p);
    }
  check_everywhere({7, 35, 3072, 2, 1});  // a mixture of nothing but ends
}

TEST_CASE("int8 gemm's epilogue is activation(fma(sum, scales, bias)) + residual, to the bit", "[kernels][int8]") {
  for (std::size_t n : {1, 15, 16, 17, 33, 65})
    for (std::size_t k : {3, 1030})
      for (Activation activation : all_activations)
        for (int parts = 0; parts < 4; ++parts) {
          const bool with_bias = parts & 1, with_residual = parts & 2;
          const Problem p(5, n, k, n + k);
          const std::vector<float> expected = p.contract(activation, with_bias, with_residual);
          for (const Kernels* kernels : all_kernels()) {
            INFO(name(*kernels, p) << " activation " << static_cast<int>(activation) << " parts " << parts);
            REQUIRE(difference(p.run(*kernels, activation, with_bias, with_residual), expected) == "");
          }
        }
}

TEST_CASE("int8 gemm over a range of panels writes those columns only, with the same bits", "[kernels][int8]") {
  const Problem p(9, 100, 270, 5);
  const std::vector<float> whole = p.contract(Activation::gelu, true, true);
  for (const Kernels* kernels : all_kernels()) {
    const std::size_t width = kernels->int8->panel_width;
    for (std::size_t begin = 0; begin <= p.panels(*kernels); ++begin)
      for (std::size_t end = begin; end <= p.panels(*kernels); ++end) {
        std::vector<float> expected(p.m * p.c_stride, Problem::canary);
        for (std::size_t i = 0; i < p.m; ++i)
          for (std::size_t j = begin * width; j < std::min(p.n, end * width); ++j)
            expected[i * p.c_stride + j] = whole[i * p.c_stride + j];
        INFO(kernels->name << " panels " << begin << " to " << end);
        REQUIRE(difference(p.run(*kernels, Activation::gelu, true, true, begin, end), expected) == "");
      }
  }
}

TEST_CASE("rows become the nearest integers of their range, ties to even, on every ISA", "[kernels][int8]") {
  for (std::size_t columns : count_edges)
    for (bool with_multiplier : {false, true}) {
      const std::size_t rows = 3, stride = columns + 3, q_stride = padded(columns) + 64;
      std::vector<float> x = random_values(rows * stride + 1, columns);
      const std::vector<float> multiplier = random_values(columns, columns + 1);
      // A row of halves whose largest makes the factor 1: every second element is a tie. And a row too small to scale.
      for (std::size_t i = 0; i < columns; ++i) x[1 + i] = i == 0 ? 127 : static_cast<float>(i % 250) / 2 - 60;
      for (std::size_t i = 0; i < columns; ++i) x[1 + 2 * stride + i] = 9e-31f;
      std::vector<std::int8_t> expected(rows * q_stride, 0);
      std::vector<float> scales;
      for (std::size_t r = 0; r < rows; ++r) {
        std::vector<float> row(x.begin() + static_cast<std::ptrdiff_t>(1 + r * stride),
                               x.begin() + static_cast<std::ptrdiff_t>(1 + r * stride + columns));
        for (std::size_t i = 0; with_multiplier && i < columns; ++i) row[i] *= multiplier[i];
        float largest = 0;
        for (float v : row) largest = std::max(largest, std::fabs(v));
        scales.push_back(largest < 1e-30f ? 0 : largest / 127);
        for (std::size_t i = 0; largest >= 1e-30f && i < columns; ++i)
          expected[r * q_stride + i] =
              static_cast<std::int8_t>(std::clamp(std::nearbyint(row[i] * (127 / largest)), -127.0f, 127.0f));
      }
      for (const Kernels* kernels : all_kernels()) {
        std::vector<std::int8_t> q(rows * q_stride + 1, 99);
        std::vector<float> found(rows);
        kernels->int8->quantize({x.data() + 1, stride, with_multiplier ? multiplier.data() : nullptr, rows, columns,
                                 q.data() + 1, q_stride, found.data()});
        INFO(kernels->name << " " << columns << " columns");
        REQUIRE(std::vector<std::int8_t>(q.begin() + 1, q.end()) == expected);
        REQUIRE(found == scales);
      }
    }
}

TEST_CASE("rows with infinite numbers and NaN still become integers of the range, the same on every ISA",
          "[kernels][int8]") {
  const float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  for (float odd : {infinity, -infinity, nan}) {
    std::vector<float> x = random_values(70, 1);
    x[3] = x[68] = odd;
    std::vector<std::int8_t> first;
    for (const Kernels* kernels : all_kernels()) {
      std::vector<std::int8_t> q(128);
      float scale = 0;
      kernels->int8->quantize({x.data(), 70, nullptr, 1, 70, q.data(), 128, &scale});
      for (std::int8_t each : q) CHECK(each != -128);
      if (first.empty()) first = q;
      CHECK(q == first);
    }
  }
}

TEST_CASE("int8 operations stay inside their operands", "[kernels][guard][int8]") {
  for (const Kernels* kernels : all_kernels())
    for (Flush flush : {Flush::begin, Flush::end})
      for (std::size_t m : {1, 4, 7, 15})
        for (std::size_t n : {1, 15, 16, 33})
          for (std::size_t k : {1, 16, 65, 1030}) {
            const Problem p(m, n, k, m + n + k);
            const std::size_t c_count = (m - 1) * p.c_stride + n;
            Guarded<std::int8_t> weight(p.weight, flush), q(m * padded(k), flush);
            Guarded<std::byte> packed(std::vector<std::byte>(kernels->int8->packed_bytes(n, k)), flush);
            Guarded<float> x(random_values((m - 1) * (k + 3) + k, 1), flush), multiplier(random_values(k, 2), flush);
            Guarded<float> a_scale(m, flush), w_scale(p.w_scale, flush), bias(p.bias, flush), c(c_count, flush);
            Guarded<float> residual(random_values(c_count, 3), flush);
            kernels->int8->pack({weight.data(), k, 0, n, n, k, packed.data()});
            kernels->int8->quantize({x.data(), k + 3, multiplier.data(), m, k, q.data(), padded(k), a_scale.data()});
            kernels->int8->gemm({q.data(), padded(k), a_scale.data(), packed.data(), w_scale.data(), bias.data(),
                                 residual.data(), p.c_stride, c.data(), p.c_stride, m, n, k, 0, p.panels(*kernels),
                                 Activation::gelu});
            CHECK(std::isfinite(c.data()[0]));
          }
}

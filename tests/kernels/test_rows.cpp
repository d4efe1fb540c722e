// Operations on rows: LayerNorm, softmax, dot, pooling, embedding look-up; numerics rule 2 to the bit, and accuracy.
#include "support/catch.h"
#include "support/contract.h"
#include "support/kernel_cases.h"
#include "support/matrix.h"
#include "support/oracle.h"

using namespace tests;
using bert::PoolingMode;
using Kernels = bert::KernelTable<float>;

namespace {

constexpr float canary = 12345;

std::vector<float> slice(const std::vector<float>& all, std::size_t first, std::size_t count) {
  return {all.begin() + static_cast<std::ptrdiff_t>(first), all.begin() + static_cast<std::ptrdiff_t>(first + count)};
}

/// Every count at every kind of number: ordinary, and with awkward ones strewn in.
template <class Check>
void for_each_row(const Check& check) {
  for (std::size_t count : count_edges)
    for (std::size_t rarity : {0, 3, 50}) {
      const std::uint64_t seed = count * 100 + rarity;
      check(count, rarity ? awkward_values(count, seed, rarity) : random_values(count, seed));
    }
}

}  // namespace

TEST_CASE("layer norm keeps numerics rule 2 to the bit at every tail, on every ISA", "[kernels][layer_norm]") {
  for_each_row([](std::size_t columns, const std::vector<float>& row) {
    const std::size_t rows = 3, x_stride = columns + 3, y_stride = columns + 1;
    const std::vector<float> gamma = random_values(columns, 1), beta = random_values(columns, 2);
    std::vector<float> x = random_values(rows * x_stride + 1, 3, 5);
    std::copy(row.begin(), row.end(), x.data() + 1 + x_stride);
    std::vector<float> expected(rows * y_stride, canary);
    for (std::size_t r = 0; r < rows; ++r) {
      const auto y = contract::layer_norm(x.data() + 1 + r * x_stride, gamma.data(), beta.data(), columns, 1e-12f);
      std::copy(y.begin(), y.end(), expected.data() + r * y_stride);
    }
    for (const Kernels* kernels : all_kernels()) {
      std::vector<float> y(rows * y_stride, canary);
      kernels->layer_norm(
          {x.data() + 1, x_stride, gamma.data(), beta.data(), y.data(), y_stride, rows, columns, 1e-12f});
      INFO(kernels->name << " " << columns << " columns");
      REQUIRE(difference(y, expected) == "");
      std::vector<float> same = x;  // in place
      kernels->layer_norm(
          {same.data() + 1, x_stride, gamma.data(), beta.data(), same.data() + 1, x_stride, rows, columns, 1e-12f});
      for (std::size_t r = 0; r < rows; ++r)
        REQUIRE(difference(slice(same, 1 + r * x_stride, columns), slice(expected, r * y_stride, columns)) == "");
    }
  });
}

// Two passes: the mean is off by a few 2^-24 of the row's size, not of its square, so even a row whose deviation is a
// thousandth of its mean keeps 2e-4; one pass would lose everything there.
TEST_CASE("layer norm matches an Eigen double oracle, also where the mean dwarfs the deviation",
          "[kernels][layer_norm]") {
  for (std::size_t columns : {2, 15, 16, 17, 48, 384, 768, 1025})
    for (double offset : {0.0, 3.0, 1000.0})
      for (float eps : {1e-12f, 1e-5f}) {
        const std::size_t rows = 4;
        std::vector<float> x = random_values(rows * columns, columns);
        for (float& value : x) value += static_cast<float>(offset);
        const std::vector<float> gamma = random_values(columns, 1), beta = random_values(columns, 2);
        const oracle::Matrix exact = oracle::layer_norm(oracle::matrix(x, rows, columns), oracle::row(gamma),
                                                        oracle::row(beta), static_cast<double>(eps));
        const double tolerance = 4e-6 + offset * 1e-6 * (columns == 2 ? 20 : 1);  // two numbers may lie close together
        for (const Kernels* kernels : all_kernels()) {
          std::vector<float> y(x.size());
          kernels->layer_norm({x.data(), columns, gamma.data(), beta.data(), y.data(), columns, rows, columns, eps});
          INFO(kernels->name << " " << columns << " columns around " << offset);
          CHECK((oracle::matrix(y, rows, columns) - exact).cwiseAbs().maxCoeff() < tolerance);
        }
      }
}

TEST_CASE("softmax and log-sum-exp keep numerics rule 2 to the bit at every tail, on every ISA", "[kernels][softmax]") {
  for_each_row([](std::size_t count, const std::vector<float>& row) {
    for (const Kernels* kernels : all_kernels()) {
      std::vector<float> expected = row, x = row;
      float largest = 0;
      float sum = contract::exp_row(*kernels, expected.data(), count, largest);
      for (float& value : expected) value *= 1 / sum;
      kernels->log(&sum, 1);
      float log_sum = canary;
      kernels->softmax({x.data(), count, &log_sum});
      INFO(kernels->name << " " << count);
      REQUIRE(difference(x, expected) == "");
      REQUIRE(same_bits(log_sum, largest + sum));
      std::vector<float> again = row;
      kernels->softmax({again.data(), count, nullptr});
      REQUIRE(difference(again, expected) == "");
    }
  });
}

TEST_CASE("a score that is not a number makes every probability and the log-sum-exp so", "[kernels][softmax]") {
  for (std::size_t count : {2, 17, 40})
    for (std::size_t at = 0; at < count; ++at)
      for (const Kernels* kernels : all_kernels()) {
        std::vector<float> x = random_values(count, 1);
        x[at] = std::numeric_limits<float>::quiet_NaN();
        float log_sum = 0;
        kernels->softmax({x.data(), count, &log_sum});
        INFO(kernels->name << " " << at << " of " << count);
        REQUIRE(std::isnan(log_sum));
        for (float p : x) REQUIRE(std::isnan(p));
      }
}

// Below e^-87.3 = 1.2e-38 exp is 0. Relative error: exp of a rounded difference of size up to 80 (2^-18 of it), exp
// itself (2^-23), a sum and a division.
TEST_CASE("softmax matches an Eigen double oracle", "[kernels][softmax]") {
  for (std::size_t count : {1, 15, 16, 17, 128, 500, 30522})
    for (double spread : {0.1, 1.0, 10.0}) {
      const std::vector<float> x = random_values(count, count, spread);
      const oracle::Matrix in = oracle::row(x), exact = oracle::softmax(in);
      const double log_sum = in.maxCoeff() + std::log((in.array() - in.maxCoeff()).exp().sum());
      for (const Kernels* kernels : all_kernels()) {
        std::vector<float> y = x;
        float measured = 0;
        kernels->softmax({y.data(), count, &measured});
        INFO(kernels->name << " " << count << " numbers, spread " << spread);
        CHECK(((oracle::row(y) - exact).array().abs() <= 6e-6 * exact.array() + 1.3e-38).all());
        CHECK(std::fabs(static_cast<double>(measured) - log_sum) < 4e-6 * std::max(1.0, std::fabs(log_sum)));
      }
    }
}

TEST_CASE("dot keeps numerics rule 2 to the bit, and matches Eigen", "[kernels][dot]") {
  for_each_row([](std::size_t count, const std::vector<float>& a) {
    const std::vector<float> b = random_values(count, 7);
    for (const Kernels* kernels : all_kernels()) {
      INFO(kernels->name << " " << count);
      REQUIRE(same_bits(kernels->dot(a.data(), b.data(), count), contract::dot(a.data(), b.data(), count)));
      REQUIRE(same_bits(kernels->dot(a.data(), b.data(), 0), 0.0f));
    }
  });
  const std::vector<float> a = random_values(1000, 1), b = random_values(1000, 2);
  const double bound = oracle::row(a).cwiseAbs().dot(oracle::row(b).cwiseAbs()) * (1000 / 16 + 5) * 0x1p-24;
  for (const Kernels* kernels : all_kernels())
    CHECK(std::fabs(kernels->dot(a.data(), b.data(), 1000) - oracle::row(a).dot(oracle::row(b))) <= bound);
}

TEST_CASE("pooling takes the first, last, mean or largest, and normalises to length 1", "[kernels][pool]") {
  for (std::size_t columns : {1, 15, 16, 17, 31, 33, 48, 384})
    for (std::size_t rows : {1, 2, 3, 17, 64})
      for (std::size_t rarity : {0, 20}) {
        const std::size_t stride = columns + 1;
        const std::vector<float> x =
            rarity ? awkward_values(rows * stride, rows, rarity) : random_values(rows * stride, rows);
        const oracle::Matrix exact_x = oracle::matrix(x.data(), rows, columns, stride);
        for (PoolingMode mode : {PoolingMode::cls, PoolingMode::mean, PoolingMode::max, PoolingMode::last}) {
          std::vector<float> expected(columns);
          for (std::size_t i = 0; i < columns; ++i) {
            float sum = 0, largest = x[i];
            for (std::size_t r = 0; r < rows; ++r) {
              sum += x[r * stride + i];
              largest = largest > x[r * stride + i] ? largest : x[r * stride + i];
            }
            expected[i] = mode == PoolingMode::cls    ? x[i]
                          : mode == PoolingMode::last ? x[(rows - 1) * stride + i]
                          : mode == PoolingMode::mean ? sum / static_cast<float>(rows)
                                                      : largest;
          }
          std::vector<float> unit = expected;
          const float norm = std::sqrt(contract::dot(unit.data(), unit.data(), columns));
          for (float& value : unit) value /= norm > 1e-12f ? norm : 1e-12f;
          for (const Kernels* kernels : all_kernels()) {
            INFO(kernels->name << " " << rows << " x " << columns << " mode " << static_cast<int>(mode));
            std::vector<float> y(columns + 1, canary);
            kernels->pool({x.data(), stride, rows, columns, mode, false, y.data()});
            REQUIRE(y[columns] == canary);
            REQUIRE(difference(slice(y, 0, columns), expected) == "");
            if (mode == PoolingMode::mean && !rarity) {
              const oracle::Row mean = exact_x.colwise().mean();
              REQUIRE((oracle::row(expected) - mean).cwiseAbs().maxCoeff() < 1e-6);
            }
            kernels->pool({x.data(), stride, rows, columns, mode, true, y.data()});
            REQUIRE(difference(slice(y, 0, columns), unit) == "");
            if (!rarity) REQUIRE(std::fabs(oracle::row(slice(y, 0, columns)).norm() - 1) < 2e-7);
          }
        }
      }
  for (const Kernels* kernels : all_kernels()) {  // a zero vector stays zero
    const std::vector<float> zero(20);
    std::vector<float> y(20, canary);
    kernels->pool({zero.data(), 20, 1, 20, PoolingMode::mean, true, y.data()});
    CHECK(difference(y, zero) == "");
  }
}

// max(a, b) is a > b ? a : b: of zeros of both signs the last row's is the result, and a NaN gives way to the next row.
TEST_CASE("max pooling takes zeros and NaN in the contract's order, on every ISA", "[kernels][pool]") {
  const float nan = std::numeric_limits<float>::quiet_NaN(), values[] = {0.0f, -0.0f, nan, 1.0f, -1.0f};
  const std::size_t rows = 3, columns = 5 * 5 * 5;  // every triple
  std::vector<float> x(rows * columns), expected(columns);
  for (std::size_t i = 0; i < columns; ++i) {
    x[i] = values[i / 25], x[columns + i] = values[i / 5 % 5], x[2 * columns + i] = values[i % 5];
    float largest = x[i];
    for (std::size_t r = 1; r < rows; ++r) largest = largest > x[r * columns + i] ? largest : x[r * columns + i];
    expected[i] = largest;
  }
  for (const Kernels* kernels : all_kernels()) {
    std::vector<float> y(columns, canary);
    kernels->pool({x.data(), columns, rows, columns, PoolingMode::max, false, y.data()});
    INFO(kernels->name);
    CHECK(difference(y, expected) == "");
  }
}

TEST_CASE("embedding look-up adds word, type and position rows, packed or plain", "[kernels][embed]") {
  const std::size_t words = 50, types = 2, positions = 9, rows = 9;
  for (std::size_t columns : {1, 15, 16, 17, 33, 48}) {
    const std::vector<float> word = awkward_values(words * columns, 1, 30), type = random_values(types * columns, 2),
                             position = random_values(positions * columns, 3);
    const std::vector<std::int32_t> ids{0, 49, 15, 16, 17, 31, 32, 48, 3}, type_ids{0, 1, 1, 0, 0, 1, 0, 1, 0},
        places{0, 8, 1, 2, 3, 4, 5, 6, 7};
    const std::size_t stride = columns + 2;
    std::vector<float> expected(rows * stride, canary);
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t i = 0; i < columns; ++i)
        expected[r * stride + i] = (word[static_cast<std::size_t>(ids[r]) * columns + i] +
                                    type[static_cast<std::size_t>(type_ids[r]) * columns + i]) +
                                   position[static_cast<std::size_t>(places[r]) * columns + i];
    for (const Kernels* kernels : all_kernels())
      for (std::size_t panel : {std::size_t{1}, kernels->panel_width}) {
        std::vector<float> table = word;
        if (panel > 1) {
          table.assign((words + panel - 1) / panel * panel * columns, 0);
          kernels->pack({word.data(), columns, 0, words, columns, table.data()});
        }
        std::vector<float> y(rows * stride, canary);
        kernels->embed({table.data(), panel, type.data(), position.data(), ids.data(), type_ids.data(), places.data(),
                        y.data(), stride, rows, columns});
        INFO(kernels->name << " " << columns << " columns, panel " << panel);
        REQUIRE(difference(y, expected) == "");
      }
  }
}

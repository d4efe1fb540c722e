// Every operand of every operation against an inaccessible page, before and behind: one element too far ends the test.
#include "support/catch.h"
#include "support/guard_page.h"
#include "support/kernel_cases.h"
#include "support/matrix.h"

using namespace tests;
using bert::Activation;
using bert::PoolingMode;
using Kernels = bert::KernelTable<float>;
using Array = Guarded<float>;

namespace {

/// Calls check(kernels, flush) for each instruction set and either end.
template <class Check>
void everywhere(const Check& check) {
  for (const Kernels* kernels : all_kernels())
    for (Flush flush : {Flush::begin, Flush::end}) check(*kernels, flush);
}

/// A matrix of `rows` rows whose last ends with its last column, as a slice of columns does.
Array matrix(std::size_t rows, std::size_t columns, std::size_t stride, Flush flush) {
  return {random_values((rows - 1) * stride + columns, rows + columns), flush};
}

constexpr std::size_t few_counts[] = {1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 48};

}  // namespace

TEST_CASE("the guard pages of these tests are there", "[kernels][guard]") {
  const auto readable = [](const float* address) {  // asks the system, which answers with an error, not a fault
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    const bool good = write(ends[1], address, sizeof(float)) == sizeof(float);
    close(ends[0]), close(ends[1]);
    return good;
  };
  Array begin(std::size_t{10}, Flush::begin), end(std::size_t{10}, Flush::end);
  CHECK(readable(begin.data()));
  CHECK_FALSE(readable(begin.data() - 1));
  CHECK(readable(end.data() + 9));
  CHECK_FALSE(readable(end.data() + 10));
}

TEST_CASE("gemm and pack stay inside their operands", "[kernels][guard]") {
  everywhere([](const Kernels& kernels, Flush flush) {
    const std::size_t width = kernels.panel_width;
    for (std::size_t m : {1, 4, 5, 14, 15})
      for (std::size_t n : {1, 15, 16, 17, 32, 33})
        for (std::size_t k : {1, 16, 17, 256, 257})
          for (std::size_t gap : {0, 3}) {
            const std::size_t panels = (n + width - 1) / width;
            Array weight = matrix(n, k, k + gap, flush), packed(panels * width * k, flush);
            Array a = matrix(m, k, k + gap, flush), c = matrix(m, n, n + gap, flush);
            Array residual = matrix(m, n, n + gap, flush), bias = matrix(1, n, n, flush);
            kernels.pack({weight.data(), k + gap, 0, n, k, packed.data()});
            kernels.gemm({a.data(), k + gap, packed.data(), bias.data(), residual.data(), n + gap, c.data(), n + gap, m,
                          n, k, 0, panels, Activation::gelu});
            CHECK(std::isfinite(c.data()[0]));
          }
  });
}

TEST_CASE("attention stays inside its operands and its scratch", "[kernels][guard]") {
  everywhere([](const Kernels& kernels, Flush flush) {
    for (std::size_t length : {1, 7, 16, 17, 33, 257})
      for (std::size_t size : {1, 12, 16, 17, 33, 64}) {
        const std::size_t stride = 3 * size;
        Array q = matrix(length, size, stride, flush), k = matrix(length, size, stride, flush),
              v = matrix(length, size, stride, flush);
        Array out = matrix(length, size, stride, flush), probabilities(length * length, flush);
        Array scratch(kernels.attention_scratch(length, size), flush);
        REQUIRE(reinterpret_cast<std::uintptr_t>(scratch.data()) % 64 == 0);
        kernels.attention({q.data(), k.data(), v.data(), stride, out.data(), stride, length, size, 0, length, 0.25f,
                           probabilities.data(), scratch.data()});
        CHECK(std::isfinite(out.data()[0]));
      }
  });
}

TEST_CASE("row operations stay inside their operands", "[kernels][guard]") {
  everywhere([](const Kernels& kernels, Flush flush) {
    for (std::size_t columns : few_counts)
      for (std::size_t gap : {0, 5}) {
        const std::size_t rows = 3, stride = columns + gap;
        Array x = matrix(rows, columns, stride, flush), y = matrix(rows, columns, stride, flush);
        Array gamma = matrix(1, columns, columns, flush), beta = matrix(1, columns, columns, flush);
        kernels.layer_norm({x.data(), stride, gamma.data(), beta.data(), y.data(), stride, rows, columns, 1e-5f});
        CHECK(std::isfinite(y.data()[0]));
        for (PoolingMode mode : {PoolingMode::cls, PoolingMode::mean, PoolingMode::max, PoolingMode::last})
          kernels.pool({x.data(), stride, rows, columns, mode, true, gamma.data()});
        CHECK(std::isfinite(kernels.dot(gamma.data(), beta.data(), columns)));
        float log_sum = 0;
        kernels.softmax({gamma.data(), columns, &log_sum});
        CHECK(std::isfinite(log_sum));
      }
  });
}

TEST_CASE("embedding look-up stays inside its tables", "[kernels][guard]") {
  everywhere([](const Kernels& kernels, Flush flush) {
    for (std::size_t columns : few_counts)
      for (std::size_t panel : {std::size_t{1}, kernels.panel_width}) {
        const std::size_t words = 2 * kernels.panel_width;
        Array word = matrix(words, columns, columns, flush), type = matrix(2, columns, columns, flush),
              position = matrix(4, columns, columns, flush);
        Guarded<std::int32_t> ids({0, 1, static_cast<std::int32_t>(words) - 1}, flush), types({0, 1, 1}, flush),
            places({0, 3, 2}, flush);
        Array y = matrix(3, columns, columns + 2, flush);
        kernels.embed({word.data(), panel, type.data(), position.data(), ids.data(), types.data(), places.data(),
                       y.data(), columns + 2, 3, columns});
        CHECK(std::isfinite(y.data()[0]));
      }
  });
}

TEST_CASE("element-wise operations stay inside their array", "[kernels][guard]") {
  everywhere([](const Kernels& kernels, Flush flush) {
    for (std::size_t count : few_counts) {
      Array x = matrix(1, count, count, flush);
      for (int kind = 0; kind <= static_cast<int>(Activation::sigmoid); ++kind)
        kernels.activate(static_cast<Activation>(kind), x.data(), count);
      kernels.exp(x.data(), count), kernels.erf(x.data(), count), kernels.tanh(x.data(), count);
      CHECK(std::isfinite(x.data()[0]));
      kernels.log(x.data(), count);
    }
  });
}

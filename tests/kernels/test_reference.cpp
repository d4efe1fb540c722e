// kernels/reference.h, what BertModel<double> runs on, against Eigen. Both sum in double, in different orders: 1e-13 of
// the largest value holds for every size here.
#include "support/catch.h"
#include "support/kernel_cases.h"
#include "support/matrix.h"
#include "support/oracle.h"

using namespace tests;
using bert::Activation;
using oracle::Matrix;

namespace {

const bert::KernelTable<double>& kernels = bert::kernels::reference::table<double>();

bool close(const Matrix& a, const Matrix& b) {
  return (a - b).cwiseAbs().maxCoeff() <= 1e-13 * std::max(1.0, b.cwiseAbs().maxCoeff());
}

template <Activation kind>
void check_activation() {
  std::vector<double> x = random_values<double>(2000, 5, 3), y = x;
  kernels.activate(kind, y.data(), y.size());
  INFO(static_cast<int>(kind));
  CHECK(close(oracle::matrix(y, 1, y.size()), oracle::activation<kind>(oracle::matrix(x, 1, x.size()))));
}

}  // namespace

TEST_CASE("reference gemm matches Eigen", "[kernels][reference]") {
  for (std::size_t m : {1, 5})
    for (std::size_t n : {1, 17})
      for (std::size_t k : {1, 300}) {
        const auto a = random_values<double>(m * k, 1), w = random_values<double>(n * k, 2),
                   bias = random_values<double>(n, 3), residual = random_values<double>(m * n, 4);
        std::vector<double> packed(n * k), c(m * n);
        kernels.pack({w.data(), k, 0, n, k, packed.data()});
        kernels.gemm({a.data(), k, packed.data(), bias.data(), residual.data(), n, c.data(), n, m, n, k, 0, n,
                      Activation::gelu});
        const Matrix exact = oracle::activation<Activation::gelu>(
                                 oracle::linear(oracle::matrix(a, m, k), oracle::matrix(w, n, k), oracle::row(bias))) +
                             oracle::matrix(residual, m, n);
        CHECK(close(oracle::matrix(c, m, n), exact));
        kernels.gemm({a.data(), k, packed.data(), nullptr, nullptr, 0, c.data(), n, m, n, k, 0, n, Activation::linear});
        CHECK(close(oracle::matrix(c, m, n), oracle::matrix(a, m, k) * oracle::matrix(w, n, k).transpose()));
      }
}

TEST_CASE("reference activations match their formulas", "[kernels][reference]") {
  check_activation<Activation::linear>();
  check_activation<Activation::gelu>();
  check_activation<Activation::gelu_tanh>();
  check_activation<Activation::quick_gelu>();
  check_activation<Activation::relu>();
  check_activation<Activation::relu2>();
  check_activation<Activation::relu6>();
  check_activation<Activation::silu>();
  check_activation<Activation::tanh>();
  check_activation<Activation::sigmoid>();
}

TEST_CASE("reference attention matches Eigen", "[kernels][reference]") {
  for (std::size_t length : {1, 17, 64})
    for (std::size_t size : {1, 12, 33}) {
      const std::size_t stride = 3 * size;
      const auto qkv = random_values<double>(length * stride, length);
      std::vector<double> out(length * size), look(length * length), scratch(kernels.attention_scratch(length, size));
      const double *q = qkv.data(), scale = 1 / std::sqrt(static_cast<double>(size));
      Matrix probabilities;
      const auto part = [&](const double* x) { return oracle::matrix(x, length, size, stride); };
      const Matrix exact = oracle::attention(part(q), part(q + size), part(q + 2 * size), &probabilities);
      kernels.attention({q, q + size, q + 2 * size, stride, out.data(), size, length, size, 0, length, scale,
                         look.data(), scratch.data()});
      CHECK(close(oracle::matrix(out, length, size), exact));
      CHECK(close(oracle::matrix(look, length, length), probabilities));
      kernels.attention({q, q + size, q + 2 * size, stride, out.data(), size, length, size, 0, length, scale, nullptr,
                         scratch.data()});
      CHECK(close(oracle::matrix(out, length, size), exact));
    }
}

TEST_CASE("reference row operations match Eigen", "[kernels][reference]") {
  for (std::size_t columns : {2, 17, 384}) {
    const std::size_t rows = 5;
    const auto x = random_values<double>(rows * columns, columns), gamma = random_values<double>(columns, 1),
               beta = random_values<double>(columns, 2);
    const Matrix in = oracle::matrix(x, rows, columns);
    std::vector<double> y(rows * columns), one(columns);
    kernels.layer_norm({x.data(), columns, gamma.data(), beta.data(), y.data(), columns, rows, columns, 1e-5});
    CHECK(close(oracle::matrix(y, rows, columns), oracle::layer_norm(in, oracle::row(gamma), oracle::row(beta), 1e-5)));

    std::vector<double> soft(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(columns));
    double log_sum = 0;
    kernels.softmax({soft.data(), columns, &log_sum});
    CHECK(close(oracle::row(soft), oracle::softmax(in.row(0))));
    CHECK(std::fabs(log_sum - std::log(in.row(0).array().exp().sum())) < 1e-13);
    CHECK(std::fabs(kernels.dot(gamma.data(), beta.data(), columns) - oracle::row(gamma).dot(oracle::row(beta))) <
          1e-11);

    const auto pooled = [&](bert::PoolingMode mode, bool normalize) {
      kernels.pool({x.data(), columns, rows, columns, mode, normalize, one.data()});
      return oracle::row(one);
    };
    CHECK(close(pooled(bert::PoolingMode::cls, false), in.row(0)));
    CHECK(close(pooled(bert::PoolingMode::last, false), in.row(rows - 1)));
    CHECK(close(pooled(bert::PoolingMode::mean, false), in.colwise().mean()));
    CHECK(close(pooled(bert::PoolingMode::max, false), in.colwise().maxCoeff()));
    CHECK(close(pooled(bert::PoolingMode::mean, true), in.colwise().mean().normalized()));

    const std::int32_t ids[] = {4, 0}, types[] = {1, 0}, places[] = {0, 3};
    kernels.embed({x.data(), 1, x.data(), x.data(), ids, types, places, y.data(), columns, 2, columns});
    CHECK(close(oracle::matrix(y.data(), 2, columns, columns).row(0), in.row(4) + in.row(1) + in.row(0)));
    CHECK(close(oracle::matrix(y.data(), 2, columns, columns).row(1), in.row(0) + in.row(0) + in.row(3)));
  }
}

TEST_CASE("reference pooling leaves a zero vector zero", "[kernels][reference]") {
  const std::vector<double> zero(17);
  std::vector<double> y(17, -7);
  kernels.pool({zero.data(), 17, 1, 17, bert::PoolingMode::mean, true, y.data()});
  CHECK(difference(y, zero) == "");
}

TEST_CASE("reference operations write the slice they are given and nothing else", "[kernels][reference]") {
  const std::size_t m = 3, n = 7, k = 5, length = 6;
  const auto a = random_values<double>(m * k, 1), w = random_values<double>(n * k, 2),
             qkv = random_values<double>(length * 3 * k, 3);
  std::vector<double> packed(n * k), whole(m * n), out(length * k), scratch(kernels.attention_scratch(length, k));
  kernels.pack({w.data(), k, 0, n, k, packed.data()});
  kernels.gemm({a.data(), k, packed.data(), nullptr, nullptr, 0, whole.data(), n, m, n, k, 0, n, Activation::linear});
  const auto attend = [&](double* to, std::size_t begin, std::size_t end) {
    kernels.attention({qkv.data(), qkv.data() + k, qkv.data() + 2 * k, 3 * k, to, k, length, k, begin, end, 0.5,
                       nullptr, scratch.data()});
  };
  attend(out.data(), 0, length);
  for (std::size_t begin = 0; begin <= length; ++begin)
    for (std::size_t end = begin; end <= length; ++end) {
      std::vector<double> slice(n * k, -7), expected = slice;
      kernels.pack({w.data() + begin * k, k, begin, end - begin, k, slice.data()});
      std::copy(w.data() + begin * k, w.data() + end * k, expected.data() + begin * k);
      CHECK(difference(slice, expected) == "");

      slice.assign(m * n, -7), expected = slice;
      kernels.gemm(
          {a.data(), k, packed.data(), nullptr, nullptr, 0, slice.data(), n, m, n, k, begin, end, Activation::linear});
      for (std::size_t i = 0; i < m; ++i)
        std::copy(whole.data() + i * n + begin, whole.data() + i * n + end, expected.data() + i * n + begin);
      CHECK(difference(slice, expected) == "");

      slice.assign(length * k, -7), expected = slice;
      attend(slice.data(), begin, end);
      std::copy(out.data() + begin * k, out.data() + end * k, expected.data() + begin * k);
      CHECK(difference(slice, expected) == "");
    }
}

// Blocks of nn/ beside what they were made from, so that a test can compute the same with Eigen in double.
#pragma once
#include "support/catch.h"
#include "support/matrix.h"
#include "support/oracle.h"

#include <bert/nn.h>

namespace tests {

using bert::KernelTable;
using bert::Team;
using bert::TensorView;

template <class T>
using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// The library's view of an Eigen matrix: the same memory.
template <class T>
TensorView<T, 2> view(Matrix<T>& m) {
  return {m.data(), {static_cast<std::size_t>(m.rows()), static_cast<std::size_t>(m.cols())}};
}
template <class T>
TensorView<const T, 2> view(const Matrix<T>& m) {
  return {m.data(), {static_cast<std::size_t>(m.rows()), static_cast<std::size_t>(m.cols())}};
}
template <class T>
Matrix<T> random_matrix(std::size_t rows, std::size_t columns, std::uint64_t seed, double scale = 1) {
  return oracle::matrix(random_values<T>(rows * columns, seed, scale), rows, columns).template cast<T>();
}

// In float: products of up to 80 terms of size 1 and a LayerNorm round at 2^-24 some tens of times. In double both
// sides round, in different orders.
template <class T>
constexpr double tolerance = sizeof(T) == 4 ? 3e-6 : 1e-13;

template <class T>
bool close(const Matrix<T>& a, const oracle::Matrix& exact, double factor = 1) {
  return (a.template cast<double>() - exact).cwiseAbs().maxCoeff() <=
         factor * tolerance<T> * std::max(1.0, exact.cwiseAbs().maxCoeff());
}

template <class T>
std::vector<const KernelTable<T>*> tables() {
  if constexpr (sizeof(T) == 4)
    return all_kernels();
  else
    return {&bert::default_kernels<double>()};
}

/// A linear layer and the matrices it was made from.
template <class T>
struct Dense {
  Matrix<T> weight, bias;
  bert::Linear<T> layer;
  Dense(std::size_t out, std::size_t in, std::uint64_t seed, const KernelTable<T>& kernels)
      : weight(random_matrix<T>(out, in, seed, 0.15)),
        bias(random_matrix<T>(1, out, seed + 1)),
        layer(view(std::as_const(weight)), std::span<const T>(bias.data(), out), kernels) {}
  oracle::Matrix operator()(const oracle::Matrix& x) const {
    return oracle::linear(x, weight.template cast<double>(), bias.template cast<double>());
  }
};

template <class T>
struct Norm {
  Matrix<T> gamma, beta;
  bert::LayerNorm<T> layer;
  Norm(std::size_t size, std::uint64_t seed, const KernelTable<T>& kernels)
      : gamma(random_matrix<T>(1, size, seed)),
        beta(random_matrix<T>(1, size, seed + 1)),
        layer(size, T(1e-5), kernels) {
    std::copy(gamma.data(), gamma.data() + size, layer.weight().data());
    std::copy(beta.data(), beta.data() + size, layer.bias().data());
  }
  oracle::Matrix operator()(const oracle::Matrix& x) const {
    return oracle::layer_norm(x, gamma.template cast<double>(), beta.template cast<double>(),
                              static_cast<double>(T(1e-5)));
  }
};

/// Runs `work` on teams of one to five threads and requires the same bits from all.
template <class T, class Work>
void same_for_any_team(Matrix<T>& out, const Work& work) {
  Matrix<T> first;
  for (int threads : {1, 2, 3, 5}) {
    out.setConstant(T(-7));
    bert::Threads(threads).run([&](const Team& team) { work(team); });
    if (threads == 1) first = out;
    const auto count = static_cast<std::size_t>(out.size());
    INFO(threads << " threads");
    REQUIRE(difference(std::span<const T>(out.data(), count), std::span<const T>(first.data(), count)) == "");
  }
}

inline std::string message(const auto& work) {
  try {
    work();
  } catch (const bert::Error& error) {
    return error.what();
  }
  return "nothing thrown";
}

}  // namespace tests

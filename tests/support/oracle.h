// What the operations mean, in double precision on Eigen matrices; written from the papers' formulas, with
// nothing from kernels/ but the names of the activations.
#pragma once
#include "support/functions.h"

#include <Eigen/Core>
#include <cmath>
#include <span>
#include <vector>

namespace tests::oracle {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Row = Eigen::Matrix<double, 1, Eigen::Dynamic>;

/// Rows of `stride` elements, of which the first `columns` count, as double.
template <class T>
Matrix matrix(const T* data, std::size_t rows, std::size_t columns, std::size_t stride) {
  using Source = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const auto index = [](std::size_t i) { return static_cast<Eigen::Index>(i); };
  return Eigen::Map<const Source, 0, Eigen::OuterStride<>>(data, index(rows), index(columns),
                                                           Eigen::OuterStride<>(index(stride)))
      .template cast<double>();
}
template <class T>
Matrix matrix(const std::vector<T>& data, std::size_t rows, std::size_t columns) {
  return matrix(data.data(), rows, columns, columns);
}
template <class T>
Row row(std::span<const T> data) {
  return matrix(data.data(), 1, data.size(), data.size());
}
template <class T>
Row row(const std::vector<T>& data) {
  return row(std::span<const T>(data));
}

/// exact_activation<kind> of every element.
template <bert::Activation kind>
Matrix activation(const Matrix& x) {
  return x.unaryExpr([](double value) { return exact_activation<kind>(value); });
}

inline Matrix linear(const Matrix& x, const Matrix& weight, const Row& bias) {
  return (x * weight.transpose()).rowwise() + bias;
}

inline Matrix softmax(const Matrix& x) {
  const Matrix e = (x.colwise() - x.rowwise().maxCoeff()).array().exp().matrix();
  return e.array().colwise() / e.rowwise().sum().array();
}

/// softmax(q k^T / sqrt(D)) v; `probabilities` may be null.
inline Matrix attention(const Matrix& q, const Matrix& k, const Matrix& v, Matrix* probabilities = nullptr) {
  const Matrix p = softmax(q * k.transpose() / std::sqrt(static_cast<double>(q.cols())));
  if (probabilities) *probabilities = p;
  return p * v;
}

inline Matrix layer_norm(const Matrix& x, const Row& gamma, const Row& beta, double eps) {
  const Matrix centred = x.colwise() - x.rowwise().mean();
  const Eigen::ArrayXd deviation = (centred.array().square().rowwise().mean() + eps).sqrt();
  return ((centred.array().colwise() / deviation).rowwise() * gamma.array()).rowwise() + beta.array();
}

}  // namespace tests::oracle

// Blocks alone, on your own memory: a linear layer, a layer norm and self-attention read and write Eigen matrices
// without a copy, and the same is computed with Eigen's arithmetic to compare.
//
// bert/nn.h has no files and no text in it and needs nothing to link.
#include <bert/nn.h>

#include <cmath>
#include <cstdio>

#if __has_include(<Eigen/Dense>)
#include <Eigen/Dense>

// Row-major, one token a row. A TensorView borrows memory: pointer, shape and the distance between rows. So a block of
// columns of a wider matrix is a view as well.
using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

template <class Dense>
auto view(Dense&& m) {
  using T = std::remove_pointer_t<decltype(m.data())>;  // const float for a const matrix
  const auto size = [](Eigen::Index i) { return static_cast<std::size_t>(i); };
  return bert::TensorView<T, 2>(m.data(), {size(m.rows()), size(m.cols())}, size(m.outerStride()));
}

Matrix eigen_linear(const Matrix& x, const Matrix& weight, const Matrix& bias) {
  return (x * weight.transpose()).rowwise() + bias.row(0);
}

Matrix eigen_attention(const Matrix& qkv, Eigen::Index heads) {
  const Eigen::Index hidden = qkv.cols() / 3, size = hidden / heads;
  Matrix context(qkv.rows(), hidden);
  for (Eigen::Index h = 0; h < heads; ++h) {  // softmax(q k^T / sqrt(D)) v, a head's D columns at a time
    const Matrix q = qkv.middleCols(h * size, size), k = qkv.middleCols(hidden + h * size, size);
    Matrix p = (q * k.transpose() / std::sqrt(static_cast<float>(size))).array().exp();  // [S, S]
    p = p.array().colwise() / p.rowwise().sum().array().eval();
    context.middleCols(h * size, size) = p * qkv.middleCols(2 * hidden + h * size, size);
  }
  return context;
}

bool report(const char* block, const Matrix& ours, const Matrix& eigens) {
  const float difference = (ours - eigens).cwiseAbs().maxCoeff(), largest = eigens.cwiseAbs().maxCoeff();
  std::printf("%s [%td, %td] largest value %.3f, largest difference %.1e\n", block, ours.rows(), ours.cols(), largest,
              difference);
  return difference < 1e-5f * (1 + largest);
}

int main() {
  constexpr Eigen::Index T = 10, H = 64, A = 4;
  const Matrix x = Matrix::Random(T, H), weight = Matrix::Random(3 * H, H) / 8, bias = Matrix::Random(1, 3 * H);

  // y = gelu(x W^T + b). The layer packs its weights once; x and y stay where they are. Team() is one thread: this one,
  // which must not flush subnormal numbers; Threads::run sees to that itself.
  const bert::FloatEnvironment environment;
  const std::span<const float> bias_span(bias.data(), 3 * H);
  bert::Linear<float> linear(view(weight), bias_span);
  Matrix y(T, 3 * H);
  linear.forward(bert::Team(), view(x), view(y), bert::Activation::gelu);
  const auto gelu = [](float v) { return v * 0.5f * (1 + std::erf(v * std::sqrt(0.5f))); };
  bool same = report("linear and gelu", y, eigen_linear(x, weight, bias).unaryExpr(gelu));

  // LayerNorm in place, on the middle columns of y only.
  const Matrix middle = y.middleCols(H, H);
  const Matrix centred = middle.colwise() - middle.rowwise().mean();
  const Matrix normal = centred.array().colwise() / (centred.array().square().rowwise().mean() + 1e-12f).sqrt();
  bert::LayerNorm<float>(H).forward(bert::Team(), view(y.middleCols(H, H)), view(y.middleCols(H, H)));
  same = report("layer norm", y.middleCols(H, H), normal) && same;

  // Self-attention over two sequences end to end, 4 + 6 tokens, by two threads: no padding, so no mask either. Each
  // thread of a team calls forward(); what an operation needs besides is given to it, here a library Tensor.
  const bert::SelfAttention<float> attention{A, std::move(linear)};
  const std::size_t offsets[] = {0, 4, T};
  Matrix qkv(T, 3 * H);
  bert::Tensor<float, 2> scratch({2, attention.scratch_size(6)}), context({T, H});
  bert::Threads(2).run(
      [&](const bert::Team& team) { attention.forward(team, view(x), offsets, view(qkv), scratch, context); });
  Matrix expected(T, H);
  expected.topRows(4) = eigen_attention(eigen_linear(x.topRows(4), weight, bias), A);
  expected.bottomRows(6) = eigen_attention(eigen_linear(x.bottomRows(6), weight, bias), A);
  same = report("self-attention", Eigen::Map<const Matrix>(context.data(), T, H), expected) && same;
  return same ? 0 : 1;
}
#else
int main() { std::puts("this example needs Eigen: install libeigen3-dev, add -I/usr/include/eigen3"); }
#endif

// Every backward pass in double against finite differences of its forward pass, and the whole model's with dropout.
#include "support/catch.h"
#include "support/matrix.h"

#include <bert/train/pretraining.h>
#include <bert/train/trainable.h>

#include <functional>

using namespace tests;
using Matrix = bert::TensorView<double, 2>;

namespace {

using Numbers = std::vector<double>;

/// A space big enough for everything in this file.
struct Space {
  bert::AlignedArray<std::byte> memory;
  bert::TrainingSpace<double> space;

  Space() {
    const auto& kernels = bert::default_kernels<double>();
    bert::TrainingSpace<double>::Needs needs(kernels, bert::Precision::fp32);
    needs.linear(200, 40, 40), needs.sums(200, 80), needs.scratch = 1000;
    bert::Arena counting;
    bert::TrainingSpace<double>(counting, needs, 1, kernels, bert::training_kernels(kernels));
    memory = bert::make_aligned<std::byte>(counting.bytes());
    bert::Arena arena(memory.get());
    space = bert::TrainingSpace<double>(arena, needs, 1, kernels, bert::training_kernels(kernels));
  }
};

Matrix view(Numbers& numbers, std::size_t columns) { return {numbers.data(), {numbers.size() / columns, columns}}; }

double dot(const Numbers& a, const Numbers& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

/// `gradient` is that of loss() with respect to `x`, element by element: central differences, whose error is about
/// h^2 + 1e-16 / h.
void check_gradient(const char* what, Numbers& x, const Numbers& gradient, const std::function<double()>& loss) {
  double largest = 0;
  for (double g : gradient) largest = std::max(largest, std::abs(g));
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double h = 1e-5, at = x[i];
    x[i] = at + h;
    const double above = loss();
    x[i] = at - h;
    const double below = loss();
    x[i] = at;
    INFO(what << " element " << i);
    CHECK(gradient[i] == Approx((above - below) / (2 * h)).margin(1e-7 * std::max(1.0, largest)));
  }
}

}  // namespace

TEST_CASE("linear: gradients are those of finite differences", "[train][backward]") {
  const Space s;
  for (std::size_t rows : {1, 5, 70}) {
    const std::size_t n = 7, k = 3;
    Numbers x = random_values<double>(rows * k, 1), w = random_values<double>(n * k, 2),
            b = random_values<double>(n, 3);
    const Numbers dy = random_values<double>(rows * n, 4), residual = random_values<double>(rows * k, 5);
    Numbers y(rows * n), dx(rows * k), dw(n * k), db(n), copy = dy, rest = residual;
    const auto loss = [&] {
      bert::linear_forward<double>({}, s.space, view(w, k), b.data(), view(x, k), view(y, n));
      return dot(y, dy) + dot(x, residual);
    };
    bert::linear_backward<double>({}, s.space, view(w, k), view(x, k), view(copy, n), view(dx, k), view(rest, k),
                                  view(dw, k), db.data());
    check_gradient("x", x, dx, loss), check_gradient("weight", w, dw, loss), check_gradient("bias", b, db, loss);
  }
}

TEST_CASE("layer norm: gradients are those of finite differences", "[train][backward]") {
  const Space s;
  for (std::size_t rows : {1, 3, 130}) {
    const std::size_t n = 9;
    Numbers x = random_values<double>(rows * n, 1), gamma = random_values<double>(n, 2);
    Numbers beta = random_values<double>(n, 3), y(rows * n), dx(rows * n), dgamma(n), dbeta(n);
    Numbers dy = random_values<double>(rows * n, 4);
    const auto loss = [&] {
      bert::layer_norm_forward<double>({}, s.space, view(x, n), gamma.data(), beta.data(), 1e-5, view(y, n));
      return dot(y, dy);
    };
    bert::layer_norm_backward<double>({}, s.space, view(x, n), gamma.data(), 1e-5, view(dy, n), view(dx, n),
                                      dgamma.data(), dbeta.data());
    check_gradient("x", x, dx, loss), check_gradient("gamma", gamma, dgamma, loss);
    check_gradient("beta", beta, dbeta, loss);
  }
}

TEST_CASE("activations: gradients are those of finite differences", "[train][backward]") {
  const Space s;
  for (const auto& [name, activation] : bert::activation_names) {
    Numbers x = random_values<double>(41, 7, 2), y(x.size()), dx = random_values<double>(x.size(), 8);
    for (double& value : x)  // away from where relu's bend
      if (std::abs(value) < 1e-3 || std::abs(value - 6) < 1e-3) value = 1;
    const Numbers dy = dx;
    const auto loss = [&, kind = activation] {
      y = x;
      bert::activate<double>({}, kind, view(y, y.size()));
      return dot(y, dy);
    };
    bert::activation_backward<double>({}, s.space, activation, view(x, x.size()), view(dx, x.size()));
    check_gradient(std::string(name).c_str(), x, dx, loss);
  }
}

TEST_CASE("attention: gradients are those of finite differences, with dropout and without", "[train][backward]") {
  const Space s;
  const std::size_t heads = 2, hidden = 6;
  const std::vector<std::size_t> offsets{0, 4, 5, 12};
  const std::vector<std::uint32_t> numbers{3, 1, 4};
  for (double rate : {0.0, 0.3}) {
    const bert::Dropout dropout(rate, 99, 5, 17, numbers);
    Numbers qkv = random_values<double>(12 * 3 * hidden, 1), dqkv(qkv.size()), context(12 * hidden);
    Numbers dcontext = random_values<double>(12 * hidden, 2);
    const auto loss = [&] {
      bert::attention_forward<double>({}, s.space, heads, offsets, view(qkv, 3 * hidden), view(context, hidden),
                                      dropout);
      return dot(context, dcontext);
    };
    loss();
    bert::attention_backward<double>({}, s.space, heads, offsets, view(qkv, 3 * hidden), view(context, hidden),
                                     view(dcontext, hidden), view(dqkv, 3 * hidden), dropout);
    check_gradient("qkv", qkv, dqkv, loss);
  }
}

TEST_CASE("cross entropy: the gradient is that of finite differences", "[train][backward]") {
  const Space s;
  const std::size_t classes = 5;
  const std::vector<std::int32_t> labels{4, 0, 2};
  Numbers logits = random_values<double>(3 * classes, 1, 3), losses(3);
  std::vector<std::uint8_t> right(3);
  const auto loss = [&] {
    Numbers copy = logits;
    bert::cross_entropy<double>({}, s.space, view(copy, classes), labels, 1, losses.data(), right.data());
    return 0.25 * (losses[0] + losses[1] + losses[2]);
  };
  Numbers gradient = logits;
  bert::cross_entropy<double>({}, s.space, view(gradient, classes), labels, 0.25, losses.data(), right.data());
  check_gradient("logits", logits, gradient, loss);
  logits = {0, 0, 0, 0, 9, /**/ 1, 2, 0, 0, 0, /**/ 1, 1, 2, 1, 1};
  loss();
  CHECK(right == std::vector<std::uint8_t>{1, 0, 1});
  CHECK(losses[2] == Approx(std::log(std::exp(2) + 4 * std::exp(1)) - 2));
}

TEST_CASE("a look-up's gradient adds up the rows that read the same entry", "[train][backward]") {
  const Space s;
  const std::vector<std::int32_t> indices{2, 0, 2};
  Numbers dy{1, 2, 3, 4, 5, 6}, dtable{0, 0, 0, 0, 10, 0};
  bert::lookup_backward<double>({}, s.space, indices, view(dy, 2), view(dtable, 2));
  CHECK(dtable == Numbers{3, 4, 0, 0, 16, 8});
}

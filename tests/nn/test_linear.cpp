// Linear, LayerNorm and activate: on Eigen matrices without a copy, against the double oracle; in double (reference)
// and in float on every instruction set; and what they say to wrong shapes.
#include "support/blocks.h"

using namespace bert;
using namespace tests;

TEMPLATE_TEST_CASE("a linear layer is activation(x W^T + b) + residual, on Eigen matrices without a copy",
                   "[nn][linear]", float, double) {
  for (const KernelTable<TestType>* kernels : tables<TestType>())
    for (std::size_t rows : {1, 7, 40, 200}) {  // few rows share panels, many share rows
      const Dense<TestType> dense(50, 33, 1, *kernels);
      const Matrix<TestType> x = random_matrix<TestType>(rows, 33, 2), residual = random_matrix<TestType>(rows, 50, 3);
      Matrix<TestType> out(rows, 50);
      const TestType* const memory = out.data();
      same_for_any_team(out, [&](const Team& team) { dense.layer.forward(team, view(x), view(out)); });
      const oracle::Matrix product = dense(x.template cast<double>());
      CHECK(close(out, product));
      same_for_any_team(out, [&](const Team& team) {
        dense.layer.forward(team, view(x), view(out), Activation::gelu, view(residual));
      });
      CHECK(close(out, oracle::activation<Activation::gelu>(product) + residual.template cast<double>()));
      CHECK(out.data() == memory);
    }
}

TEMPLATE_TEST_CASE("a linear layer reads and writes column blocks of wider matrices in place", "[nn][linear]", float,
                   double) {
  const Dense<TestType> dense(20, 16, 1, default_kernels<TestType>());
  const Matrix<TestType> wide = random_matrix<TestType>(9, 40, 2);
  Matrix<TestType> out = Matrix<TestType>::Constant(9, 30, TestType(-7));
  dense.layer.forward(Team(), view(wide).slice_columns(3, 16), view(out).slice_columns(5, 20));
  CHECK(close<TestType>(out.block(0, 5, 9, 20), dense(wide.block(0, 3, 9, 16).template cast<double>())));
  CHECK((out.leftCols(5).array() == TestType(-7)).all());
  CHECK((out.rightCols(5).array() == TestType(-7)).all());
}

TEMPLATE_TEST_CASE("a layer norm normalises rows, also in place", "[nn][layer_norm]", float, double) {
  for (const KernelTable<TestType>* kernels : tables<TestType>()) {
    const Norm<TestType> norm(48, 4, *kernels);
    const Matrix<TestType> x = random_matrix<TestType>(11, 48, 5, 4);
    Matrix<TestType> y(11, 48);
    same_for_any_team(y, [&](const Team& team) { norm.layer.forward(team, view(x), view(y)); });
    CHECK(close(y, norm(x.template cast<double>())));
    Matrix<TestType> same = x;
    norm.layer.forward(Team(), view(same), view(same));
    CHECK(same == y);
    Matrix<TestType> plain(11, 48);  // as made: gamma 1, beta 0
    LayerNorm<TestType>(48, TestType(1e-12), *kernels).forward(Team(), view(x), view(plain));
    CHECK(plain.rowwise().mean().cwiseAbs().maxCoeff() < TestType(1e-6));
  }
}

TEMPLATE_TEST_CASE("activate applies the function to every element of every row", "[nn][activation]", float, double) {
  for (const KernelTable<TestType>* kernels : tables<TestType>()) {
    const Matrix<TestType> x = random_matrix<TestType>(7, 21, 5, 3);
    Matrix<TestType> y(7, 21);
    for (int threads : {1, 2, 5}) {
      y = x;
      Threads(threads).run([&](const Team& team) { activate(team, Activation::gelu_tanh, view(y), *kernels); });
      CHECK(close(y, oracle::activation<Activation::gelu_tanh>(x.template cast<double>())));
    }
  }
}

TEST_CASE("activations are found by every name Hugging Face gives them", "[nn][activation]") {
  CHECK(activation_by_name("gelu") == Activation::gelu);
  for (const char* name : {"gelu_new", "gelu_pytorch_tanh", "gelu_fast", "gelu_accurate"})
    CHECK(activation_by_name(name) == Activation::gelu_tanh);
  for (const char* name : {"silu", "swish"}) CHECK(activation_by_name(name) == Activation::silu);
  CHECK(activation_by_name("relu") == Activation::relu);
  CHECK(message([] {
          activation_by_name("mish");
        }).find("hidden_act \"mish\" is not supported; supported are gelu, ") == 0);
}

TEST_CASE("a packed matrix is filled row range by row range, in any order, to the same bits", "[nn][linear]") {
  for (const KernelTable<float>* kernels : tables<float>())
    for (bool row_major : {false, true}) {
      const Matrix<float> weight = random_matrix<float>(70, 9, 1);
      const Packing packing = row_major ? Packing::row_major : Packing::panels;
      PackedMatrix<float> whole(70, 9, *kernels, packing), parts(70, 9, *kernels, packing);
      whole.set_rows(0, view(weight));
      for (std::size_t first : {40, 0, 33, 5}) {
        const std::size_t count = first == 0 ? 5 : first == 5 ? 28 : first == 33 ? 7 : 30;
        parts.set_rows(first, view(weight).slice_rows(first, count));
      }
      CHECK(difference(std::span(whole.data(), whole.size()), std::span(parts.data(), parts.size())) == "");
      CHECK(whole.panel() == (row_major ? 1 : kernels->panel_width));
      for (std::size_t row = 0; row < 70; ++row)
        for (std::size_t k = 0; k < 9; ++k) {
          const std::size_t panel = whole.panel();
          REQUIRE(whole.data()[(row - row % panel) * 9 + k * panel + row % panel] ==
                  weight(static_cast<Eigen::Index>(row), static_cast<Eigen::Index>(k)));
        }
    }
}

TEST_CASE("a linear layer in bfloat16 has half the weights and the products of its kernels, or says why not",
          "[nn][linear][bf16]") {
  for (const KernelTable<float>* kernels : tables<float>()) {
    if (!kernels->bf16) {
      CHECK(message([&] {
              Linear<float>(5, 3, *kernels, Packing::bf16);
            }).find(concat("the instruction set ", kernels->name, " has no products of bfloat16")) == 0);
      continue;
    }
    const Matrix<float> weight = random_matrix<float>(70, 301, 1), x = random_matrix<float>(9, 301, 2);
    Linear<float> exact(70, 301, *kernels), linear(70, 301, *kernels, Packing::bf16);
    exact.weight().set_rows(0, view(weight)), linear.weight().set_rows(0, view(weight));
    CHECK(linear.weight().size() * 301 == exact.weight().size() * 151);
    Matrix<float> expected(9, 70), out(9, 70), one(1, 70);
    exact.forward(Team(), view(x), view(expected), Activation::gelu);
    linear.forward(Team(), view(x), view(out), Activation::gelu);
    const float error = (out - expected).cwiseAbs().maxCoeff();
    CHECK(error > 0);
    CHECK(error < 0.01f * expected.cwiseAbs().maxCoeff());
    for (std::size_t row = 0; row < 9; ++row) {
      linear.forward(Team(), view(x).slice_rows(row, 1), view(one), Activation::gelu);
      CHECK((one.row(0).array() == out.row(static_cast<Eigen::Index>(row)).array()).all());
    }
  }
}

TEST_CASE("blocks say both shapes when an argument does not fit, before they write anything", "[nn][errors]") {
  const KernelTable<float>& kernels = default_kernels<float>();
  const Linear<float> linear(5, 3, kernels);
  Matrix<float> x(2, 3), wrong(2, 4), out = Matrix<float>::Constant(2, 5, -7);
  CHECK(message([&] { linear.forward(Team(), view(wrong), view(out)); }) ==
        "the input of a linear layer is [2, 4], expected [2, 3]");
  CHECK(message([&] { linear.forward(Team(), view(x), view(wrong)); }) ==
        "the output of a linear layer is [2, 4], expected [2, 5]");
  CHECK(message([&] { linear.forward(Team(), view(x), view(out), Activation::linear, view(wrong)); }) ==
        "the residual of a linear layer is [2, 4], expected [2, 5]");
  CHECK((out.array() == -7).all());
  const std::vector<float> bias(4);
  CHECK(message([&] { Linear<float>(view(std::as_const(wrong)), std::span(bias).first(1), kernels); }) ==
        "a linear layer with weight [2, 4] has a bias of 1");
  const LayerNorm<float> norm(3);
  CHECK(message([&] { norm.forward(Team(), view(wrong), view(wrong)); }) ==
        "the input of a layer norm is [2, 4], expected [2, 3]");
  CHECK(message([&] { norm.forward(Team(), view(x), view(out)); }) ==
        "the output of a layer norm is [2, 5], expected [2, 3]");
  PackedMatrix<float> packed(5, 3, kernels);
  CHECK(message([&] { packed.set_rows(4, view(std::as_const(x))); }) ==
        "cannot put rows [2, 3] at row 4 of a [5, 3] matrix");
  CHECK(message([&] { packed.set_rows(0, view(std::as_const(wrong))); }) ==
        "cannot put rows [2, 4] at row 0 of a [5, 3] matrix");
  std::vector<float> vector(2);
  CHECK(message([&] { pool(PoolingMode::mean, false, view(std::as_const(x)), std::span(vector)); }) ==
        "a sentence vector of 2 cannot hold 3 numbers");
}

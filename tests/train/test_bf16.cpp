// Training with products of bfloat16: each product against plain arithmetic on rounded numbers, the same bits for every
// number of threads, and losses that follow those of float32.
#include "support/bf16.h"
#include "support/blocks.h"
#include "support/catch.h"
#include "support/matrix.h"
#include "train/repeating.h"

#include <bert/train/pretraining.h>

using namespace tests;
using bert::Precision;

namespace {

Matrix<double> rounded(const Matrix<float>& x) {
  return x.unaryExpr([](float v) { return double{tests::rounded(v)}; });
}

struct Layer {
  Matrix<float> weight, x, dy;
  Matrix<float> y, dx, dweight, dbias;

  Layer(std::size_t rows, std::size_t n, std::size_t k)
      : weight(random_matrix<float>(n, k, 1)),
        x(random_matrix<float>(rows, k, 2)),
        dy(random_matrix<float>(rows, n, 3)),
        y(dy),
        dx(x),
        dweight(weight),
        dbias(random_matrix<float>(1, n, 4)) {}

  void run(const bert::KernelTable<float>& kernels, int thread_count) {
    const auto count = static_cast<std::size_t>(thread_count);
    bert::TrainingSpace<float>::Needs needs(kernels, Precision::bf16);
    needs.linear(static_cast<std::size_t>(x.rows()), static_cast<std::size_t>(weight.rows()),
                 static_cast<std::size_t>(weight.cols()));
    bert::Arena counting;
    bert::TrainingSpace<float>(counting, needs, count, kernels, bert::training_kernels(kernels));
    bert::Workspace workspace;
    bert::Arena arena(workspace.reserve(counting.bytes()));
    const bert::TrainingSpace<float> space(arena, needs, count, kernels, bert::training_kernels(kernels));
    std::fill_n(space.packed, needs.packed, std::numeric_limits<float>::quiet_NaN());
    bert::Threads(thread_count).run([&](const bert::Team& team) {
      bert::linear_forward<float>(team, space, view(weight), nullptr, view(x), view(y));
      bert::linear_backward<float>(team, space, view(weight), view(x), view(dy), view(dx), {}, view(dweight),
                                   dbias.data());
    });
  }
};

/// Largest difference, relative to the largest value.
double error(const Matrix<float>& found, const Matrix<double>& expected) {
  return (found.cast<double>() - expected).cwiseAbs().maxCoeff() / expected.cwiseAbs().maxCoeff();
}

}  // namespace

TEST_CASE("a layer's products in bfloat16, forward and backward, are those of rounded numbers", "[train][bf16]") {
  REQUIRE(with_bf16().size() >= 1);
  for (const auto* kernels : with_bf16())
    for (const auto& [rows, n, k] : {std::array<std::size_t, 3>{33, 70, 47}, {1, 3, 2}, {130, 64, 192}, {65, 130, 1}}) {
      INFO(kernels->name << " " << rows << " x " << k << " to " << n);
      Layer layer(rows, n, k), other(rows, n, k);
      layer.run(*kernels, 1);
      const Matrix<double> w = rounded(layer.weight), x = rounded(layer.x), dy = rounded(layer.dy);
      CHECK(error(layer.y, x * w.transpose()) < 1e-6);
      CHECK(error(layer.dx, dy * w) < 1e-6);
      CHECK(error(layer.dweight, dy.transpose() * x) < 1e-6);
      CHECK(error(layer.dbias, layer.dy.cast<double>().colwise().sum()) < 1e-6);  // a sum, not a product
      other.run(*kernels, 3);
      CHECK((other.y.array() == layer.y.array()).all());
      CHECK((other.dx.array() == layer.dx.array()).all());
      CHECK((other.dweight.array() == layer.dweight.array()).all());
    }
}

TEST_CASE("training in bfloat16 follows training in float32, with the same bits for every number of threads",
          "[train][bf16]") {
  for (const auto* kernels : with_bf16()) {
    const auto train = [&](Precision precision, int threads) {
      bert::TrainableBert<float> model(repeating_config(), {.mlm = true, .nsp = true}, 7, 0.05, *kernels);
      bert::TrainOptions options = repeating_options();
      options.precision = precision;
      bert::Pretrainer<float> trainer(model, options, repeating, bert::Threads(threads));
      std::vector<double> losses;
      for (int i = 0; i < 30; ++i) losses.push_back(trainer.step().loss.total());
      return std::pair(losses, std::vector<float>(model.values().begin(), model.values().end()));
    };
    const auto [exact, exact_weights] = train(Precision::fp32, 1);
    const auto [losses, weights] = train(Precision::bf16, 1);
    CHECK(difference(train(Precision::bf16, 3).second, weights) == "");
    CHECK(losses[0] != exact[0]);
    for (std::size_t i = 0; i < losses.size(); ++i) CHECK(losses[i] == Approx(exact[i]).epsilon(0.01));
  }
}

TEST_CASE("training says where it has no such precision", "[train][bf16][errors]") {
  for (const auto* kernels : all_kernels()) {
    bert::TrainableBert<float> model(repeating_config(), {.mlm = true, .nsp = true}, 7, 0.05, *kernels);
    const auto message = [&](Precision precision) -> std::string {
      bert::TrainOptions options = repeating_options();
      options.precision = precision;
      try {
        bert::Pretrainer<float>(model, options, repeating);
      } catch (const bert::Error& error) {
        return error.what();
      }
      return {};
    };
    CHECK(message(Precision::fp32) == "");
    CHECK(message(Precision::int8).find("not in int8") != std::string::npos);
    CHECK(message(Precision::bf16) == (kernels->bf16 ? ""
                                                     : bert::concat("the instruction set ", kernels->name,
                                                                    " has no products of bfloat16 to train with")));
  }
}

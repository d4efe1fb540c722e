// Training steps: a falling loss, and the same bits whatever the threads and the instruction set.
#include "support/catch.h"
#include "support/matrix.h"
#include "train/repeating.h"

#include <bert/train/checkpoint.h>
#include <bert/train/pretraining.h>

using namespace tests;

namespace {

std::vector<float> after_steps(const bert::KernelTable<float>& kernels, int threads, int steps, std::string* curve) {
  bert::TrainableBert<float> model(repeating_config(), {.mlm = true, .nsp = true}, 7, 0.05, kernels);
  bert::Pretrainer<float> trainer(model, repeating_options(), repeating, bert::Threads(threads));
  for (int i = 0; i < steps; ++i) trainer.step();
  *curve = trainer.loss_curve();
  return {model.values().begin(), model.values().end()};
}

/// The encoder's last states, of the outputs alone or (empty) of all tokens.
std::vector<std::vector<float>> states_of(const bert::TrainableBert<float>& model, const bert::PretrainingBatch& batch,
                                          const std::vector<std::size_t>& outputs, int threads) {
  const auto& kernels = model.kernels();
  const auto count = static_cast<std::size_t>(threads);
  const bert::DropoutPlan dropout{{0.2, 0.2, 0.1, 0}, 77, 3, batch.sequence_index};
  bert::TrainingSpace<float>::Needs needs(kernels, bert::Precision::fp32);
  bert::EncoderPass<float>::count(needs, model.config(), batch.tokens, bert::training_kernels(kernels));
  bert::Arena counting;
  bert::EncoderPass<float>(counting, model.config(), batch.tokens.tokens(), outputs);
  bert::TrainingSpace<float>(counting, needs, count, kernels, bert::training_kernels(kernels));
  bert::Workspace workspace;
  bert::Arena arena(workspace.reserve(counting.bytes()));
  const bert::EncoderPass<float> pass(arena, model.config(), batch.tokens.tokens(), outputs);
  const bert::TrainingSpace<float> space(arena, needs, count, kernels, bert::training_kernels(kernels));
  bert::Threads(threads).run(
      [&](const bert::Team& team) { pass.forward(team, space, model.weights(), batch.tokens, dropout); });
  std::vector<std::vector<float>> states;
  for (std::size_t r = 0; r < pass.states().rows(); ++r)
    states.emplace_back(pass.states().row(r), pass.states().row(r) + pass.states().columns());
  return states;
}

}  // namespace

TEST_CASE("weights after 20 steps are the same bits for every number of threads and on every ISA", "[train]") {
  std::string expected_curve, curve;
  const auto expected = after_steps(*all_kernels()[0], 1, 20, &expected_curve);
  for (const auto* kernels : all_kernels())
    for (int threads : {1, 2, 3}) {
      INFO(kernels->name << ", " << threads << " threads");
      CHECK(difference(after_steps(*kernels, threads, 20, &curve), expected) == "");
      CHECK(curve == expected_curve);
    }
}

TEST_CASE("the states of the tokens that heads read are the same bits without the other tokens'", "[train]") {
  const bert::PretrainingBatch batch = repeating(0, 9);
  std::vector<std::size_t> outputs;
  for (std::size_t t = 0; t < batch.tokens.tokens(); t += 1 + t % 4) outputs.push_back(t);
  for (const auto* kernels : all_kernels()) {
    const bert::TrainableBert<float> model(repeating_config(), {.mlm = true, .nsp = true}, 7, 0.05, *kernels);
    const auto all = states_of(model, batch, {}, 1), some = states_of(model, batch, outputs, 3);
    REQUIRE(all.size() == batch.tokens.tokens());
    REQUIRE(some.size() == outputs.size());
    for (std::size_t m = 0; m < outputs.size(); ++m) CHECK(difference(some[m], all[outputs[m]]) == "");
  }
}

TEST_CASE("training learns: the loss falls, on sequences it has not seen too", "[train]") {
  bert::TrainableBert<float> model(repeating_config(), {.mlm = true, .nsp = true}, 7, 0.05);
  bert::Pretrainer<float> trainer(model, repeating_options(), repeating);
  const std::vector<bert::PretrainingBatch> unseen{repeating(1000000, 50)};
  const bert::PretrainingLoss before = trainer.evaluate(unseen);
  CHECK(before.mlm.mean() == Approx(std::log(60)).epsilon(0.1));
  CHECK(before.nsp.mean() == Approx(std::log(2)).epsilon(0.1));
  for (int i = 0; i < 300; ++i) trainer.step();
  const bert::PretrainingLoss after = trainer.evaluate(unseen);
  CHECK(after.nsp.mean() < 0.3);
  CHECK(after.mlm.mean() < 0.8 * before.mlm.mean());
  CHECK(after.nsp.accuracy() > 0.9);
}

// What runs hash of their config: runs of before go on as long as it is this.
TEST_CASE("config.json of a run without its class is what it was", "[train]") {
  const std::string text = bert::config_json(repeating_config(), "");
  CHECK(text.starts_with("{\n  \"architectures\": [\"\"],\n  \"attention_probs_dropout_prob\": 0.1,\n"));
  CHECK(bert::config_json(repeating_config(), "ForMaskedLM").find("[\"BertForMaskedLM\"]") != std::string::npos);
}

TEST_CASE("a loss that is no number stops the step and changes nothing", "[train]") {
  bert::TrainableBert<float> model(repeating_config(), {.mlm = true, .nsp = true}, 7, 0.05);
  bert::Pretrainer<float> trainer(model, repeating_options(), repeating);
  model.values()[100] = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> before(model.values().begin(), model.values().end());
  CHECK_THROWS_WITH(trainer.step(), Catch::Matchers::Contains("step 1: the loss is"));
  CHECK(difference(std::vector<float>(model.values().begin(), model.values().end()), before) == "");
  CHECK(trainer.state().steps == 0);
}

TEST_CASE("shards are added in the same pairs, whatever their number", "[train]") {
  bert::ParameterLayout layout;
  layout.add("x", {3});
  const bert::Threads threads(2);
  bert::GradientTree<float> tree(layout, bert::training_kernels(bert::default_kernels<float>()));
  for (std::size_t shards : {1, 2, 3, 6, 7}) {
    std::vector<float> values;
    for (std::size_t s = 0; s < shards; ++s) {
      values.push_back(std::ldexp(1.0f, static_cast<int>(s * 7)) + 1e-3f);
      for (float& x : tree.next()) x = values.back();
      tree.push(threads);
    }
    const auto v = [&](std::size_t i) { return values[i]; };
    const float expected = shards == 1   ? v(0)
                           : shards == 2 ? v(0) + v(1)
                           : shards == 3 ? (v(0) + v(1)) + v(2)
                           : shards == 6 ? ((v(0) + v(1)) + (v(2) + v(3))) + (v(4) + v(5))
                                         : ((v(0) + v(1)) + (v(2) + v(3))) + ((v(4) + v(5)) + v(6));
    CHECK(tree.finish(threads)[0] == expected);
  }
}

TEST_CASE("learning rates warm up and fall as they should", "[train]") {
  const bert::LearningRate line{2, 4, 14, bert::LearningRate::Shape::linear};
  CHECK(line.at(0) == 0.5);
  CHECK(line.at(3) == 2);
  CHECK(line.at(4) == 2);
  CHECK(line.at(9) == Approx(1));
  CHECK(line.at(14) == 0);
  const bert::LearningRate cosine{2, 0, 10, bert::LearningRate::Shape::cosine};
  for (std::uint64_t step = 0; step <= 10; ++step)
    CHECK(cosine.at(step) == Approx(1 + std::cos(3.14159265358979 * static_cast<double>(step) / 10)).margin(1e-12));
}

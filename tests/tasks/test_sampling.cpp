// Sampler: what is left of a row of logits is what transformers' logits processors leave (tests/golden/sampling.json,
// made by tools/make_golden.py sampling), and a choice depends on seed and step alone.
#include <bert/tasks/sampling.h>

#include "support/catch.h"
#include "support/paths.h"

#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>

namespace {

using Ids = std::vector<std::int32_t>;
constexpr float infinity = std::numeric_limits<float>::infinity();

bert::SamplingOptions options_of(const nlohmann::json& named) {
  bert::SamplingOptions options;
  for (const auto& [name, value] : named.items()) {
    if (name == "temperature") options.temperature = value.get<float>();
    if (name == "top_k") options.top_k = value.get<std::size_t>();
    if (name == "top_p") options.top_p = value.get<float>();
    if (name == "min_p") options.min_p = value.get<float>();
    if (name == "repetition_penalty") options.repetition_penalty = value.get<float>();
    if (name == "no_repeat_ngram_size") options.no_repeat_ngram_size = value.get<std::size_t>();
  }
  return options;
}

bert::RandomStream stream(std::uint64_t seed, std::uint32_t step, std::uint32_t sequence = 0) {
  return {bert::Philox(seed), step, bert::RandomSite::sampling, sequence};
}

std::string said(const bert::SamplingOptions& options, const std::vector<float>& logits = {1, 2}, const Ids& ids = {}) {
  try {
    bert::RandomStream random = stream(1, 1);
    bert::Sampler(options).pick(logits, ids, random);
  } catch (const bert::Error& error) {
    return error.what();
  }
  return "nothing";
}

}  // namespace

TEST_CASE("the sampler leaves the tokens that transformers leaves, as likely", "[tasks][sampling][golden]") {
  std::ifstream file(tests::source_dir() / "tests/golden/sampling.json");
  const nlohmann::json golden = nlohmann::json::parse(file);
  std::size_t cases = 0;
  for (const auto& row : golden["rows"]) {
    const auto logits = row["logits"].get<std::vector<float>>();
    const Ids previous = row["previous"].get<Ids>();
    for (const auto& each : row["cases"]) {
      INFO("row of " << logits.size() << ", " << each[0]);
      bert::Sampler sampler(options_of(each[0]));
      const auto tokens = sampler.distribution(logits, previous);
      REQUIRE(tokens.size() == each[1].size());
      double total = 0;
      for (std::size_t i = 0; i < tokens.size(); ++i) {
        CHECK(tokens[i].id == each[1][i][0].get<int>());
        CHECK(std::fabs(static_cast<double>(tokens[i].probability) - each[1][i][1].get<double>()) < 1e-6);
        total += static_cast<double>(tokens[i].probability);
      }
      CHECK(std::fabs(total - 1) < 1e-5);
      ++cases;
    }
  }
  CHECK(cases > 90);
}

TEST_CASE("tokens come as often as they are likely, and the same ones for the same seed", "[tasks][sampling]") {
  const std::vector<float> logits = {1, -infinity, 0, 3, 2.5f, -1};
  bert::Sampler sampler({.temperature = 1.5f});
  std::vector<double> expected(logits.size(), 0.0);
  for (const bert::TokenProbability& token : sampler.distribution(logits, {}))
    expected[static_cast<std::size_t>(token.id)] = static_cast<double>(token.probability);
  std::vector<int> counts(logits.size());
  constexpr int draws = 20000;
  for (std::uint32_t step = 0; step < draws; ++step) {
    bert::RandomStream random = stream(11, step), again = stream(11, step);
    const std::int32_t id = sampler.pick(logits, {}, random);
    ++counts[static_cast<std::size_t>(id)];
    if (step < 100) CHECK(sampler.pick(logits, {}, again) == id);
  }
  for (std::size_t i = 0; i < logits.size(); ++i) {
    INFO("token " << i);
    const double deviation = std::sqrt(expected[i] * (1 - expected[i]) * draws);
    CHECK(std::fabs(counts[i] - expected[i] * draws) <= 4 * deviation);
  }
  int differ = 0;
  for (std::uint32_t step = 0; step < 100; ++step) {
    bert::RandomStream one = stream(11, step), other = stream(12, step), elsewhere = stream(11, step, 1);
    const std::int32_t id = sampler.pick(logits, {}, one);
    differ += (id != sampler.pick(logits, {}, other)) + (id != sampler.pick(logits, {}, elsewhere));
  }
  CHECK(differ > 50);
}

TEST_CASE("temperature 0 takes the likeliest token, of equal ones the smallest id", "[tasks][sampling]") {
  const std::vector<float> logits = {1, 5, 5, 2, 4};
  bert::Sampler greedy({.temperature = 0, .top_k = 3, .top_p = 0.1f});
  bert::RandomStream random = stream(1, 1), untouched = stream(1, 1);
  CHECK(greedy.pick(logits, {}, random) == 1);
  CHECK(random.word() == untouched.word());  // it drew nothing
  bert::Sampler penalized({.temperature = 0, .repetition_penalty = 2});
  CHECK(penalized.pick(logits, Ids{1, 1}, random) == 2);
  CHECK(penalized.pick(logits, Ids{1, 2, 1000, -5}, random) == 4);
  bert::Sampler unrepeated({.temperature = 0, .no_repeat_ngram_size = 2});
  CHECK(unrepeated.pick(logits, Ids{3, 1, 0, 3}, random) == 2);
  CHECK(greedy.distribution(logits, {}).size() == 1);
}

TEST_CASE("every instruction set samples the same tokens", "[tasks][sampling][isa]") {
  std::vector<float> logits(1000);
  bert::RandomStream numbers = stream(3, 0);
  for (float& logit : logits) logit = 8 * numbers.uniform() - 4;
  const bert::SamplingOptions options = {.temperature = 0.9f, .top_p = 0.98f, .min_p = 0.01f};
  const auto drawn = [&](const bert::KernelTable<float>& kernels) {
    bert::Sampler sampler(options, kernels);
    Ids ids;
    for (std::uint32_t step = 0; step < 200; ++step) {
      bert::RandomStream random = stream(5, step);
      ids.push_back(sampler.pick(logits, ids, random));
    }
    return ids;
  };
  const Ids expected = drawn(bert::kernels_for("scalar"));
  for (std::string_view name : bert::kernels::runnable_isas()) {
    INFO(name);
    CHECK(drawn(bert::kernels_for(name)) == expected);
  }
}

TEST_CASE("the sampler says which option or logit is wrong", "[tasks][sampling][errors]") {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  CHECK(said({.temperature = -1}) == "temperature is -1: give 0 or more");
  CHECK(said({.temperature = nan}).find("temperature is") == 0);
  CHECK(said({.top_p = 1.5f}) == "top_p is 1.5: give a number from 0 to 1");
  CHECK(said({.min_p = -0.5f}) == "min_p is -0.5: give a number from 0 to 1");
  CHECK(said({.repetition_penalty = 0}).find("repetition_penalty is 0: ") == 0);
  CHECK(said({}, {1, nan}).find("the logit of token 1 is ") == 0);
  CHECK(said({}, {infinity, 1}).find("the logit of token 0 is ") == 0);
  CHECK(said({}, {-infinity, -infinity}).find("all 2 tokens are banned") == 0);
  CHECK(said({.no_repeat_ngram_size = 1}, {1, 2}, {0, 1}).find("all 2 tokens are banned") == 0);
  CHECK(said({}) == "nothing");
}

// bert fill-mask, next-sentence, pseudo-perplexity: shape of the JSON, order, and facts known from elsewhere about the
// model that ships with the project.
#include "cli/program.h"

using namespace tests;

namespace {
const std::string capital = "The capital of France is [MASK].";
}

TEST_CASE("bert fill-mask finds what the model is known to guess first", "[cli][fill-mask]") {
  const Json guesses = one_json({"fill-mask", "--json", capital});
  REQUIRE(guesses.size() == 5);
  for (const Json& guess : guesses) {
    CHECK(keys(guess) == std::vector<std::string>{"score", "token", "token_str", "sequence"});
    CHECK(guess["sequence"] == "the capital of france is " + guess["token_str"].get<std::string>() + ".");
  }
  CHECK(guesses[0]["token_str"] == "paris");
  CHECK(std::fabs(guesses[0]["score"].get<double>() - 0.10) < 0.005);
  for (std::size_t i = 1; i < 5; ++i) CHECK(guesses[i - 1]["score"] >= guesses[i]["score"]);
  CHECK(Json(one_json({"tokenize", "--json", "paris"}))["ids"][1] == guesses[0]["token"]);

  const Json doctor = one_json({"fill-mask", "--json", "She is a [MASK] who works at the hospital."})[0];
  CHECK(doctor["token_str"] == "doctor");
  CHECK(std::fabs(doctor["score"].get<double>() - 0.17) < 0.005);

  const RunResult table = run_bert({"fill-mask", capital});  // for people
  CHECK(table.status == 0);
  CHECK(lines(table.out).size() == 5);
  CHECK(lines(table.out)[0].find("paris") != std::string::npos);
}

TEST_CASE("bert fill-mask --top-k and --targets choose among the same scores", "[cli][fill-mask]") {
  const Json all = one_json({"fill-mask", "--json", "--top-k", "8700", capital});
  REQUIRE(all.size() == 8700);
  double sum = 0;
  for (const Json& guess : all) sum += guess["score"].get<double>();
  CHECK(std::fabs(sum - 1) < 1e-5);
  const Json two = one_json({"fill-mask", "--json", "--top-k", "2", capital});
  CHECK(two == Json::array({all[0], all[1]}));

  const Json targets = one_json({"fill-mask", "--json", "--targets", "rome,paris,london", capital});
  REQUIRE(targets.size() == 3);
  CHECK(targets[0] == all[0]);
  for (const Json& target : targets) CHECK(std::find(all.begin(), all.end(), target) != all.end());
  CHECK(targets[1]["score"] >= targets[2]["score"]);
  check_error({"fill-mask", "--json", "--targets", "paris,xyzzyish", capital}, 1, {"xyzzyish"});
  check_error({"fill-mask", "--json", "--top-k", "0", capital}, 2, {"top-k"});
}

TEST_CASE("bert fill-mask gives a list for each of several masks and keeps the special tokens", "[cli][fill-mask]") {
  const Json lists = one_json({"fill-mask", "--json", "--top-k", "3", "Paris is the [MASK] of [MASK]."});
  REQUIRE(lists.size() == 2);
  for (std::size_t mask = 0; mask < 2; ++mask) {
    REQUIRE(lists[mask].size() == 3);
    for (const Json& guess : lists[mask]) {
      const std::string word = guess["token_str"];
      CHECK(guess["sequence"] == (mask == 0 ? "[CLS] paris is the " + word + " of [MASK]. [SEP]"
                                            : "[CLS] paris is the [MASK] of " + word + ". [SEP]"));
    }
  }
}

TEST_CASE("bert next-sentence gives probabilities of its logits, and related pairs more", "[cli][next-sentence]") {
  const std::string storm = "The storm lasted all night.";
  const Json related =
      one_json({"next-sentence", "--json", storm, "In the morning the streets were full of fallen branches."});
  const Json unrelated =
      one_json({"next-sentence", "--json", storm, "Photosynthesis turns light into chemical energy."});
  for (const Json& pair : {related, unrelated}) {
    CHECK(keys(pair) == std::vector<std::string>{"is_next", "not_next", "logits"});
    REQUIRE(pair["logits"].size() == 2);
    const double is_next = pair["is_next"], l0 = pair["logits"][0], l1 = pair["logits"][1];
    CHECK(std::fabs(is_next + pair["not_next"].get<double>() - 1) < 1e-6);
    CHECK(std::fabs(is_next - 1 / (1 + std::exp(l1 - l0))) < 1e-6);
  }
  CHECK(related["is_next"] > 0.5);
  CHECK(unrelated["is_next"] < 0.5);

  const ScratchFolder scratch;
  write_text(scratch / "pairs.tsv", storm + "\tIn the morning the streets were full of fallen branches.\n" + storm +
                                        "\tPhotosynthesis turns light into chemical energy.\n");
  const std::vector<Json> both = json_of({"next-sentence", "--json", "--input", (scratch / "pairs.tsv").string()});
  CHECK(both == std::vector<Json>{related, unrelated});
}

TEST_CASE("bert next-sentence wants two texts", "[cli][next-sentence]") {
  const TinyModel tiny;
  check_error(tiny.with("next-sentence", {"--json", "only one"}), 2);
  check_error(tiny.with("next-sentence", {"--json", "one", "two", "three"}), 2);
  check_error(tiny.with("next-sentence", {"--json", "--input", "-"}), 1, {"line 1", "tab"}, "no tab in here\n");
  const RunResult second = run_bert(tiny.with("next-sentence", {"--json", "--input", "-"}), {}, "a\tb\nthe cat\n");
  check_failed(second, 1, {"line 2"});
  CHECK(lines(second.out).size() == 1);
}

TEST_CASE("bert pseudo-perplexity masks each token in turn", "[cli][pseudo-perplexity]") {
  const std::string text = "The capital of France is Paris.";
  const Json score = one_json({"pseudo-perplexity", "--json", text});
  CHECK(keys(score) == std::vector<std::string>{"pppl", "token_logprobs"});
  const std::vector<float> logs = floats(score["token_logprobs"]);
  REQUIRE(logs.size() == one_json({"tokenize", "--json", text})["ids"].size() - 2);  // without [CLS] and [SEP]
  double sum = 0;
  for (float log : logs) {
    CHECK(log < 0);
    sum += static_cast<double>(log);
  }
  CHECK(std::fabs(score["pppl"].get<double>() / std::exp(-sum / static_cast<double>(logs.size())) - 1) < 1e-5);

  const Json mask = one_json({"fill-mask", "--json", "--targets", "paris", capital});  // the last but one token
  CHECK(std::fabs(std::log(mask[0]["score"].get<double>()) - static_cast<double>(logs[logs.size() - 2])) < 1e-5);
  const Json shuffled = one_json({"pseudo-perplexity", "--json", "is Paris of The. France capital"});
  CHECK(shuffled["pppl"] > 3 * score["pppl"].get<double>());
}

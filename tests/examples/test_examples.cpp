// The example programs print what is known of them from elsewhere: the model's README, arithmetic, Eigen.
#include "cli/program.h"

using namespace tests;

namespace {

/// The lines that a program of examples/ prints; it must succeed and say nothing on stderr.
std::vector<std::string> printed_by(const std::string& program) {
  const RunResult result = run({program});
  INFO(program << ": " << result.err);
  REQUIRE(result.status == 0);
  CHECK(result.err == "");
  return lines(result.out);
}

double number_at(const std::string& line, std::size_t position) {
  double value = -1e9;
  const auto [end, error] = std::from_chars(line.data() + position, line.data() + line.size(), value);
  REQUIRE(error == std::errc());
  return value;
}

}  // namespace

TEST_CASE("the README's program fills the blank with paris at 0.10", "[examples]") {
  const std::vector<std::string> guesses = printed_by("fill_mask");
  REQUIRE(guesses.size() == 5);
  CHECK(guesses[0].find("paris ") == 0);
  CHECK(std::fabs(number_at(guesses[0], 6) - 0.10) < 0.005);  // examples/model/README.md's model, as trained
  double before = 1;
  for (const std::string& guess : guesses) {
    const double score = number_at(guess, guess.find(' ') + 1);
    CHECK(score <= before);
    before = score;
  }
}

TEST_CASE("next_sentence believes in the related pair", "[examples]") {
  const std::vector<std::string> pairs = printed_by("next_sentence");
  REQUIRE(pairs.size() == 2);
  for (const std::string& line : pairs)
    CHECK(std::fabs(number_at(line, 0) + number_at(line, line.find(' ') + 1) - 1) < 2e-6);
  CHECK(number_at(pairs[0], 0) > 0.5);
  CHECK(number_at(pairs[1], 0) < 0.5);
}

TEST_CASE("autocomplete completes the sentence with whole words and goes on in two ways", "[examples]") {
  const std::vector<std::string> out = printed_by("autocomplete");
  REQUIRE(out.size() == 9);
  double before = 1;
  for (std::size_t i = 0; i < 5; ++i) {
    CHECK(number_at(out[i], 0) <= before);
    before = number_at(out[i], 0);
    CHECK(out[i].find("  The children went to the ") == 6);
    CHECK(std::count(out[i].begin(), out[i].end(), ' ') == 7);  // one word more
  }
  CHECK(out[6].find("left-to-right: The children went to the ") == 0);
  CHECK(out[8].find("mask-predict: The children went to the ") == 0);
}

TEST_CASE("embed puts the sentences in the order of their meaning", "[examples]") {
  const std::vector<std::string> out = printed_by("embed");
  REQUIRE(out.size() == 8);
  CHECK(number_at(out[1], 0) == 1);  // a text and itself
  for (std::size_t i = 3; i <= 4; ++i) CHECK(number_at(out[2], 0) > number_at(out[i], 0));
  CHECK(out[6].find("The children are playing football") != std::string::npos);
  CHECK(number_at(out[6], 0) > number_at(out[7], 0));
}

TEST_CASE("building_blocks computes what Eigen computes", "[examples]") {
  const std::vector<std::string> out = printed_by("building_blocks");
  REQUIRE(out.size() == 3);
  for (const std::string& line : out) {
    INFO(line);
    const std::string largest = "largest value ", difference = "largest difference ";
    CHECK(number_at(line, line.find(largest) + largest.size()) > 0.5);
    CHECK(number_at(line, line.find(difference) + difference.size()) < 2e-6);  // float, sums of 64 terms
  }
}

TEST_CASE("classify and tag show what the command line's program says", "[examples]") {
  const auto folder = [](const char* name) { return (source_dir() / "tests/golden/pipelines" / name).string(); };
  const std::string text = "The quick brown fox, jumps over 3 dogs.";
  const RunResult classes = run({"classify", folder("classify"), text});
  CHECK(classes.err == "");
  const auto best = one_json({"classify", "--model", folder("classify"), "--top-k", "3", "--json", text});
  const std::vector<std::string> out = lines(classes.out);
  REQUIRE(out.size() == 1 + best.size());
  CHECK(out[0] == text);
  for (std::size_t i = 0; i < best.size(); ++i) {
    CHECK(out[i + 1].find(best[i]["label"].get<std::string>()) == 10);
    CHECK(std::fabs(number_at(out[i + 1], 2) - best[i]["score"].get<double>()) < 1e-4);
  }
  const RunResult tags = run({"tag", folder("tag"), text});
  CHECK(tags.err == "");
  CHECK(lines(tags.out).size() >= 1);
  const RunResult answers = run({"answer", folder("answer"), "Who jumps?", text});
  CHECK(answers.err == "");
  for (const std::string& line : lines(answers.out)) CHECK(text.find(line.substr(line.rfind("  ") + 2)) != text.npos);
  CHECK(lines(answers.out).size() == 3);
}

TEST_CASE("the assistant answers what was asked in other words, and says what it does not know", "[examples][minilm]") {
  const RunResult result = run({"assistant", minilm_file().string(), (source_dir() / "examples/assistant.tsv").string(),
                                (source_dir() / "tests/golden/pipelines/classify").string(),
                                (source_dir() / "tests/golden/pipelines/tag").string()},
                               {}, "Do I have to buy a GPU?\nwhat is the price\n\nWho won the match yesterday?\n");
  CHECK(result.err == "");
  std::vector<std::string> said, intents;
  for (const std::string& line : lines(result.out))
    if (line.find("[intent: ") == 0)
      intents.push_back(line);
    else if (line[0] != '[')
      said.push_back(line);
  CHECK(intents.size() == 3);
  REQUIRE(said.size() == 3);
  CHECK(said[0] == "No. It runs on the processor alone.");
  CHECK(said[1] == "Nothing. It is free software under the Apache licence.");
  CHECK(said[2] == "I do not know that.");
}

TEST_CASE("examples say what went wrong with a model that is not there", "[examples]") {
  for (const char* program : {"next_sentence", "embed", "autocomplete", "classify", "tag", "answer", "generate"}) {
    const RunResult result = run({program, "no-such-model.safetensors"});
    check_failed(result, 1, {"no-such-model.safetensors"});
    CHECK(result.out == "");
  }
}

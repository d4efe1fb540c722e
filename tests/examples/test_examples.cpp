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

TEST_CASE("examples say what went wrong with a model that is not there", "[examples]") {
  for (const char* program : {"next_sentence", "embed", "autocomplete"}) {
    const RunResult result = run({program, "no-such-model.safetensors"});
    check_failed(result, 1, {"no-such-model.safetensors"});
    CHECK(result.out == "");
  }
}

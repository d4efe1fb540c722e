// classify, rerank, tag and answer as Hugging Face's pipelines give them (tests/golden/pipelines, made by
// tools/make_golden.py), and what they say when asked for what cannot be.
#include "cli/program.h"
#include "support/catch.h"

#include <fstream>

using namespace tests;

namespace {

std::string model(const std::string& name) { return (source_dir() / "tests/golden/pipelines" / name).string(); }

/// Labels, words and offsets are the same, scores within 1e-5.
void require_same(const Json& expected, const Json& seen) {
  INFO("expected " << expected << "\nseen     " << seen);
  if (expected.is_array()) {
    REQUIRE(seen.is_array());
    REQUIRE(expected.size() == seen.size());
    for (std::size_t i = 0; i < expected.size(); ++i) require_same(expected[i], seen[i]);
    return;
  }
  REQUIRE(expected.size() == seen.size());
  for (const auto& [key, value] : expected.items()) {
    REQUIRE(seen.contains(key));
    if (key == "score")
      REQUIRE(std::abs(value.get<double>() - seen[key].get<double>()) < 1e-5);
    else
      REQUIRE(value == seen[key]);
  }
}

std::vector<Json> run_json(const std::string& command, const std::string& model, Arguments arguments) {
  arguments.insert(arguments.begin(), {command, "--json", "--model", model});
  return json_of(arguments);
}

}  // namespace

TEST_CASE("classify, tag and answer print what Hugging Face's pipelines give", "[cli][tasks][golden]") {
  for (const std::string command : {"classify", "tag", "answer"}) {
    std::ifstream file(std::filesystem::path(model(command)) / "expected.json");
    const Json cases = Json::parse(file);
    REQUIRE(cases.size() >= 2);
    for (const Json& each : cases) {
      const Arguments arguments = each[0].get<Arguments>();
      const std::vector<Json> seen = run_json(command, model(command), arguments);
      INFO(command << ' ' << each[0]);
      REQUIRE(seen.size() == each[1].size());
      for (std::size_t i = 0; i < seen.size(); ++i) require_same(each[1][i], seen[i]);
    }
  }
}

TEST_CASE("results do not depend on what else is in the batch, nor on how texts come", "[cli][tasks]") {
  const ScratchFolder scratch;
  const Arguments texts = {"the quick brown fox", "Paris", "a lazy dog jumps over under the capital"};
  write_text(scratch / "texts", texts[0] + "\n" + texts[1] + "\n" + texts[2] + "\n");
  for (const std::string command : {"classify", "tag"}) {
    const std::vector<Json> together = run_json(command, model(command), texts);
    const std::vector<Json> file =
        run_json(command, model(command), {"--input", (scratch / "texts").string(), "--max-tokens", "8"});
    REQUIRE(together.size() == 3);
    CHECK(together == file);
    for (std::size_t i = 0; i < 3; ++i) CHECK(run_json(command, model(command), {texts[i]})[0] == together[i]);
  }
}

TEST_CASE("answer reads pairs from a file, and --top-k makes a list", "[cli][tasks]") {
  const ScratchFolder scratch;
  write_text(scratch / "pairs", "who jumps\tthe fox jumps over the dog\nwhere\tin paris, the capital\n");
  const std::vector<Json> all = run_json("answer", model("answer"), {"--input", (scratch / "pairs").string()});
  REQUIRE(all.size() == 2);
  CHECK(run_json("answer", model("answer"), {"--question", "where", "--context", "in paris, the capital"})[0] ==
        all[1]);
  CHECK(all[0].is_object());
  const Json three = run_json("answer", model("answer"),
                              {"--question", "where", "--context", "in paris, the capital", "--top-k", "3"})[0];
  REQUIRE(three.is_array());
  CHECK(three.size() == 3);
  CHECK(three[0] == all[1]);
  CHECK(three[0]["score"] >= three[1]["score"]);
}

TEST_CASE("the tasks say what a model lacks and what goes wrong", "[cli][tasks][errors]") {
  check_error({"tag", "--model", model("classify"), "a"}, 1,
              {"this model has no token-classification head; it has sequence-classification"});
  check_error({"classify", "--model", model("answer"), "a"}, 1,
              {"this model has no sequence-classification head; it has question-answering"});
  check_error({"answer", "--model", model("tag"), "--question", "a", "--context", "b"}, 1,
              {"this model has no question-answering head; it has token-classification"});
  check_error({"rerank", "--model", model("classify"), "--query", "a", "b"}, 1,
              {"has 3 labels; a model that ranks texts has one output"});
  check_error({"answer", "--model", model("answer"), "--question", "a", "--context", " "}, 1, {"the context is empty"});
  check_error({"answer", "--model", model("answer"), "--question", "a"}, 2, {"--question and --context go together"});
  check_error({"tag", "--model", model("tag"), "--aggregation", "none", "--stride", "3", "a"}, 2,
              {"--stride needs an --aggregation other than none"});
  check_error({"tag", "--model", model("tag"), "--aggregation", "some", "a"}, 2, {"--aggregation"});
  check_error({"tag", "--model", model("tag"), std::string(90, '.')}, 1, {"tokens, the model's window is 40"});
  check_error({"answer", "--model", model("answer"), "--question", std::string(60, '.'), "--context", "b"}, 1,
              {"the question and windows of 40 tokens do not go together"});
  check_error({"classify", "--model", model("classify"), "--stride", "3", "a"}, 2,
              {"--stride does not go with classify"});
}

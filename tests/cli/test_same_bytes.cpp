// The numerics contract as a user sees it: the same text gives the same bytes, whatever the threads, the batch and the
// instruction set.
#include "cli/program.h"
#include "support/matrix.h"

using namespace tests;

namespace {

const std::string long_text =
    "The ship left the harbour before dawn, and by noon the coast had disappeared behind a wall of grey rain.";

/// Runs with every setting must print what the plain run prints.
void same_bytes(const Arguments& arguments) {
  const std::string expected = run_bert(arguments).out;
  REQUIRE(expected.size() > 50);
  const auto check = [&](const Arguments& flags, const std::vector<std::string>& environment) {
    Arguments all = arguments;
    all.insert(all.begin() + 1, flags.begin(), flags.end());
    const RunResult result = run_bert(all, environment);
    INFO(shown(all) << (environment.empty() ? "" : environment[0]) << result.err);
    CHECK(result.status == 0);
    CHECK(result.out == expected);
  };
  for (const char* threads : {"1", "2", "3"}) check({"--threads", threads}, {});
  for (const char* tokens : {"1", "20", "100000"}) check({"--max-tokens", tokens}, {});
  for (const auto* kernels : all_kernels()) {
    check({"--threads", "2"}, {std::string("BERT_ISA=") + kernels->name});
    check({"--isa", kernels->name}, {});
  }
}

}  // namespace

TEST_CASE("bert embed prints the same bytes for any threads, batch and instruction set", "[cli][same]") {
  const Arguments texts = {"A man is playing a guitar.", "Hello!", long_text, "Someone plays a musical instrument."};
  Arguments arguments = {"embed", "--json"};
  arguments.insert(arguments.end(), texts.begin(), texts.end());
  same_bytes(arguments);
  std::string one_by_one, backwards;
  for (const std::string& text : texts) one_by_one += run_bert({"embed", "--json", text}).out;
  CHECK(run_bert(arguments).out == one_by_one);
  const std::vector<Json> turned = json_of({"embed", "--json", texts[3], texts[2], texts[1], texts[0]});
  const std::vector<Json> forward = json_of(arguments);
  CHECK(std::vector<Json>(turned.rbegin(), turned.rend()) == forward);
}

TEST_CASE("bert fill-mask, next-sentence and pseudo-perplexity print the same bytes too", "[cli][same]") {
  same_bytes({"fill-mask", "--json", "The capital of France is [MASK].", "Paris is the [MASK] of [MASK]."});
  same_bytes({"next-sentence", "--json", "The storm lasted all night.", "In the morning the streets were wet."});
  const TinyModel tiny;
  same_bytes(tiny.with("pseudo-perplexity", {"--json", "the cat sat on the mat", "hello, how are you?"}));
}

TEST_CASE("decimal commas in the locale change nothing", "[cli][same]") {
  const TinyModel tiny;
  const Arguments arguments = tiny.with("fill-mask", {"--json", "the [MASK] sat."});
  CHECK(run_bert(arguments, {"LC_ALL=de_DE.UTF-8", "LANG=de_DE.UTF-8"}).out == run_bert(arguments, {"LC_ALL=C"}).out);
}

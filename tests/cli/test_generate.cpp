// bert generate: its JSON and its stream, seeds, batches, and what it says of flags, texts and models.
#include "cli/program.h"

using namespace tests;

namespace {

const Arguments methods = {"left-to-right", "gibbs", "mask-predict", "next-sentence"};

/// The "generated_text" of each line of a run.
std::vector<std::string> generated(const Arguments& arguments, const std::string& input = "",
                                   const std::vector<std::string>& environment = {}) {
  std::vector<std::string> texts;
  for (const Json& line : json_of(arguments, input, environment)) {
    CHECK(keys(line) == Arguments{"generated_text"});
    texts.push_back(line["generated_text"].get<std::string>());
  }
  return texts;
}

}  // namespace

TEST_CASE("generate goes on with texts, the same alone, in a file, and on fewer threads", "[cli][generate]") {
  const TinyModel model;
  const Arguments texts = {"the cat sat", "Hello, how are you?", "want"};
  const std::string file = texts[0] + "\n" + texts[1] + "\n" + texts[2] + "\n";
  for (const std::string& method : methods) {
    INFO(method);
    const Arguments flags = {"--json", "--method", method, "--max-new-tokens", "12", "--seed", "5"};
    Arguments arguments = model.with("generate", flags);
    const auto with = [&](const Arguments& more) {
      Arguments all = arguments;
      all.insert(all.end(), more.begin(), more.end());
      return all;
    };
    const std::vector<std::string> together = generated(with(texts));
    REQUIRE(together.size() == 3);
    CHECK(generated(with({"--max-tokens", "20", "--threads", "1"}), file) == together);
    CHECK(generated(arguments, file, {"BERT_ISA=scalar"}) == together);
    for (std::size_t i = 0; i < texts.size(); ++i) {
      CHECK(together[i].starts_with(texts[i]));
      CHECK(together[i].size() > texts[i].size());
      CHECK(generated(with({texts[i]})) == std::vector<std::string>{together[i]});
    }
    arguments[arguments.size() - 1] = "6";
    CHECK(generated(with(texts)) != together);
  }
}

TEST_CASE("generate shows people the text that JSON holds", "[cli][generate]") {
  const TinyModel model;
  for (const std::string& method : methods) {
    const Arguments flags = {"--method", method, "--max-new-tokens", "8", "the cat", "a mat"};
    Arguments json = flags;
    json.insert(json.begin(), "--json");
    std::string expected;
    for (const std::string& text : generated(model.with("generate", json))) expected += text + "\n";
    const RunResult seen = run_bert(model.with("generate", flags));
    CHECK(seen.status == 0);
    CHECK(seen.out == expected);
  }
}

TEST_CASE("flags of sampling reach the sampler", "[cli][generate]") {
  const TinyModel model;
  const auto text = [&](Arguments flags) {
    flags.insert(flags.end(), {"--json", "--max-new-tokens", "20", "the cat"});
    return generated(model.with("generate", flags))[0];
  };
  const std::string greedy = text({"--temperature", "0"});
  CHECK(text({"--temperature", "0", "--seed", "9"}) == greedy);
  CHECK(text({"--top-k", "1", "--seed", "9"}) == greedy);
  CHECK(text({"--top-p", "0", "--seed", "9"}) == greedy);
  CHECK(text({"--min-p", "1", "--seed", "9"}) == greedy);
  CHECK(text({"--temperature", "0.0001", "--seed", "9"}) == greedy);
  CHECK(text({"--seed", "9"}) != greedy);
  CHECK(text({"--seed", "9", "--top-k", "0"}) != text({"--seed", "9", "--top-k", "2"}));
  CHECK(text({"--temperature", "0", "--repetition-penalty", "5"}) != greedy);
  CHECK(text({"--temperature", "0", "--no-repeat-ngram-size", "1"}) != greedy);
  CHECK(text({"--temperature", "0", "--look-ahead", "0"}) != text({"--temperature", "0", "--look-ahead", "9"}));
  CHECK(text({"--method", "gibbs", "--sweeps", "0"}) == text({}));
  CHECK(text({"--method", "gibbs", "--sweeps", "1"}) != text({}));
  CHECK(text({"--method", "gibbs", "--sweeps", "1", "--start", "masks"}) !=
        text({"--method", "gibbs", "--sweeps", "1"}));
  CHECK(text({"--method", "mask-predict", "--iterations", "1"}) != text({"--method", "mask-predict"}));
  CHECK(text({"--method", "mask-predict", "--block", "3"}) != text({"--method", "mask-predict"}));
}

TEST_CASE("autocomplete lists words, and next-sentence chooses a line", "[cli][generate]") {
  const TinyModel model;
  const Json words = one_json(model.with("generate", {"--method", "autocomplete", "--json", "the cat "}));
  REQUIRE(words.size() == 5);
  double before = 1;
  for (const Json& each : words) {
    CHECK(keys(each) == Arguments{"generated_text", "word", "score"});
    CHECK(each["generated_text"] == "the cat " + each["word"].get<std::string>());
    CHECK(each["score"].get<double>() <= before);
    before = each["score"].get<double>();
  }
  CHECK(one_json(model.with("generate", {"--method", "autocomplete", "--json", "--num-return-sequences", "9",
                                         "--ending", "", "the cat"}))
            .size() == 9);

  const ScratchFolder scratch;
  const Arguments sentences = {"you want.", "the mat!", "sat on a mat"};
  write_text(scratch / "sentences", sentences[0] + "\n" + sentences[1] + "\n" + sentences[2] + "\n");
  std::size_t best = 0;
  std::vector<double> likely;
  for (const std::string& sentence : sentences)
    likely.push_back(one_json(model.with("next-sentence", {"--json", "the cat", sentence}))["is_next"].get<double>());
  best = static_cast<std::size_t>(std::max_element(likely.begin(), likely.end()) - likely.begin());
  const Arguments flags = {"--method", "next-sentence", "--sentences", (scratch / "sentences").string(), "the cat"};
  Arguments json = flags;
  json.insert(json.begin(), "--json");
  CHECK(generated(model.with("generate", json))[0] == "the cat " + sentences[best]);
  CHECK(run_bert(model.with("generate", flags)).out == "the cat " + sentences[best] + "\n");
}

TEST_CASE("generate says what is wrong with flags, texts and models", "[cli][generate][errors]") {
  const TinyModel model;
  const auto wrong = [&](const Arguments& flags, int status, const std::vector<std::string>& said) {
    check_error(model.with("generate", flags), status, said);
  };
  wrong({"--method", "guess", "the"}, 2, {"--method"});
  wrong({"--temperature", "-1", "the"}, 2, {"--temperature"});
  wrong({"--top-p", "1.5", "the"}, 2, {"--top-p"});
  wrong({"--max-new-tokens", "0", "the"}, 2, {"--max-new-tokens"});
  wrong({"--sweeps", "2", "the"}, 2, {"--sweeps goes with --method gibbs, not with left-to-right"});
  wrong({"--method", "gibbs", "--sentences", "x", "the"}, 2, {"--sentences goes with --method next-sentence"});
  wrong({"--method", "autocomplete", "--seed", "1", "the"}, 2, {"only --num-return-sequences and --ending go with it"});
  wrong({"--method", "next-sentence", "--sentences", "no-such-file", "the"}, 1, {"no-such-file"});
  wrong({"--stride", "3", "the"}, 2, {"--stride does not go with generate"});
  wrong({"--max-new-tokens", "90", words(10)}, 1,
        {"the text has 10 tokens and 90 more are wanted, the model's window is 96", "--truncate"});
  wrong({"the [MASK] sat"}, 1, {"the text holds a [MASK]: fill-mask fills it"});
  wrong({"--method", "autocomplete", "the [MASK] sat"}, 1, {"the text holds a [MASK]"});
  CHECK(generated(model.with("generate", {"--json", "--truncate", "--max-new-tokens", "90", words(10)})).size() == 1);

  const std::string golden = (source_dir() / "tests/golden/pipelines/classify").string();
  for (const char* method : {"left-to-right", "autocomplete"})
    check_error({"generate", "--model", golden, "--method", method, "the"}, 1,
                {"this model has no language-model head; it has sequence-classification"});

  // What comes before a bad line is printed; the line is named.
  const RunResult result =
      run_bert(model.with("generate", {"--json", "--max-new-tokens", "3"}), {}, "the\nthe [MASK]\na\n");
  check_failed(result, 1, {"line 2 of standard input: the text holds a [MASK]"});
  CHECK(lines(result.out).size() == 1);
}

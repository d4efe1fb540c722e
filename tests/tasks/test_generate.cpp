// Causal models write: greedily and by beam search what transformers' generate() writes; the same whatever is beside a
// prompt; seeded; errors.
#include <bert/io/safetensors_writer.h>
#include <bert/tasks/generate.h>

#include "io/files.h"
#include "support/catch.h"
#include "support/golden.h"

#include <map>
#include <set>

using namespace bert;
using namespace tests;

namespace {

Ids ids_in(const Json& list) {
  Ids ids;
  for (const Json& each : list.members) each.to(ids.emplace_back());
  return ids;
}

/// A Hugging Face folder: the golden GPT-2, and of a golden byte-level tokenizer the first 300 tokens.
std::filesystem::path folder() {
  static const TemporaryFolder made;
  if (std::filesystem::exists(made / "merges.txt")) return made.path();
  for (const char* name : {"config.json", "model.safetensors"})
    std::filesystem::copy_file(source_dir() / "tests/golden/gpt2" / name, made / name);
  const Json tokenizer = read_json(source_dir() / "tests/golden/tokenizer/gpt2.json");
  const Json& model = *tokenizer.find("model");
  std::string vocab, merges = "#version: 0.2\n";
  std::set<std::string> tokens;
  for (const Json& token : model.find("vocab")->members) {
    if (std::stoi(token.text) >= 300) continue;
    vocab += concat(vocab.empty() ? "{" : ",", quote_json(token.name), ":", token.text);
    tokens.insert(token.name);
  }
  for (const Json& merge : model.find("merges")->members) {
    const std::string &left = merge.members[0].text, &right = merge.members[1].text;
    if (tokens.count(left) && tokens.count(right) && tokens.count(left + right)) merges += left + " " + right + "\n";
  }
  write_file(made / "vocab.json", vocab + "}");
  write_file(made / "merges.txt", merges);
  return made.path();
}

std::vector<std::string> texts(const std::vector<Generation>& written) {
  std::vector<std::string> all;
  for (const Generation& each : written) all.push_back(each.text);
  return all;
}

}  // namespace

TEST_CASE("greedy and beam search write what transformers' generate() writes", "[tasks][generate]") {
  std::map<std::string, std::unique_ptr<const Model<float>>> models;
  std::size_t searched = 0;
  for (const Json& entry : read_json(source_dir() / "tests/golden/generation.json").members) {
    auto& model = models[entry.find("model")->text];
    if (!model) model = Golden(entry.find("model")->text).load(default_kernels<float>());
    const Ids prompt = ids_in(*entry.find("prompt")), expected = ids_in(*entry.find("new"));
    Session session(1);
    CausalSteps steps(*model, session);
    BeamOptions options{.max_new_tokens = 24, .ends = ids_in(*entry.find("ends"))};
    entry.find("beams")->to(options.beams);
    INFO(entry.find("model")->text << ", " << prompt.size() << " tokens, " << options.beams << " beams");
    if (options.beams == 1) {
      Ids seen;
      GrowingSequence sequence = steps.start(prompt, prompt.size() + 24);
      GrowingSequence* const sequences[] = {&sequence};
      for (int i = 0; i < 24; ++i) {
        seen.push_back(likeliest(steps.next(sequences).row_span(0)));
        sequence.ids.push_back(seen.back());
      }
      CHECK(seen == expected);
    }
    CHECK(beam_search(steps, model->config(), model->kernels(), prompt, options).ids == expected);
    ++searched;
  }
  CHECK(searched == 60);
}

TEST_CASE("what is written does not depend on the prompts beside it, the threads or the instruction set",
          "[tasks][generate][bits]") {
  const std::vector<std::string> prompts = {"The", "A quick brown fox", "he was 12", "x"};
  for (const float temperature : {0.0f, 1.5f})
    for (const std::size_t beams : {1, 3}) {
      if (beams > 1 && temperature > 0) continue;
      GenerationOptions options{.max_new_tokens = 20, .seed = 5, .num_beams = beams};
      options.sampling = {.temperature = temperature, .top_k = 40, .top_p = 0.95f};
      std::vector<std::string> expected;
      for (const KernelTable<float>* kernels : all_kernels()) {
        const Generator generator(folder(), {.threads = 2, .isa = kernels->name, .precision = {}});
        Session session(2), single(1);
        const auto together = texts(generator(session, prompts, options));
        std::vector<std::string> alone;
        for (const std::string& prompt : prompts) alone.push_back(generator(single, {&prompt, 1}, options)[0].text);
        INFO(kernels->name << ", temperature " << temperature << ", " << beams << " beams");
        CHECK(together == alone);
        if (expected.empty()) expected = alone;
        CHECK(together == expected);
        for (std::size_t i = 0; i < prompts.size(); ++i) CHECK(alone[i].starts_with(prompts[i]));
      }
    }
}

TEST_CASE("a seed decides, stop texts end, a watcher sees the text grow", "[tasks][generate]") {
  const Generator generator(folder());
  Session session(1);
  const std::string prompts[] = {"The dog"};
  GenerationOptions options{.max_new_tokens = 30, .sampling = {}};
  const auto with = [&](std::uint64_t seed) {
    options.seed = seed;
    return generator(session, prompts, options)[0];
  };
  const Generation first = with(1), again = with(1), other = with(2);
  CHECK(first.text == again.text);
  CHECK(first.text != other.text);
  CHECK(first.text == "The dog" + first.continuation);
  CHECK(first.ids.size() == 30);
  CHECK_FALSE(first.ended);

  std::vector<std::string> seen;
  options.seed = 1;
  generator(session, prompts, options, [&](std::size_t, const std::string& so_far) { seen.push_back(so_far); });
  REQUIRE(seen.size() == 30);
  for (std::size_t i = 1; i < seen.size(); ++i) CHECK(seen[i].size() + 4 > seen[i - 1].size());
  CHECK(seen.back() == first.continuation);

  const std::string stop = first.continuation.substr(first.continuation.size() / 2, 3);
  options.stop = {"never to be seen", stop};
  const Generation stopped = generator(session, prompts, options)[0];
  CHECK(stopped.ended);
  CHECK(stopped.continuation == first.continuation.substr(0, first.continuation.find(stop)));
}

TEST_CASE("generation says what it cannot do", "[tasks][generate]") {
  const Generator generator(folder());
  Session session(1);
  const auto write = [&](const std::string& prompt, const GenerationOptions& options = {}) {
    return generator(session, {&prompt, 1}, options)[0];
  };
  CHECK_THROWS_WITH(write("a", {.max_new_tokens = 0}), Catch::Contains("max_new_tokens is 0"));
  CHECK_THROWS_WITH(write("a", {.sampling = {.temperature = -1}}), Catch::Contains("temperature is -1"));
  CHECK_THROWS_WITH(write("a", {.sampling = {}, .num_beams = 2}), Catch::Contains("goes with temperature 0 only"));
  std::string longer;
  for (int i = 0; i < 100; ++i) longer += "x 7 ";
  CHECK_THROWS_WITH(write(longer), Catch::Contains("the model's window is 96: nothing can follow"));
  CHECK(generator.tokens("x 7 x 7") > 3);
  const Generation whole = write("x 7 x 7", {.max_new_tokens = 500});
  CHECK(generator.tokens("x 7 x 7") + whole.ids.size() == 96);
  CHECK_THROWS_WITH(Generator(source_dir() / "tests/golden/pipelines/tag"),
                    Catch::Contains("this model has no language-model head; it has token-classification"));
}

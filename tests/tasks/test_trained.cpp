// Small trained causal models: gpt-nano-sort, which sorts, beside the activations that its makers kept of every step;
// and stories260K, which tells the story that llama2.c tells. tools/convert_trained.sh converts them from the shared
// data.
#include <bert/tasks/generate.h>

#include "io/files.h"
#include "support/catch.h"
#include "support/golden.h"

#include <map>

using namespace bert;
using namespace tests;

namespace {

/// Floats in base64, little-endian.
std::vector<float> floats(const Json& entry) {
  std::string bytes;
  std::uint32_t bits = 0;
  int count = 0;
  for (char c : entry.find("data")->text) {
    const char* const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char* const at = std::strchr(digits, c);
    if (c == '=' || !at) break;
    bits = bits << 6 | static_cast<std::uint32_t>(at - digits), count += 6;
    if (count >= 8) bytes += static_cast<char>(bits >> (count -= 8) & 255);
  }
  std::vector<float> values(bytes.size() / 4);
  std::memcpy(values.data(), bytes.data(), values.size() * 4);
  return values;
}

double worst(std::span<const float> seen, const std::vector<float>& expected) {
  Errors errors;
  errors.add(seen, std::span<const float>(expected));
  return errors.relative();
}

/// What llama2.c tells, as its author's page has it.
std::string expected_story() {
  const std::string page = read_file(shared_dir() / "data/models/stories260K/stories260K.md");
  const std::size_t command = page.find("-t 0.0\n");
  REQUIRE(command != page.npos);
  const std::size_t begin = command + std::strlen("-t 0.0\n");
  const std::string story = page.substr(begin, page.find("\n```", begin) - begin);
  REQUIRE(story.size() > 400);
  return story;
}

}  // namespace

TEST_CASE("gpt-nano-sort gives the activations of each step, and sorts", "[models][trained]") {
  SKIP_WITHOUT_SHARED();
  const auto folder = source_dir() / "build/trained/gpt-nano-sort";
  const Json partials = read_json(shared_dir() / "data/models/gpt-nano-sort/gpt-nano-sort-t0-partials.json");
  const std::vector<float> tokens = floats(*partials.find("idx"));  // [3, 11]
  REQUIRE(tokens.size() == 33);
  PackedBatch batch;
  for (std::size_t b = 0; b < 3; ++b) {
    Ids ids;
    for (std::size_t t = 0; t < 11; ++t) ids.push_back(static_cast<std::int32_t>(tokens[b * 11 + t]));
    batch.add(ids);
  }
  for (const KernelTable<float>* kernels : all_kernels()) {
    const auto model = open_model<float>(Checkpoint::open(folder), *kernels);
    Session session(2);
    Trace<float> trace;
    const auto output = model->forward(session, batch, all_tokens(batch), &trace);
    const auto step = [&](const char* name) { return floats(*partials.find(name)); };
    INFO(kernels->name);
    CHECK(worst(trace.hidden_states[0].span(), step("x")) < 2e-5);
    CHECK(worst(trace.hidden_states[1].span(), step("block0")) < 2e-5);
    CHECK(worst(trace.hidden_states[2].span(), step("block1")) < 2e-5);
    CHECK(worst(trace.hidden_states[3].span(), step("ln_f")) < 2e-5);
    CHECK(worst({output.prediction_logits.data(), output.prediction_logits.size()}, step("lm_head")) < 2e-5);

    CausalSteps steps(*model, session);
    for (const Ids& unsorted : {Ids{2, 0, 1, 0, 2, 1}, Ids{1, 1, 0, 0, 2, 0}, Ids{0, 2, 2, 2, 1, 1}}) {
      Ids sorted = unsorted;
      std::sort(sorted.begin(), sorted.end());
      const BeamResult best =
          beam_search(steps, model->config(), *kernels, unsorted, {.beams = 1, .max_new_tokens = 5});
      Ids seen = best.ids;  // the window ends before the sixth is asked for
      CHECK(seen == Ids(sorted.begin(), sorted.begin() + 5));
    }
  }
}

TEST_CASE("stories260K tells llama2.c's story", "[models][trained]") {
  SKIP_WITHOUT_SHARED();
  const std::string story = expected_story();
  const auto folder = source_dir() / "build/trained/stories260K";
  std::map<std::int32_t, std::string> pieces;
  const Json tokenizer = read_json(folder / "tokenizer.json");
  for (const Json& piece : tokenizer.find("model")->find("vocab")->members) {
    std::int32_t id = 0;
    piece.to(id);
    std::string& text = pieces[id] = piece.name == "<0x0A>" ? "\n" : piece.name;
    for (std::size_t at; (at = text.find("\u2581")) != text.npos;) text.replace(at, 3, " ");
  }
  for (const KernelTable<float>* kernels : all_kernels()) {
    const auto model = open_model<float>(Checkpoint::open(folder), *kernels);
    Session session(1);
    CausalSteps steps(*model, session);
    GrowingSequence sequence = steps.start(Ids{1}, 256);
    GrowingSequence* const sequences[] = {&sequence};
    std::string told;
    while (sequence.ids.size() < 256) {
      sequence.ids.push_back(likeliest(steps.next(sequences).row_span(0)));
      told += pieces[sequence.ids.back()];
    }
    INFO(kernels->name << ":" << told);
    CHECK(told.substr(1, story.size()) == story.substr(0, told.size() - 1));  // behind the space before the first word
    CHECK(told.size() > 400);
  }
}

TEST_CASE("stories260K goes on with llama2.c's story from its first words", "[tasks][trained]") {
  SKIP_WITHOUT_SHARED();
  const std::string story = expected_story();
  const Generator generator(source_dir() / "build/trained/stories260K");
  Session session(1);
  for (const std::string prompt : {"Once upon a time", "Once upon a time, there was a little girl named Lily.", ""}) {
    std::string seen;
    const auto watch = [&](std::size_t, const std::string& continuation) {
      CHECK(continuation.starts_with(seen));  // what was shown stays
      seen = continuation;
    };
    const Generation told = generator(session, {&prompt, 1}, {.max_new_tokens = 200}, watch)[0];
    INFO(told.text);
    CHECK(told.text.size() > 400);
    CHECK(told.text == story.substr(0, told.text.size()));
    CHECK(seen == told.continuation);
  }
}

// Ten AdamW steps on tiny models against PyTorch in float64 (tests/golden/…-train; tools/check_training.py makes them):
// the loss and the gradient's norm of every step, every gradient of the first, every parameter after the tenth.
#include "support/catch.h"
#include "support/golden.h"

#include <bert/train/causal.h>
#include <bert/train/optimizer.h>

using namespace tests;

namespace {

struct GoldenStep {
  bert::PretrainingBatch batch;
  double loss = 0, norm = 0, clip = 0;
};

Ids ids_of(const bert::Json& list) {
  Ids values;
  for (const bert::Json& value : list.members) value.to(values.emplace_back());
  return values;
}

GoldenStep step_of(const bert::Json& json) {
  GoldenStep step;
  const auto& sequences = json.find("batch")->members;
  for (std::size_t b = 0; b < sequences.size(); ++b) {
    const std::size_t first = step.batch.tokens.tokens();
    const bert::Json* const types = sequences[b].find("token_type_ids");
    const Ids ids = ids_of(*sequences[b].find("input_ids"));
    types ? step.batch.tokens.add(ids, ids_of(*types)) : step.batch.tokens.add(ids);
    const Ids labels = ids_of(json.find("labels")->members[b]);
    for (std::size_t t = 0; t < labels.size(); ++t)
      if (labels[t] >= 0) step.batch.masked.push_back(first + t), step.batch.masked_ids.push_back(labels[t]);
    step.batch.sequence_index.push_back(static_cast<std::uint32_t>(b));
  }
  if (const bert::Json* const following = json.find("next_sentence_label"))
    step.batch.next_sentence = ids_of(*following);
  json.find("loss")->to(step.loss), json.find("grad_norm")->to(step.norm);
  json.find("clip")->to(step.clip);  // null: stays 0
  return step;
}

/// Largest difference over a tensor, relative to its largest value.
template <class T>
double relative_error(std::span<const T> values, const std::vector<double>& expected) {
  double largest = 0, worst = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    largest = std::max(largest, std::abs(expected[i]));
    worst = std::max(worst, std::abs(static_cast<double>(values[i]) - expected[i]));
  }
  return worst / largest;
}

/// A parameter's numbers in its file's order.
template <class T>
std::vector<T> in_file_order(const bert::ParameterInfo& info, std::span<const T> array) {
  std::vector<T> values(info.size);
  bert::copy_to_file_order(info, array.data() + info.offset, values.data());
  return values;
}

/// Pass: PretrainingPass or CausalPass.
template <class Pass>
void ten_steps(const std::filesystem::path& folder, typename Pass::Model::Heads heads,
               const bert::KernelTable<typename Pass::Scalar>& kernels, int thread_count, double tolerance,
               double key_bias_tolerance) {
  using T = typename Pass::Scalar;
  const bert::SafetensorsFile expected(folder / "expected.safetensors");
  const bert::Json steps = read_json(folder / "steps.json");
  double float32_error = 0;  // of PyTorch's own steps in float32, where the script has measured it
  if (const bert::Json* const measured = steps.find("float32_error")) measured->to(float32_error);
  if (sizeof(T) == 4) tolerance = std::max(tolerance, 2 * float32_error);
  typename Pass::Model model(bert::Checkpoint::open(folder), heads, 1, 0.02, kernels);
  bert::ParameterArray<T> gradient({model.layout().size()});
  const auto gradients = model.views(gradient.span());
  bert::AdamWState<T> state(model.layout());
  bert::AdamWOptions options{.eps = 1e-6, .weight_decay = 0.01};
  std::vector<double> partials(model.layout().size() / bert::norm_block + 1);
  const bert::Threads threads(thread_count);
  bert::Workspace workspace;

  for (const bert::Json& json : steps.find("steps")->members) {
    const GoldenStep step = step_of(json);
    const auto pass_over = [&](bert::Arena& arena) {
      return Pass(arena, model.config(), model.heads(), step.batch, static_cast<std::size_t>(threads.count()), kernels);
    };
    bert::Arena counting;
    pass_over(counting);
    bert::Arena arena(workspace.reserve(counting.bytes()));
    const auto pass = pass_over(arena);
    bert::PretrainingCounts counts;
    counts.add(step.batch);
    double norm = 0;
    threads.run([&](const bert::Team& team) {
      pass.forward(team, model.weights(), step.batch, {});
      pass.backward(team, model.weights(), gradients, gradient.span(), step.batch, counts, {});
      const double mine = bert::gradient_norm<T>(team, kernels, gradient.span(), partials);
      if (team.rank() == 0) norm = mine;
    });
    INFO(kernels.name << " step " << state.steps);
    CHECK(pass.losses(step.batch).total() == Approx(step.loss).epsilon(tolerance));
    CHECK(norm == Approx(step.norm).epsilon(tolerance));
    if (state.steps == 0) {
      double largest = 0;
      for (T value : gradient.span()) largest = std::max(largest, std::abs(static_cast<double>(value)));
      for (const bert::ParameterInfo& info : model.layout().all()) {
        const std::vector<T> values = in_file_order<T>(info, gradient.span());
        INFO("gradient of " << info.name);
        if (info.name.ends_with("self.key.bias")) {  // truly 0: softmax does not see what all keys share
          for (T value : values) CHECK(std::abs(static_cast<double>(value)) < key_bias_tolerance * largest);
        } else {
          CHECK(relative_error<T>(values, doubles(expected, "grad." + info.name)) < tolerance);
        }
      }
    }
    ++state.steps;
    options.clip = step.clip;
    threads.run([&](const bert::Team& team) {
      bert::adamw_update<T>(team, bert::training_kernels(kernels), model.layout(), options, 1e-3, norm, gradient.span(),
                            state, model.values());
    });
  }
  CHECK(state.steps == 10);
  for (const bert::ParameterInfo& info : model.layout().all()) {
    INFO(kernels.name << ": " << info.name << " after ten steps");
    const std::vector<T> values = in_file_order<T>(info, model.values());
    if (!info.name.ends_with("self.key.bias"))
      CHECK(relative_error<T>(values, doubles(expected, "after." + info.name)) < tolerance);
  }
}

/// The folders' models, each with its pass; another folder where tools/check_training.py has made one.
template <class T>
void all_ten_steps(const bert::KernelTable<T>& kernels, int threads, double tolerance, double key_bias_tolerance) {
  std::vector<std::filesystem::path> folders;
  if (const char* const other = std::getenv("BERT_TRAINING_GOLDEN")) {
    folders.emplace_back(other);
  } else {
    for (const char* name : {"bert-train", "roberta-train", "gpt2-train", "llama-train"})
      folders.push_back(source_dir() / "tests/golden" / name);
  }
  for (const std::filesystem::path& folder : folders) {
    INFO(folder.filename().string());
    const std::string type = bert::Checkpoint::open(folder).config().get("model_type", "");
    if (bert::trainable_decoder(type))
      ten_steps<bert::CausalPass<T>>(folder, {}, kernels, threads, tolerance, key_bias_tolerance);
    else
      ten_steps<bert::PretrainingPass<T>>(folder, {.mlm = true, .nsp = type == "bert"}, kernels, threads, tolerance,
                                          key_bias_tolerance);
  }
}

}  // namespace

TEST_CASE("ten training steps in double are PyTorch's", "[train][golden]") {
  all_ten_steps<double>(bert::default_kernels<double>(), 1, 1e-9, 1e-14);
  all_ten_steps<double>(bert::default_kernels<double>(), 3, 1e-9, 1e-14);
}

TEST_CASE("ten training steps in float are PyTorch's, on every ISA", "[train][golden]") {
  for (const auto* kernels : all_kernels()) all_ten_steps<float>(*kernels, 2, 1e-4, 1e-6);
}

// Whole models against PyTorch in float64: every layer's states, attention probabilities and both heads.
#include "support/catch.h"
#include "support/golden.h"

using namespace bert;
using namespace tests;

namespace {

/// The numbers that a pass gives for sequence b under a name of Hugging Face's outputs.
template <class T>
std::vector<T> numbers(const std::string& name, const Model<T>& model, const PackedBatch& batch, const Trace<T>& trace,
                       const ModelOutput<T>& output, std::size_t b) {
  const std::size_t first = batch.offsets[b], length = batch.length(b);
  const auto rows = [&](TensorView<const T, 2> view, std::size_t row, std::size_t count) {
    REQUIRE_FALSE(view.empty());
    return std::vector<T>(view.row(row), view.row(row) + count * view.columns());
  };
  const auto column = [&](std::size_t j) {
    std::vector<T> values;
    for (std::size_t t = first; t < first + length; ++t) values.push_back(output.token_logits(t, j));
    return values;
  };
  const std::size_t dot = name.find('.');
  const std::size_t layer = dot == name.npos ? 0 : std::stoul(name.substr(dot + 1));
  if (name.starts_with("hidden_states.")) return rows(trace.hidden_states[layer].view(), first, length);
  if (name.starts_with("attentions.")) {
    const auto all = trace.attentions[layer][b].span();
    return {all.begin(), all.end()};
  }
  if (name == "seq_relationship_logits" || name == "sop_logits") return rows(output.seq_relationship_logits, b, 1);
  if (name == "start_logits") return column(0);
  if (name == "end_logits") return column(1);
  if (model.has(Head::words)) return rows(TensorView<const T, 2>(output.prediction_logits), first, length);
  return model.has(Head::classes) ? rows(output.class_logits, b, 1) : rows(output.token_logits, first, length);
}

/// Largest error of any tensor, each relative to its own largest value: of attention probabilities and of the others.
struct WorstError {
  double probabilities = 0, others = 0;
};

template <class T>
void find_worst(const Golden& golden, const Model<T>& model, const std::vector<std::size_t>& members,
                WorstError& worst) {
  std::vector<Sequence> sequences;
  for (std::size_t i : members) sequences.push_back(golden.inputs[i]);
  const PackedBatch batch = batch_of(sequences);
  Session session(2);
  Trace<T> trace;
  trace.want_attentions = true;
  const bool words = model.has(Head::words);
  const auto output = model.forward(session, batch, words ? all_tokens(batch) : std::vector<std::size_t>(), &trace);
  for (std::size_t b = 0; b < members.size(); ++b) {
    std::size_t tensors = 0;
    const std::string prefix = concat(members[b], ".");
    for (const TensorRef& tensor : golden.expected.tensors()) {
      if (!tensor.name.starts_with(prefix)) continue;
      const std::string name = tensor.name.substr(prefix.size());
      INFO(name << " of input " << members[b]);
      const std::vector<T> seen = numbers(name, model, batch, trace, output, b);
      const std::vector<double> exact = golden.values(members[b], name);
      REQUIRE(seen.size() == exact.size());
      Errors errors;
      errors.add(std::span<const T>(seen), std::span<const double>(exact));
      REQUIRE(errors.relative() < 1);  // not NaN
      double& largest = name.starts_with("attentions.") ? worst.probabilities : worst.others;
      largest = std::max(largest, errors.relative());
      ++tensors;
    }
    REQUIRE(tensors > 2 * model.config().num_hidden_layers + 1);  // states, probabilities, and some logits
  }
}

/// Over the whole batch and single sequences.
template <class T>
WorstError worst_error(const Golden& golden, const Model<T>& model) {
  WorstError worst;
  find_worst(golden, model, {0, 1, 2, 3, 4}, worst);
  for (std::size_t i = 0; i < golden.inputs.size(); ++i) find_worst(golden, model, {i}, worst);
  return worst;
}

}  // namespace

TEST_CASE("float models are within 2e-5 of float64 PyTorch in every tensor, on every ISA", "[models][golden]") {
  for (const char* name : golden_names) {
    const Golden golden(name);
    REQUIRE(golden.inputs.size() == 5);
    for (const KernelTable<float>* kernels : all_kernels()) {
      INFO(name << " on " << kernels->name);
      const WorstError worst = worst_error(golden, *golden.load(*kernels));
      CHECK(worst.others < golden_bound(name, "hidden_states."));
      CHECK(worst.probabilities < golden_bound(name, "attentions."));
    }
  }
}

TEST_CASE("double models are within 1e-12 of float64 PyTorch in every tensor", "[models][golden]") {
  for (const char* name : golden_names) {
    // float64.safetensors: where transformers itself rounds to float32 (tools/make_golden.py)
    const bool own = std::filesystem::exists(source_dir() / "tests/golden" / name / "float64.safetensors");
    const Golden golden(name, own ? "float64.safetensors" : "expected.safetensors");
    INFO(name);
    const WorstError worst = worst_error(golden, *golden.load(default_kernels<double>()));
    CHECK(worst.others < 1e-12);
    CHECK(worst.probabilities < 1e-12);
  }
}

TEST_CASE("a model without heads gives the states of one with them, and attention rows sum to 1", "[models][golden]") {
  const Golden golden("bert-gelu");
  const BertModel<float> bare(Checkpoint::open(golden.folder));
  const BertForPreTraining<float> whole(Checkpoint::open(golden.folder));
  const PackedBatch batch = batch_of(golden.inputs);
  Session one(1), two(1);
  Trace<float> trace;
  trace.want_attentions = true;
  const auto a = bare.forward(one, batch, &trace);
  const auto b = whole.forward(two, batch);
  CHECK(difference(std::span(a.last_hidden_state.data(), a.last_hidden_state.size()),
                   std::span(b.last_hidden_state.data(), b.last_hidden_state.size())) == "");
  CHECK(difference(std::span(a.pooler_output.data(), a.pooler_output.size()),
                   std::span(b.pooler_output.data(), b.pooler_output.size())) == "");
  CHECK(b.prediction_logits.empty());
  for (const auto& layer : trace.attentions)
    for (const Tensor<float, 3>& p : layer)
      for (std::size_t row = 0; row < p.view().rows(); ++row) {
        double sum = 0;
        for (float x : p.view().row_span(row)) sum += static_cast<double>(x);
        REQUIRE(std::fabs(sum - 1) < 1e-6);
      }
}

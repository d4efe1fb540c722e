// Whole models against PyTorch in float64: every layer's states, attention probabilities and both heads.
#include "support/catch.h"
#include "support/golden.h"

using namespace bert;
using namespace tests;

namespace {

/// Largest error of any tensor, each relative to its own largest value, over single sequences and the whole batch.
template <class T>
double worst_error(const Golden& golden, const BertForPreTraining<T>& model, const std::vector<std::size_t>& members) {
  std::vector<Sequence> sequences;
  for (std::size_t i : members) sequences.push_back(golden.inputs[i]);
  const PackedBatch batch = batch_of(sequences);
  Session session(2);
  Trace<T> trace;
  trace.want_attentions = true;
  const auto output = model.forward(session, batch, all_tokens(batch), &trace);
  double worst = 0;
  std::size_t tensors = 0;
  for (std::size_t b = 0; b < members.size(); ++b) {
    const auto check = [&](std::span<const T> actual, const std::string& name) {
      const std::vector<double> exact = golden.values(members[b], name);
      Errors errors;
      errors.add(actual, std::span<const double>(exact));
      INFO(name << " of input " << members[b]);
      REQUIRE(actual.size() == exact.size());
      REQUIRE(errors.relative() < 1);  // not NaN
      worst = std::max(worst, errors.relative());
      ++tensors;
    };
    const std::size_t first = batch.offsets[b], length = batch.length(b), hidden = model.config().hidden_size;
    for (std::size_t layer = 0; layer < trace.hidden_states.size(); ++layer)
      check({trace.hidden_states[layer].view().row(first), length * hidden}, concat("hidden_states.", layer));
    for (std::size_t layer = 0; layer < trace.attentions.size(); ++layer)
      check(trace.attentions[layer][b].span(), concat("attentions.", layer));
    check({output.prediction_logits.row(first), length * model.config().vocab_size}, "prediction_logits");
    check(output.seq_relationship_logits.row_span(b), "seq_relationship_logits");
  }
  REQUIRE(tensors == members.size() * (2 * model.config().num_hidden_layers + 3));
  return worst;
}

template <class T>
double worst_error(const Golden& golden, const BertForPreTraining<T>& model) {
  double worst = worst_error(golden, model, {0, 1, 2, 3, 4});
  for (std::size_t i = 0; i < golden.inputs.size(); ++i) worst = std::max(worst, worst_error(golden, model, {i}));
  return worst;
}

}  // namespace

TEST_CASE("float models are within 2e-5 of float64 PyTorch in every tensor, on every ISA", "[models][golden]") {
  for (const char* name : golden_names) {
    const Golden golden(name);
    REQUIRE(golden.inputs.size() == 5);
    for (const KernelTable<float>* kernels : all_kernels()) {
      INFO(name << " on " << kernels->name);
      CHECK(worst_error(golden, golden.load(*kernels)) < 2e-5);
    }
  }
}

TEST_CASE("double models are within 1e-12 of float64 PyTorch in every tensor", "[models][golden]") {
  for (const char* name : golden_names) {
    const Golden golden(name);
    INFO(name);
    CHECK(worst_error(golden, golden.load(default_kernels<double>())) < 1e-12);
  }
}

TEST_CASE("a model without heads gives the states of one with them, and attention rows sum to 1", "[models][golden]") {
  const Golden golden("bert-gelu");
  const BertModel<float> bare(Checkpoint::open(golden.folder));
  const BertForPreTraining<float> whole = golden.load(default_kernels<float>());
  const PackedBatch batch = batch_of(golden.inputs);
  Session one(1), two(1);
  Trace<float> trace;
  trace.want_attentions = true;
  const auto a = bare.forward(one, batch, &trace);
  const auto b = whole.forward(two, batch, {});
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

// What a model asks of a batch, how much memory it plans, and what it says when something does not fit.
#include "support/catch.h"
#include "support/golden.h"

using namespace bert;
using namespace tests;

namespace {

std::string message(const auto& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing thrown";
}

PackedBatch batch_with(Ids ids, Ids types = {}) { return PackedBatch(ids, types); }

}  // namespace

TEST_CASE("a plan is exactly the memory that the forward pass takes", "[models][plan]") {
  const Golden golden("bert-gelu");
  const Precision precision = GENERATE(Precision::fp32, Precision::int8);
  const auto owner = golden.load(default_kernels<float>(), precision);
  const Model<float>& model = *owner;
  const BertModel<float> bare(Checkpoint::open(golden.folder), default_kernels<float>(), precision);
  CHECK(bare.precision() == precision);
  for (int threads : {1, 2, 5})
    for (std::size_t copies : {1, 2, 40}) {
      std::vector<Sequence> sequences(copies, golden.inputs[3]);
      sequences.push_back(golden.inputs[4]);
      const PackedBatch batch = batch_of(sequences);
      const std::vector<std::size_t> masked{0, 3};
      Session session(threads), other(threads);
      model.forward(session, batch, masked);
      CHECK(session.workspace.capacity() == model.plan(batch.lengths(), masked.size(), threads));
      bare.forward(other, batch);
      CHECK(other.workspace.capacity() == bare.plan(batch.lengths(), threads));
    }
}

TEST_CASE("a batch that does not fit the model is an error that names the value and the limit", "[models][errors]") {
  const Golden golden("bert-gelu");  // 300 words, 96 positions, 2 types
  const auto owner = golden.load(default_kernels<float>());
  const Model<float>& model = *owner;
  Session session(2);
  const auto said = [&](const PackedBatch& batch) { return message([&] { model.forward(session, batch, {}); }); };
  CHECK(said(PackedBatch()) == "the batch is empty");
  CHECK(said(batch_with({1, 300})) == "token 1 has id 300, outside the vocabulary of 300");
  CHECK(said(batch_with({-1})) == "token 0 has id -1, outside the vocabulary of 300");
  CHECK(said(batch_with({1, 2}, {0, 2})) == "token 1 has type id 2, the model has 2 types");
  CHECK(said(batch_with({1, 2}, {-1, 0})) == "token 0 has type id -1, the model has 2 types");
  CHECK(said(batch_with(Ids(97, 5))).find("sequence 0 has 97 tokens, more than the model's window of 96") == 0);
  PackedBatch moved = batch_with({1, 2});
  moved.positions[1] = 96;
  CHECK(said(moved) == "token 1 has position 96, the model has 96");
  CHECK(said(batch_with(Ids(96, 299))) == "nothing thrown");
  const std::vector<std::size_t> masked{0, 2};
  CHECK(message([&] { model.forward(session, batch_with({1, 2}), masked); }) == "token 2 is outside a batch of 2");
  CHECK_THROWS_AS(model.plan(std::vector<std::size_t>{97}, 0, 1), Error);
}

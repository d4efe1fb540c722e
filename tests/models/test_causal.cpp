// Causal models with caches: however a text comes, whole, in pieces, token by token, alone or in a batch, the same
// bits.
#include "support/catch.h"
#include "support/golden.h"

using namespace bert;
using namespace tests;

namespace {

using Rows = std::vector<std::vector<float>>;  // logits of every token

/// All inputs side by side, each in pieces of at most `piece` tokens; 0: whole, without caches.
std::vector<Rows> logits(const Model<float>& model, const std::vector<Sequence>& inputs, std::size_t piece,
                         int threads) {
  Session session(threads);
  std::vector<Rows> all(inputs.size());
  const auto keep = [&](const PackedBatch& batch, const ModelOutput<float>& output,
                        std::span<const std::size_t> which) {
    for (std::size_t b = 0; b < which.size(); ++b)
      for (std::size_t t = batch.offsets[b]; t < batch.offsets[b + 1]; ++t)
        all[which[b]].emplace_back(output.prediction_logits.row(t),
                                   output.prediction_logits.row(t) + output.prediction_logits.columns());
  };
  std::vector<KeyValueCache<float>> caches;
  for (const Sequence& input : inputs)
    if (piece > 0) caches.push_back(model.causal()->make_cache(input.ids.size()));
  for (bool more = true; more;) {
    more = false;
    PackedBatch batch;
    std::vector<std::size_t> which;
    std::vector<KeyValueCache<float>*> goes_on;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const std::size_t first = piece > 0 ? caches[i].length() : 0, left = inputs[i].ids.size() - first;
      if (left == 0) continue;
      const std::size_t count = piece > 0 ? std::min(piece, left) : left;
      batch.add(std::span(inputs[i].ids).subspan(first, count));
      which.push_back(i);
      if (piece > 0) goes_on.push_back(&caches[i]);
      more |= piece > 0;
    }
    if (batch.tokens() == 0) break;
    const auto rows = all_tokens(batch);
    keep(batch,
         piece > 0 ? model.causal()->forward(session, batch, goes_on, rows) : model.forward(session, batch, rows),
         which);
  }
  return all;
}

}  // namespace

TEST_CASE("a continued text has the bits of the whole, on every ISA, thread count and batch",
          "[models][causal][bits]") {
  for (const char* name : {"gpt2", "llama"}) {
    const Golden golden(name);
    for (const Precision precision : {Precision::fp32, Precision::int8}) {
      const auto expected = logits(*golden.load(*all_kernels()[0], precision), golden.inputs, 0, 1);
      for (const KernelTable<float>* kernels : all_kernels()) {
        const auto model = golden.load(*kernels, precision);
        for (int threads : {1, 3})
          for (std::size_t piece : {1, 5, 0}) {
            INFO(name << " on " << kernels->name << " as " << bert::name(precision) << ", " << threads
                      << " threads, by " << piece);
            const auto seen = logits(*model, golden.inputs, piece, threads);
            for (std::size_t i = 0; i < expected.size(); ++i) {
              REQUIRE(seen[i].size() == expected[i].size());
              for (std::size_t t = 0; t < seen[i].size(); ++t) REQUIRE(difference(seen[i][t], expected[i][t]) == "");
            }
          }
      }
    }
  }
}

TEST_CASE("caches go back and are copied", "[models][causal]") {
  const Golden golden("llama");
  const auto model = golden.load(default_kernels<float>());
  const Ids& ids = golden.inputs[3].ids;
  Session session(1);
  const auto last = [&](KeyValueCache<float>& cache, std::span<const std::int32_t> some) {
    const PackedBatch batch{some};
    const std::size_t rows[] = {some.size() - 1};
    KeyValueCache<float>* const caches[] = {&cache};
    const auto output = model->causal()->forward(session, batch, caches, rows);
    return std::vector<float>(output.prediction_logits.row(0),
                              output.prediction_logits.row(0) + output.prediction_logits.columns());
  };
  auto cache = model->causal()->make_cache(ids.size()), copy = model->causal()->make_cache(ids.size());
  const std::vector<float> expected = last(cache, ids);
  cache.truncate(6);
  const Ids others(ids.rbegin(), ids.rbegin() + 4);
  last(cache, others);
  cache.truncate(6);
  copy.copy_from(cache);
  CHECK(difference(last(copy, std::span(ids).subspan(6)), expected) == "");
  CHECK(difference(last(cache, std::span(ids).subspan(6)), expected) == "");
  CHECK(cache.length() == ids.size());
  CHECK_THROWS_WITH(last(cache, others), Catch::Contains("its cache has room for 17"));
  CHECK_THROWS_WITH(cache.truncate(18), Catch::Contains("a cache of 17 tokens cannot be cut to 18"));
  CHECK_THROWS_WITH(model->causal()->make_cache(97), Catch::Contains("the model's window is 96"));
  CHECK(Golden("bert-gelu").load(default_kernels<float>())->causal() == nullptr);
}

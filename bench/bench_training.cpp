// Pre-training steps: forward, backward and AdamW, in tokens a second.
//
// The shapes are those of the comparison with PyTorch (bench/peers/training.py): BERT-base, and two models
// of sizes that train on a CPU; 15 % of the tokens are masked.
#include <bert/train/pretraining.h>

#include <benchmark/benchmark.h>

namespace {

struct TrainingCase {
  const char* name;
  std::size_t layers, hidden, vocabulary, batch, length;
};
constexpr TrainingCase cases[] = {{"base 8x128", 12, 768, 30522, 8, 128},
                                  {"6x384 16x128", 6, 384, 30522, 16, 128},
                                  {"2x128 32x128", 2, 128, 30522, 32, 128}};

bert::PretrainingBatch random_batch(const TrainingCase& c, std::uint64_t first, std::size_t count) {
  bert::PretrainingBatch batch;
  bert::RandomStream random(bert::Philox(first), 0, bert::RandomSite::masking, 0);
  for (std::size_t b = 0; b < count; ++b) {
    std::vector<std::int32_t> ids, types;
    for (std::size_t t = 0; t < c.length; ++t) {
      ids.push_back(static_cast<std::int32_t>(random.below(static_cast<std::uint32_t>(c.vocabulary))));
      types.push_back(t >= c.length / 2);
      if (random.below(100) < 15) {
        batch.masked.push_back(batch.tokens.tokens() + t);
        batch.masked_ids.push_back(ids.back());
      }
    }
    batch.tokens.add(ids, types);
    batch.next_sentence.push_back(static_cast<std::int32_t>(random.below(2)));
    batch.sequence_index.push_back(static_cast<std::uint32_t>(first + b));
  }
  return batch;
}

/// Floating-point operations of a step: 6 a weight and token, and attention's products forward (2) and backward (5).
/// The last layer's part after attention is computed for the masked tokens and [CLS] alone.
double flops(const TrainingCase& c, double masked) {
  const double tokens = static_cast<double>(c.batch * c.length), hidden = static_cast<double>(c.hidden);
  const double outputs = masked + static_cast<double>(c.batch), layers = static_cast<double>(c.layers);
  const double attention = 6 * 3 * hidden * hidden * tokens + 14 * tokens * static_cast<double>(c.length) * hidden;
  const double rest = 6 * 9 * hidden * hidden * ((layers - 1) * tokens + outputs);
  return layers * attention + rest + 6 * masked * hidden * (static_cast<double>(c.vocabulary) + hidden);
}

void training_step(benchmark::State& state, const TrainingCase& c, int threads, double dropout) {
  bert::BertConfig config;
  config.vocab_size = c.vocabulary, config.hidden_size = c.hidden, config.num_hidden_layers = c.layers;
  config.num_attention_heads = c.hidden / 64, config.intermediate_size = 4 * c.hidden;
  config.max_position_embeddings = 512;
  config.hidden_dropout_prob = config.attention_probs_dropout_prob = dropout;
  bert::TrainableBert<float> model(config, {.mlm = true, .nsp = true}, 1);
  bert::TrainOptions options;
  options.batch = options.shard = c.batch;
  const bert::PretrainingBatch batch = random_batch(c, 0, c.batch);
  bert::Pretrainer<float> trainer(
      model, options, [&](std::uint64_t, std::size_t) { return batch; }, bert::Threads(threads));
  trainer.step();
  const double tokens = static_cast<double>(c.batch * c.length);
  for (auto _ : state) trainer.step();
  const double steps = static_cast<double>(state.iterations());
  state.counters["tokens/s"] = benchmark::Counter(tokens * steps, benchmark::Counter::kIsRate);
  state.counters["GFLOP/s"] =
      benchmark::Counter(flops(c, static_cast<double>(batch.masked.size())) * steps / 1e9, benchmark::Counter::kIsRate);
}

const bool registered = [] {
  for (const TrainingCase& c : cases)
    for (int threads : {1, 2})
      for (double dropout : {0.0, 0.1}) {
        if (c.layers == 12 && (threads == 1 || dropout > 0)) continue;  // seconds a step
        benchmark::RegisterBenchmark(
            bert::concat("training/", c.name, "/threads:", threads, dropout > 0 ? "/dropout:0.1" : "").c_str(),
            [&c, threads, dropout](benchmark::State& state) { training_step(state, c, threads, dropout); })
            ->Unit(benchmark::kMillisecond)
            ->UseRealTime()
            ->MeasureProcessCPUTime();
      }
  return true;
}();

}  // namespace

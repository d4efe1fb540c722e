// The gradient of whole models in double against finite differences, with dropout and without.
#include "support/catch.h"
#include "support/matrix.h"

#include <bert/train/causal.h>
#include <bert/train/task_pass.h>

using namespace tests;

namespace {

/// One direction per parameter: all its elements move together, each its own way.
template <class Pass>
void check_gradients(typename Pass::Model& model, const typename Pass::Batch& batch) {
  const auto& kernels = bert::default_kernels<double>();
  typename Pass::Counts counts;
  counts.add(batch);
  for (double rate : {0.0, 0.2}) {
    const bert::DropoutPlan dropout{{rate, rate, rate, rate, 2 * rate}, 77, 3, batch.sequence_index};
    bert::Arena counting;
    Pass(counting, model.config(), model.heads(), batch, 1, kernels);
    const auto memory = bert::make_aligned<std::byte>(counting.bytes());
    bert::Arena arena(memory.get());
    const Pass pass(arena, model.config(), model.heads(), batch, 1, kernels);
    const auto loss = [&] {
      pass.forward({}, model.weights(), batch, dropout);
      pass.loss({}, batch);
      return pass.losses(batch).total();
    };
    bert::ParameterArray<double> gradient({model.layout().size()});
    pass.forward({}, model.weights(), batch, dropout);
    pass.backward({}, model.weights(), model.views(gradient.span()), gradient.span(), batch, counts, dropout);
    for (const bert::ParameterInfo& info : model.layout().all()) {
      const std::vector<double> direction = random_values<double>(info.size, info.offset + 1);
      const auto values = model.values().subspan(info.offset, info.size);
      const std::vector<double> before(values.begin(), values.end());
      const double h = 1e-4;
      const auto at = [&](double distance) {
        for (std::size_t i = 0; i < info.size; ++i) values[i] = before[i] + distance * direction[i];
        return loss();
      };
      const double measured = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h);  // error h^4
      double slope = 0;
      std::copy(before.begin(), before.end(), values.begin());
      for (std::size_t i = 0; i < info.size; ++i) slope += gradient(info.offset + i) * direction[i];
      INFO(info.name << ", dropout " << rate);
      CHECK(slope == Approx(measured).epsilon(1e-6).margin(1e-9));
    }
  }
}

bert::PretrainingBatch next_tokens() {
  bert::PretrainingBatch batch;
  batch.tokens.add(std::vector<std::int32_t>{1, 5, 3, 5, 2});
  batch.tokens.add(std::vector<std::int32_t>{4, 10, 0});
  batch.masked = {0, 1, 2, 3, 5, 6}, batch.masked_ids = {5, 3, 5, 2, 10, 0}, batch.sequence_index = {8, 2};
  return batch;
}

bert::BertConfig encoder_config(const std::string& type) {
  bert::BertConfig config;
  config.vocab_size = 11, config.hidden_size = 8, config.num_hidden_layers = 2, config.num_attention_heads = 2;
  config.intermediate_size = 12, config.max_position_embeddings = 9, config.model_type = type;
  if (type == "roberta") config.first_position = 2, config.type_vocab_size = 1, config.hidden_act = "relu";
  return config;
}

bert::DecoderConfig decoder_config() {
  bert::DecoderConfig config;
  config.vocab_size = 11, config.hidden_size = 8, config.num_hidden_layers = 2, config.num_attention_heads = 4;
  config.intermediate_size = 12, config.max_position_embeddings = 9, config.layer_norm_eps = 1e-5;
  return config;
}

}  // namespace

TEST_CASE("BERT's gradient is that of finite differences, with dropout and without", "[train][backward]") {
  bert::TrainableBert<double> model(encoder_config("bert"), {.mlm = true, .nsp = true}, 1, 0.3);
  bert::PretrainingBatch batch;
  batch.tokens.add(std::vector<std::int32_t>{1, 5, 3, 5, 2}, std::vector<std::int32_t>{0, 0, 1, 1, 1});
  batch.tokens.add(std::vector<std::int32_t>{4, 10, 0}, std::vector<std::int32_t>{0, 0, 1});
  batch.masked = {1, 3, 6}, batch.masked_ids = {7, 5, 10}, batch.next_sentence = {1, 0}, batch.sequence_index = {8, 2};
  check_gradients<bert::PretrainingPass<double>>(model, batch);
}

TEST_CASE("RoBERTa's gradient is that of finite differences, with dropout and without", "[train][backward]") {
  bert::TrainableBert<double> model(encoder_config("roberta"), {.mlm = true}, 1, 0.3);
  bert::PretrainingBatch batch = next_tokens();
  batch.masked = {1, 3, 6}, batch.masked_ids = {7, 5, 10};
  check_gradients<bert::PretrainingPass<double>>(model, batch);
}

TEST_CASE("gradients of tasks are those of finite differences, with dropout and without", "[train][backward]") {
  for (const char* const type : {"bert", "roberta"})
    for (const bert::BertHeads heads : {bert::BertHeads{.classes = 3}, bert::BertHeads{.tags = 3},
                                        bert::BertHeads{.spans = true}, bert::BertHeads{.similarity = true}}) {
      INFO(type << ", classes " << heads.classes << ", tags " << heads.tags << ", spans " << heads.spans);
      bert::TrainableBert<double> model(encoder_config(type), heads, 1, 0.3);
      bert::TaskBatch batch;
      batch.tokens = next_tokens().tokens, batch.sequence_index = {8, 2};
      if (heads.classes > 0) batch.labels = {2, 0};
      if (heads.tags > 0) batch.rows = {1, 2, 6}, batch.labels = {1, 1, 0};
      if (heads.spans) batch.starts = {1, 0}, batch.ends = {3, 2};
      if (heads.similarity) batch.scores = {0.7};
      check_gradients<bert::TaskPass<double>>(model, batch);
    }
}

TEST_CASE("GPT-2's gradient is that of finite differences, with dropout and without", "[train][backward]") {
  bert::DecoderConfig config = decoder_config();
  config.model_type = "gpt2", config.hidden_act = "gelu_new", config.num_key_value_heads = 4, config.head_size = 2;
  bert::TrainableDecoder<double> model(config, {}, 1, 0.3);
  check_gradients<bert::CausalPass<double>>(model, next_tokens());
}

TEST_CASE("Llama's gradient is that of finite differences, with dropout and without", "[train][backward]") {
  for (const bool biases_and_tied : {false, true}) {
    INFO("biases, tied words: " << biases_and_tied);
    bert::DecoderConfig config = decoder_config();
    config.model_type = "llama", config.hidden_act = "silu", config.num_key_value_heads = 2, config.head_size = 4;
    config.rms_norm = config.gated = true, config.rope_theta = 100, config.tie_word_embeddings = biases_and_tied;
    config.attention_bias = config.output_bias = config.feed_forward_bias = biases_and_tied;
    if (biases_and_tied) config.num_attention_heads = 6, config.head_size = 6;  // groups of three; 36 of 8
    bert::TrainableDecoder<double> model(config, {}, 1, 0.3);
    bert::PretrainingBatch batch = next_tokens();
    batch.tokens.add(std::vector<std::int32_t>{7}), batch.sequence_index.push_back(3);  // nothing follows it
    check_gradients<bert::CausalPass<double>>(model, batch);
  }
}

// A small model, and sequences that can be learnt, for tests of training.
#pragma once
#include "support/matrix.h"

#include <bert/train/batch.h>
#include <bert/train/trainer.h>

namespace tests {

inline bert::BertConfig repeating_config() {
  bert::BertConfig config;
  config.vocab_size = 60, config.hidden_size = 48, config.num_hidden_layers = 2, config.num_attention_heads = 3;
  config.intermediate_size = 80, config.max_position_embeddings = 32;
  return config;
}

/// Sequences whose words repeat: the masked word is the one that stands three places before. Their pairs are labelled
/// by the word after [CLS].
inline bert::PretrainingBatch repeating(std::uint64_t first, std::size_t count) {
  bert::PretrainingBatch batch;
  for (std::size_t b = 0; b < count; ++b) {
    Random random(first + b);
    std::vector<std::int32_t> ids{1};
    const std::size_t length = 8 + random.below(20), start = batch.tokens.tokens();
    for (std::size_t t = 1; t < length; ++t)
      ids.push_back(t < 4 ? 5 + static_cast<std::int32_t>(random.below(50)) : ids[t - 3]);
    const std::size_t hidden = 4 + random.below(length - 4);
    batch.masked.push_back(start + hidden), batch.masked_ids.push_back(ids[hidden]);
    batch.next_sentence.push_back(ids[1] < 30 ? 0 : 1);
    ids[hidden] = 4;
    batch.tokens.add(ids);
    batch.sequence_index.push_back(static_cast<std::uint32_t>(first + b));
  }
  return batch;
}

inline bert::TrainOptions repeating_options() {
  bert::TrainOptions options;
  options.batch = 11, options.shard = 4;  // the last shard is cut
  options.rate = {3e-3, 5, 300, bert::LearningRate::Shape::linear};
  return options;
}

}  // namespace tests

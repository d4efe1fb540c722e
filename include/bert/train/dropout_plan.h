// DropoutPlan: the dropout of a step, place by place in a network of layers.
#pragma once
#include <bert/nn/dropout.h>

namespace bert::inline BERT_ABI {

/// How much is dropped, as Hugging Face's ..._dropout_prob.
struct DropoutRates {
  double embedded = 0, hidden = 0, attention = 0, classifier = 0;
  double classifier_input = 0;  // RoBERTa: of what its head's dense layer reads, too
};

/// Where the random numbers of a step's dropout come from, and how much there is.
struct DropoutPlan {
  DropoutRates rates = {};
  std::uint64_t seed = 0;
  std::uint32_t step = 0;
  std::span<const std::uint32_t> sequences;  // [B] numbers of the batch's sequences in the run

  Dropout at(RandomSite site, double rate, std::size_t offset = 0) const {
    return {rate, seed, step, static_cast<std::uint32_t>(site) + static_cast<std::uint32_t>(offset), sequences};
  }
  Dropout embeddings() const { return at(RandomSite::embeddings_dropout, rates.embedded); }
  Dropout attention_of(std::size_t layer) const { return at(RandomSite::layer_dropout, rates.attention, 4 * layer); }
  Dropout attention_output(std::size_t layer) const {
    return at(RandomSite::layer_dropout, rates.hidden, 4 * layer + 1);
  }
  Dropout layer_output(std::size_t layer) const { return at(RandomSite::layer_dropout, rates.hidden, 4 * layer + 2); }
  Dropout before_classifier() const { return at(RandomSite::classifier_dropout, rates.classifier); }
  Dropout before_class_dense() const { return at(RandomSite::classifier_input_dropout, rates.classifier_input); }
};

}  // namespace bert::inline BERT_ABI

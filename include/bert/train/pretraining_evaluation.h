// evaluate_pretraining: how often a pre-trained model finds hidden words and tells next sentences on a text; a causal
// one, how often it tells the next word.
//
// Words are hidden, pairs made and sequences cut as in training (pretraining_data.h), by the seed alone; models of one
// tokenizer see the same ones.
#pragma once
#include <bert/io/tokenizer_files.h>
#include <bert/models/model.h>
#include <bert/train/corpus_builder.h>
#include <bert/train/pretraining_data.h>

#include <cmath>

namespace bert::inline BERT_ABI {

struct PretrainingScore {
  std::size_t words = 0, pairs = 0;     // hidden, or next; judged
  double loss = 0;                      // mean of -log p(word); its exponential is the perplexity
  double accuracy = 0, accuracy_5 = 0;  // of words: the likeliest; among the five likeliest
  double pairs_accuracy = 0;
};

struct PretrainingEvaluation {
  std::uint64_t seed = 0;
  std::size_t sequences = 0;  // 0: as many as fill the text once
  std::size_t seq_len = 128;
  std::int32_t bos = -1, eos = -1;  // causal models: ids before and behind a document
  int threads = 0;
};

/// Scores the model on the corpus, with the heads it has. Errors: as Model::forward and PretrainingData.
inline PretrainingScore evaluate_pretraining(const Model<float>& model, const Tokenizer& tokenizer,
                                             const Corpus& corpus, const PretrainingEvaluation& options) {
  if (model.has_targets()) fail("a model of permuted texts (XLNet) is not scored: it is trained on no objective here");
  PretrainingOptions data_options;
  data_options.objective = model.causal()                   ? PretrainingObjective::causal
                           : model.has(Head::next_sentence) ? PretrainingObjective::bert
                                                            : PretrainingObjective::mlm;
  data_options.bos = options.bos, data_options.eos = options.eos;
  data_options.seq_len = std::min(options.seq_len, model.config().window());
  data_options.seed = options.seed;
  const PretrainingData data(corpus, tokenizer, data_options);
  const std::uint64_t all = options.sequences > 0 ? options.sequences : data.sequences_per_epoch();
  Session session(options.threads);
  PretrainingScore score;
  for (std::uint64_t done = 0; done < all; done += 32) {
    const PretrainingBatch batch =
        data.sequences(done, static_cast<std::size_t>(std::min<std::uint64_t>(32, all - done)));
    const auto output =
        model.forward(session, batch.tokens, model.has(Head::words) ? batch.masked : std::vector<std::size_t>());
    for (std::size_t m = 0; m < output.prediction_logits.rows() && model.has(Head::words); ++m) {
      const auto row = output.prediction_logits.row_span(m);
      const float logit = row[static_cast<std::size_t>(batch.masked_ids[m])];
      std::size_t larger = 0;
      for (float other : row) larger += other > logit;
      float log_sum = 0;
      model.kernels().softmax({row.data(), row.size(), &log_sum});
      score.loss += static_cast<double>(log_sum - logit);
      score.accuracy += larger == 0, score.accuracy_5 += larger < 5, ++score.words;
    }
    for (std::size_t b = 0; b < output.seq_relationship_logits.rows() && model.has(Head::next_sentence); ++b) {
      const float* const row = output.seq_relationship_logits.row(b);
      score.pairs_accuracy += (row[1] > row[0]) == (batch.next_sentence[b] == 1), ++score.pairs;
    }
  }
  const auto mean = [](double sum, std::size_t count) { return count > 0 ? sum / static_cast<double>(count) : 0; };
  score.loss = mean(score.loss, score.words), score.accuracy = mean(score.accuracy, score.words);
  score.accuracy_5 = mean(score.accuracy_5, score.words),
  score.pairs_accuracy = mean(score.pairs_accuracy, score.pairs);
  return score;
}

}  // namespace bert::inline BERT_ABI

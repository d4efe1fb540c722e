// PseudoPerplexity: how surprised the model is by a text, each token masked in turn (Salazar et al. 2020, section 2).
//
//   pppl = exp(-1/n sum_t log p(w_t | the text without w_t))
#pragma once
#include <bert/tasks/text_model.h>

namespace bert::inline BERT_ABI {

struct PseudoPerplexityScore {
  float pppl;
  std::vector<float> token_logprobs;  ///< natural logarithms, one per token that is not special
};

class PseudoPerplexity {
 public:
  explicit PseudoPerplexity(const std::filesystem::path& model, const TaskOptions& options = {});
  explicit PseudoPerplexity(std::shared_ptr<const TextModel> model);

  /// n forward passes over the text of n tokens, packed into batches of options.max_tokens. Throws Error when the text
  /// is empty or does not fit the window.
  PseudoPerplexityScore operator()(std::string_view text) const;
  PseudoPerplexityScore operator()(Session& session, std::string_view text) const;

 private:
  void score_some(Session& session, const Encoding& encoding, std::span<const std::size_t> places,
                  PseudoPerplexityScore& score) const;

  std::shared_ptr<const TextModel> model_;
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <algorithm>
#include <numeric>

namespace bert::inline BERT_ABI {

BERT_INLINE PseudoPerplexity::PseudoPerplexity(const std::filesystem::path& model, const TaskOptions& options)
    : PseudoPerplexity(TextModel::open(model, options)) {}

BERT_INLINE PseudoPerplexity::PseudoPerplexity(std::shared_ptr<const TextModel> model) : model_(std::move(model)) {
  model_->mask_to_fill();
}

BERT_INLINE PseudoPerplexityScore PseudoPerplexity::operator()(std::string_view text) const {
  Session session(model_->options.threads);
  return (*this)(session, text);
}

BERT_INLINE PseudoPerplexityScore PseudoPerplexity::operator()(Session& session, std::string_view text) const {
  const FloatEnvironment environment;
  const Encoding encoding = model_->encode(text);
  std::vector<std::size_t> places;  // of the tokens to mask
  for (std::size_t i = 0; i < encoding.ids.size(); ++i)
    if (!encoding.special_tokens_mask[i]) places.push_back(i);
  const std::size_t at_once = std::max<std::size_t>(1, model_->options.max_tokens / encoding.ids.size());
  PseudoPerplexityScore score{};
  for (std::size_t first = 0; first < places.size(); first += at_once)
    score_some(session, encoding, std::span(places).subspan(first, std::min(at_once, places.size() - first)), score);
  const std::vector<float>& logs = score.token_logprobs;
  score.pppl = -std::accumulate(logs.begin(), logs.end(), 0.0f) / static_cast<float>(logs.size());
  model_->kernels().exp(&score.pppl, 1);
  return score;
}

BERT_INLINE void PseudoPerplexity::score_some(Session& session, const Encoding& encoding,
                                              std::span<const std::size_t> places, PseudoPerplexityScore& score) const {
  PackedBatch batch;
  std::vector<std::size_t> masked;
  for (std::size_t place : places) {
    std::vector<std::int32_t> ids = encoding.ids;
    ids[place] = *model_->tokenizer.mask_id();
    masked.push_back(batch.tokens() + place);
    batch.add(ids, encoding.type_ids);
  }
  const auto output = model_->model->forward(session, batch, masked);
  for (std::size_t m = 0; m < masked.size(); ++m) {
    const std::span<float> logits = output.prediction_logits.row_span(m);
    const float own = logits[static_cast<std::size_t>(encoding.ids[places[m]])];
    float log_sum = 0;
    model_->kernels().softmax({logits.data(), logits.size(), &log_sum});
    score.token_logprobs.push_back(own - log_sum);
  }
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

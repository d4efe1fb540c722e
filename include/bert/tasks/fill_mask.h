// FillMask: the likeliest tokens for every [MASK] of a text (Devlin et al. 2019, section 3.1, task 1).
#pragma once
#include <bert/tasks/text_model.h>

namespace bert::inline BERT_ABI {

/// One candidate for a mask, as Hugging Face's fill-mask pipeline gives it.
struct MaskGuess {
  float score;            ///< probability
  std::int32_t token;     ///< id
  std::string token_str;  ///< the token as text
  std::string sequence;   ///< the text with the token in place
};

class FillMask {
 public:
  explicit FillMask(const std::filesystem::path& model, const TaskOptions& options = {});
  explicit FillMask(std::shared_ptr<const TextModel> model);

  /// The `top_k` likeliest tokens for the only mask of the text, best first; ties go to the smaller id. Throws Error
  /// when the text has no mask or several.
  std::vector<MaskGuess> operator()(std::string_view text, std::size_t top_k = 5) const;

  /// A list of guesses for each mask, in order. With several masks `sequence` keeps the other masks and the special
  /// tokens. With `targets` only those tokens compete. Throws Error for a text without a mask and an unknown target.
  std::vector<std::vector<MaskGuess>> every_mask(std::string_view text, std::size_t top_k = 5,
                                                 const std::vector<std::string>& targets = {}) const;
  std::vector<std::vector<MaskGuess>> every_mask(Session& session, std::string_view text, std::size_t top_k,
                                                 const std::vector<std::string>& targets) const;

 private:
  std::vector<std::int32_t> candidate_ids(const std::vector<std::string>& targets) const;

  std::vector<MaskGuess> best(std::vector<std::int32_t> ids, std::size_t mask, bool skip_special,
                              std::span<const float> scores, std::vector<std::int32_t> candidates,
                              std::size_t top_k) const;

  std::shared_ptr<const TextModel> model_;
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <algorithm>
#include <numeric>

namespace bert::inline BERT_ABI {

BERT_INLINE FillMask::FillMask(const std::filesystem::path& model, const TaskOptions& options)
    : FillMask(TextModel::open(model, options)) {}

BERT_INLINE FillMask::FillMask(std::shared_ptr<const TextModel> model) : model_(std::move(model)) {
  model_->mask_to_fill();
}

BERT_INLINE std::vector<MaskGuess> FillMask::operator()(std::string_view text, std::size_t top_k) const {
  auto all = every_mask(text, top_k);
  if (all.size() != 1) fail("the text has ", all.size(), " masks: ask for every_mask()");
  return std::move(all[0]);
}

BERT_INLINE std::vector<std::vector<MaskGuess>> FillMask::every_mask(std::string_view text, std::size_t top_k,
                                                                     const std::vector<std::string>& targets) const {
  Session session(model_->options.threads);
  return every_mask(session, text, top_k, targets);
}

BERT_INLINE std::vector<std::vector<MaskGuess>> FillMask::every_mask(Session& session, std::string_view text,
                                                                     std::size_t top_k,
                                                                     const std::vector<std::string>& targets) const {
  const FloatEnvironment environment;
  const Encoding encoding = model_->encode(text);
  std::vector<std::size_t> masks;
  for (std::size_t i = 0; i < encoding.ids.size(); ++i)
    if (encoding.ids[i] == *model_->tokenizer.mask_id()) masks.push_back(i);
  if (masks.empty())
    fail("the text has no ", model_->tokenizer.id_to_token(*model_->tokenizer.mask_id()), " to fill: ", text);
  const std::vector<std::int32_t> candidates = candidate_ids(targets);
  const auto output = model_->model->forward(session, PackedBatch(encoding.ids, encoding.type_ids), masks);
  std::vector<std::vector<MaskGuess>> guesses;
  for (std::size_t m = 0; m < masks.size(); ++m) {
    const std::span<float> scores = output.prediction_logits.row_span(m);
    model_->kernels().softmax({scores.data(), scores.size(), nullptr});
    guesses.push_back(best(encoding.ids, masks[m], masks.size() == 1, scores, candidates, top_k));
  }
  return guesses;
}

BERT_INLINE std::vector<std::int32_t> FillMask::candidate_ids(const std::vector<std::string>& targets) const {
  std::vector<std::int32_t> ids(targets.empty() ? model_->tokenizer.vocab_size() : 0);
  std::iota(ids.begin(), ids.end(), 0);
  for (const std::string& target : targets) {
    const auto id = model_->tokenizer.token_to_id(target);
    if (!id) fail("the target \"", target, "\" is not in the vocabulary");
    if (std::find(ids.begin(), ids.end(), *id) == ids.end()) ids.push_back(*id);
  }
  return ids;
}

BERT_INLINE std::vector<MaskGuess> FillMask::best(std::vector<std::int32_t> ids, std::size_t mask, bool skip_special,
                                                  std::span<const float> scores, std::vector<std::int32_t> candidates,
                                                  std::size_t top_k) const {
  const auto score = [&](std::int32_t id) { return scores[static_cast<std::size_t>(id)]; };
  const auto end = candidates.begin() + static_cast<std::ptrdiff_t>(std::min(top_k, candidates.size()));
  std::partial_sort(candidates.begin(), end, candidates.end(),
                    [&](std::int32_t a, std::int32_t b) { return score(a) != score(b) ? score(a) > score(b) : a < b; });
  std::vector<MaskGuess> guesses;
  for (auto id = candidates.begin(); id != end; ++id) {
    ids[mask] = *id;
    guesses.push_back(
        {score(*id), *id, model_->tokenizer.decode({&*id, 1}, false), model_->tokenizer.decode(ids, skip_special)});
  }
  return guesses;
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

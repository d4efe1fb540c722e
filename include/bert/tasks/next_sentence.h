// NextSentence: does the second text follow the first? (Devlin et al. 2019, section 3.1, task 2)
#pragma once
#include <bert/tasks/text_model.h>

namespace bert::inline BERT_ABI {

/// Probabilities and raw logits; label 0 means that B follows A, as in the BERT checkpoints.
struct NextSentenceScore {
  float is_next, not_next;
  float logits[2];
};

/// Of one pair's two logits, the first for "follows".
NextSentenceScore next_sentence_score(const KernelTable<float>& kernels, const float* logits);

class NextSentence {
 public:
  explicit NextSentence(const std::filesystem::path& model, const TaskOptions& options = {});
  explicit NextSentence(std::shared_ptr<const TextModel> model);

  /// Throws Error when a text is empty or the pair does not fit the window.
  NextSentenceScore operator()(std::string_view a, std::string_view b) const;
  NextSentenceScore operator()(Session& session, std::string_view a, std::string_view b) const;

 private:
  std::shared_ptr<const TextModel> model_;
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
namespace bert::inline BERT_ABI {

BERT_INLINE NextSentence::NextSentence(const std::filesystem::path& model, const TaskOptions& options)
    : NextSentence(TextModel::open(model, options)) {}

BERT_INLINE NextSentence::NextSentence(std::shared_ptr<const TextModel> model) : model_(std::move(model)) {
  model_->require(Head::next_sentence);
}

BERT_INLINE NextSentenceScore NextSentence::operator()(std::string_view a, std::string_view b) const {
  Session session(model_->options.threads);
  return (*this)(session, a, b);
}

BERT_INLINE NextSentenceScore NextSentence::operator()(Session& session, std::string_view a, std::string_view b) const {
  const FloatEnvironment environment;
  const Encoding encoding = model_->encode(a, b);
  const auto output = model_->model->forward(session, PackedBatch(encoding.ids, encoding.type_ids));
  return next_sentence_score(model_->kernels(), output.seq_relationship_logits.row(0));
}

BERT_INLINE NextSentenceScore next_sentence_score(const KernelTable<float>& kernels, const float* logits) {
  float p[2] = {logits[0], logits[1]};
  kernels.softmax({p, 2, nullptr});
  return {p[0], p[1], {logits[0], logits[1]}};
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

// Classifier: labels of a text or of a pair of texts: sentiment, intents, entailment, several labels at once, or a
// number (Devlin et al. 2019, section 4.1). Reranker: how well texts answer a query, by a cross-encoder (Nogueira and
// Cho 2019).
//
// Scores are those of Hugging Face's text-classification pipeline and of sentence-transformers' CrossEncoder.
#pragma once
#include <bert/tasks/text_model.h>

namespace bert::inline BERT_ABI {

struct ClassScore {
  std::string label;
  float score;
};

/// What makes scores of logits.
enum class ScoreFunction { softmax, sigmoid, none };

class Classifier {
 public:
  explicit Classifier(const std::filesystem::path& model, const TaskOptions& options = {});
  /// Throws Error when the model has no sequence-classification head.
  explicit Classifier(std::shared_ptr<const TextModel> model);

  /// The config's id2label, or LABEL_0, LABEL_1, …
  const std::vector<std::string>& labels() const { return labels_; }
  /// As the config's problem_type says: none for regression, sigmoid for several labels at once or a single one, else
  /// softmax.
  ScoreFunction function() const { return function_; }

  /// The `top_k` labels with the highest scores, best first; ties go to the smaller id. Throws Error when a text is
  /// empty or does not fit the window.
  std::vector<ClassScore> operator()(std::string_view text, std::size_t top_k = 1) const;
  std::vector<ClassScore> operator()(std::string_view a, std::string_view b, std::size_t top_k = 1) const;

  /// The parts of a call, for texts that do not come all at once: stream() takes encodings (TextModel::encode) from
  /// next() until it gives none (std::optional<Encoding>), runs them in packed batches and calls visit(logits [N]) for
  /// each in order; best() makes labels of logits.
  template <class Next, class Visit>
  void stream(Session& session, const Next& next, const Visit& visit) const;
  std::vector<ClassScore> best(std::span<const float> logits, std::size_t top_k) const;

  const TextModel& model() const { return *model_; }

 private:
  std::vector<ClassScore> one(const Encoding& encoding, std::size_t top_k) const;

  std::shared_ptr<const TextModel> model_;
  std::vector<std::string> labels_;
  ScoreFunction function_ = ScoreFunction::softmax;
};

struct RankedText {
  std::size_t index;  ///< among the texts given
  float score;        ///< sigmoid of the logit, or the logit
};

class Reranker {
 public:
  explicit Reranker(const std::filesystem::path& model, const TaskOptions& options = {});
  /// Throws Error unless the model has a sequence-classification head with one output.
  explicit Reranker(std::shared_ptr<const TextModel> model);

  /// All texts, best first; ties go to the smaller index. `raw_scores`: logits.
  std::vector<RankedText> operator()(std::string_view query, std::span<const std::string> texts,
                                     bool raw_scores = false) const;
  std::vector<RankedText> operator()(Session& session, std::string_view query, std::span<const std::string> texts,
                                     bool raw_scores) const;

 private:
  Classifier classifier_;
};

/// 1 / (1 + exp(-x))
float sigmoid(float x, const KernelTable<float>& kernels);

template <class Next, class Visit>
void Classifier::stream(Session& session, const Next& next, const Visit& visit) const {
  const FloatEnvironment environment;
  run_packed(model_->options.max_tokens, next, [&](const PackedBatch& batch) {
    const auto output = model_->model->forward(session, batch);
    for (std::size_t b = 0; b < batch.sequences(); ++b) visit(output.class_logits.row_span(b));
  });
}

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <algorithm>

namespace bert::inline BERT_ABI {

BERT_INLINE Classifier::Classifier(const std::filesystem::path& model, const TaskOptions& options)
    : Classifier(TextModel::open(model, options)) {}

BERT_INLINE Classifier::Classifier(std::shared_ptr<const TextModel> model) : model_(std::move(model)) {
  model_->require(Head::classes);
  labels_ = model_->labels();
  const std::string& type = model_->model->config().problem_type;
  if (type == "regression")
    function_ = ScoreFunction::none;
  else if (type == "multi_label_classification" || labels_.size() == 1)
    function_ = ScoreFunction::sigmoid;
}

BERT_INLINE std::vector<ClassScore> Classifier::operator()(std::string_view text, std::size_t top_k) const {
  return one(model_->encode(text), top_k);
}

BERT_INLINE std::vector<ClassScore> Classifier::operator()(std::string_view a, std::string_view b,
                                                           std::size_t top_k) const {
  return one(model_->encode(a, b), top_k);
}

BERT_INLINE std::vector<ClassScore> Classifier::one(const Encoding& encoding, std::size_t top_k) const {
  Session session(model_->options.threads);
  const auto output = model_->model->forward(session, PackedBatch(encoding.ids, encoding.type_ids));
  return best(output.class_logits.row_span(0), top_k);
}

BERT_INLINE std::vector<ClassScore> Classifier::best(std::span<const float> logits, std::size_t top_k) const {
  const FloatEnvironment environment;
  std::vector<float> scores(logits.begin(), logits.end());
  if (function_ == ScoreFunction::softmax) model_->kernels().softmax({scores.data(), scores.size(), nullptr});
  std::vector<ClassScore> all;
  for (std::size_t i = 0; i < scores.size(); ++i)
    all.push_back(
        {labels_[i], function_ == ScoreFunction::sigmoid ? sigmoid(scores[i], model_->kernels()) : scores[i]});
  keep_best(all, top_k);
  return all;
}

BERT_INLINE Reranker::Reranker(const std::filesystem::path& model, const TaskOptions& options)
    : Reranker(TextModel::open(model, options)) {}

BERT_INLINE Reranker::Reranker(std::shared_ptr<const TextModel> model) : classifier_(std::move(model)) {
  if (const std::size_t labels = classifier_.labels().size(); labels != 1)
    fail('"', classifier_.model().checkpoint.path().string(), "\" has ", labels,
         " labels; a model that ranks texts has one output");
}

BERT_INLINE std::vector<RankedText> Reranker::operator()(std::string_view query, std::span<const std::string> texts,
                                                         bool raw_scores) const {
  Session session(classifier_.model().options.threads);
  return (*this)(session, query, texts, raw_scores);
}

BERT_INLINE std::vector<RankedText> Reranker::operator()(Session& session, std::string_view query,
                                                         std::span<const std::string> texts, bool raw_scores) const {
  const TextModel& model = classifier_.model();
  std::vector<RankedText> ranked;
  std::size_t given = 0;
  classifier_.stream(
      session, [&] { return given < texts.size() ? std::optional(model.encode(query, texts[given++])) : std::nullopt; },
      [&](std::span<const float> logits) {
        ranked.push_back({ranked.size(), raw_scores ? logits[0] : sigmoid(logits[0], model.kernels())});
      });
  keep_best(ranked, ranked.size());
  return ranked;
}

BERT_INLINE float sigmoid(float x, const KernelTable<float>& kernels) {
  float power = -x;
  kernels.exp(&power, 1);
  return 1 / (1 + power);
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

// Answerer: where in a text a question is answered (Devlin et al. 2019, section 4.2).
//
// Spans and scores are those of Hugging Face's question-answering pipeline: in each window the start's probability
// times the end's; spans grow to whole words.
#pragma once
#include <bert/tasks/text_model.h>

namespace bert::inline BERT_ABI {

struct AnswerOptions {
  std::size_t top_k = 1;
  std::size_t max_length = 384;        ///< most tokens of a window, or the model's window if that is smaller
  std::optional<std::size_t> stride;   ///< tokens of the context that windows share; empty: 128, at most half a window
  std::size_t max_answer_length = 15;  ///< tokens
  bool handle_impossible_answer = false;  ///< the empty answer competes, with the score of [CLS] in the worst window
};

struct Answer {
  float score;
  std::uint32_t start, end;  ///< code points of the context; 0 and 0: no answer
  std::string answer;        ///< the context's own text
};

class Answerer {
 public:
  explicit Answerer(const std::filesystem::path& model, const TaskOptions& options = {});
  /// Throws Error when the model has no question-answering head.
  explicit Answerer(std::shared_ptr<const TextModel> model);

  /// The likeliest answers, best first, at most top_k of them. Throws Error when question or context is empty, or the
  /// question leaves no room for the context in a window.
  std::vector<Answer> operator()(std::string_view question, std::string_view context,
                                 const AnswerOptions& options = {}) const;
  std::vector<Answer> operator()(Session& session, std::string_view question, std::string_view context,
                                 const AnswerOptions& options) const;

 private:
  std::vector<Encoding> windows(std::string_view question, std::string_view context,
                                const AnswerOptions& options) const;
  /// Adds the window's best spans to `answers`; returns the score of no answer. logits [S, 2].
  float look(const Encoding& window, const CodePoints& context, TensorView<const float, 2> logits,
             const AnswerOptions& options, std::vector<Answer>& answers) const;

  std::shared_ptr<const TextModel> model_;
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <bert/tokenizers/unicode.h>

#include <algorithm>

namespace bert::inline BERT_ABI {

BERT_INLINE Answerer::Answerer(const std::filesystem::path& model, const TaskOptions& options)
    : Answerer(TextModel::open(model, options)) {}

BERT_INLINE Answerer::Answerer(std::shared_ptr<const TextModel> model) : model_(std::move(model)) {
  model_->require(Head::spans);
}

BERT_INLINE std::vector<Answer> Answerer::operator()(std::string_view question, std::string_view context,
                                                     const AnswerOptions& options) const {
  Session session(model_->options.threads);
  return (*this)(session, question, context, options);
}

BERT_INLINE std::vector<Answer> Answerer::operator()(Session& session, std::string_view question,
                                                     std::string_view context, const AnswerOptions& options) const {
  const FloatEnvironment environment;
  const std::vector<Encoding> all = windows(question, context, options);
  const CodePoints characters(context);
  std::vector<Answer> answers;
  float none = 1;
  std::size_t done = 0;
  run_packed(model_->options.max_tokens, std::span(all), [&](const PackedBatch& batch) {
    const auto logits = model_->model->forward(session, batch).token_logits;
    for (std::size_t b = 0; b < batch.sequences(); ++b)
      none = std::min(
          none, look(all[done++], characters, logits.slice_rows(batch.offsets[b], batch.length(b)), options, answers));
  });
  if (options.handle_impossible_answer) answers.push_back({none, 0, 0, ""});
  keep_best(answers, options.top_k);
  return answers;
}

BERT_INLINE std::vector<Encoding> Answerer::windows(std::string_view question, std::string_view context,
                                                    const AnswerOptions& options) const {
  if (model_->is_empty(question)) fail("the question is empty");
  if (model_->is_empty(context)) fail("the context is empty");
  const std::size_t length = std::min(options.max_length, model_->model->config().window());
  const std::size_t stride = options.stride.value_or(std::min<std::size_t>(128, length / 2));
  try {
    return list_windows(model_->tokenizer.encode(
        question, context, {.max_length = length, .truncation = Truncation::only_second, .stride = stride}));
  } catch (const Error& error) {
    fail("the question and windows of ", length, " tokens do not go together: ", error.what());
  }
}

BERT_INLINE float Answerer::look(const Encoding& window, const CodePoints& context, TensorView<const float, 2> logits,
                                 const AnswerOptions& options, std::vector<Answer>& answers) const {
  const auto [begin, end] = second_text(window);
  const std::size_t cls = model_->model->has_targets() ? window.ids.size() - 1 : 0;  // XLNet's is the last token
  std::vector<float> starts{logits(cls, 0)}, ends{logits(cls, 1)};  // of [CLS], then of the context's tokens
  for (std::size_t t = begin; t < end; ++t) starts.push_back(logits(t, 0)), ends.push_back(logits(t, 1));
  for (std::vector<float>* each : {&starts, &ends}) model_->kernels().softmax({each->data(), each->size(), nullptr});

  struct Place {
    float score;
    std::size_t first, last;
  };
  std::vector<Place> places;
  for (std::size_t s = 1; s < starts.size(); ++s)
    for (std::size_t e = s; e < std::min(ends.size(), s + options.max_answer_length); ++e)
      places.push_back({starts[s] * ends[e], s, e});
  const auto best = places.begin() + static_cast<std::ptrdiff_t>(std::min(options.top_k, places.size()));
  std::partial_sort(places.begin(), best, places.end(), [](const Place& a, const Place& b) {
    return a.score != b.score ? a.score > b.score : std::pair(a.first, a.last) < std::pair(b.first, b.last);
  });
  for (auto place = places.begin(); place != best; ++place) {
    std::size_t first = begin + place->first - 1, last = begin + place->last - 1;
    while (first > begin && window.words[first - 1] == window.words[first]) --first;
    while (last + 1 < end && window.words[last + 1] == window.words[last]) ++last;
    const std::uint32_t from = window.offsets[first].start, to = window.offsets[last].end;
    answers.push_back({place->score, from, to, context.text(from, to)});
  }
  return starts[0] * ends[0];
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

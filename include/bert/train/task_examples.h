// TaskExamples: a data file of a task as features, its batches for training, and its metric.
//
// To add a task: a value of Task, its features (features.h), and a case in load, batch and evaluate.
#pragma once
#include <bert/train/features.h>
#include <bert/train/metrics.h>
#include <bert/train/task_pass.h>

#include <algorithm>
#include <optional>

namespace bert::inline BERT_ABI {

enum class Task { classify, pair, tag, answer, similarity };

/// "classify", …; UsageError for another name.
Task task_by_name(std::string_view name);
std::string_view name_of(Task task);

/// What the metric is called and how good the model is, the figure that counts first.
using TaskMetrics = std::vector<std::pair<std::string, double>>;

/// How examples become sequences.
struct FeatureOptions {
  std::size_t max_length = 128;  // tokens of a sequence
  std::size_t stride = 0;        // answer: tokens that windows on a context have in common; 0: max_length / 3
  std::size_t longest_answer = 30;
  std::optional<LabelSet> labels = {};  // classify, pair, tag: none: those of the file
};

class TaskExamples {
 public:
  /// `text` is the file's, `name` its name. The tokenizer is only used here. Errors as task_data.h and features.h.
  TaskExamples(Task task, std::string_view text, std::string_view name, const Tokenizer& tokenizer,
               const FeatureOptions& options);

  Task task() const { return task_; }
  /// Features to train on: a text, a pair, or for answers a window each.
  std::size_t size() const { return size_; }
  /// classify, pair, tag; else null.
  const LabelSet* labels() const { return options_.labels ? &*options_.labels : nullptr; }
  /// The head that a model needs for these labels.
  BertHeads heads() const;

  /// Features `examples`; numbers[i] is that of the i-th in the run, for dropout.
  TaskBatch batch(std::span<const std::size_t> examples, std::span<const std::uint32_t> numbers) const;

  /// The metric of a model's predictions. predict(batch, look) runs a batch forward and calls look(pass).
  template <class Predict>
  TaskMetrics evaluate(const Predict& predict) const;

 private:
  struct Found {  // an answer to a question, and how much better it is than none
    std::size_t window = 0, start = 0, end = 0;
    float score = -1e30f, none = 1e30f;
  };
  template <class Visit, class Predict>
  void for_each_batch(const Predict& predict, const Visit& visit) const;
  template <class Predict>
  TaskMetrics evaluate_tags(const Predict& predict) const;
  template <class Predict>
  TaskMetrics evaluate_answers(const Predict& predict) const;
  void look_for_answer(std::size_t example, TensorView<const float, 2> places, std::size_t first, Found& best) const;
  std::string answer_text(const Found& found) const;

  Task task_;
  FeatureOptions options_;
  std::size_t size_ = 0;
  std::vector<ClassificationFeatures> texts_;
  std::vector<TagFeatures> sentences_;
  std::vector<TaggedSentence> tagged_;
  std::vector<AnswerFeatures> windows_;
  QuestionData questions_;
  std::vector<SimilarityFeatures> pairs_;
};

template <class Visit, class Predict>
void TaskExamples::for_each_batch(const Predict& predict, const Visit& visit) const {
  constexpr std::size_t most = 32;
  for (std::size_t done = 0; done < size_; done += most) {
    std::vector<std::size_t> examples;
    for (std::size_t i = done; i < std::min(size_, done + most); ++i) examples.push_back(i);
    const TaskBatch all = batch(examples, std::vector<std::uint32_t>(examples.size(), 0));
    predict(all, [&](const TaskPass<float>& pass) { visit(std::span<const std::size_t>(examples), all, pass); });
  }
}

template <class Predict>
TaskMetrics TaskExamples::evaluate(const Predict& predict) const {
  if (task_ == Task::tag) return evaluate_tags(predict);
  if (task_ == Task::answer) return evaluate_answers(predict);
  std::vector<std::int32_t> predicted, gold;
  std::vector<double> cosines, scores;
  for_each_batch(
      predict, [&](std::span<const std::size_t> examples, const TaskBatch& batch, const TaskPass<float>& pass) {
        for (std::size_t i = 0; i < examples.size(); ++i)
          if (task_ == Task::similarity) {
            const auto u = pass.vectors().row_span(2 * i), v = pass.vectors().row_span(2 * i + 1);
            const auto dot = [](auto a, auto b) {
              double sum = 0;
              for (std::size_t k = 0; k < a.size(); ++k) sum += static_cast<double>(a[k]) * static_cast<double>(b[k]);
              return sum;
            };
            cosines.push_back(dot(u, v) / std::sqrt(dot(u, u) * dot(v, v)));
            scores.push_back(batch.scores[i]);
          } else {
            const auto row = pass.class_logits().row_span(i);
            predicted.push_back(static_cast<std::int32_t>(std::max_element(row.begin(), row.end()) - row.begin()));
            gold.push_back(batch.labels[i]);
          }
      });
  if (task_ == Task::similarity)
    return {{"spearman", spearman(cosines, scores)}, {"pearson", pearson(cosines, scores)}};
  return {{"accuracy", accuracy(predicted, gold)}};
}

template <class Predict>
TaskMetrics TaskExamples::evaluate_tags(const Predict& predict) const {
  EntityCounts counts;
  for_each_batch(
      predict, [&](std::span<const std::size_t> examples, const TaskBatch& batch, const TaskPass<float>& pass) {
        std::size_t m = 0;
        for (std::size_t i = 0; i < examples.size(); ++i) {
          const TaggedSentence& sentence = tagged_[examples[i]];
          std::vector<std::string> tags(sentence.words.size(), "O");  // what is cut off has none
          for (std::size_t word = 0; word < tags.size(); ++word) {
            if (sentences_[examples[i]].first_token[word] < 0) continue;
            const auto row = pass.tag_logits().row_span(m++);
            tags[word] =
                labels()->names()[static_cast<std::size_t>(std::max_element(row.begin(), row.end()) - row.begin())];
          }
          counts.add(tags, sentence.tags);
        }
        if (m != batch.rows.size()) fail("the words of a batch and its labelled tokens differ in number");
      });
  return {{"f1", counts.f1()}, {"precision", counts.precision()}, {"recall", counts.recall()}};
}

template <class Predict>
TaskMetrics TaskExamples::evaluate_answers(const Predict& predict) const {
  std::vector<Found> found(questions_.questions.size());
  for_each_batch(
      predict, [&](std::span<const std::size_t> examples, const TaskBatch& batch, const TaskPass<float>& pass) {
        for (std::size_t i = 0; i < examples.size(); ++i)
          look_for_answer(examples[i], pass.places(), batch.tokens.offsets[i], found[windows_[examples[i]].question]);
      });
  const SquadVersion version = questions_.has_impossible ? SquadVersion::v2_0 : SquadVersion::v1_1;
  AnswerScore sum;
  for (std::size_t q = 0; q < found.size(); ++q) {
    std::vector<std::string> gold;
    for (const GoldAnswer& answer : questions_.questions[q].answers) gold.push_back(answer.text);
    const bool none = questions_.has_impossible && found[q].none > found[q].score;
    const AnswerScore score = answer_score(none ? "" : answer_text(found[q]), gold, version);
    sum.exact += score.exact, sum.f1 += score.f1;
  }
  const double count = static_cast<double>(found.size());
  return {{"f1", sum.f1 / count}, {"exact", sum.exact / count}};
}

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <bert/tokenizers/unicode.h>

namespace bert::inline BERT_ABI {

namespace detail {
inline constexpr std::string_view task_names[] = {"classify", "pair", "tag", "answer", "similarity"};
}

BERT_INLINE Task task_by_name(std::string_view name) {
  for (std::size_t i = 0; i < std::size(detail::task_names); ++i)
    if (detail::task_names[i] == name) return static_cast<Task>(i);
  throw UsageError(concat("unknown task \"", name, "\": one of classify, pair, tag, answer, similarity"));
}

BERT_INLINE std::string_view name_of(Task task) { return detail::task_names[static_cast<int>(task)]; }

BERT_INLINE TaskExamples::TaskExamples(Task task, std::string_view text, std::string_view name,
                                       const Tokenizer& tokenizer, const FeatureOptions& options)
    : task_(task), options_(options) {
  if (options_.stride == 0) options_.stride = options_.max_length / 3;
  std::optional<LabelSet>& labels = options_.labels;
  const std::size_t longest = options.max_length;
  switch (task) {
    case Task::classify:
    case Task::pair: {
      const auto examples = task == Task::pair ? read_pairs(text, name) : read_classification(text, name);
      if (!labels) labels = LabelSet::of(examples);
      for (const LabelledText& example : examples)
        texts_.push_back(classification_features(tokenizer, example, *labels, longest, name));
      size_ = texts_.size();
      break;
    }
    case Task::tag:
      tagged_ = read_conll(text, name);
      if (!labels) labels = LabelSet::of(tagged_);
      for (const TaggedSentence& sentence : tagged_)
        sentences_.push_back(tag_features(tokenizer, sentence, *labels, longest, name));
      size_ = sentences_.size();
      break;
    case Task::answer:
      questions_ = read_squad(text, name);
      for (std::size_t q = 0; q < questions_.questions.size(); ++q)
        for (AnswerFeatures& window : answer_features(tokenizer, questions_.questions[q], q, longest, options_.stride))
          windows_.push_back(std::move(window));
      size_ = windows_.size();
      break;
    case Task::similarity:
      for (const ScoredPair& pair : read_similarity(text, name))
        pairs_.push_back(similarity_features(tokenizer, pair, longest, name));
      size_ = pairs_.size();
      break;
  }
  if (size_ == 0) fail("\"", name, "\" holds no example");
}

BERT_INLINE BertHeads TaskExamples::heads() const {
  BertHeads heads;
  if (task_ == Task::classify || task_ == Task::pair) heads.classes = labels()->size();
  if (task_ == Task::tag) heads.tags = labels()->size();
  heads.spans = task_ == Task::answer;
  heads.similarity = task_ == Task::similarity;
  return heads;
}

BERT_INLINE TaskBatch TaskExamples::batch(std::span<const std::size_t> examples,
                                          std::span<const std::uint32_t> numbers) const {
  TaskBatch batch;
  for (std::size_t i = 0; i < examples.size(); ++i) {
    const std::size_t example = examples[i], first = batch.tokens.tokens();
    batch.sequence_index.push_back(numbers[i]);
    switch (task_) {
      case Task::classify:
      case Task::pair:
        batch.tokens.add(texts_[example].ids, texts_[example].type_ids);
        batch.labels.push_back(texts_[example].label);
        break;
      case Task::tag:
        batch.tokens.add(sentences_[example].ids);
        for (std::size_t t = 0; t < sentences_[example].labels.size(); ++t)
          if (const std::int32_t label = sentences_[example].labels[t]; label != kIgnoredLabel)
            batch.rows.push_back(first + t), batch.labels.push_back(label);
        break;
      case Task::answer:
        batch.tokens.add(windows_[example].ids, windows_[example].type_ids);
        batch.starts.push_back(windows_[example].start), batch.ends.push_back(windows_[example].end);
        break;
      case Task::similarity:  // both texts have dropout of their own
        batch.tokens.add(pairs_[example].a), batch.tokens.add(pairs_[example].b);
        batch.sequence_index.back() = 2 * numbers[i];
        batch.sequence_index.push_back(2 * numbers[i] + 1);
        batch.scores.push_back(pairs_[example].score / 5);  // as cosines
        break;
    }
  }
  return batch;
}

/// The best span of a window: the largest start + end with start <= end in the context.
BERT_INLINE void TaskExamples::look_for_answer(std::size_t example, TensorView<const float, 2> places,
                                               std::size_t first, Found& best) const {
  const AnswerFeatures& window = windows_[example];
  const float *start = places.row(0) + first, *end = places.row(1) + first;
  best.none = std::min(best.none, start[0] + end[0]);
  for (std::size_t s = window.context_begin; s < window.context_end; ++s)
    for (std::size_t e = s; e < std::min(window.context_end, s + options_.longest_answer); ++e)
      if (start[s] + end[e] > best.score) best = {example, s, e, start[s] + end[e], best.none};
}

BERT_INLINE std::string TaskExamples::answer_text(const Found& found) const {
  const AnswerFeatures& window = windows_[found.window];
  const std::string& context = questions_.questions[window.question].context;
  return CodePoints(context).text(window.offsets[found.start].start, window.offsets[found.end].end);
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

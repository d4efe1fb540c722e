// Features: examples of a task (task_data.h) as token ids with what is to be predicted, ready to be packed in batches.
//
// One small struct and one function a task. Special tokens are the tokenizer's, texts that are too long are cut to
// max_length tokens, special ones included.
#pragma once
#include <bert/tokenizers/tokenizer.h>
#include <bert/train/task_data.h>

namespace bert::inline BERT_ABI {

/// A label that is no label: the token takes no part in the loss.
inline constexpr std::int32_t kIgnoredLabel = -100;

/// classify, pair: one sequence and its label.
struct ClassificationFeatures {
  std::vector<std::int32_t> ids, type_ids;
  std::int32_t label = 0;
};

/// similarity: two sequences and the score of the pair.
struct SimilarityFeatures {
  std::vector<std::int32_t> a, b;
  double score = 0;
};

/// tag: one sequence with a label a token: that of the word for its first token, else kIgnoredLabel.
struct TagFeatures {
  std::vector<std::int32_t> ids, labels;
  std::vector<std::int32_t> first_token;  // of every word; -1 for a word without a token, or cut off
};

/// answer: one window on the context of a question. [start, end] are the answer's tokens, both included; both 0, which
/// is [CLS], when the whole answer is not in the window or there is none.
struct AnswerFeatures {
  std::vector<std::int32_t> ids, type_ids;
  std::int32_t start = 0, end = 0;
  std::size_t context_begin = 0, context_end = 0;  // the tokens of the context
  std::vector<Span> offsets;                       // of all tokens, in code points of question or context
  std::size_t question = 0;                        // index of the question
};

/// A pair when example.b is not empty; cut longest first. `file` is named in errors, here and below.
ClassificationFeatures classification_features(const Tokenizer& tokenizer, const LabelledText& example,
                                               const LabelSet& labels, std::size_t max_length, std::string_view file);

SimilarityFeatures similarity_features(const Tokenizer& tokenizer, const ScoredPair& pair, std::size_t max_length,
                                       std::string_view file);

TagFeatures tag_features(const Tokenizer& tokenizer, const TaggedSentence& sentence, const LabelSet& labels,
                         std::size_t max_length, std::string_view file);

/// The windows of one question, as Hugging Face's run_qa.py makes them: the context is cut, the question is not; each
/// window repeats the last `stride` tokens of the one before. The first gold answer is the one to be found. Errors: a
/// question that leaves no room for a context, a stride that leaves none for progress, an empty context.
std::vector<AnswerFeatures> answer_features(const Tokenizer& tokenizer, const Question& question, std::size_t index,
                                            std::size_t max_length, std::size_t stride);

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <bert/tokenizers/unicode.h>

#include <algorithm>
#include <tuple>

namespace bert::inline BERT_ABI {

namespace detail {

inline EncodeOptions cut_to(std::size_t max_length) {
  return {.max_length = max_length, .truncation = Truncation::longest_first};
}

inline void require_tokens(const Encoding& encoding, std::size_t line, std::string_view file) {
  const auto& special = encoding.special_tokens_mask;
  if (std::find(special.begin(), special.end(), 0) == special.end())
    Place(file).error(line, "no token is left of the text: it is empty, or max_length too small");
}

/// Ids of [CLS] and [SEP], as far as the template has them, around a single text.
struct Frame {
  std::vector<std::int32_t> before, behind;
};
inline Frame frame_of(const Tokenizer& tokenizer) {
  Frame frame;
  bool behind = false;
  for (const TemplatePart& part : tokenizer.spec().single) {
    behind |= part.special.empty();
    std::vector<std::int32_t>& side = behind ? frame.behind : frame.before;
    side.insert(side.end(), part.ids.begin(), part.ids.end());
  }
  return frame;
}

}  // namespace detail

BERT_INLINE ClassificationFeatures classification_features(const Tokenizer& tokenizer, const LabelledText& example,
                                                           const LabelSet& labels, std::size_t max_length,
                                                           std::string_view file) {
  const EncodeOptions options = detail::cut_to(max_length);
  Encoding encoding =
      example.b.empty() ? tokenizer.encode(example.a, options) : tokenizer.encode(example.a, example.b, options);
  detail::require_tokens(encoding, example.line, file);
  return {std::move(encoding.ids), std::move(encoding.type_ids), labels.id(example.label, example.line, file)};
}

BERT_INLINE SimilarityFeatures similarity_features(const Tokenizer& tokenizer, const ScoredPair& pair,
                                                   std::size_t max_length, std::string_view file) {
  Encoding a = tokenizer.encode(pair.a, detail::cut_to(max_length));
  Encoding b = tokenizer.encode(pair.b, detail::cut_to(max_length));
  detail::require_tokens(a, pair.line, file);
  detail::require_tokens(b, pair.line, file);
  return {std::move(a.ids), std::move(b.ids), pair.score};
}

BERT_INLINE TagFeatures tag_features(const Tokenizer& tokenizer, const TaggedSentence& sentence, const LabelSet& labels,
                                     std::size_t max_length, std::string_view file) {
  const detail::Frame frame = detail::frame_of(tokenizer);
  if (max_length <= frame.before.size() + frame.behind.size())
    fail("max_length ", max_length, " has no room for a word between the special tokens");
  const std::size_t most = max_length - frame.behind.size();
  TagFeatures features{frame.before, {}, {}};
  features.labels.assign(features.ids.size(), kIgnoredLabel);
  for (std::size_t word = 0; word < sentence.words.size(); ++word) {
    const std::int32_t label = labels.id(sentence.tags[word], sentence.line + word, file);
    const auto ids = tokenizer.encode(sentence.words[word], {.add_special_tokens = false}).ids;
    const bool is_there = !ids.empty() && features.ids.size() < most;
    features.first_token.push_back(is_there ? static_cast<std::int32_t>(features.ids.size()) : -1);
    for (std::size_t i = 0; i < ids.size() && features.ids.size() < most; ++i) {
      features.ids.push_back(ids[i]);
      features.labels.push_back(i == 0 ? label : kIgnoredLabel);
    }
  }
  if (features.ids.size() == frame.before.size()) detail::Place(file).error(sentence.line, "no word has a token");
  features.ids.insert(features.ids.end(), frame.behind.begin(), frame.behind.end());
  features.labels.resize(features.ids.size(), kIgnoredLabel);
  return features;
}

namespace detail {

/// Sets the tokens of code points [begin, end) of the context when the window holds all of them.
inline void find_answer(AnswerFeatures& window, std::uint32_t begin, std::uint32_t end) {
  std::size_t first = window.context_begin, last = window.context_end;
  if (first == last || window.offsets[first].start > begin || window.offsets[last - 1].end < end) return;
  while (first + 1 < window.context_end && window.offsets[first + 1].start <= begin) ++first;
  while (last > window.context_begin + 1 && window.offsets[last - 2].end >= end) --last;
  window.start = static_cast<std::int32_t>(first);
  window.end = static_cast<std::int32_t>(last - 1);
}

}  // namespace detail

BERT_INLINE std::vector<AnswerFeatures> answer_features(const Tokenizer& tokenizer, const Question& question,
                                                        std::size_t index, std::size_t max_length, std::size_t stride) {
  const std::string where = concat("question \"", question.id, "\": ");
  const std::size_t asked = tokenizer.encode(question.question, {.add_special_tokens = false}).ids.size();
  if (tokenizer.encode(question.context, {.add_special_tokens = false}).ids.empty())
    fail(where, "its context has no token");
  Encoding first;
  try {
    first = tokenizer.encode(question.question, question.context,
                             {.max_length = max_length, .truncation = Truncation::only_second, .stride = stride});
  } catch (const Error& error) {
    fail(where, "its ", asked, " tokens and a window of ", max_length, " do not go together: ", error.what());
  }
  std::vector<AnswerFeatures> windows;
  for (Encoding& encoding : list_windows(std::move(first))) {
    AnswerFeatures& window = windows.emplace_back();
    window.question = index;
    std::tie(window.context_begin, window.context_end) = second_text(encoding);
    window.ids = std::move(encoding.ids);
    window.type_ids = std::move(encoding.type_ids);
    window.offsets = std::move(encoding.offsets);
    if (question.answers.empty()) continue;
    const GoldAnswer& gold = question.answers.front();
    const auto length = static_cast<std::uint32_t>(detail::count_code_points(gold.text));
    detail::find_answer(window, gold.start, gold.start + length);
  }
  return windows;
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

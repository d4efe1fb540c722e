// The figures that tell how good a model is at a task, as those who publish them compute them.
//
// Accuracy; precision, recall and F1 of entities as seqeval (its default mode, that of conlleval); exact match and F1
// of answers as SQuAD's evaluate-v1.1.py and evaluate-v2.0.py; Pearson's and Spearman's correlation.
#pragma once
#include <bert/core/error.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bert::inline BERT_ABI {

/// The part of `predicted` that equals `gold`. Error when the lengths differ or are 0.
double accuracy(std::span<const std::int32_t> predicted, std::span<const std::int32_t> gold);

/// A named entity: words [begin, end) of a sentence.
struct EntitySpan {
  std::string type;
  std::size_t begin, end;
  bool operator==(const EntitySpan&) const = default;
};

/// The entities of one sentence's tags (IOB1, IOB2, IOE, IOBES). "B-PER" is B and PER, a tag without a type has "_". An
/// I- without a B- before it begins an entity, as does one of another type.
std::vector<EntitySpan> entities(std::span<const std::string> tags);

/// Counts over sentences; an entity counts as found when type, beginning and end agree.
struct EntityCounts {
  std::size_t found = 0, predicted = 0, gold = 0;

  /// Error when the sentence has another number of tags in the two.
  void add(std::span<const std::string> predicted_tags, std::span<const std::string> gold_tags);
  double precision() const { return ratio(found, predicted); }  ///< 0 when nothing was predicted
  double recall() const { return ratio(found, gold); }
  double f1() const { return ratio(2 * found, predicted + gold); }

 private:
  static double ratio(std::size_t a, std::size_t b) {
    return b == 0 ? 0 : static_cast<double>(a) / static_cast<double>(b);
  }
};

/// Lower case, without ASCII punctuation, without the words a, an and the, one space between words.
std::string normalize_answer(std::string_view text);

enum class SquadVersion { v1_1, v2_0 };

/// Of one question: 1 or 0, and the F1 of the words; the best over the gold answers, each figure for itself.
struct AnswerScore {
  double exact = 0, f1 = 0;
};

/// An empty prediction means no answer. v2.0: without a gold answer that has a word, no answer is the right one.
/// v1.1: error without a gold answer.
AnswerScore answer_score(std::string_view prediction, std::span<const std::string> gold,
                         SquadVersion version = SquadVersion::v1_1);

/// Pearson's correlation; 0 when one side is constant (there is none; scipy says NaN). Error when the lengths differ or
/// are below 2.
double pearson(std::span<const double> a, std::span<const double> b);

/// Spearman's: Pearson's of the ranks, equal values sharing the average of theirs.
double spearman(std::span<const double> a, std::span<const double> b);

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <bert/tokenizers/unicode.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>

namespace bert::inline BERT_ABI {

BERT_INLINE double accuracy(std::span<const std::int32_t> predicted, std::span<const std::int32_t> gold) {
  if (predicted.size() != gold.size() || gold.empty())
    fail("accuracy: ", predicted.size(), " predictions for ", gold.size(), " examples");
  std::size_t right = 0;
  for (std::size_t i = 0; i < gold.size(); ++i) right += predicted[i] == gold[i];
  return static_cast<double>(right) / static_cast<double>(gold.size());
}

namespace detail {

struct Tag {
  char kind = 'O';  // B, I, O, E, S, or what the tag begins with
  std::string_view type;
};

inline Tag parse_tag(std::string_view tag) {
  if (tag.empty()) return {};
  std::string_view rest = tag.substr(1);
  if (const std::size_t dash = rest.find('-'); dash != rest.npos) rest.remove_prefix(dash + 1);
  return {tag.front(), rest.empty() ? "_" : rest};
}

inline bool is_one_of(char kind, std::string_view kinds) { return kinds.find(kind) != kinds.npos; }

/// Whether an entity ends between two neighbouring tags, and whether one begins.
inline bool ends_entity(const Tag& before, const Tag& now) {
  return is_one_of(before.kind, "ES") || (is_one_of(before.kind, "BI") && is_one_of(now.kind, "BSO")) ||
         (!is_one_of(before.kind, "O.") && before.type != now.type);
}
inline bool begins_entity(const Tag& before, const Tag& now) {
  return is_one_of(now.kind, "BS") || (is_one_of(before.kind, "ESO") && is_one_of(now.kind, "EI")) ||
         (!is_one_of(now.kind, "O.") && before.type != now.type);
}

}  // namespace detail

BERT_INLINE std::vector<EntitySpan> entities(std::span<const std::string> tags) {
  std::vector<EntitySpan> found;
  detail::Tag before;
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= tags.size(); ++i) {
    const detail::Tag now = i < tags.size() ? detail::parse_tag(tags[i]) : detail::Tag{'O', "_"};
    if (detail::ends_entity(before, now)) found.push_back({std::string(before.type), begin, i});
    if (detail::begins_entity(before, now)) begin = i;
    before = now;
  }
  return found;
}

BERT_INLINE void EntityCounts::add(std::span<const std::string> predicted_tags,
                                   std::span<const std::string> gold_tags) {
  if (predicted_tags.size() != gold_tags.size())
    fail("a sentence of ", gold_tags.size(), " words has ", predicted_tags.size(), " predicted tags");
  const std::vector<EntitySpan> ours = entities(predicted_tags), theirs = entities(gold_tags);
  for (const EntitySpan& entity : ours) found += std::find(theirs.begin(), theirs.end(), entity) != theirs.end();
  predicted += ours.size();
  gold += theirs.size();
}

namespace detail {

/// What \w matches in Python's re: str.isalnum() and the underscore.
inline bool is_python_word(char32_t c) {
  const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO) ||
         (category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO) || c == '_';
}
inline bool is_python_space(char32_t c) { return is_whitespace(c) || (c >= 0x1C && c <= 0x1F); }

inline std::vector<std::string_view> words_of(std::string_view normalized) {
  std::vector<std::string_view> words;
  while (!normalized.empty()) {
    words.push_back(normalized.substr(0, normalized.find(' ')));
    normalized.remove_prefix(std::min(words.back().size() + 1, normalized.size()));
  }
  return words;
}

/// F1 of two bags of words.
inline double words_f1(std::string_view a, std::string_view b, SquadVersion version) {
  std::vector<std::string_view> ours = words_of(a), theirs = words_of(b), common;
  if ((ours.empty() || theirs.empty()) && version == SquadVersion::v2_0) return ours.empty() && theirs.empty();
  std::sort(ours.begin(), ours.end());
  std::sort(theirs.begin(), theirs.end());
  std::set_intersection(ours.begin(), ours.end(), theirs.begin(), theirs.end(), std::back_inserter(common));
  if (common.empty()) return 0;
  const double same = static_cast<double>(common.size());
  const double precision = same / static_cast<double>(ours.size()), recall = same / static_cast<double>(theirs.size());
  return 2 * precision * recall / (precision + recall);
}

}  // namespace detail

BERT_INLINE std::string normalize_answer(std::string_view text) {
  constexpr std::string_view kPunctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
  std::u32string kept;
  for (const char *at = text.data(), *const end = at + text.size(); at != end;) {
    const char32_t c = detail::next_code_point(at, end);
    if (c >= 0x80 || kPunctuation.find(static_cast<char>(c)) == kPunctuation.npos) kept += detail::lowercase(c);
  }
  std::string out;
  bool space = false;
  for (std::size_t i = 0; i < kept.size();) {
    std::size_t end = i;
    while (end < kept.size() && detail::is_python_word(kept[end])) ++end;
    const std::u32string_view word(kept.data() + i, end - i);
    const bool article = word == U"a" || word == U"an" || word == U"the";
    if (article || (word.empty() && detail::is_python_space(kept[i]))) {
      space = true;
    } else {
      if (space && !out.empty()) out += ' ';
      space = false;
      for (std::size_t j = i; j < std::max(end, i + 1); ++j) detail::append_utf8(out, kept[j]);
    }
    i = std::max(end, i + 1);
  }
  return out;
}

BERT_INLINE AnswerScore answer_score(std::string_view prediction, std::span<const std::string> gold,
                                     SquadVersion version) {
  const std::string ours = normalize_answer(prediction);
  std::vector<std::string> answers;
  for (const std::string& answer : gold) {
    std::string normal = normalize_answer(answer);
    if (version == SquadVersion::v1_1 || !normal.empty()) answers.push_back(std::move(normal));
  }
  if (answers.empty() && version == SquadVersion::v1_1) fail("a question of SQuAD 1.1 has no gold answer");
  if (answers.empty()) answers.emplace_back();
  AnswerScore best;
  for (const std::string& answer : answers) {
    best.exact = std::max(best.exact, ours == answer ? 1.0 : 0.0);
    best.f1 = std::max(best.f1, detail::words_f1(ours, answer, version));
  }
  return best;
}

BERT_INLINE double pearson(std::span<const double> a, std::span<const double> b) {
  if (a.size() != b.size() || a.size() < 2)
    fail("a correlation needs two numbers or more on both sides: there are ", a.size(), " and ", b.size());
  const double n = static_cast<double>(a.size());
  const double mean_a = std::accumulate(a.begin(), a.end(), 0.0) / n,
               mean_b = std::accumulate(b.begin(), b.end(), 0.0) / n;
  double aa = 0, bb = 0, ab = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {  // fma: the same bits whether or not the compiler fuses
    const double x = a[i] - mean_a, y = b[i] - mean_b;
    aa = std::fma(x, x, aa);
    bb = std::fma(y, y, bb);
    ab = std::fma(x, y, ab);
  }
  const bool constant = std::equal(a.begin() + 1, a.end(), a.begin()) || std::equal(b.begin() + 1, b.end(), b.begin());
  return constant || aa == 0 || bb == 0 ? 0 : std::clamp(ab / (std::sqrt(aa) * std::sqrt(bb)), -1.0, 1.0);
}

namespace detail {
/// Ranks from 1; equal values get the average of theirs.
inline std::vector<double> average_ranks(std::span<const double> values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t i, std::size_t j) { return values[i] < values[j]; });
  std::vector<double> ranks(values.size());
  for (std::size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    for (std::size_t i = begin; i < end; ++i) ranks[order[i]] = static_cast<double>(begin + 1 + end) / 2;
  }
  return ranks;
}
}  // namespace detail

BERT_INLINE double spearman(std::span<const double> a, std::span<const double> b) {
  for (const std::span<const double> values : {a, b})
    if (std::any_of(values.begin(), values.end(), [](double v) { return v != v; })) fail("a value to rank is NaN");
  return pearson(detail::average_ranks(a), detail::average_ranks(b));
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

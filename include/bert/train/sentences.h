// Cuts a paragraph into sentences, for corpora that hold a paragraph a line: BERT's pairs are made of sentences.
//
// A sentence ends behind one or more of . ! ? and any closing quotes or brackets, when white space and, behind any
// opening quotes or brackets, an upper-case letter follow. A full stop behind a single letter ("J. Smith", "U.S.") or a
// title of kTitles ("Mr. Barry") ends nothing. Text without capitals or such marks stays whole: put a sentence a line.
#pragma once
#include <bert/core/abi.h>

#include <cstddef>
#include <string_view>

namespace bert::inline BERT_ABI {

/// Where the first sentence of `text` ends: behind its closing quotes, or text.size(). At least 1 for a text that is
/// not empty.
std::size_t sentence_length(std::string_view text);

/// Calls use(sentence) for every sentence of a line, without the white space between them.
template <class Use>
void split_sentences(std::string_view line, Use&& use) {
  constexpr std::string_view kSpace = " \t\r\n\v\f";
  for (std::size_t begin; (begin = line.find_first_not_of(kSpace)) < line.size();) {
    line.remove_prefix(begin);
    const std::size_t length = sentence_length(line);
    const std::string_view sentence = line.substr(0, length);
    use(sentence.substr(0, sentence.find_last_not_of(kSpace) + 1));
    line.remove_prefix(length);
  }
}

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <bert/tokenizers/unicode.h>

#include <algorithm>
#include <iterator>

namespace bert::inline BERT_ABI {

namespace detail {

inline constexpr std::string_view kTitles[] = {"Mr",  "Mrs", "Ms",  "Dr",  "St",   "Prof",  "Rev",
                                               "Hon", "Gen", "Col", "Maj", "Capt", "Lieut", "Lt",
                                               "Sgt", "Sir", "vs",  "No",  "Mme",  "Mlle",  "Messrs"};
inline constexpr std::string_view kClosing[] = {"\"", "'", ")", "]", "\u201d", "\u2019", "\u00bb"};
inline constexpr std::string_view kOpening[] = {"\"", "'", "(", "[", "\u201c", "\u2018", "\u00ab"};

/// Moves `at` behind all of `marks` that stand there.
template <std::size_t N>
void skip_marks(std::string_view text, std::size_t& at, const std::string_view (&marks)[N]) {
  for (std::size_t before = at + 1; before != at;) {
    before = at;
    for (const std::string_view mark : marks) at += text.substr(at).starts_with(mark) ? mark.size() : 0;
  }
}

/// Whether the word that ends before `stop` is an initial or a title.
inline bool is_abbreviation(std::string_view text, std::size_t stop) {
  std::size_t begin = stop;
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  while (begin > 0 && is_letter(text[begin - 1])) --begin;
  const std::string_view word = text.substr(begin, stop - begin);
  if (begin > 0 && static_cast<signed char>(text[begin - 1]) < 0) return false;  // the end of a word with an accent
  return word.size() == 1 || std::find(std::begin(kTitles), std::end(kTitles), word) != std::end(kTitles);
}

}  // namespace detail

BERT_INLINE std::size_t sentence_length(std::string_view text) {
  constexpr std::string_view kStops = ".!?", kSpace = " \t";
  for (std::size_t at = 0; (at = text.find_first_of(kStops, at)) < text.size();) {
    const std::size_t stop = at;
    at = std::min(text.find_first_not_of(kStops, at), text.size());
    const std::size_t behind_stops = at;
    detail::skip_marks(text, at, detail::kClosing);
    const std::size_t end = at;
    at = std::min(text.find_first_not_of(kSpace, at), text.size());
    if (at > end && at < text.size() &&
        !(behind_stops == stop + 1 && text[stop] == '.' && detail::is_abbreviation(text, stop))) {
      detail::skip_marks(text, at, detail::kOpening);
      const char* next = text.data() + at;
      const auto category = at < text.size() ? utf8proc_category(static_cast<utf8proc_int32_t>(
                                                   detail::next_code_point(next, text.data() + text.size())))
                                             : UTF8PROC_CATEGORY_CN;
      if (category == UTF8PROC_CATEGORY_LU || category == UTF8PROC_CATEGORY_LT) return end;
    }
    at = behind_stops;
  }
  return text.size();
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

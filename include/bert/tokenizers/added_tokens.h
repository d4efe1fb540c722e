// Added tokens: strings that are found in the text before it is cut into words ([MASK], [SEP], a user's own tokens).
//
// Those with `normalized` are looked for, in normalised form, in normalised text, the others in the text as given.
#pragma once
#include <bert/core/abi.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bert::inline BERT_ABI {

/// One entry of "added_tokens" in tokenizer.json.
struct AddedToken {
  std::string content;
  std::int32_t id = 0;
  bool single_word = false;  ///< only where neither neighbour is a word character (\w)
  bool lstrip = false;       ///< takes the white space on its left with it
  bool rstrip = false;       ///< and on its right
  bool normalized = false;   ///< looked for after normalisation
  bool special = true;       ///< left out by decode()
};

/// Finds added tokens in a text: leftmost first, the longest where several begin, of equal ones the one added first.
class AddedTokenMatcher {
 public:
  void add(std::string pattern, AddedToken token);

  /// Calls use(piece, token) for all of `text` from left to right; the token is null for what lies between tokens. As
  /// in Hugging Face, a token that begins with white space may begin inside what the one before took with rstrip.
  template <class Use>
  void split(std::string_view text, Use&& use) const {
    std::size_t done = 0;
    for (std::size_t at = 0; at < text.size();) {
      const Pattern* const found = find_at(text, at);
      if (!found) {
        ++at;
        continue;
      }
      const auto [begin, end] = extent(text, *found, at, done);
      at += found->text.size();
      if (begin >= end) continue;
      if (done < begin) use(text.substr(done, begin - done), nullptr);
      use(text.substr(begin, end - begin), &found->token);
      done = end;
    }
    if (done < text.size()) use(text.substr(done), nullptr);
  }

 private:
  struct Pattern {
    std::string text;
    AddedToken token;
  };

  const Pattern* find_at(std::string_view text, std::size_t at) const {
    const auto first = static_cast<unsigned char>(text[at]);
    if (!is_first_[first]) return nullptr;
    for (const Pattern& pattern : starting_with_[first]) {
      if (text.compare(at, pattern.text.size(), pattern.text) == 0) return &pattern;
    }
    return nullptr;
  }

  /// The bytes a match at `at` takes with its white space, not reaching back before `done`; empty: not a single word.
  static std::pair<std::size_t, std::size_t> extent(std::string_view text, const Pattern& pattern, std::size_t at,
                                                    std::size_t done);

  std::array<std::vector<Pattern>, 256> starting_with_;  // by first byte, the longest first
  std::array<bool, 256> is_first_{};
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <bert/tokenizers/unicode.h>

#include <algorithm>

namespace bert::inline BERT_ABI {

BERT_INLINE void AddedTokenMatcher::add(std::string pattern, AddedToken token) {
  const auto first = static_cast<unsigned char>(pattern.at(0));
  auto& bucket = starting_with_[first];
  const auto shorter = std::find_if(bucket.begin(), bucket.end(),
                                    [&](const Pattern& other) { return other.text.size() < pattern.size(); });
  bucket.insert(shorter, {std::move(pattern), std::move(token)});
  is_first_[first] = true;
}

BERT_INLINE std::pair<std::size_t, std::size_t> AddedTokenMatcher::extent(std::string_view text, const Pattern& pattern,
                                                                          std::size_t at, std::size_t done) {
  const char *const first = text.data(), *const last = first + text.size();
  const char *begin = first + at, *end = begin + pattern.text.size();
  if (const char* before = begin, *after = end; pattern.token.single_word) {
    if (before != first && detail::is_word_character(detail::previous_code_point(before))) return {at, at};
    if (after != last && detail::is_word_character(detail::next_code_point(after, last))) return {at, at};
  }
  for (const char* before = begin; pattern.token.lstrip && begin > first + done; begin = before) {
    if (!detail::is_whitespace(detail::previous_code_point(before))) break;
  }
  if (pattern.token.lstrip) begin = std::max(begin, first + done);
  for (const char* after = end; pattern.token.rstrip && end != last; end = after) {
    if (!detail::is_whitespace(detail::next_code_point(after, last))) break;
  }
  return {static_cast<std::size_t>(begin - first), static_cast<std::size_t>(end - first)};
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

// BertPreTokenizer: cuts normalised text into words at white space, and makes every punctuation mark a word of its own.
//
// Other pre-tokenisers (byte-level, Metaspace ...) are steps in pre_tokenizer_steps.h.
#pragma once
#include <bert/tokenizers/unicode.h>

#include <array>

namespace bert::inline BERT_ABI {

namespace detail {
enum class CharacterKind : std::uint8_t { letter, space, punctuation };

template <std::size_t N>
constexpr void mark_ascii(std::array<CharacterKind, 128>& kinds, const CodePointRange (&ranges)[N],
                          CharacterKind kind) {
  for (const CodePointRange& range : ranges) {
    for (char32_t c = range.first; c <= range.last && c < 128; ++c) kinds[c] = kind;
  }
}

inline constexpr std::array<CharacterKind, 128> kAsciiKinds = [] {
  std::array<CharacterKind, 128> kinds{};
  mark_ascii(kinds, kWhitespace, CharacterKind::space);
  mark_ascii(kinds, kPunctuation, CharacterKind::punctuation);
  return kinds;
}();
}  // namespace detail

/// Calls word(std::string_view) for every word of `text` (valid UTF-8), in order; the views point into it.
template <class Word>
void split_bert_words(std::string_view text, Word&& word) {
  using Kind = detail::CharacterKind;
  const char *at = text.data(), *const end = at + text.size(), *begin = at;
  while (at != end) {
    const char* const first = at;
    const auto byte = static_cast<unsigned char>(*at);
    Kind kind;
    if (byte < 128) {
      kind = detail::kAsciiKinds[byte];
      ++at;
    } else {
      const char32_t c = detail::next_code_point(at, end);
      kind = detail::is_whitespace(c) ? Kind::space : detail::is_punctuation(c) ? Kind::punctuation : Kind::letter;
    }
    if (kind == Kind::letter) continue;
    if (begin != first) word(std::string_view(begin, first));
    if (kind == Kind::punctuation) word(std::string_view(first, at));
    begin = at;
  }
  if (begin != end) word(std::string_view(begin, end));
}

}  // namespace bert::inline BERT_ABI

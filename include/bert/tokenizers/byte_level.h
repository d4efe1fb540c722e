// Byte-level text for BPE (Radford et al. 2019, GPT-2's encoder.py): a token is a string of bytes, written in
// vocabulary files with a printable character for each byte; words are cut by GPT-2's regular expression.
//
// Another regular expression is another function like split_gpt2_words.
#pragma once
#include <bert/tokenizers/unicode.h>

#include <array>
#include <optional>

namespace bert::inline BERT_ABI {

/// The character that stands for each byte in vocabulary files: printable ones for themselves, the others, in order,
/// are U+0100, U+0101, … (bytes_to_unicode in GPT-2's encoder.py).
char32_t byte_character(unsigned char byte);
/// Bytes as they are written in vocabulary files.
std::string to_byte_characters(std::string_view bytes);
/// The bytes that a token of a vocabulary file stands for; nothing where a character stands for no byte.
std::optional<std::string> from_byte_characters(std::string_view token);

namespace detail {
enum class WordKind : std::uint8_t { letter, number, space, other };

inline WordKind word_kind_of(char32_t c) {
  if (is_whitespace(c)) return WordKind::space;
  const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  if ((category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO) || contains(kLetterOthers, c))
    return WordKind::letter;
  if ((category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO) || contains(kNumberOthers, c))
    return WordKind::number;
  return WordKind::other;
}

inline constexpr std::array<WordKind, 128> kAsciiWordKinds = [] {
  std::array<WordKind, 128> kinds{};
  for (char32_t c = 0; c < 128; ++c) {
    const bool letter = (c >= U'a' && c <= U'z') || (c >= U'A' && c <= U'Z');
    const bool space = c == U' ' || (c >= 9 && c <= 13);
    kinds[c] = letter                   ? WordKind::letter
               : space                  ? WordKind::space
               : c >= U'0' && c <= U'9' ? WordKind::number
                                        : WordKind::other;
  }
  return kinds;
}();

/// Reads the character at `at`, moves behind it and says what it is.
inline WordKind next_word_kind(const char*& at, const char* end) {
  const auto byte = static_cast<unsigned char>(*at);
  if (byte < 128) return ++at, kAsciiWordKinds[byte];
  return word_kind_of(next_code_point(at, end));
}

/// The length of 's, 't, 're, 've, 'm, 'll or 'd at `at`; else 0.
inline std::size_t contraction(const char* at, const char* end) {
  const std::size_t left = static_cast<std::size_t>(end - at);
  if (left < 2 || at[0] != '\'') return 0;
  if (at[1] == 's' || at[1] == 't' || at[1] == 'm' || at[1] == 'd') return 2;
  const std::string_view two(at + 1, left < 3 ? 0 : 2);
  return two == "re" || two == "ve" || two == "ll" ? 3 : 0;
}
}  // namespace detail

/// Calls word(std::string_view) for every word of `text` (valid UTF-8), in order; together they are the text:
///   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
template <class Word>
void split_gpt2_words(std::string_view text, Word&& word) {
  using Kind = detail::WordKind;
  const char *at = text.data(), *const end = at + text.size();
  while (at != end) {
    const char* const begin = at;
    if (const std::size_t length = detail::contraction(at, end)) {
      at += length;
      word(std::string_view(begin, at));
      continue;
    }
    Kind kind = detail::next_word_kind(at, end);
    if (kind == Kind::space) {
      const char *next = at, *last = begin;  // the last character of white space
      Kind behind = kind;
      if (*begin == ' ' && at != end && (behind = detail::next_word_kind(next, end)) != Kind::space) {
        kind = behind, at = next;  // a space and a word
      } else {
        for (next = at; next != end; at = next) {
          const char* const here = next;
          if ((behind = detail::next_word_kind(next, end)) != Kind::space) break;
          last = here;
        }
        if (at != end && last != begin) at = last;  // the last one belongs to the word behind, or stands alone
        word(std::string_view(begin, at));
        continue;
      }
    }
    for (const char* next = at; next != end; at = next)
      if (detail::next_word_kind(next, end) != kind) break;
    word(std::string_view(begin, at));
  }
}

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
namespace bert::inline BERT_ABI {

namespace detail {
inline const std::array<char32_t, 256>& byte_characters() {
  static const std::array<char32_t, 256> characters = [] {
    std::array<char32_t, 256> all{};
    char32_t next = 0x100;
    for (char32_t byte = 0; byte < 256; ++byte) {
      const bool printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
      all[byte] = printable ? byte : next++;
    }
    return all;
  }();
  return characters;
}
}  // namespace detail

BERT_INLINE char32_t byte_character(unsigned char byte) { return detail::byte_characters()[byte]; }

BERT_INLINE std::string to_byte_characters(std::string_view bytes) {
  std::string token;
  for (const char byte : bytes) detail::append_utf8(token, byte_character(static_cast<unsigned char>(byte)));
  return token;
}

BERT_INLINE std::optional<std::string> from_byte_characters(std::string_view token) {
  static const std::array<std::int16_t, 0x144> bytes = [] {  // of each character; -1: none
    std::array<std::int16_t, 0x144> all;
    all.fill(-1);
    for (int byte = 0; byte < 256; ++byte)
      all[detail::byte_characters()[static_cast<std::size_t>(byte)]] = static_cast<std::int16_t>(byte);
    return all;
  }();
  std::string out;
  for (const char *at = token.data(), *const end = at + token.size(); at != end;) {
    const char32_t c = detail::next_code_point(at, end);
    if (c >= bytes.size() || bytes[c] < 0) return std::nullopt;
    out += static_cast<char>(bytes[c]);
  }
  return out;
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

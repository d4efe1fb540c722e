// UTF-8 and the Unicode properties that tokenizers ask for, as Hugging Face `tokenizers` sees them.
//
// Text that is not valid UTF-8 is repaired first: every maximal invalid part (Unicode 15, section 3.9, "substitution of
// maximal subparts") becomes one U+FFFD and counts as one code point in offsets. Decompositions, combining classes,
// lower case and categories come from utf8proc; where Hugging Face's tables are older or newer, from unicode_tables.h.
#pragma once
#include <bert/core/abi.h>
#include <bert/tokenizers/unicode_tables.h>
#include <utf8proc.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>

namespace bert::inline BERT_ABI::detail {

inline constexpr char32_t kReplacement = 0xFFFD;

/// Reads the code point at `at` and moves behind it; U+FFFD for a maximal invalid part. Needs at < end.
inline char32_t next_code_point(const char*& at, const char* end) {
  const auto byte = [](const char* p) { return static_cast<unsigned char>(*p); };
  const unsigned lead = byte(at++);
  if (lead < 0x80) return lead;
  if (lead < 0xC2 || lead > 0xF4) return kReplacement;
  const int more = lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
  unsigned low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;   // no overlong forms
  unsigned high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;  // no surrogates, nothing above U+10FFFF
  char32_t c = lead & (0x3Fu >> more);
  for (int i = 0; i < more; ++i, low = 0x80, high = 0xBF) {
    if (at == end || byte(at) < low || byte(at) > high) return kReplacement;
    c = c << 6 | (byte(at++) & 0x3F);
  }
  return c;
}

inline void append_utf8(std::string& out, char32_t c) {
  char bytes[4];
  const auto length =
      utf8proc_encode_char(static_cast<utf8proc_int32_t>(c), reinterpret_cast<utf8proc_uint8_t*>(bytes));
  out.append(bytes, static_cast<std::size_t>(length));
}

/// First byte at or after `at` that is not ASCII.
inline const char* skip_ascii(const char* at, const char* end) {
  return std::find_if(at, end, [](char c) { return static_cast<signed char>(c) < 0; });
}

/// The text itself when it is valid UTF-8, else a repaired copy, kept in `copy`.
inline std::string_view repair_utf8(std::string_view text, std::string& copy) {
  const char *const begin = text.data(), *const end = begin + text.size();
  const char* copied = begin;
  for (const char* at = begin; (at = skip_ascii(at, end)) != end;) {
    const char* const first = at;
    if (next_code_point(at, end) != kReplacement || std::string_view(first, at) == "\xEF\xBF\xBD") continue;
    copy.append(copied, first).append("\xEF\xBF\xBD");
    copied = at;
  }
  return copied == begin ? text : copy.append(copied, end);
}

inline std::size_t count_code_points(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

template <std::size_t N>
bool contains(const CodePointRange (&ranges)[N], char32_t c) {
  const auto* range = std::upper_bound(std::begin(ranges), std::end(ranges), c,
                                       [](char32_t value, const CodePointRange& r) { return value < r.first; });
  return range != std::begin(ranges) && c <= std::prev(range)->last;
}

inline bool is_whitespace(char32_t c) { return contains(kWhitespace, c); }
inline bool is_punctuation(char32_t c) { return contains(kPunctuation, c); }

inline bool is_mark(char32_t c) { return c >= 0x300 && contains(kMarks, c); }

/// Matches \w.
inline bool is_word_character(char32_t c) {
  const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NL) || category == UTF8PROC_CATEGORY_PC ||
         contains(kWordOthers, c);
}

/// Moves `at` back by one code point of valid UTF-8 and reads it. Needs at to be behind the text's first byte.
inline char32_t previous_code_point(const char*& at) {
  do --at;
  while ((*at & 0xC0) == 0x80);
  const char* begin = at;
  return next_code_point(begin, begin + 4);
}

/// Canonical combining class; 0 means that the character keeps its place.
inline int combining_class(char32_t c) {
  if (!is_mark(c) && (c < 0x300 || !contains(kMovingOthers, c))) return 0;
  return utf8proc_get_property(static_cast<utf8proc_int32_t>(c))->combining_class;
}

/// The full canonical decomposition of c, written to out; returns its length, 1 to 4.
inline std::size_t decompose(char32_t c, utf8proc_int32_t (&out)[8]) {
  out[0] = static_cast<utf8proc_int32_t>(c);
  if (c < 0xC0 || contains(kUndecomposed, c)) return 1;
  return static_cast<std::size_t>(utf8proc_decompose_char(out[0], out, 8, UTF8PROC_DECOMPOSE, nullptr));
}

/// The small letter of c (its first code point: U+0130 alone has two).
inline char32_t lowercase(char32_t c) {
  if (c == 0x130) return U'i';
  const auto lower = static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c)));
  if (lower != c || c < 0x1C89) return lower;
  const auto pair = std::lower_bound(std::begin(kLowercase), std::end(kLowercase), c,
                                     [](const CodePointRange& p, char32_t value) { return p.first < value; });
  return pair != std::end(kLowercase) && pair->first == c ? pair->last : c;
}

}  // namespace bert::inline BERT_ABI::detail

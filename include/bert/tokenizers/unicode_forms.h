// Unicode's normal forms with the source of every byte, as Hugging Face keeps it.
//
// Decomposed characters say whether they are the first of what they came from; composing adds up how many characters of
// the input one character of the result stands for. Realigner hands out sources by these counts.
#pragma once
#include <bert/tokenizers/normalizer.h>

namespace bert::inline BERT_ABI {

enum class UnicodeForm { nfc, nfd, nfkc, nfkd };

/// Puts text into a normal form, in place; `spare` is memory for it.
void to_unicode_form(UnicodeForm form, NormalizedText& text, NormalizedText& spare);

namespace detail {

/// Writes a new text over an old one, character by character. change 0: the next character of the old text became this
/// one; above 0: it was put in, and has the source of what stands before; below 0: it stands for so many more.
class Realigner {
 public:
  Realigner(const NormalizedText& from, NormalizedText& to) : from_(from), to_(to) {}
  /// Writes text that stayed as it was.
  void keep(std::size_t bytes);
  void put(char32_t c, int change);
  /// Leaves characters of the old text out.
  void skip(std::size_t characters);

 private:
  const NormalizedText& from_;
  NormalizedText& to_;
  std::size_t at_ = 0;
};

}  // namespace detail
}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <bert/tokenizers/unicode.h>

#include <algorithm>

namespace bert::inline BERT_ABI {
namespace detail {

BERT_INLINE void Realigner::keep(std::size_t bytes) {
  to_.text.append(from_.text, at_, bytes);
  if (to_.with_sources) {
    const auto begin = from_.sources.begin() + static_cast<std::ptrdiff_t>(at_);
    to_.sources.insert(to_.sources.end(), begin, begin + static_cast<std::ptrdiff_t>(bytes));
  }
  at_ += bytes;
}

BERT_INLINE void Realigner::skip(std::size_t characters) {
  for (; characters > 0 && at_ < from_.text.size(); --characters) do
      ++at_;
    while (at_ < from_.text.size() && (from_.text[at_] & 0xC0) == 0x80);
}

BERT_INLINE void Realigner::put(char32_t c, int change) {
  std::uint32_t source = 0;
  if (to_.with_sources && !from_.sources.empty())
    source =
        change > 0 ? (at_ > 0 ? from_.sources[at_ - 1] : 0) : from_.sources[std::min(at_, from_.sources.size() - 1)];
  to_.append(c, source);
  if (change <= 0) skip(1 + static_cast<std::size_t>(-change));
}

struct FormCharacter {
  char32_t code_point;
  int combining_class, change;
};

/// Appends the decomposition of a character, in canonical order with what stands before it.
inline void append_decomposition(char32_t c, bool compatible, std::vector<FormCharacter>& out) {
  utf8proc_int32_t parts[32] = {static_cast<utf8proc_int32_t>(c)};
  std::ptrdiff_t count = 1;
  const int options = UTF8PROC_DECOMPOSE | (compatible ? UTF8PROC_COMPAT : 0);
  if (c >= 0xA0 && !contains(kUndecomposed, c) && !(compatible && contains(kUndecomposedCompatible, c)))
    count = utf8proc_decompose_char(parts[0], parts, 32, static_cast<utf8proc_option_t>(options), nullptr);
  for (std::ptrdiff_t i = 0; i < count; ++i) {
    const auto part = static_cast<char32_t>(parts[i]);
    out.push_back({part, combining_class(part), i > 0});
  }
}

/// Sorts the marks behind every starter by their class.
inline void order_marks(std::vector<FormCharacter>& text) {
  for (auto begin = text.begin(); begin != text.end();) {
    if (begin->combining_class == 0) {
      ++begin;
      continue;
    }
    const auto end = std::find_if(begin, text.end(), [](const FormCharacter& c) { return c.combining_class == 0; });
    std::stable_sort(begin, end, [](const auto& a, const auto& b) { return a.combining_class < b.combining_class; });
    begin = end;
  }
}

/// The one character that two make; 0 when there is none.
inline char32_t composed(char32_t a, char32_t b) {
  if (b == 0x11930 && a == 0x11935) return 0;  // since Unicode 13; Hugging Face's tables are older
  utf8proc_int32_t pair[3] = {static_cast<utf8proc_int32_t>(a), static_cast<utf8proc_int32_t>(b), 0};
  const auto options = static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE);
  return utf8proc_normalize_utf32(pair, 2, options) == 1 ? static_cast<char32_t>(pair[0]) : 0;
}

/// Canonical composition (Unicode 15, section 3.11, D117), of decomposed text in canonical order.
inline void compose(std::vector<FormCharacter>& text) {
  std::size_t size = 0, starter = text.size();
  int last_class = -1;  // of what stands between the starter and here; -1: nothing
  for (const FormCharacter c : text) {
    if (starter < size && (last_class < c.combining_class) && (last_class != 0)) {
      if (const char32_t made = composed(text[starter].code_point, c.code_point)) {
        text[starter].code_point = made;
        text[starter].change += c.change - 1;
        continue;
      }
    }
    last_class = c.combining_class;
    if (c.combining_class == 0) starter = size, last_class = -1;
    text[size++] = c;
  }
  text.resize(size);
}

}  // namespace detail

BERT_INLINE void to_unicode_form(UnicodeForm form, NormalizedText& text, NormalizedText& spare) {
  const char *const begin = text.text.data(), *const end = begin + text.text.size();
  const char* other = detail::skip_ascii(begin, end);
  if (other == end) return;
  const bool compatible = form == UnicodeForm::nfkc || form == UnicodeForm::nfkd;
  const bool composes = form == UnicodeForm::nfc || form == UnicodeForm::nfkc;
  spare.text.clear(), spare.sources.clear(), spare.with_sources = text.with_sources;
  detail::Realigner out(text, spare);
  std::vector<detail::FormCharacter> part;
  for (const char* at = begin; at != end; other = detail::skip_ascii(at, end)) {
    if (other == end) {
      out.keep(static_cast<std::size_t>(end - at));
      break;
    }
    if (other != at) --other;  // marks may be composed with the last letter of ASCII
    out.keep(static_cast<std::size_t>(other - at));
    part.clear();
    for (at = other; at != end && (at == other || static_cast<signed char>(*at) < 0);)
      detail::append_decomposition(detail::next_code_point(at, end), compatible, part);
    detail::order_marks(part);
    if (composes) detail::compose(part);
    for (const auto& c : part) out.put(c.code_point, c.change);
  }
  std::swap(text, spare);
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

// BertNormalizer: the first step of a BERT tokenizer. It cleans text, sets Chinese characters apart, strips accents and
// lowercases, and remembers which code point of the input every byte of the result comes from.
//
// Other normalisers (NFKC, SentencePiece's table, Replace ...) are steps in normalizer_steps.h. ASCII, nearly all of
// English text, takes one table lookup a byte; the rest goes code point by code point.
#pragma once
#include <bert/core/abi.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bert::inline BERT_ABI {

/// The options of a BERT checkpoint's tokenizer_config.json, under Hugging Face's names.
struct NormalizerOptions {
  bool clean_text = true;              ///< drop control characters, turn white space into spaces
  bool tokenize_chinese_chars = true;  ///< a space on both sides of every CJK ideograph
  bool lowercase = true;
  std::optional<bool> strip_accents = {};  ///< NFD without non-spacing marks; when not given: as lowercase
};

/// Normalised text. sources[i] is the code point of the input that byte i came from; only filled when wanted.
struct NormalizedText {
  std::string text;
  std::vector<std::uint32_t> sources;
  bool with_sources = true;

  void append(char32_t c, std::uint32_t source);
};

class BertNormalizer {
 public:
  explicit BertNormalizer(const NormalizerOptions& options);

  const NormalizerOptions& options() const { return options_; }

  /// Appends the normalised form of `piece`, valid UTF-8, whose first character is code point number `first` of the
  /// input.
  void append(std::string_view piece, std::uint32_t first, NormalizedText& out) const;

 private:
  struct Mark {
    char32_t code_point;
    int combining_class;
    bool first;  // of its character's decomposition
  };
  /// Where the canonical reordering stands: marks since the last starter, and the sources still to be handed out.
  /// As in Hugging Face, sources stay in the order of the input while marks move: the k-th character's source goes to
  /// the k-th place that holds the first code point of some decomposition.
  struct Reordering {
    std::vector<Mark> marks;
    std::vector<std::uint32_t> sources;
    std::uint32_t current = 0;
  };

  void append_other(char32_t c, std::uint32_t source, Reordering& state, NormalizedText& out) const;
  void append_decomposed(char32_t c, std::uint32_t source, Reordering& state, NormalizedText& out) const;
  void append_marks(Reordering& state, NormalizedText& out) const;
  void append_lower(char32_t c, std::uint32_t source, NormalizedText& out) const;

  NormalizerOptions options_;
  bool strip_accents_;
  char ascii_[128];    // what an ASCII character becomes,
  bool is_kept_[128];  // and whether it stays at all
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <bert/tokenizers/unicode.h>

#include <algorithm>

namespace bert::inline BERT_ABI {

BERT_INLINE void NormalizedText::append(char32_t c, std::uint32_t source) {
  detail::append_utf8(text, c);
  if (with_sources) sources.resize(text.size(), source);
}

BERT_INLINE BertNormalizer::BertNormalizer(const NormalizerOptions& options)
    : options_(options), strip_accents_(options.strip_accents.value_or(options.lowercase)) {
  for (char32_t c = 0; c < 128; ++c) {
    is_kept_[c] = !options.clean_text || !detail::contains(detail::kDropped, c);
    const bool blank = options.clean_text && detail::is_whitespace(c);
    ascii_[c] = static_cast<char>(blank ? ' ' : options.lowercase ? detail::lowercase(c) : c);
  }
}

BERT_INLINE void BertNormalizer::append(std::string_view piece, std::uint32_t first, NormalizedText& out) const {
  Reordering state;
  const char *at = piece.data(), *const end = at + piece.size();
  while (at != end) {
    const char* const other = detail::skip_ascii(at, end);
    while (at != other && !is_kept_[static_cast<unsigned char>(*at)]) ++at, ++first;  // marks may move across them
    if (at != other) append_marks(state, out);
    std::size_t size = out.text.size();
    out.text.resize(size + static_cast<std::size_t>(other - at));
    if (out.with_sources) out.sources.resize(out.text.size());
    for (; at != other; ++at, ++first) {
      const auto c = static_cast<unsigned char>(*at);
      out.text[size] = ascii_[c];
      if (out.with_sources) out.sources[size] = first;
      size += is_kept_[c];
    }
    out.text.resize(size);
    if (out.with_sources) out.sources.resize(size);
    while (at != end && static_cast<signed char>(*at) < 0)
      append_other(detail::next_code_point(at, end), first++, state, out);
  }
  append_marks(state, out);
}

BERT_INLINE void BertNormalizer::append_other(char32_t c, std::uint32_t source, Reordering& state,
                                              NormalizedText& out) const {
  if (options_.tokenize_chinese_chars && detail::contains(detail::kChinese, c)) {
    append_marks(state, out);
    out.append(U' ', source);
    const bool unified =
        c < 0xF900 || (c >= 0x20000 && c < 0x2F800);  // the others, compatibility ideographs, decompose
    unified || !strip_accents_ ? out.append(c, source) : append_decomposed(c, source, state, out);
    return out.append(U' ', source);
  }
  if (options_.clean_text) {
    if (detail::contains(detail::kDropped, c)) return;
    if (detail::is_whitespace(c)) c = U' ';
  }
  strip_accents_ ? append_decomposed(c, source, state, out) : append_lower(c, source, out);
}

/// NFD: a starter goes out at once, marks wait for the next starter, to be sorted by their class.
BERT_INLINE void BertNormalizer::append_decomposed(char32_t c, std::uint32_t source, Reordering& state,
                                                   NormalizedText& out) const {
  utf8proc_int32_t parts[8];
  const std::size_t count = detail::decompose(c, parts);
  for (std::size_t i = 0; i < count; ++i) {
    const auto part = static_cast<char32_t>(parts[i]);
    const int combining_class = detail::combining_class(part);
    if (combining_class > 0) {
      if (i == 0) state.sources.push_back(source);
      state.marks.push_back({part, combining_class, i == 0});
      continue;
    }
    append_marks(state, out);
    if (i == 0) state.current = source;
    if (!detail::is_mark(part)) append_lower(part, state.current, out);
  }
}

BERT_INLINE void BertNormalizer::append_marks(Reordering& state, NormalizedText& out) const {
  if (state.marks.empty()) return;
  std::stable_sort(state.marks.begin(), state.marks.end(),
                   [](const Mark& a, const Mark& b) { return a.combining_class < b.combining_class; });
  auto source = state.sources.begin();
  for (const Mark& mark : state.marks) {
    if (mark.first) state.current = *source++;
    if (!detail::is_mark(mark.code_point)) append_lower(mark.code_point, state.current, out);
  }
  state.marks.clear();
  state.sources.clear();
}

BERT_INLINE void BertNormalizer::append_lower(char32_t c, std::uint32_t source, NormalizedText& out) const {
  out.append(options_.lowercase ? detail::lowercase(c) : c, source);
  if (options_.lowercase && c == 0x130) out.append(0x307, source);
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

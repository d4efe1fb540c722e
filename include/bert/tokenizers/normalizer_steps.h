// NormalizerSteps: the normalizers of a tokenizer.json, one after the other, with the source of every byte as Hugging
// Face keeps it (its NormalizedString).
#pragma once
#include <bert/tokenizers/charsmap.h>
#include <bert/tokenizers/components.h>
#include <bert/tokenizers/normalizer.h>
#include <bert/tokenizers/regex.h>

#include <optional>

namespace bert::inline BERT_ABI {

class NormalizerSteps {
 public:
  /// Error when a step's map or regular expression is damaged.
  explicit NormalizerSteps(const std::vector<NormalizerStep>& steps);

  /// Normalises `text` in place.
  void apply(NormalizedText& text) const;

 private:
  struct Step : NormalizerStep {
    std::optional<Charsmap> map;
    std::optional<Regex> regex;
  };
  static void apply(const Step& step, NormalizedText& text, NormalizedText& spare);

  std::vector<Step> steps_;
};

namespace detail {
/// `text` with what use(part, replaced) is true for replaced; bytes of `by` have the source of the last byte they stand
/// for.
template <class Split>
void replace_parts(NormalizedText& text, NormalizedText& spare, const std::string& by, const Split& split) {
  spare.text.clear(), spare.sources.clear(), spare.with_sources = text.with_sources;
  split([&](std::string_view part, bool is_match) {
    const std::size_t begin = static_cast<std::size_t>(part.data() - text.text.data());
    spare.text += is_match ? std::string_view(by) : part;
    if (!text.with_sources) return;
    const auto sources = text.sources.begin() + static_cast<std::ptrdiff_t>(begin);
    if (is_match)
      spare.sources.resize(spare.text.size(), sources[static_cast<std::ptrdiff_t>(part.size()) - 1]);
    else
      spare.sources.insert(spare.sources.end(), sources, sources + static_cast<std::ptrdiff_t>(part.size()));
  });
  std::swap(text, spare);
}

/// Calls use(part, is_match) for all of `text`; matches are `pattern`, which is not empty.
template <class Use>
void split_at_string(std::string_view text, std::string_view pattern, Use&& use) {
  for (std::size_t at; (at = text.find(pattern)) != text.npos; text.remove_prefix(at + pattern.size())) {
    if (at > 0) use(text.substr(0, at), false);
    use(text.substr(at, pattern.size()), true);
  }
  if (!text.empty()) use(text, false);
}
}  // namespace detail

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <bert/tokenizers/unicode.h>
#include <bert/tokenizers/unicode_forms.h>

namespace bert::inline BERT_ABI {

BERT_INLINE NormalizerSteps::NormalizerSteps(const std::vector<NormalizerStep>& steps) {
  for (const NormalizerStep& given : steps) {
    Step& step = steps_.emplace_back();
    static_cast<NormalizerStep&>(step) = given;
    if (given.kind == NormalizerStep::Kind::precompiled && !given.text.empty()) step.map.emplace(given.text);
    if (given.kind == NormalizerStep::Kind::replace && given.pattern.is_regex) step.regex.emplace(given.pattern.text);
  }
}

namespace detail {

/// Where the grapheme cluster that begins at `at` ends (Unicode Standard Annex 29).
inline const char* grapheme_end(const char* at, const char* end) {
  utf8proc_int32_t state = 0;
  char32_t before = next_code_point(at, end);
  while (at != end) {
    const char* behind = at;
    const char32_t c = next_code_point(behind, end);
    if (utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(before), static_cast<utf8proc_int32_t>(c),
                                         &state))
      break;
    before = c, at = behind;
  }
  return at;
}

using Changes = std::vector<std::pair<char32_t, int>>;

/// Appends what replaces `count` characters. Where there are fewer the last one stands for all the others: one that was
/// there before, if nothing is left.
inline void append_replacement(std::string_view text, int count, Changes& out) {
  int size = 0;
  for (const char *at = text.data(), *const end = at + text.size(); at != end; ++size)
    out.emplace_back(next_code_point(at, end), size >= count);
  if (size < count && !out.empty()) out.back().second -= count - size;
}

/// As Hugging Face's Precompiled: short grapheme clusters by the first rule for their beginning, others by characters.
inline void apply_charsmap(const Charsmap& map, NormalizedText& text, NormalizedText& spare) {
  const char *at = text.text.data(), *const begin = at, *const end = at + text.text.size();
  const auto is_plain = [&](const char* p) {
    const auto byte = static_cast<unsigned char>(*p);
    return byte < 128 && map.is_plain(byte) && byte != '\r' && (p + 1 == end || static_cast<unsigned char>(p[1]) < 128);
  };
  while (at != end && is_plain(at)) ++at;
  if (at == end) return;
  if (at != begin) --at;
  spare.text.clear(), spare.sources.clear(), spare.with_sources = text.with_sources;
  Realigner out(text, spare);
  out.keep(static_cast<std::size_t>(at - begin));
  Changes changes;
  while (at != end) {
    if (is_plain(at)) {
      changes.emplace_back(static_cast<unsigned char>(*at++), 0);
      continue;
    }
    const std::string_view cluster(at, grapheme_end(at, end));
    if (const auto match = map.shortest(cluster); cluster.size() < 6 && match.length > 0) {
      append_replacement(match.replacement, static_cast<int>(count_code_points(cluster)), changes);
      at += cluster.size();
      continue;
    }
    for (const char* const behind = at + cluster.size(); at != behind;) {
      const std::string_view character(at, character_length(*at));
      const auto match = map.shortest(character);
      append_replacement(match.length ? match.replacement : character, 1, changes);
      at += character.size();
    }
  }
  for (const auto& [c, change] : changes) out.put(c, change);
  std::swap(text, spare);
}

/// Leaves out the characters that keep() refuses.
template <class Keep>
void filter_characters(NormalizedText& text, Keep&& keep) {
  std::size_t size = 0;
  const char *const begin = text.text.data(), *const end = begin + text.text.size();
  for (const char* at = begin; at != end;) {
    const char* const first = at;
    if (!keep(next_code_point(at, end))) continue;
    for (const char* byte = first; byte != at; ++byte, ++size) {
      text.text[size] = *byte;
      if (text.with_sources) text.sources[size] = text.sources[static_cast<std::size_t>(byte - begin)];
    }
  }
  text.text.resize(size);
  if (text.with_sources) text.sources.resize(size);
}

/// Every character becomes what append(character, source, out) appends.
template <class Append>
void map_characters(NormalizedText& text, NormalizedText& spare, Append&& append) {
  spare.text.clear(), spare.sources.clear(), spare.with_sources = text.with_sources;
  const char *const begin = text.text.data(), *const end = begin + text.text.size();
  for (const char* at = begin; at != end;) {
    const std::uint32_t source = text.with_sources ? text.sources[static_cast<std::size_t>(at - begin)] : 0;
    append(next_code_point(at, end), source, spare);
  }
  std::swap(text, spare);
}

inline void lowercase_text(NormalizedText& text, NormalizedText& spare) {
  if (skip_ascii(text.text.data(), text.text.data() + text.text.size()) == text.text.data() + text.text.size()) {
    for (char& c : text.text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    return;
  }
  map_characters(text, spare, [](char32_t c, std::uint32_t source, NormalizedText& out) {
    out.append(lowercase(c), source);
    if (c == 0x130) out.append(0x307, source);
  });
}

/// SentencePiece's "nmt" rules as Hugging Face has them: controls go, other blanks become spaces.
inline void apply_nmt(NormalizedText& text, NormalizedText& spare) {
  filter_characters(text, [](char32_t c) {
    return !((c >= 1 && c <= 8) || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F || c == 0x8F || c == 0x9F);
  });
  map_characters(text, spare, [](char32_t c, std::uint32_t source, NormalizedText& out) {
    const bool blank = c == 9 || c == 0xA || c == 0xC || c == 0xD || c == 0x1680 || (c >= 0x200B && c <= 0x200F) ||
                       c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xFEFF || c == 0xFFFD;
    out.append(blank ? U' ' : c, source);
  });
}

inline void strip_blanks(NormalizedText& text, bool left, bool right) {
  const char *begin = text.text.data(), *const first = begin, *end = begin + text.text.size();
  for (const char* at = begin; left && begin != end && is_whitespace(next_code_point(at, end));) begin = at;
  for (const char* at = end; right && end != begin && is_whitespace(previous_code_point(at));) end = at;
  const auto skip = begin - first, size = end - begin;
  if (text.with_sources) {
    text.sources.resize(static_cast<std::size_t>(skip + size));
    text.sources.erase(text.sources.begin(), text.sources.begin() + skip);
  }
  text.text = text.text.substr(static_cast<std::size_t>(skip), static_cast<std::size_t>(size));
}

}  // namespace detail

BERT_INLINE void NormalizerSteps::apply(const Step& step, NormalizedText& text, NormalizedText& spare) {
  using Kind = NormalizerStep::Kind;
  const auto is_ascii = [&] {
    const char* const end = text.text.data() + text.text.size();
    return detail::skip_ascii(text.text.data(), end) == end;
  };
  switch (step.kind) {
    case Kind::nfc:
      return to_unicode_form(UnicodeForm::nfc, text, spare);
    case Kind::nfd:
      return to_unicode_form(UnicodeForm::nfd, text, spare);
    case Kind::nfkc:
      return to_unicode_form(UnicodeForm::nfkc, text, spare);
    case Kind::nfkd:
      return to_unicode_form(UnicodeForm::nfkd, text, spare);
    case Kind::strip_accents:
      if (is_ascii()) return;
      return detail::filter_characters(
          text, [](char32_t c) { return c < 0x300 || !detail::contains(detail::kCombining, c); });
    case Kind::lowercase:
      return detail::lowercase_text(text, spare);
    case Kind::nmt:
      return detail::apply_nmt(text, spare);
    case Kind::strip:
      return detail::strip_blanks(text, step.left, step.right);
    case Kind::prepend:
      if (text.text.empty()) return;
      text.text.insert(0, step.text);
      if (text.with_sources) text.sources.insert(text.sources.begin(), step.text.size(), text.sources.front());
      return;
    case Kind::replace:
      if (!step.regex && text.text.find(step.pattern.text) == std::string::npos) return;
      return detail::replace_parts(text, spare, step.text, [&](const auto& use) {
        step.regex ? step.regex->split(text.text, use) : detail::split_at_string(text.text, step.pattern.text, use);
      });
    case Kind::precompiled:
      if (step.map) detail::apply_charsmap(*step.map, text, spare);
  }
}

BERT_INLINE void NormalizerSteps::apply(NormalizedText& text) const {
  NormalizedText spare;
  for (const Step& step : steps_) apply(step, text, spare);
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

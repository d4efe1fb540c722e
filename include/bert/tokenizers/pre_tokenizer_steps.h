// PreTokenizerSteps: the pre-tokenizers of a tokenizer.json, one after the other: a text becomes words, each step works
// on the words of the one before.
#pragma once
#include <bert/tokenizers/components.h>
#include <bert/tokenizers/normalizer.h>
#include <bert/tokenizers/regex.h>

#include <optional>

namespace bert::inline BERT_ABI {

/// A text cut into words, which follow each other without a gap.
struct Words {
  NormalizedText text;
  std::vector<std::size_t> ends;  // of the words, in bytes

  /// The text as a single word; none when it is empty.
  void assign(std::string_view part, const std::uint32_t* sources);
  void clear() { text.text.clear(), text.sources.clear(), ends.clear(); }
};

class PreTokenizerSteps {
 public:
  /// Error when a regular expression is not supported.
  explicit PreTokenizerSteps(const std::vector<PreTokenizerStep>& steps);

  /// Whether what is done depends on where in the input a text stands: then apply() must be given its sources.
  bool needs_sources() const;

  /// Cuts the words that `words` holds further; `spare` is memory for it.
  void apply(Words& words, Words& spare) const;

 private:
  struct Step : PreTokenizerStep {
    std::optional<Regex> regex;
  };
  std::vector<Step> steps_;
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <bert/tokenizers/byte_level.h>
#include <bert/tokenizers/normalizer_steps.h>

#include <algorithm>

namespace bert::inline BERT_ABI {

BERT_INLINE void Words::assign(std::string_view part, const std::uint32_t* sources) {
  clear();
  text.with_sources = sources != nullptr;
  text.text = part;
  if (sources) text.sources.assign(sources, sources + part.size());
  if (!part.empty()) ends.push_back(part.size());
}

BERT_INLINE PreTokenizerSteps::PreTokenizerSteps(const std::vector<PreTokenizerStep>& steps) {
  for (const PreTokenizerStep& given : steps) {
    Step& step = steps_.emplace_back();
    static_cast<PreTokenizerStep&>(step) = given;
    if (given.kind == PreTokenizerStep::Kind::split && given.pattern.is_regex) step.regex.emplace(given.pattern.text);
  }
}

BERT_INLINE bool PreTokenizerSteps::needs_sources() const {
  for (const Step& step : steps_)
    if (step.kind == PreTokenizerStep::Kind::metaspace && step.scheme == PrependScheme::first) return true;
  return false;
}

namespace detail {

/// Writes words of one Words into another.
class WordWriter {
 public:
  WordWriter(const NormalizedText& from, Words& to) : from_(from), to_(to) {}
  /// Text as it stands in the old words, a part of the word that end_word() ends.
  void append(std::string_view part) {
    to_.text.text += part;
    if (!to_.text.with_sources) return;
    const auto begin = from_.sources.begin() + (part.data() - from_.text.data());
    to_.text.sources.insert(to_.text.sources.end(), begin, begin + static_cast<std::ptrdiff_t>(part.size()));
  }
  /// New text, with the source of a byte of the old words.
  void append(std::string_view added, const char* as) {
    to_.text.text += added;
    if (to_.text.with_sources)
      to_.text.sources.resize(to_.text.text.size(), from_.sources[static_cast<std::size_t>(as - from_.text.data())]);
  }
  void end_word() {
    if (to_.text.text.size() > (to_.ends.empty() ? 0 : to_.ends.back())) to_.ends.push_back(to_.text.text.size());
  }
  void word(std::string_view part) { append(part), end_word(); }

 private:
  const NormalizedText& from_;
  Words& to_;
};

struct SplitPart {
  std::string_view text;
  bool is_match;
};

/// What becomes of delimiters, the matches among the parts.
inline void write_split(std::vector<SplitPart>& parts, SplitBehavior behavior, WordWriter& out) {
  const auto glue = [](std::string_view a, std::string_view b) {
    return std::string_view(a.data(), a.size() + b.size());
  };
  std::vector<SplitPart> words;
  bool before = false;
  if (behavior == SplitBehavior::merged_with_next) {
    for (std::size_t i = parts.size(); i-- > 0; before = parts[i].is_match) {
      if (parts[i].is_match && !before && !words.empty())
        words.back().text = glue(parts[i].text, words.back().text);
      else
        words.push_back(parts[i]);
    }
    std::reverse(words.begin(), words.end());
  }
  for (std::size_t i = 0; behavior != SplitBehavior::merged_with_next && i < parts.size();
       before = parts[i++].is_match) {
    const bool joins = behavior == SplitBehavior::merged_with_previous
                           ? parts[i].is_match && !before
                           : behavior == SplitBehavior::contiguous && parts[i].is_match == before;
    if (joins && !words.empty())
      words.back().text = glue(words.back().text, parts[i].text);
    else if (behavior != SplitBehavior::removed || !parts[i].is_match)
      words.push_back(parts[i]);
  }
  for (const SplitPart& word : words) out.word(word.text);
}

/// Characters that is_match() holds for are parts by themselves, what lies between is one part each.
template <class IsMatch>
void split_at_characters(std::string_view text, std::vector<SplitPart>& parts, IsMatch&& is_match) {
  const char *at = text.data(), *const end = at + text.size(), *begin = at;
  while (at != end) {
    const char* const first = at;
    if (!is_match(next_code_point(at, end))) continue;
    if (begin != first) parts.push_back({{begin, first}, false});
    parts.push_back({{first, at}, true});
    begin = at;
  }
  if (begin != end) parts.push_back({{begin, end}, false});
}

/// \w+|[^\w\s]+
inline void split_whitespace(std::string_view text, WordWriter& out) {
  const char *at = text.data(), *const end = at + text.size(), *begin = at;
  int kind = 0;  // 0: white space, 1: word, 2: other
  while (at != end) {
    const char* const first = at;
    const char32_t c = next_code_point(at, end);
    const int now = is_word_character(c) ? 1 : is_whitespace(c) ? 0 : 2;
    if (now == kind) continue;
    if (kind != 0) out.word({begin, first});
    begin = first, kind = now;
  }
  if (kind != 0 && begin != end) out.word({begin, end});
}

inline void split_metaspace(std::string_view word, bool at_start, const PreTokenizerStep& step, WordWriter& out) {
  const bool prepends = step.scheme == PrependScheme::always || (step.scheme == PrependScheme::first && at_start);
  if (prepends && word[0] != ' ' && !word.starts_with(step.symbol)) out.append(step.symbol, word.data());
  const char* begin = word.data();
  const char* const end = begin + word.size();
  for (const char* at = begin; at != end;) {
    const std::string_view rest(at, end);
    const bool space = *at == ' ';
    if (!space && !rest.starts_with(step.symbol)) {
      ++at;
      continue;
    }
    out.append({begin, at});
    if (step.split && at != word.data()) out.end_word();
    space ? out.append(step.symbol, at) : out.append(rest.substr(0, step.symbol.size()));
    at += space ? 1 : step.symbol.size();
    begin = at;
  }
  out.append({begin, end});
  out.end_word();
}

inline void split_word(std::string_view word, bool at_start, const PreTokenizerStep& step, const Regex* regex,
                       WordWriter& out) {
  using Kind = PreTokenizerStep::Kind;
  std::vector<SplitPart> parts;
  switch (step.kind) {
    case Kind::metaspace:
      return split_metaspace(word, at_start, step, out);
    case Kind::whitespace:
      return split_whitespace(word, out);
    case Kind::whitespace_split:
      split_at_characters(word, parts, is_whitespace);
      return write_split(parts, SplitBehavior::removed, out);
    case Kind::digits:
      split_at_characters(
          word, parts, [](char32_t c) { return (c < 128 ? kAsciiWordKinds[c] : word_kind_of(c)) == WordKind::number; });
      return write_split(parts, step.individual ? SplitBehavior::isolated : SplitBehavior::contiguous, out);
    case Kind::punctuation:
      split_at_characters(word, parts, is_punctuation);
      return write_split(parts, step.behavior, out);
    case Kind::split: {
      if (regex && step.behavior == SplitBehavior::isolated)  // the usual one: every part is a word
        return regex->split(word, [&](std::string_view part, bool) { out.word(part); });
      const auto use = [&](std::string_view part, bool is_match) { parts.push_back({part, is_match != step.invert}); };
      regex ? regex->split(word, use) : split_at_string(word, step.pattern.text, use);
      return write_split(parts, step.behavior, out);
    }
    case Kind::byte_level: {
      if (!step.use_regex) {
        if (step.add_prefix_space && !word.starts_with(' ')) out.append(" ", word.data());
        return out.word(word);
      }
      if (!step.add_prefix_space || word.starts_with(' '))
        return split_gpt2_words(word, [&](std::string_view part) { out.word(part); });
      const std::string prefixed = " " + std::string(word);
      return split_gpt2_words(prefixed, [&](std::string_view part) {
        const auto at = part.data() - prefixed.data();
        if (at == 0) out.append(" ", word.data()), part.remove_prefix(1);
        out.word(word.substr(static_cast<std::size_t>(at == 0 ? 0 : at - 1), part.size()));
      });
    }
  }
}

}  // namespace detail

BERT_INLINE void PreTokenizerSteps::apply(Words& words, Words& spare) const {
  for (const Step& step : steps_) {
    spare.clear();
    spare.text.with_sources = words.text.with_sources;
    detail::WordWriter out(words.text, spare);
    std::size_t begin = 0;
    for (const std::size_t end : words.ends) {
      const bool at_start = words.text.with_sources && words.text.sources[begin] == 0;
      detail::split_word(std::string_view(words.text.text).substr(begin, end - begin), at_start, step,
                         step.regex ? &*step.regex : nullptr, out);
      begin = end;
    }
    std::swap(words, spare);
  }
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

// Regex: the part of regular expressions that tokenizer files use: | (?:) (?i:) (?=) (?!) [] . ^ $ \A \z \p{L} \p{N}
// \s \S \d \w, characters and their escapes, and * + ? {m,n} behind one character or class, ? behind a group.
//
// The leftmost match is found, alternatives in their order, repetition as long as it can be, as in Oniguruma. Whatever
// else a pattern holds is an error that names it.
#pragma once
#include <bert/core/error.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bert::inline BERT_ABI {

class Regex {
 public:
  explicit Regex(std::string_view pattern);

  /// The bytes [begin, end) of the first match at or behind `from` in `text` (valid UTF-8); npos when there is none.
  std::pair<std::size_t, std::size_t> find(std::string_view text, std::size_t from) const;

  /// Calls use(part, is_match) for all of `text` from left to right. An empty match is passed over.
  template <class Use>
  void split(std::string_view text, Use&& use) const {
    std::size_t done = 0;
    for (std::size_t at = 0; at <= text.size();) {
      const auto [begin, end] = find(text, at);
      if (begin == text.npos) break;
      at = end > begin ? end : end + 1;
      if (end == begin) continue;
      if (done < begin) use(text.substr(done, begin - done), false);
      use(text.substr(begin, end - begin), true);
      done = end;
    }
    if (done < text.size()) use(text.substr(done), false);
  }

 private:
  friend class RegexParser;
  enum Kind : std::uint8_t { letter = 1, number = 2, space = 4, word = 8, digit = 16, not_space = 32, any = 64 };
  struct Set {
    std::vector<std::pair<char32_t, char32_t>> ranges;
    std::uint8_t kinds = 0;
    bool negated = false, ignores_case = false;
    std::array<bool, 128> ascii{};  // what holds() says of these
  };
  enum class Type : std::uint8_t { set, group, ahead, not_ahead, begin, end };
  struct Item {
    Type type;
    std::size_t index = 0;  // of the set or group
    std::size_t min = 1, max = 1;
  };
  using Sequence = std::vector<Item>;
  struct Frame {  // what is still to be matched
    const Sequence* sequence;
    std::size_t item;
    const Frame* next;
  };
  using Beginnings = std::array<bool, 128>;
  void prepare();
  bool may_begin(const Sequence& sequence, char32_t c) const;
  bool holds(const Set& set, char32_t c) const;
  std::size_t match(std::string_view text, std::size_t at, const Frame* frame) const;
  std::size_t match_set(std::string_view text, std::size_t at, const Item& item, const Frame& rest) const;
  std::size_t run_end(std::string_view text, std::size_t at, const Item& item) const;

  std::vector<Set> sets_;
  std::vector<std::vector<Sequence>> groups_;  // the first is the whole pattern
  std::vector<Beginnings> beginnings_;  // ASCII characters that a match of each of its alternatives may begin with
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <bert/tokenizers/byte_level.h>
#include <bert/tokenizers/vocabulary.h>

#include <algorithm>

namespace bert::inline BERT_ABI {

class RegexParser {
 public:
  RegexParser(std::string_view pattern, Regex& regex) : pattern_(pattern), regex_(regex) {
    regex_.groups_.emplace_back();
    parse_group(0, 0);
    if (at_ != pattern_.size()) unsupported("\")\"");
  }

 private:
  static constexpr std::size_t kLongest = 5000;

  [[noreturn]] void unsupported(std::string_view what) const {
    fail("the regular expression ", pattern_, " has ", what, " at byte ", at_, ", which is not supported");
  }
  bool take(std::string_view text) {
    if (!pattern_.substr(at_).starts_with(text)) return false;
    at_ += text.size();
    return true;
  }
  char32_t next() {
    const char *at = pattern_.data() + at_, *const end = pattern_.data() + pattern_.size();
    if (at == end) unsupported("its end");
    const char32_t c = detail::next_code_point(at, end);
    at_ = static_cast<std::size_t>(at - pattern_.data());
    return c;
  }

  /// Returns the most items that a match goes through: so deep match() calls itself.
  std::size_t parse_group(std::size_t group, int depth) {
    if (depth > 20) unsupported("groups in groups");
    std::vector<Regex::Sequence> all(1);
    std::size_t longest = 0, length = 0;
    while (at_ < pattern_.size() && pattern_[at_] != ')') {
      if (take("|")) {
        all.emplace_back();
        length = 0;
        continue;
      }
      all.back().push_back(parse_item(depth, length));
      parse_repetition(all.back().back());
      longest = std::max(longest, ++length);
      if (longest > kLongest) unsupported("so many characters in a row");
    }
    regex_.groups_[group] = std::move(all);
    return longest;
  }

  /// Adds the items of a group to `length`.
  Regex::Item parse_item(int depth, std::size_t& length) {
    using Type = Regex::Type;
    if (take("(")) {
      const bool outer = ignores_case_;
      const Type type = take("?!") ? Type::not_ahead : take("?=") ? Type::ahead : Type::group;
      if (type == Type::group && take("?i:"))
        ignores_case_ = true;
      else if (type == Type::group && !take("?:") && pattern_.substr(at_).starts_with('?'))
        unsupported("this kind of group");
      const std::size_t group = regex_.groups_.size();
      regex_.groups_.emplace_back();
      length += parse_group(group, depth + 1);
      if (!take(")")) unsupported("a group without end");
      ignores_case_ = outer;
      return {type, group};
    }
    if (take("\\A") || take("^")) return {Type::begin};
    if (take("\\z") || take("$")) return {Type::end};
    Regex::Set set;
    set.ignores_case = ignores_case_;
    const bool in_brackets = take("[");
    if (in_brackets)
      parse_class(set);
    else if (take("."))
      set.ranges = {{'\n', '\n'}}, set.negated = true;
    else
      parse_character(set);
    if (set.kinds == Regex::word && !in_brackets)  // as in Oniguruma: some of Latin-1's numbers, but not in []
      set.ranges = {{0xB2, 0xB3}, {0xB9, 0xB9}, {0xBC, 0xBE}};
    regex_.sets_.push_back(std::move(set));
    return {Type::set, regex_.sets_.size() - 1};
  }

  void parse_class(Regex::Set& set) {
    set.negated = take("^");
    while (!take("]")) {
      if (pattern_.substr(at_).starts_with('[') || pattern_.substr(at_).starts_with("&&"))
        unsupported("a class in a class");
      const std::size_t before = set.ranges.size();
      parse_character(set);
      if (set.ranges.size() == before || pattern_.substr(at_).starts_with("-]") || !take("-")) continue;
      const char32_t first = set.ranges.back().first;
      parse_character(set);
      if (set.ranges.size() != before + 2 || set.ranges.back().first < first) unsupported("a range without end");
      set.ranges[before].second = set.ranges.back().first;
      set.ranges.pop_back();
    }
  }

  void parse_character(Regex::Set& set) {
    const char32_t c = next();
    if (c != '\\') {
      if (set.ranges.empty() && set.kinds == 0 && !set.negated &&
          std::u32string_view(U"*+?{").find(c) != std::u32string_view::npos)
        unsupported("nothing to repeat");
      return set.ranges.emplace_back(c, c), void();
    }
    static constexpr std::pair<std::string_view, std::uint8_t> kKinds[] = {
        {"p{L}", Regex::letter}, {"p{N}", Regex::number}, {"s", Regex::space},    {"S", Regex::not_space},
        {"d", Regex::digit},     {"w", Regex::word},      {"p{Nd}", Regex::digit}};
    for (const auto& [name, kind] : kKinds)
      if (take(name)) return set.kinds |= kind, void();
    static constexpr std::u32string_view kNames = U"rntfv", kCharacters = U"\r\n\t\f\v";
    const char32_t escaped = next();
    if (const std::size_t i = kNames.find(escaped); i != kNames.npos)
      return set.ranges.emplace_back(kCharacters[i], kCharacters[i]), void();
    if ((escaped >= '0' && escaped <= '9') || (escaped | 0x20) - U'a' < 26) unsupported("this escape");
    set.ranges.emplace_back(escaped, escaped);
  }

  void parse_repetition(Regex::Item& item) {
    if (take("*"))
      item.min = 0, item.max = SIZE_MAX;
    else if (take("+"))
      item.max = SIZE_MAX;
    else if (take("?"))
      item.min = 0;
    else if (take("{")) {
      item.min = number(0);
      item.max = take(",") ? number(SIZE_MAX) : item.min;
      if (!take("}") || item.max < item.min) unsupported("this repetition");
    } else {
      return;
    }
    if (pattern_.substr(at_).starts_with('?') || pattern_.substr(at_).starts_with('+')) unsupported("this repetition");
    const bool group = item.type == Regex::Type::group;
    if (!(item.type == Regex::Type::set || (group && item.max == 1))) unsupported("a repeated group");
  }
  std::size_t number(std::size_t otherwise) {
    std::size_t value = 0, digits = 0;
    for (; at_ < pattern_.size() && pattern_[at_] >= '0' && pattern_[at_] <= '9' && digits < 6; ++digits)
      value = 10 * value + static_cast<std::size_t>(pattern_[at_++] - '0');
    return digits ? value : otherwise;
  }

  std::string_view pattern_;
  Regex& regex_;
  std::size_t at_ = 0;
  bool ignores_case_ = false;
};

BERT_INLINE Regex::Regex(std::string_view pattern) {
  RegexParser(pattern, *this);
  prepare();
}

namespace detail {
/// \w and \d as Oniguruma has them: without joiners.
inline bool is_regex_word(char32_t c) { return c != 0x200C && c != 0x200D && is_word_character(c); }
inline bool is_regex_digit(char32_t c) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(c)) == UTF8PROC_CATEGORY_ND || contains(kNumberOthers, c);
}
}  // namespace detail

BERT_INLINE bool Regex::holds(const Set& set, char32_t c) const {
  const auto in_ranges = [&](char32_t x) {
    return std::any_of(set.ranges.begin(), set.ranges.end(),
                       [&](const auto& r) { return x >= r.first && x <= r.second; });
  };
  bool found = in_ranges(c) || (set.ignores_case && c < 128 && in_ranges(c ^ 0x20) && ((c | 0x20) - U'a') < 26);
  if (!found && set.kinds) {
    const detail::WordKind kind = c < 128 ? detail::kAsciiWordKinds[c] : detail::word_kind_of(c);
    found = ((set.kinds & letter) && kind == detail::WordKind::letter) ||
            ((set.kinds & number) && kind == detail::WordKind::number) ||
            ((set.kinds & space) && kind == detail::WordKind::space) ||
            ((set.kinds & not_space) && kind != detail::WordKind::space) ||
            ((set.kinds & word) && detail::is_regex_word(c)) || ((set.kinds & digit) && detail::is_regex_digit(c));
  }
  return found != set.negated;
}

BERT_INLINE void Regex::prepare() {
  for (Set& set : sets_)
    for (char32_t c = 0; c < 128; ++c) set.ascii[c] = holds(set, c);
  for (const Sequence& alternative : groups_[0]) {
    Beginnings& beginnings = beginnings_.emplace_back();
    for (char32_t c = 0; c < 128; ++c) beginnings[c] = may_begin(alternative, c);
  }
}

/// Whether a match may begin with c, or be empty. True where that is not looked into: groups.
BERT_INLINE bool Regex::may_begin(const Sequence& sequence, char32_t c) const {
  for (const Item& item : sequence) {
    if (item.type == Type::group) return true;
    if (item.type != Type::set) continue;  // takes no character
    if (sets_[item.index].ascii[c]) return true;
    if (item.min > 0) return false;
  }
  return true;
}

/// Behind the longest run that an item allows; npos when it is shorter than the item asks for.
BERT_INLINE std::size_t Regex::run_end(std::string_view text, std::size_t at, const Item& item) const {
  const char *here = text.data() + at, *const end = text.data() + text.size();
  std::size_t count = 0;
  const Set& set = sets_[item.index];
  for (const char* behind = here; count < item.max && here != end; ++count, here = behind) {
    const auto byte = static_cast<unsigned char>(*here);
    if (byte < 128 ? (++behind, !set.ascii[byte]) : !holds(set, detail::next_code_point(behind, end))) break;
  }
  return count < item.min ? text.npos : static_cast<std::size_t>(here - text.data());
}

BERT_INLINE std::size_t Regex::match_set(std::string_view text, std::size_t at, const Item& item,
                                         const Frame& rest) const {
  std::size_t end = run_end(text, at, item);
  if (end == text.npos) return end;
  std::size_t shortest = at;
  for (std::size_t i = 0; i < item.min; ++i) shortest += detail::character_length(text[shortest]);
  for (;;) {
    if (const std::size_t found = match(text, end, &rest); found != text.npos || end == shortest) return found;
    do --end;
    while ((text[end] & 0xC0) == 0x80);
  }
}

/// Where the match of all that the frames ask for ends; npos when there is none.
BERT_INLINE std::size_t Regex::match(std::string_view text, std::size_t at, const Frame* frame) const {
  while (frame && frame->item == frame->sequence->size()) frame = frame->next;
  if (!frame) return at;
  const Item& item = (*frame->sequence)[frame->item];
  const Frame rest{frame->sequence, frame->item + 1, frame->next};
  const auto any_alternative = [&](const Frame* behind) {
    for (const Sequence& alternative : groups_[item.index]) {
      const Frame inner{&alternative, 0, behind};
      if (const std::size_t end = match(text, at, &inner); end != text.npos) return end;
    }
    return text.npos;
  };
  switch (item.type) {
    case Type::set:
      return match_set(text, at, item, rest);
    case Type::begin:
      return at == 0 ? match(text, at, &rest) : text.npos;
    case Type::end:
      return at == text.size() ? match(text, at, &rest) : text.npos;
    case Type::ahead:
    case Type::not_ahead:
      return (any_alternative(nullptr) != text.npos) == (item.type == Type::ahead) ? match(text, at, &rest) : text.npos;
    case Type::group:
      break;
  }
  const std::size_t end = any_alternative(&rest);
  return end == text.npos && item.min == 0 ? match(text, at, &rest) : end;
}

BERT_INLINE std::pair<std::size_t, std::size_t> Regex::find(std::string_view text, std::size_t from) const {
  // An alternative that begins with an unlimited run and failed at its beginning fails inside of it, too.
  std::array<std::size_t, 16> failed_until{};  // of the first alternatives: others are tried again
  for (std::size_t at = from; at <= text.size();) {
    const auto byte = static_cast<unsigned char>(at < text.size() ? text[at] : 128);
    for (std::size_t i = 0; i < groups_[0].size(); ++i) {
      const Sequence& alternative = groups_[0][i];
      if (byte < 128 && !beginnings_[i][byte]) continue;
      if (i < failed_until.size() && at < failed_until[i]) continue;
      const Frame frame{&alternative, 0, nullptr};
      if (const std::size_t end = match(text, at, &frame); end != text.npos) return {at, end};
      if (i >= failed_until.size() || alternative.empty() || alternative[0].type != Type::set ||
          alternative[0].max != SIZE_MAX)
        continue;
      if (const std::size_t end = run_end(text, at, alternative[0]); alternative[0].min <= 1 && end != text.npos)
        failed_until[i] = end;
    }
    if (at == text.size()) break;
    at += detail::character_length(text[at]);
  }
  return {text.npos, text.npos};
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

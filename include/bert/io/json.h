// Json: a small reader for the JSON that comes with models (configurations, tokenizers, safetensors headers).
//
// Written here because these files are untrusted and this header is in every header-only program: depth, number of
// values and repeated keys are checked, UTF-8 is checked, and it costs a fifth of a second to compile where
// nlohmann/json costs three. tests/io/test_json.cpp compares it with nlohmann/json. RFC 8259; numbers keep their
// literal until asked for.
#pragma once
#include <bert/core/error.h>

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bert::inline BERT_ABI {

/// One JSON value. Members keep the file's order; an array's have no names.
struct Json {
  enum class Kind : std::uint8_t { null, boolean, number, string, array, object };

  Kind kind = Kind::null;
  std::string name;           // as a member of an object
  std::string text;           // a string's value, a number's literal, "true" or "false"
  std::vector<Json> members;  // of an array or object

  bool is(Kind wanted) const { return kind == wanted; }
  bool is_true() const { return kind == Kind::boolean && text == "true"; }

  /// The member of that name, null when there is none or this is no object. Linear in the number of members.
  const Json* find(std::string_view wanted) const;

  /// Reads a number into any arithmetic type; false when this is no number or it does not fit the type exactly
  /// (integers: no sign where unsigned, no fraction, no exponent).
  template <class Number>
  bool to(Number& value) const {
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, value);
    return kind == Kind::number && error == std::errc() && rest == end;
  }
};

/// Parses a whole text; `what` names it in errors: `WHAT is not valid JSON: expected ':' at byte 12`.
Json parse_json(std::string_view text, std::string_view what);

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <algorithm>

namespace bert::inline BERT_ABI {

BERT_INLINE const Json* Json::find(std::string_view wanted) const {
  if (kind == Kind::object)
    for (const Json& member : members)
      if (member.name == wanted) return &member;
  return nullptr;
}

namespace detail {

class JsonParser {
 public:
  JsonParser(std::string_view text, std::string_view what) : text_(text), what_(what) {}

  Json parse() {
    Json result = value(0);
    if (skip_space(); at_ < text_.size()) error("nothing more");
    return result;
  }

 private:
  static constexpr int kMaxDepth = 64;                  // model files need about 8
  static constexpr std::size_t kMaxValues = 5'000'000;  // about 100 bytes each; the largest tokenizers hold a million

  [[noreturn]] void error(std::string_view expected) const {
    fail(what_, " is not valid JSON: expected ", expected, at_ < text_.size() ? " at byte " : " at its end, byte ",
         at_);
  }
  unsigned byte(std::size_t ahead) const {  // 0 behind the end
    return at_ + ahead < text_.size() ? static_cast<unsigned char>(text_[at_ + ahead]) : 0;
  }
  void skip_space() { at_ = std::min(text_.find_first_not_of(" \t\n\r", at_), text_.size()); }
  bool accept(std::string_view token) {
    if (text_.substr(at_, token.size()) != token) return false;
    at_ += token.size();
    return true;
  }
  void require(std::string_view token) {
    if (skip_space(); !accept(token)) error(concat("'", token, "'"));
  }

  Json value(int depth) {
    if (depth > kMaxDepth || ++values_ > kMaxValues) error("at most 64 levels and 5 million values");
    skip_space();
    const std::size_t first = at_;
    if (accept("{")) return list(depth, Json::Kind::object, "}");
    if (accept("[")) return list(depth, Json::Kind::array, "]");
    if (accept("\"")) return {Json::Kind::string, "", string(), {}};
    if (accept("true") || accept("false"))
      return {Json::Kind::boolean, "", std::string(text_.substr(first, at_ - first)), {}};
    if (accept("null")) return {};
    number();
    return {Json::Kind::number, "", std::string(text_.substr(first, at_ - first)), {}};
  }

  void number() {
    const auto digits = [&] {
      if (byte(0) < '0' || byte(0) > '9') error("a value");
      at_ = std::min(text_.find_first_not_of("0123456789", at_), text_.size());
    };
    accept("-");
    if (!accept("0")) digits();
    if (accept(".")) digits();
    if (accept("e") || accept("E")) {
      if (!accept("-")) accept("+");
      digits();
    }
  }

  Json list(int depth, Json::Kind kind, std::string_view close) {
    Json result{kind, "", "", {}};
    if (skip_space(); accept(close)) return result;
    do {
      std::string name;
      if (kind == Json::Kind::object) {
        require("\"");
        name = string();
        require(":");
      }
      result.members.push_back(value(depth + 1));
      result.members.back().name = std::move(name);
      skip_space();
    } while (accept(","));
    require(close);
    if (kind == Json::Kind::object) require_distinct_names(result);
    return result;
  }

  void require_distinct_names(const Json& object) const {
    std::vector<std::string_view> names;
    for (const Json& member : object.members) names.push_back(member.name);
    std::sort(names.begin(), names.end());
    const auto twice = std::adjacent_find(names.begin(), names.end());
    if (twice != names.end()) fail(what_, " names \"", *twice, "\" twice");
  }

  std::string string() {  // after the opening quote
    std::string out;
    while (!accept("\"")) {
      if (accept("\\")) {
        append_escape(out);
      } else {
        const std::size_t length = utf8_length();
        out += text_.substr(at_, length);
        at_ += length;
      }
    }
    return out;
  }

  void append_escape(std::string& out) {
    constexpr std::string_view kEscapes = "\"\\/bfnrt", kValues = "\"\\/\b\f\n\r\t";
    const std::size_t named = at_ < text_.size() ? kEscapes.find(text_[at_]) : std::string_view::npos;
    if (named != std::string_view::npos) {
      ++at_;
      out += kValues[named];
      return;
    }
    std::uint32_t c = utf16_unit();
    if (c >= 0xD800 && c < 0xE000) {
      const std::uint32_t low = c < 0xDC00 && accept("\\") ? utf16_unit() : 0;
      if (low < 0xDC00 || low > 0xDFFF) error("a surrogate pair");
      c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
    }
    const int more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;  // continuation bytes of six bits each
    constexpr std::uint32_t kLead[] = {0, 0xC0, 0xE0, 0xF0};
    out += static_cast<char>(kLead[more] | c >> (6 * more));
    for (int shift = 6 * (more - 1); shift >= 0; shift -= 6) out += static_cast<char>(0x80 | (c >> shift & 63));
  }

  std::uint32_t utf16_unit() {  // uXXXX
    std::uint32_t unit = 0;
    const std::string_view digits = accept("u") ? text_.substr(at_, 4) : std::string_view();
    const auto [rest, code] = std::from_chars(digits.data(), digits.data() + digits.size(), unit, 16);
    if (digits.size() != 4 || code != std::errc() || rest != digits.data() + 4)
      error("an escape such as \\n or \\u00e9");
    at_ += 4;
    return unit;
  }

  /// Length of the well-formed UTF-8 character here (Unicode 15, table 3-7); control characters are an error in JSON.
  std::size_t utf8_length() const {
    const unsigned lead = byte(0);
    if (lead >= 0x20 && lead < 0x80) return 1;
    const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    const unsigned low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    const unsigned high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    bool good = lead >= 0xC2 && lead <= 0xF4 && byte(1) >= low && byte(1) <= high;
    for (std::size_t i = 2; i < length; ++i) good = good && (byte(i) & 0xC0) == 0x80;
    if (!good) error(lead < 0x20 ? "'\"', and control characters as escapes" : "UTF-8");
    return length;
  }

  std::string_view text_, what_;
  std::size_t at_ = 0, values_ = 0;
};

}  // namespace detail

BERT_INLINE Json parse_json(std::string_view text, std::string_view what) {
  return detail::JsonParser(text, what).parse();
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

// Error, the one exception the library throws, and concat(...), which builds messages without depending on the locale.
//
// A message names what was being read or computed, the offending value or both shapes, and the way out.
#pragma once
#include <bert/core/abi.h>

#include <charconv>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

namespace bert::inline BERT_ABI {

/// Thrown for every failure the caller could cause or meet: bad files, bad shapes, bad arguments.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Thrown when the request itself is wrong (an option nobody knows, options that do not go together): the `bert`
/// program answers it with exit status 2 instead of 1.
class UsageError : public Error {
 public:
  using Error::Error;
};

namespace detail {
inline void append(std::string& out, std::string_view part) { out += part; }
inline void append(std::string& out, char part) { out += part; }
template <class Number>
requires(std::is_arithmetic_v<Number> && !std::is_same_v<Number, char> &&
         !std::is_same_v<Number, bool>) void append(std::string& out, Number value) {
  char digits[32];
  out.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
}
}  // namespace detail

/// Strings and numbers joined into one string; floating-point numbers in the shortest form that reads back equal.
template <class... Parts>
std::string concat(const Parts&... parts) {
  std::string out;
  (detail::append(out, parts), ...);
  return out;
}

/// "[2, 384]"
template <class Extents>
std::string shape_text(const Extents& extents) {
  std::string out = "[";
  for (auto extent : extents) detail::append(out, concat(out.size() > 1 ? ", " : "", extent));
  return out + "]";
}

/// Throws Error with the parts joined by concat(). Cold: what only leads here is made small, and compiles faster.
template <class... Parts>
[[noreturn, gnu::cold]] void fail(const Parts&... parts) {
  throw Error(concat(parts...));
}

}  // namespace bert::inline BERT_ABI

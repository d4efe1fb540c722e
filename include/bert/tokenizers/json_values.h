// Helpers of those that read and write tokenizer.json: values of a known kind, errors that name them, and text.
#pragma once
#include <bert/core/abi.h>

#if BERT_WITH_DEFINITIONS
#include <bert/io/json.h>

#include <string>
#include <string_view>

namespace bert::inline BERT_ABI::detail {

inline constexpr std::string_view kTokenizerFile = "tokenizer.json: ";

inline const Json& member(const Json& object, std::string_view name) {
  const Json* found = object.find(name);
  if (!found) fail(kTokenizerFile, "\"", name, "\" is missing");
  return *found;
}

/// The "type" of a component; empty when it is null or absent.
inline std::string_view component_type(const Json& root, std::string_view name) {
  const Json* component = root.find(name);
  return !component || component->is(Json::Kind::null) ? std::string_view()
                                                       : std::string_view(member(*component, "type").text);
}

[[noreturn]] inline void unsupported(std::string_view component, std::string_view type, std::string_view supported) {
  fail(kTokenizerFile, component, " ", type.empty() ? "null" : type, " is not supported, only ", supported);
}

/// A text, a truth value, or a whole number in 0 .. 2^31 - 1.
template <class T>
T value_of(const Json& value, std::string_view name) {
  std::int32_t number = -1;
  const auto require = [&](bool good, std::string_view wanted) {
    if (!good) fail(kTokenizerFile, "\"", name, "\" is not ", wanted, value.text.empty() ? "" : ": ", value.text);
  };
  if constexpr (std::is_same_v<T, std::string>) {
    require(value.is(Json::Kind::string), "a string");
    return value.text;
  } else if constexpr (std::is_same_v<T, bool>) {
    require(value.is(Json::Kind::boolean), "true or false");
    return value.is_true();
  } else {
    require(value.to(number) && number >= 0, "a whole number from 0");
    return static_cast<T>(number);
  }
}

template <class T>
T read(const Json& object, std::string_view name) {
  return value_of<T>(member(object, name), name);
}

/// Whether a component is switched on: true, and not absent or null.
inline bool is_on(const Json& object, std::string_view name, bool otherwise) {
  const Json* const value = object.find(name);
  return value && !value->is(Json::Kind::null) ? value_of<bool>(*value, name) : otherwise;
}

inline std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    if (const auto byte = static_cast<unsigned char>(c); byte < 0x20) {
      out += concat("\\u00", kDigits[byte >> 4], kDigits[byte & 15]);
    } else {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
  }
  return out += '"';
}

/// The items that write(item) gives, with commas between.
template <class Items, class Write>
std::string joined(const Items& items, Write&& write) {
  std::string out;
  for (const auto& item : items) out += (out.empty() ? "" : ",") + write(item);
  return out;
}

inline std::string_view truth(bool value) { return value ? "true" : "false"; }

}  // namespace bert::inline BERT_ABI::detail
#endif  // BERT_WITH_DEFINITIONS

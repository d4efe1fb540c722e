// Base64 (RFC 4648, section 4): bytes as text, for files that hold nothing but text.
#pragma once
#include <bert/core/error.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace bert::inline BERT_ABI {

std::string to_base64(std::string_view bytes);

/// The bytes again; the '=' at the end may be left out. Error, which begins with `what`, for other characters than
/// base64's and for a length that no bytes have.
std::string from_base64(std::string_view text, std::string_view what);

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
namespace bert::inline BERT_ABI {

namespace detail {
inline constexpr std::string_view kBase64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
}  // namespace detail

BERT_INLINE std::string to_base64(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t bits = 0;
    for (std::size_t j = i; j < i + 3; ++j)
      bits = bits << 8 | (j < bytes.size() ? static_cast<unsigned char>(bytes[j]) : 0u);
    for (std::size_t j = 0; j < 4; ++j) text += i + j > bytes.size() ? '=' : detail::kBase64[bits >> (18 - 6 * j) & 63];
  }
  return text;
}

BERT_INLINE std::string from_base64(std::string_view text, std::string_view what) {
  for (int i = 0; i < 2 && text.ends_with('='); ++i) text.remove_suffix(1);
  if (text.size() % 4 == 1) fail(what, " is not base64: it has ", text.size(), " characters");
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3 + 2);
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const std::size_t value = detail::kBase64.find(c);
    if (value == detail::kBase64.npos) fail(what, " is not base64");
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    if ((count += 6) >= 8) bytes += static_cast<char>(bits >> (count -= 8));
  }
  return bytes;
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

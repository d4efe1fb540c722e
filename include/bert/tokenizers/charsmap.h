// Charsmap: SentencePiece's precompiled character map, a Darts double array of the strings to be replaced, and after it
// their replacements, each ended by a zero byte.
//
// The file is not trusted: steps that lead outside the array find nothing, replacements outside the text are an error.
// Every step reads a byte of the text, so no cycle in the array can hold it up.
#pragma once
#include <bert/core/error.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bert::inline BERT_ABI {

class Charsmap {
 public:
  struct Match {
    std::size_t length = 0;  // bytes of the text; 0: no rule
    std::string_view replacement;
  };

  /// The bytes of a normalizer_spec's precompiled_charsmap. Error when they are cut off.
  explicit Charsmap(std::string_view blob);

  /// The rule for the longest, or the shortest, string that `text` begins with.
  Match longest(std::string_view text) const { return match(text, true); }
  Match shortest(std::string_view text) const { return match(text, false); }

  /// Whether an ASCII character before another one, or at the end, always stays itself.
  bool is_plain(unsigned char c) const { return plain_[c]; }

 private:
  Match match(std::string_view text, bool longest) const;
  std::uint32_t unit(std::uint32_t at) const { return at < units_.size() ? units_[at] : kNothing; }
  static constexpr std::uint32_t kNothing = 0x80000000;  // a unit whose label is no byte
  static constexpr std::uint32_t label(std::uint32_t unit) { return unit & 0x800000FF; }
  static constexpr std::uint32_t offset(std::uint32_t unit) { return (unit >> 10) << ((unit & 0x200) >> 6); }

  std::vector<std::uint32_t> units_;
  std::string replacements_;
  std::array<bool, 128> plain_{};
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <bert/tokenizers/unicode.h>

#include <cstring>

namespace bert::inline BERT_ABI {

BERT_INLINE Charsmap::Charsmap(std::string_view blob) {
  std::uint32_t bytes = 0;
  if (blob.size() < sizeof bytes)
    fail("the precompiled character map has ", blob.size(), " bytes, too few for its size");
  std::memcpy(&bytes, blob.data(), sizeof bytes);
  blob.remove_prefix(sizeof bytes);
  if (bytes == 0 || bytes % 4 != 0 || bytes > blob.size())
    fail("the precompiled character map says its array has ", bytes, " bytes; ", blob.size(), " are left in it");
  units_.resize(bytes / 4);
  std::memcpy(units_.data(), blob.data(), bytes);
  replacements_ = blob.substr(bytes);
  std::string repaired;
  if (detail::repair_utf8(replacements_, repaired).data() != replacements_.data())
    fail("the precompiled character map has replacements that are not UTF-8");
  for (unsigned char c = 1; c < 128; ++c) {
    const char first = static_cast<char>(c);
    const std::uint32_t root = offset(unit(0)) ^ c, found = unit(root);
    plain_[c] = match({&first, 1}, false).length == 0;
    for (std::uint32_t next = 1; label(found) == c && next < 128; ++next)
      if (label(unit(root ^ offset(found) ^ next)) == next) plain_[c] = false;
  }
}

BERT_INLINE Charsmap::Match Charsmap::match(std::string_view text, bool longest) const {
  std::uint32_t at = 0, current = unit(0), found = kNothing;
  std::size_t length = 0;
  at ^= offset(current);
  for (std::size_t i = 0; i < text.size() && text[i] != '\0'; ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    current = unit(at ^= byte);
    if (label(current) != byte) break;
    at ^= offset(current);
    if (!(current >> 8 & 1)) continue;
    found = unit(at) & 0x7FFFFFFF, length = i + 1;
    if (!longest) break;
  }
  if (length == 0) return {};
  if (found >= replacements_.size() || (replacements_[found] & 0xC0) == 0x80)
    fail("the precompiled character map points to byte ", found, " of its ", replacements_.size(),
         " bytes of text, where no text begins");
  return {length, replacements_.c_str() + found};
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

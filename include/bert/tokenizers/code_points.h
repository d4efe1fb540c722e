// CodePoints: a text by code points, as the offsets of an Encoding count them, in one pass over it.
#pragma once
#include <bert/core/abi.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace bert::inline BERT_ABI {

class CodePoints {
 public:
  /// The text must live longer. A maximal invalid part counts as one code point.
  explicit CodePoints(std::string_view text);

  std::size_t size() const { return begins_.size() - 1; }
  /// Bytes of the code points [begin, end), as far as there are so many.
  std::string_view bytes(std::size_t begin, std::size_t end) const {
    begin = begin < size() ? begin : size(), end = end < size() ? end : size();
    return begin < end ? text_.substr(begins_[begin], begins_[end] - begins_[begin]) : std::string_view();
  }
  /// The same as valid UTF-8, with U+FFFD for invalid parts.
  std::string text(std::size_t begin, std::size_t end) const;

 private:
  std::string_view text_;
  std::vector<std::size_t> begins_;  // in bytes; the last is the text's end
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <bert/tokenizers/unicode.h>

namespace bert::inline BERT_ABI {

BERT_INLINE CodePoints::CodePoints(std::string_view text) : text_(text) {
  const char *const begin = text.data(), *const end = begin + text.size();
  begins_.reserve(text.size() + 1);
  for (const char* at = begin; at != end; detail::next_code_point(at, end))
    begins_.push_back(static_cast<std::size_t>(at - begin));
  begins_.push_back(text.size());
}

BERT_INLINE std::string CodePoints::text(std::size_t begin, std::size_t end) const {
  std::string copy;
  return std::string(detail::repair_utf8(bytes(begin, end), copy));
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

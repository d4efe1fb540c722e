// Texts that are too long for a model, cut into windows that may overlap, as Hugging Face's truncate_encodings does.
//
// Another way to make a pair of texts fit is another value of Truncation and a branch in truncate_pair.
#pragma once
#include <bert/core/error.h>
#include <bert/tokenizers/encoding.h>

#include <algorithm>
#include <utility>

namespace bert::inline BERT_ABI::detail {

/// Cuts into windows of `length` tokens, each repeating the last `stride` of the one before.
inline void truncate(Encoding& encoding, std::size_t length, std::size_t stride) {
  const std::size_t size = encoding.ids.size();
  if (size <= length) return;
  Encoding first;
  if (length == 0) {
    first.overflowing.push_back(std::move(encoding));
  } else {
    if (stride >= length)
      fail("the stride, ", stride, " tokens, must be less than the ", length, " a window has for text");
    append_tokens(first, encoding, 0, length);
    for (std::size_t begin = length - stride, end = length; end < size; begin += length - stride) {
      end = std::min(begin + length, size);
      append_tokens(first.overflowing.emplace_back(), encoding, begin, end);
    }
  }
  encoding = std::move(first);
}

/// Makes a and b (null: no pair), which are too long together with `special` special tokens, fit options.max_length.
inline void truncate_pair(Encoding& a, Encoding* b, std::size_t special, const EncodeOptions& options) {
  if (options.max_length < special) {
    fail("max_length ", options.max_length, " has no room for the ", special, " special tokens alone");
  }
  const std::size_t room = options.max_length - special;
  std::size_t a_size = a.ids.size(), b_size = b ? b->ids.size() : 0;
  const std::size_t excess = a_size + b_size - room;
  if (room == 0) {
    a_size = b_size = 0;
  } else if (options.truncation == Truncation::longest_first) {
    // The shorter one stays whole if it leaves the other at least as much; else both get half, the longer the odd
    // token.
    std::size_t &shorter = a_size <= b_size ? a_size : b_size, &longer = a_size <= b_size ? b_size : a_size;
    shorter = std::min(shorter, room / 2);
    longer = room - shorter;
  } else {
    std::size_t& size = options.truncation == Truncation::only_first ? a_size : b_size;
    if (options.truncation == Truncation::only_second && !b) fail("truncation only_second needs a pair of texts");
    if (size <= excess) {
      fail("the text to truncate has ", size, " tokens, ", excess, " too many: raise max_length or use longest_first");
    }
    size -= excess;
  }
  truncate(a, a_size, options.stride);
  if (b) truncate(*b, b_size, options.stride);
}

}  // namespace bert::inline BERT_ABI::detail

// Encoding: what a tokenizer gives a model, and how a text that is too long for the window is cut into several.
//
// truncate() and merge() follow Hugging Face's Encoding, down to the order of the overflowing windows of a pair.
#pragma once
#include <bert/core/error.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace bert::inline BERT_ABI {

/// Code points [start, end) of the input; [0, 0) for tokens that are not in it.
struct Span {
  std::uint32_t start, end;
  bool operator==(const Span&) const = default;
};

/// The tokens of a text or of a pair of texts. All four vectors have the same length.
struct Encoding {
  std::vector<std::int32_t> ids, type_ids;
  std::vector<Span> offsets;
  std::vector<std::uint8_t> special_tokens_mask;  ///< 1 for tokens that the template added ([CLS], [SEP])
  std::vector<Encoding> overflowing;              ///< the further windows of a text that was truncated
};

/// Which text gives way when tokens and special tokens exceed max_length.
enum class Truncation { none, longest_first, only_first, only_second };

struct EncodeOptions {
  std::size_t max_length = 0;  ///< tokens including special ones; 0: no limit
  Truncation truncation = Truncation::none;
  std::size_t stride = 0;  ///< tokens that a further window repeats from the one before
  bool add_special_tokens = true;
};

namespace detail {

/// a followed by tokens [begin, end) of b; windows that overflow stay behind.
inline void append_tokens(Encoding& a, const Encoding& b, std::size_t begin, std::size_t end) {
  const auto append = [&](auto& to, const auto& from) {
    to.insert(to.end(), from.begin() + static_cast<std::ptrdiff_t>(begin),
              from.begin() + static_cast<std::ptrdiff_t>(end));
  };
  append(a.ids, b.ids);
  append(a.type_ids, b.type_ids);
  append(a.offsets, b.offsets);
  append(a.special_tokens_mask, b.special_tokens_mask);
}

/// a followed by b; the result's further windows are all pairs of their windows but the first.
inline void merge(Encoding& a, const Encoding& b) {
  std::vector<Encoding> windows;
  const auto join = [&](const Encoding& left, const Encoding& right) {
    append_tokens(windows.emplace_back(), left, 0, left.ids.size());
    append_tokens(windows.back(), right, 0, right.ids.size());
  };
  for (const Encoding& left : a.overflowing) {
    join(left, b);
    for (const Encoding& right : b.overflowing) join(left, right);
  }
  for (const Encoding& right : b.overflowing) join(a, right);
  append_tokens(a, b, 0, b.ids.size());
  a.overflowing = std::move(windows);
}

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

/// Makes a and b (null: no pair) fit `room` tokens together.
inline void truncate_pair(Encoding& a, Encoding* b, std::size_t room, const EncodeOptions& options) {
  std::size_t a_size = a.ids.size(), b_size = b ? b->ids.size() : 0;
  if (a_size + b_size <= room) return;
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

}  // namespace detail
}  // namespace bert::inline BERT_ABI

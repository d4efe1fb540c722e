// Encoding: what a tokenizer gives a model; EncodeOptions: what to do with a text that is too long for it (windows.h).
#pragma once
#include <bert/core/abi.h>

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

/// The tokens of a text or of a pair of texts. All five vectors have the same length.
struct Encoding {
  std::vector<std::int32_t> ids, type_ids;
  std::vector<Span> offsets;
  std::vector<std::uint8_t> special_tokens_mask;  ///< 1 for tokens that the template added ([CLS], [SEP])
  std::vector<std::int32_t> words;  ///< of its text, counted from 0: what the pre-tokeniser cut; -1 for special tokens
  std::vector<Encoding> overflowing;  ///< the further windows of a text that was truncated
};

/// Which text gives way when tokens and special tokens exceed max_length.
enum class Truncation { none, longest_first, only_first, only_second };

struct EncodeOptions {
  std::size_t max_length = 0;  ///< tokens including special ones; 0: no limit
  Truncation truncation = Truncation::none;
  std::size_t stride = 0;  ///< tokens that a further window repeats from the one before
  bool add_special_tokens = true;
};

/// All windows of a text, the first one first.
inline std::vector<Encoding> list_windows(Encoding first) {
  std::vector<Encoding> windows = std::move(first.overflowing);
  first.overflowing.clear();
  windows.insert(windows.begin(), std::move(first));
  return windows;
}

/// The tokens [begin, end) of the second text of a pair: the last run of others than special tokens.
inline std::pair<std::size_t, std::size_t> second_text(const Encoding& encoding) {
  const auto& special = encoding.special_tokens_mask;
  std::size_t end = special.size();
  while (end > 0 && special[end - 1]) --end;
  std::size_t begin = end;
  while (begin > 0 && !special[begin - 1]) --begin;
  return {begin, end};
}

namespace detail {

/// a followed by tokens [begin, end) of b; further windows stay behind.
inline void append_tokens(Encoding& a, const Encoding& b, std::size_t begin, std::size_t end) {
  const auto append = [&](auto& to, const auto& from) {
    to.insert(to.end(), from.begin() + static_cast<std::ptrdiff_t>(begin),
              from.begin() + static_cast<std::ptrdiff_t>(end));
  };
  append(a.ids, b.ids);
  append(a.type_ids, b.type_ids);
  append(a.offsets, b.offsets);
  append(a.special_tokens_mask, b.special_tokens_mask);
  append(a.words, b.words);
}

}  // namespace detail
}  // namespace bert::inline BERT_ABI

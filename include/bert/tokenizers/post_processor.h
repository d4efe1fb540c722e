// Template: where the special tokens go, "[CLS] A [SEP] B [SEP]", with the type id of every part.
//
// Hugging Face's TemplateProcessing and BertProcessing are both this; another post-processor is another list of parts.
#pragma once
#include <bert/tokenizers/encoding.h>

#include <string>
#include <utility>

namespace bert::inline BERT_ABI {

/// One part of a template: a text (no ids), or a special token with its ids (nearly always one).
struct TemplatePart {
  std::string special;  ///< its name in the template; empty: a text
  std::vector<std::int32_t> ids;
  bool second = false;  ///< of a text: the second of a pair
  std::int32_t type_id = 0;
};

using Template = std::vector<TemplatePart>;

/// The number of special tokens a template adds.
std::size_t count_special(const Template& parts);

/// Puts the texts' tokens and the special ones together, in all windows. (Hugging Face forgets a template's type ids in
/// the further windows and leaves 0 for the first text, 1 for the second; with BERT's template that is the same.)
Encoding apply_template(const Template& parts, Encoding a, Encoding b, bool add_special_tokens);

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
namespace bert::inline BERT_ABI {

BERT_INLINE std::size_t count_special(const Template& parts) {
  std::size_t count = 0;
  for (const TemplatePart& part : parts) count += part.ids.size();
  return count;
}

namespace detail {

/// a followed by b; the further windows are all pairs of windows but the first, in the order of Hugging Face's
/// merge_with.
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

}  // namespace detail

BERT_INLINE Encoding apply_template(const Template& parts, Encoding a, Encoding b, bool add_special_tokens) {
  Encoding out;
  for (const TemplatePart& part : parts) {
    if (part.special.empty()) {
      Encoding& text = part.second ? b : a;
      text.type_ids.assign(text.ids.size(), part.type_id);
      for (Encoding& window : text.overflowing) window.type_ids.assign(window.ids.size(), part.type_id);
      detail::merge(out, text);
    } else if (add_special_tokens) {
      const std::size_t count = part.ids.size();
      detail::merge(out, {part.ids,
                          std::vector(count, part.type_id),
                          std::vector(count, Span{0, 0}),
                          std::vector(count, std::uint8_t{1}),
                          std::vector(count, std::int32_t{-1}),
                          {}});
    }
  }
  return out;
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

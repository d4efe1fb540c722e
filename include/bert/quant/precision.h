// Precision: the numbers that a model's large products run on. A further one is a value and a name here, a layer beside
// quant/int8_linear.h, and its place in nn/any_linear.h.
#pragma once
#include <bert/core/error.h>

namespace bert::inline BERT_ABI {

/// fp32: everything in the model's own type. bf16: the products of encoder layers on bfloat16, summed in float, where
/// the CPU has instructions for it; outside the promise of equal bits on every machine. int8: the same products on
/// 8-bit integers (numerics rule 5).
enum class Precision { fp32, bf16, int8 };

inline constexpr std::string_view precision_names[] = {"fp32", "bf16", "int8"};  // in the order of the values

constexpr std::string_view name(Precision precision) { return precision_names[static_cast<int>(precision)]; }

/// Throws UsageError, listing the known names, for a name that is not among them.
Precision precision_by_name(std::string_view name);

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
namespace bert::inline BERT_ABI {

BERT_INLINE Precision precision_by_name(std::string_view name) {
  std::string known;
  for (std::size_t i = 0; i < std::size(precision_names); ++i) {
    if (precision_names[i] == name) return static_cast<Precision>(i);
    known += concat(known.empty() ? "" : ", ", precision_names[i]);
  }
  throw UsageError(concat("unknown precision \"", name, "\": one of ", known));
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

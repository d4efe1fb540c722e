// Portable C++: the definition that the other instruction sets match bit for bit.
//
// The region opens after all standard and intrinsic headers, so that only the operations are compiled for the target.
#pragma once
#if !defined(__clang__)
#pragma GCC push_options
#pragma GCC optimize("fp-contract=off")
#endif

namespace bert_kernels::inline BERT_KERNELS_ABI::scalar {
#if defined(__clang__)
#pragma clang fp contract(off)
#endif
inline constexpr const char* isa_name = "scalar";
#include "vec.h"

#include "int8.h"

#include "../../ops/all.h"

namespace bf16 {
#include "bf16.h"

#include "../../ops/bf16.h"
inline constexpr KernelTable<float> table = with_bf16(kernel_table);
}  // namespace bf16

inline const KernelTable<float>& table() { return bf16::table; }
}  // namespace bert_kernels::inline BERT_KERNELS_ABI::scalar

#if !defined(__clang__)
#pragma GCC pop_options
#endif

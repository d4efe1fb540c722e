// NEON, which every AArch64 CPU has.
//
// The region opens after all standard and intrinsic headers, so that only the operations are compiled for the target.
#pragma once
#if !defined(__clang__)
#pragma GCC push_options
#pragma GCC optimize("fp-contract=off")
#endif

namespace bert_kernels::inline BERT_KERNELS_ABI::neon {
#if defined(__clang__)
#pragma clang fp contract(off)
#endif
inline constexpr const char* isa_name = "neon";
#include "vec.h"

#include "int8.h"

#include "../../ops/all.h"
inline const KernelTable<float>& table() { return kernel_table; }
}  // namespace bert_kernels::inline BERT_KERNELS_ABI::neon

#if !defined(__clang__)
#pragma GCC pop_options
#endif

// AVX-512 F, BW, VL, DQ (Skylake-X, Zen 4 and later).
//
// The region opens after all standard and intrinsic headers, so that only the operations are compiled for the target.
#pragma once
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c"))), \
                             apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c")
#pragma GCC optimize("fp-contract=off")
#endif

namespace bert_kernels::inline BERT_KERNELS_ABI::avx512 {
#if defined(__clang__)
#pragma clang fp contract(off)
#endif
inline constexpr const char* isa_name = "avx512";
#include "vec.h"

#include "int8.h"

#include "../../ops/all.h"
inline const KernelTable<float>& table() { return kernel_table; }
}  // namespace bert_kernels::inline BERT_KERNELS_ABI::avx512

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

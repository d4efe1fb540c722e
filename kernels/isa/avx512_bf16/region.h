// AVX-512 with VNNI and products of bfloat16 (Cooper Lake, Sapphire Rapids, Zen 4 and later).
//
// An overlay of avx512_vnni: everything but the products of bfloat16 is the base's (ops/bf16.h).
#pragma once
#include "../avx512_vnni/region.h"

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512bf16,avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c"))), \
                             apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512bf16,avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c")
#pragma GCC optimize("fp-contract=off")
#endif

namespace bert_kernels::inline BERT_KERNELS_ABI::avx512_bf16 {
#if defined(__clang__)
#pragma clang fp contract(off)
#endif
using namespace avx512;
inline constexpr const char* isa_name = "avx512_bf16";
#include "bf16.h"

#include "../../ops/bf16.h"
inline constexpr KernelTable<float> kernel_table = with_bf16(avx512_vnni::kernel_table);
inline const KernelTable<float>& table() { return kernel_table; }
}  // namespace bert_kernels::inline BERT_KERNELS_ABI::avx512_bf16

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

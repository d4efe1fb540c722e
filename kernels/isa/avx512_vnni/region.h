// AVX-512 with VNNI (Cascade Lake, Zen 4 and later).
//
// An overlay of avx512: everything but the 8-bit products is the base's (ops/int8_overlay.h).
#pragma once
#include "../avx512/region.h"

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512vnni,avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c"))), \
                             apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512vnni,avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c")
#pragma GCC optimize("fp-contract=off")
#endif

namespace bert_kernels::inline BERT_KERNELS_ABI::avx512_vnni {
#if defined(__clang__)
#pragma clang fp contract(off)
#endif
using namespace avx512;
inline constexpr const char* isa_name = "avx512_vnni";
#include "int8.h"

#include "../../ops/int8_overlay.h"
inline constexpr KernelTable<float> kernel_table = overlay_of(avx512::kernel_table);
inline const KernelTable<float>& table() { return kernel_table; }
}  // namespace bert_kernels::inline BERT_KERNELS_ABI::avx512_vnni

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

// AVX2 with AVX-VNNI (Alder Lake, Zen 5 and later).
//
// An overlay of avx2: everything but the 8-bit products is the base's (ops/int8_overlay.h).
#pragma once
#include "../avx2/region.h"

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avxvnni,avx2,fma,f16c"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avxvnni,avx2,fma,f16c")
#pragma GCC optimize("fp-contract=off")
#endif

namespace bert_kernels::inline BERT_KERNELS_ABI::avx_vnni {
#if defined(__clang__)
#pragma clang fp contract(off)
#endif
using namespace avx2;
inline constexpr const char* isa_name = "avx_vnni";
#include "int8.h"

#include "../../ops/int8_overlay.h"
inline constexpr KernelTable<float> kernel_table = overlay_of(avx2::kernel_table);
inline const KernelTable<float>& table() { return kernel_table; }
}  // namespace bert_kernels::inline BERT_KERNELS_ABI::avx_vnni

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

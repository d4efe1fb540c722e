// NEON with the dot-product extension (Armv8.2 and later: Cortex-A75, Neoverse N1, Apple M1).
//
// An overlay of neon: everything but the 8-bit products is the base's (ops/int8_overlay.h).
#pragma once
#include "../neon/region.h"

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("arch=armv8.2-a+dotprod")
#pragma GCC optimize("fp-contract=off")
#endif

namespace bert_kernels::inline BERT_KERNELS_ABI::neon_dot {
#if defined(__clang__)
#pragma clang fp contract(off)
#endif
using namespace neon;
inline constexpr const char* isa_name = "neon_dot";
#include "int8.h"

#include "../../ops/int8_overlay.h"
inline constexpr KernelTable<float> kernel_table = overlay_of(neon::kernel_table);
inline const KernelTable<float>& table() { return kernel_table; }
}  // namespace bert_kernels::inline BERT_KERNELS_ABI::neon_dot

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

// NEON with the dot-product extension (Armv8.2 and later: Cortex-A75, Neoverse N1, Apple M1).
//
// An overlay of neon: everything but the 8-bit products is the base's (ops/int8_overlay.h).
#pragma once
#include "../neon/region.h"

#define BERT_REGION neon_dot
#if defined(__clang__)
#define BERT_REGION_TARGET "dotprod"
#else
#define BERT_REGION_TARGET "arch=armv8.2-a+dotprod"
#endif
#include "../open.h"

using namespace neon;
inline constexpr const char* isa_name = BERT_TEXT_OF(BERT_REGION);
#include "int8.h"

#include "../../ops/int8_overlay.h"
inline constexpr KernelTable<float> kernel_table = overlay_of(neon::kernel_table);
inline const KernelTable<float>& table() { return kernel_table; }

#include "../close.h"

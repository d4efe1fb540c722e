// AVX2 with AVX-VNNI (Alder Lake, Zen 5 and later).
//
// An overlay of avx2: everything but the 8-bit products is the base's (ops/int8_overlay.h).
#pragma once
#include "../avx2/region.h"

#define BERT_REGION avx_vnni
#define BERT_REGION_TARGET "avxvnni,avx2,fma,f16c"
#include "../open.h"

using namespace avx2;
inline constexpr const char* isa_name = BERT_TEXT_OF(BERT_REGION);
#include "int8.h"

#include "../../ops/int8_overlay.h"
inline constexpr KernelTable<float> kernel_table = overlay_of(avx2::kernel_table);
inline const KernelTable<float>& table() { return kernel_table; }

#include "../close.h"

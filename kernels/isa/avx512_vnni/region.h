// AVX-512 with VNNI (Cascade Lake, Zen 4 and later).
//
// An overlay of avx512: everything but the 8-bit products is the base's (ops/int8_overlay.h).
#pragma once
#include "../avx512/region.h"

#define BERT_REGION avx512_vnni
#define BERT_REGION_TARGET "avx512vnni,avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c"
#include "../open.h"

using namespace avx512;
inline constexpr const char* isa_name = BERT_TEXT_OF(BERT_REGION);
#include "int8.h"

#include "../../ops/int8_overlay.h"
inline constexpr KernelTable<float> kernel_table = overlay_of(avx512::kernel_table);
inline const KernelTable<float>& table() { return kernel_table; }

#include "../close.h"

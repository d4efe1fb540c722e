// AVX-512 with VNNI and products of bfloat16 (Cooper Lake, Sapphire Rapids, Zen 4 and later).
//
// An overlay of avx512_vnni: everything but the products of bfloat16 is the base's (ops/bf16.h).
#pragma once
#include "../avx512_vnni/region.h"

#define BERT_REGION avx512_bf16
#define BERT_REGION_TARGET "avx512bf16,avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c"
#include "../open.h"

using namespace avx512;
inline constexpr const char* isa_name = BERT_TEXT_OF(BERT_REGION);
#include "bf16.h"

#include "../../ops/bf16.h"
inline constexpr KernelTable<float> kernel_table = with_bf16(avx512_vnni::kernel_table);
inline const KernelTable<float>& table() { return kernel_table; }

#include "../close.h"

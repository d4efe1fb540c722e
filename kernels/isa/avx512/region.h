// AVX-512 F, BW, VL, DQ (Skylake-X, Zen 4 and later).
#pragma once
#define BERT_REGION avx512
#define BERT_REGION_TARGET "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c"
#include "../open.h"

inline constexpr const char* isa_name = BERT_TEXT_OF(BERT_REGION);
#include "vec.h"

#include "int8.h"

#include "../../ops/all.h"
inline const KernelTable<float>& table() { return kernel_table; }

#include "../close.h"

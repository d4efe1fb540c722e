// AVX2 with FMA and F16C (Haswell, Zen and later).
#pragma once
#define BERT_REGION avx2
#define BERT_REGION_TARGET "avx2,fma,f16c"
#include "../open.h"

inline constexpr const char* isa_name = BERT_TEXT_OF(BERT_REGION);
#include "vec.h"

#include "int8.h"

#include "../../ops/all.h"
inline const KernelTable<float>& table() { return kernel_table; }

#include "../close.h"

// NEON, which every AArch64 CPU has.
#pragma once
#define BERT_REGION neon
#include "../open.h"

inline constexpr const char* isa_name = BERT_TEXT_OF(BERT_REGION);
#include "vec.h"

#include "int8.h"

#include "../../ops/all.h"
inline const KernelTable<float>& table() { return kernel_table; }

#include "../close.h"

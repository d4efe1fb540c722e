// Portable C++: the definition that the other instruction sets match bit for bit.
#pragma once
#define BERT_REGION scalar
#include "../open.h"

inline constexpr const char* isa_name = BERT_TEXT_OF(BERT_REGION);
#include "vec.h"

#include "int8.h"

#include "../../ops/all.h"

namespace bf16 {
#include "bf16.h"

#include "../../ops/bf16.h"
inline constexpr KernelTable<float> table = with_bf16(kernel_table);
}  // namespace bf16

inline const KernelTable<float>& table() { return bf16::table; }

#include "../close.h"

// Everything in kernels/: the table, the instruction sets (unless the compiled library holds them), the choice among
// them, and the readable reference. Needs only the standard library and the compiler's intrinsics.
#pragma once
#define BERT_KERNELS_FOUND 1  // include/bert/kernels.h checks this to be sure it found this file and not a namesake

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
#if defined(BERT_COMPILED)  // the regions below are in the library
#elif defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "table.h"
#include "training_table.h"

#if !defined(BERT_COMPILED)
#include "isa/scalar/region.h"
#if !defined(BERT_SCALAR_ONLY)
#if defined(__x86_64__)
#include "isa/avx2/region.h"
#include "isa/avx512/region.h"
#include "isa/avx512_bf16/region.h"
#include "isa/avx512_vnni/region.h"
#include "isa/avx_vnni/region.h"
#elif defined(__aarch64__)
#include "isa/neon/region.h"
#include "isa/neon_dot/region.h"
#endif
#endif
#endif

#include "dispatch.h"
#include "reference.h"

// Every operation, included once per instruction set inside its target region and namespace; no include guard on
// purpose.
// Each file builds on the ones before it.
// clang-format off
#include "math.h"
#include "epilogue.h"
#include "units.h"
#include "gemm.h"
#include "rows.h"
#include "attention.h"
#include "causal.h"
#include "relative.h"
#include "int8.h"
#include "int8_gemm.h"
// clang-format on

/// The FMA peak: as many independent chains as the GEMM tile has accumulators, nothing else.
inline double peak(std::size_t rounds, float* sink) {
  constexpr std::size_t chains = gemm_rows * gemm_vecs;
  Vec sum[chains];
  Vec x = load_first(sink, lanes, 0.0f);
#pragma GCC unroll 32
  for (std::size_t i = 0; i < chains; ++i) sum[i] = x + set1(static_cast<float>(i));  // different, or they merge
  for (std::size_t round = 0; round < rounds; ++round)
#pragma GCC unroll 32
    for (std::size_t i = 0; i < chains; ++i) sum[i] = fma(x, x, sum[i]);
#pragma GCC unroll 32
  for (std::size_t i = 0; i < chains; ++i) x = x + sum[i];
  store(sink, x);
  return 2.0 * static_cast<double>(rounds * chains * lanes);
}

inline constexpr KernelTable<float> kernel_table = {isa_name,
                                                    panel_width,
                                                    pack,
                                                    gemm,
                                                    attention_scratch,
                                                    attention,
                                                    cache_size,
                                                    causal_scratch,
                                                    cache,
                                                    causal_attention,
                                                    relative_scratch,
                                                    relative_attention,
                                                    rotate,
                                                    gate,
                                                    layer_norm,
                                                    rms_norm,
                                                    embed,
                                                    activate,
                                                    softmax,
                                                    pool,
                                                    dot,
                                                    map<exp>,
                                                    map<erf>,
                                                    map<tanh>,
                                                    map<log>,
                                                    peak,
                                                    &int8_kernels};

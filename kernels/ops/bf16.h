// Products of bfloat16 with sums in float: gemm.h once more, over the units of isa/NAME/bf16.h, which the region
// includes before this, in a namespace of its own. Outside the promise of equal bits; rows and threads still change
// nothing.
#include "gemm.h"

inline constexpr Bf16Kernels bf16_kernels = {panel_width, pack, gemm};

inline constexpr KernelTable<float> with_bf16(KernelTable<float> base) {
  base.name = isa_name;
  base.bf16 = &bf16_kernels;
  return base;
}

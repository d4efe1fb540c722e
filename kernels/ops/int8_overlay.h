// An instruction set that differs from another, its base, in 8-bit instructions alone: the base's table with other
// 8-bit kernels. Its region.h brings in the base's namespace, its own int8.h and this; nothing else is compiled again.
#include "int8_gemm.h"

inline constexpr KernelTable<float> overlay_of(KernelTable<float> base) {
  base.name = isa_name;
  base.int8 = &int8_kernels;
  return base;
}

// Which instruction sets this CPU and operating system can run, and the table of each.
#pragma once
#include "isa_list.h"
#include "table.h"

#include <cstdint>
#include <string_view>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

namespace bert_kernels::inline BERT_KERNELS_ABI {

/// Called by the program's own copy of the kernels, header-only or from the compiled library: the table, or null where
/// the name is not in BERT_ISA_LIST.
#if defined(BERT_COMPILED)
extern "C" const void* bert_kernels_v0_1(const char* name);
inline const KernelTable<float>* isa_table(std::string_view name) {
  return static_cast<const KernelTable<float>*>(bert_kernels_v0_1(std::string(name).c_str()));
}
#else
inline const KernelTable<float>* isa_table(std::string_view name) {
#define BERT_ISA_ENTRY(isa) \
  if (name == #isa) return &isa::table();
  BERT_ISA_LIST(BERT_ISA_ENTRY)
#undef BERT_ISA_ENTRY
  return nullptr;
}
#endif

#if defined(__x86_64__)
/// Bits of XCR0: what the operating system saves on a context switch. 0 when it does not use XSAVE.
inline std::uint64_t saved_state() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE)) return 0;
  unsigned low = 0, high = 0;
  asm("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (std::uint64_t{high} << 32) | low;
}

/// EAX of CPUID leaf 7.1, 0 where there is no such leaf.
inline unsigned features_7_1() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || a < 1) return 0;
  __get_cpuid_count(7, 1, &a, &b, &c, &d);
  return a;
}

/// CPUID says the CPU has the instructions, XCR0 that the operating system keeps the registers.
inline bool cpu_has(std::string_view name) {
  if (name == "scalar") return true;
  unsigned a = 0, b1 = 0, c1 = 0, d = 0, b7 = 0, c7 = 0;
  if (!__get_cpuid(1, &a, &b1, &c1, &d) || !__get_cpuid_count(7, 0, &a, &b7, &c7, &d)) return false;
  const std::uint64_t saved = saved_state();
  const bool avx2 = (c1 & bit_FMA) && (c1 & bit_F16C) && (b7 & bit_AVX2) && (saved & 0x06) == 0x06;
  if (name == "avx2") return avx2;
  if (name == "avx_vnni") return avx2 && (features_7_1() & 1u << 4);
  const unsigned wide = bit_AVX512F | bit_AVX512BW | bit_AVX512VL | bit_AVX512DQ;
  const bool avx512 = avx2 && (b7 & wide) == wide && (saved & 0xe6) == 0xe6;
  const bool vnni = avx512 && (c7 & bit_AVX512VNNI), bf16 = vnni && (features_7_1() & 1u << 5);
  return name == "avx512" ? avx512 : name == "avx512_vnni" ? vnni : name == "avx512_bf16" && bf16;
}
#elif defined(__aarch64__)
inline bool cpu_has(std::string_view name) {
  constexpr unsigned long dot_product = 1ul << 20;  // HWCAP_ASIMDDP
  return name == "scalar" || name == "neon" || (name == "neon_dot" && (getauxval(AT_HWCAP) & dot_product));
}
#else
inline bool cpu_has(std::string_view name) { return name == "scalar"; }
#endif

/// Names of the instruction sets that run here, best last.
inline const std::vector<std::string_view>& runnable_isas() {
  static const std::vector<std::string_view> names = [] {
    std::vector<std::string_view> all;
#define BERT_ISA_ENTRY(isa) \
  if (cpu_has(#isa)) all.push_back(#isa);
    BERT_ISA_LIST(BERT_ISA_ENTRY)
#undef BERT_ISA_ENTRY
    return all;
  }();
  return names;
}

}  // namespace bert_kernels::inline BERT_KERNELS_ABI

// The inline namespace every piece of the library lives in, which units hold definitions, and the checks on compiler
// and platform. To raise the version, change BERT_ABI_VERSION and the numbers beside it.
//
// One program may hold translation units built with different flags. An inline function that one unit compiled with
// -mavx512f would, by the one-definition rule, serve the whole program and crash on a smaller CPU. So the namespace
// names version, mode, instruction set, thread backend and NDEBUG of the unit: `bert::inline BERT_ABI`. Layouts of
// public types depend on none of these.
//
// Every header declares first; what is no template is defined at its end, once, under one guard:
//
//   #if BERT_WITH_DEFINITIONS                  // and so are the headers that only definitions need
//   BERT_INLINE void f() { … }                 // declared above
//   #endif
//
//   header-only                     definitions, BERT_INLINE is `inline`     the namespace names the flags
//   BERT_COMPILED                   declarations; the library has the rest   one fixed namespace, the library's
//   BERT_COMPILED, other -m flags   as header-only, but for the kernels      the namespace names the flags
//   a source of the library         BERT_INLINE is empty; it says itself     the fixed namespace, whatever its flags
//                                   which definitions are its own (src/)
#pragma once

#define BERT_VERSION "0.1.0"
#define BERT_ABI_VERSION v0_1

#if !defined(__x86_64__) && !defined(__aarch64__)
#error "bert supports 64-bit x86 and ARM only"
#elif !defined(__linux__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "bert supports little-endian Linux only"
#elif defined(__clang__) && __clang_major__ < 14
#error "bert needs clang 14 or newer"
#elif !defined(__clang__) && (!defined(__GNUC__) || __GNUC__ < 12)
#error "bert needs g++ 12 or newer, or clang 14 or newer"
#elif __cplusplus < 202002L
#error "bert needs C++20: add -std=c++20"
#elif defined(__FAST_MATH__)
#error "bert promises the same bits everywhere: compile the units that include it without -ffast-math"
#endif

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__) && defined(__AVX512DQ__)
#define BERT_ABI_SIMD avx512
#elif defined(__AVX512F__)
#define BERT_ABI_SIMD avx512f
#elif defined(__AVX2__)
#define BERT_ABI_SIMD avx2
#elif defined(__AVX__)
#define BERT_ABI_SIMD avx
#elif defined(__SSE4_1__) || defined(__SSSE3__) || defined(__SSE3__)
#define BERT_ABI_SIMD sse4
#elif defined(__ARM_FEATURE_SVE)
#define BERT_ABI_SIMD sve
#elif defined(__ARM_FEATURE_ATOMICS) || defined(__ARM_FEATURE_DOTPROD) || defined(__ARM_FEATURE_FP16_VECTOR_ARITHMETIC)
#define BERT_ABI_SIMD armv8_2
#else
#define BERT_ABI_SIMD base
#define BERT_ABI_SIMD_IS_BASE
#endif

#if defined(__FMA__)
#define BERT_ABI_FMA fma
#else
#define BERT_ABI_FMA nofma
#endif

#if defined(__BMI__) || defined(__BMI2__) || defined(__LZCNT__) || defined(__POPCNT__) || defined(__F16C__) || \
    defined(__MOVBE__)
#define BERT_ABI_BITS bits
#define BERT_ABI_HAS_BITS
#else
#define BERT_ABI_BITS nobits
#endif

#if defined(BERT_ABI_SIMD_IS_BASE) && !defined(__FMA__) && !defined(BERT_ABI_HAS_BITS)
#define BERT_ABI_IS_BASE
#endif

#if defined(_OPENMP)
#define BERT_ABI_TEAM omp
#else
#define BERT_ABI_TEAM thread
#endif

#if defined(NDEBUG)
#define BERT_ABI_DEBUG release
#else
#define BERT_ABI_DEBUG debug
#endif

#define BERT_ABI_JOIN2(a, b) a##_##b
#define BERT_ABI_FIXED(version) BERT_ABI_JOIN2(version, compiled)
#define BERT_ABI_PASTE(a, b, c, d, e, f, g) a##_##b##_##c##_##d##_##e##_##f##_##g
#define BERT_ABI_FLAGGED(a, b, c, d, e, f, g) BERT_ABI_PASTE(a, b, c, d, e, f, g)

#if defined(BERT_LIBRARY_SOURCE)
#define BERT_ABI BERT_ABI_FIXED(BERT_ABI_VERSION)
#define BERT_WITH_DEFINITIONS 0
#define BERT_INLINE
#elif defined(BERT_COMPILED) && defined(BERT_ABI_IS_BASE)
#define BERT_ABI BERT_ABI_FIXED(BERT_ABI_VERSION)
#define BERT_WITH_DEFINITIONS 0
#else
#if defined(BERT_COMPILED)
#define BERT_ABI_MODE flagged
#else
#define BERT_ABI_MODE header
#endif
#define BERT_ABI                                                                                               \
  BERT_ABI_FLAGGED(BERT_ABI_VERSION, BERT_ABI_MODE, BERT_ABI_SIMD, BERT_ABI_FMA, BERT_ABI_BITS, BERT_ABI_TEAM, \
                   BERT_ABI_DEBUG)
#define BERT_WITH_DEFINITIONS 1
#define BERT_INLINE inline
#endif

namespace bert::inline BERT_ABI {
/// Raised whenever the bits of any result change (docs/numerics.md); tests/golden/bits.json belongs to it.
inline constexpr int numerics_version = 3;
}  // namespace bert::inline BERT_ABI

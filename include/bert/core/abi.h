// The inline namespace every piece of the library lives in, and the checks on compiler and platform.
//
// One program may hold translation units built with different flags. An inline function that one unit compiled with
// -mavx512f would, by the one-definition rule, serve the whole program and crash on a smaller CPU. So the namespace
// names version, mode, instruction set, thread backend and NDEBUG of the unit: `bert::inline BERT_ABI`. Layouts of
// public types depend on none of these. To raise the version, change BERT_ABI_VERSION and the numbers beside it.
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

#ifdef BERT_COMPILED
#define BERT_ABI_MODE compiled
#else
#define BERT_ABI_MODE header
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
#else
#define BERT_ABI_SIMD base
#endif

#if defined(__FMA__)
#define BERT_ABI_FMA fma
#else
#define BERT_ABI_FMA nofma
#endif

#if defined(__BMI__) || defined(__BMI2__) || defined(__LZCNT__) || defined(__POPCNT__) || defined(__F16C__)
#define BERT_ABI_BITS bits
#else
#define BERT_ABI_BITS nobits
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

#define BERT_ABI_PASTE(a, b, c, d, e, f, g) a##_##b##_##c##_##d##_##e##_##f##_##g
#define BERT_ABI_JOIN(a, b, c, d, e, f, g) BERT_ABI_PASTE(a, b, c, d, e, f, g)
#define BERT_ABI                                                                                            \
  BERT_ABI_JOIN(BERT_ABI_VERSION, BERT_ABI_MODE, BERT_ABI_SIMD, BERT_ABI_FMA, BERT_ABI_BITS, BERT_ABI_TEAM, \
                BERT_ABI_DEBUG)

namespace bert::inline BERT_ABI {
/// Raised whenever the bits of any result change (docs/numerics.md); tests/golden/bits.json belongs to it.
inline constexpr int numerics_version = 1;
}  // namespace bert::inline BERT_ABI

// 8-bit products for AVX2: both sides are widened to 16 bits, inputs once per strip and weights as they are loaded;
// vpmaddwd multiplies and adds pairs, vpaddd adds them to the sums: two instructions for 16 products.
//
// On Zen 3 at 3.05 GHz (float peak 98 GFLOP/s) these two alone, in registers, do 149 GOP/s: three vector instructions a
// cycle, not four. With the widening, 2 of 26 instructions, that leaves 137; the tile does 139 from L1. The other way,
// vpsignb, vpmaddubsw, vpmaddwd and vpaddd for 32 products, does 120 to 130, as vpsignb too has two pipes only. Weights
// of 16 bits in memory do 141, at twice the memory.

struct Ints {
  __m256i lo, hi;
};
inline Ints load_ints(const void* p) {
  const auto* at = static_cast<const __m256i*>(p);
  return {_mm256_loadu_si256(at), _mm256_loadu_si256(at + 1)};
}
inline void store_ints(void* p, Ints a) {
  auto* at = static_cast<__m256i*>(p);
  _mm256_storeu_si256(at, a.lo), _mm256_storeu_si256(at + 1, a.hi);
}
inline Ints operator+(Ints a, Ints b) { return {_mm256_add_epi32(a.lo, b.lo), _mm256_add_epi32(a.hi, b.hi)}; }
inline Vec to_float(Ints a) { return {_mm256_cvtepi32_ps(a.lo), _mm256_cvtepi32_ps(a.hi)}; }
inline __m256i to_words(Vec a) { return _mm256_packs_epi32(_mm256_cvtps_epi32(a.lo), _mm256_cvtps_epi32(a.hi)); }
inline void store_bytes(std::int8_t* p, Vec a, Vec b, Vec c, Vec d) {
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);  // packing works on halves of registers
  const __m256i ab = _mm256_packs_epi16(to_words(a), to_words(b)), cd = _mm256_packs_epi16(to_words(c), to_words(d));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_permutevar8x32_epi32(ab, order));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + 32), _mm256_permutevar8x32_epi32(cd, order));
}

inline constexpr std::size_t int8_step = 2, int8_depth = 2;
inline constexpr std::int32_t int8_bias = 0;
inline constexpr std::size_t int8_rows = gemm_rows;
using Int8Input = std::int16_t;
inline __m256i widen(const void* p) { return _mm256_cvtepi8_epi16(_mm_loadu_si128(static_cast<const __m128i*>(p))); }
inline void copy_inputs(const std::int8_t* from, Int8Input* to) {
#pragma GCC unroll 4
  for (std::size_t i = 0; i < 64; i += 16) _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + i), widen(from + i));
}
struct Weights {
  __m256i lo, hi;
};
inline Weights load_weights(const std::byte* p) { return {widen(p), widen(p + 16)}; }
inline Ints multiply_add(const Int8Input* a, Weights w, Ints sum) {
  std::int32_t pair;
  std::memcpy(&pair, a, sizeof pair);
  __m256i x = _mm256_set1_epi32(pair);
  asm("" : "+x"(x));  // one broadcast for both
  return {_mm256_add_epi32(sum.lo, _mm256_madd_epi16(x, w.lo)), _mm256_add_epi32(sum.hi, _mm256_madd_epi16(x, w.hi))};
}

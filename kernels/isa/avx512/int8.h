// 8-bit products for AVX-512 without VNNI: as on AVX2, widened to 16 bits. There is no vpsignb of 512 bits, and what
// replaces it makes the other form no shorter.

struct Ints {
  __m512i v;
};
inline Ints load_ints(const void* p) { return {_mm512_loadu_si512(p)}; }
inline void store_ints(void* p, Ints a) { _mm512_storeu_si512(p, a.v); }
inline Ints operator+(Ints a, Ints b) { return {_mm512_add_epi32(a.v, b.v)}; }
inline Vec to_float(Ints a) { return {_mm512_maskz_cvtepi32_ps(every, a.v)}; }
inline void store_bytes(std::int8_t* p, Vec a, Vec b, Vec c, Vec d) {
  const Vec quarters[] = {a, b, c, d};
#pragma GCC unroll 4
  for (std::size_t i = 0; i < 4; ++i) {
    const __m128i bytes = _mm512_maskz_cvtsepi32_epi8(every, _mm512_maskz_cvtps_epi32(every, quarters[i].v));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p + 16 * i), bytes);
  }
}

inline constexpr std::size_t int8_step = 2, int8_depth = 2;
inline constexpr std::int32_t int8_bias = 0;
inline constexpr std::size_t int8_rows = 8;  // 16 sums; more rows cost compile time and hide no more latency
using Int8Input = std::int16_t;
inline __m512i widen(const void* p) { return _mm512_cvtepi8_epi16(_mm256_loadu_si256(static_cast<const __m256i*>(p))); }
inline void copy_inputs(const std::int8_t* from, Int8Input* to) {
  _mm512_storeu_si512(to, widen(from)), _mm512_storeu_si512(to + 32, widen(from + 32));
}
struct Weights {
  __m512i v;
};
inline Weights load_weights(const std::byte* p) { return {widen(p)}; }
inline Ints multiply_add(const Int8Input* a, Weights w, Ints sum) {
  std::int32_t pair;
  std::memcpy(&pair, a, sizeof pair);
  return {_mm512_add_epi32(sum.v, _mm512_madd_epi16(_mm512_set1_epi32(pair), w.v))};
}

// Vec for AVX-512: the sixteen lanes are one zmm register.
struct Vec {
  __m512 v;
};
struct Mask {
  __mmask16 m;
};
inline constexpr std::size_t gemm_vecs = 2;   // NR = 32
inline constexpr std::size_t gemm_rows = 14;  // 28 accumulators + 2 weights + 1 broadcast of 32 registers

// The maskz_ forms with every lane on: g++ 12 warns that the plain ones read an uninitialised register.
inline constexpr __mmask16 every = 0xffff;

inline __mmask16 first(std::size_t n) { return static_cast<__mmask16>(n >= 16 ? 0xffffu : (1u << n) - 1u); }
inline Vec set1(float x) { return {_mm512_set1_ps(x)}; }
inline Vec load(const float* p) { return {_mm512_loadu_ps(p)}; }
inline void store(float* p, Vec a) { _mm512_storeu_ps(p, a.v); }
inline Vec load_first(const float* p, std::size_t n, float fill) {
  return {_mm512_mask_loadu_ps(_mm512_set1_ps(fill), first(n), p)};
}
inline void store_first(float* p, std::size_t n, Vec a) { _mm512_mask_storeu_ps(p, first(n), a.v); }
inline Vec operator+(Vec a, Vec b) { return {_mm512_add_ps(a.v, b.v)}; }
inline Vec operator-(Vec a, Vec b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline Vec operator*(Vec a, Vec b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline Vec operator/(Vec a, Vec b) { return {_mm512_div_ps(a.v, b.v)}; }
inline Vec fma(Vec a, Vec b, Vec c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
inline Vec max(Vec a, Vec b) { return {_mm512_maskz_max_ps(every, a.v, b.v)}; }
inline Vec sqrt(Vec a) { return {_mm512_maskz_sqrt_ps(every, a.v)}; }
inline Vec round(Vec a) {
  return {_mm512_maskz_roundscale_ps(every, a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
inline Mask operator<(Vec a, Vec b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ)}; }
inline Vec select(Mask m, Vec yes, Vec no) { return {_mm512_mask_blend_ps(m.m, no.v, yes.v)}; }
inline Vec abs(Vec a) { return {_mm512_abs_ps(a.v)}; }
inline Vec copysign(Vec magnitude, Vec sign) {
  const __m512 bit = _mm512_set1_ps(-0.0f);
  return {_mm512_or_ps(_mm512_andnot_ps(bit, magnitude.v), _mm512_and_ps(bit, sign.v))};
}
inline Vec ldexp(Vec a, Vec n) {
  const __m512i shift = _mm512_maskz_slli_epi32(every, _mm512_maskz_cvtps_epi32(every, n.v), 23);
  return {_mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(a.v), shift))};
}
inline Vec exponent(Vec a) {
  const __m512i bits = _mm512_maskz_srli_epi32(every, _mm512_castps_si512(a.v), 23);
  return {_mm512_maskz_cvtepi32_ps(every, _mm512_sub_epi32(bits, _mm512_set1_epi32(127)))};
}
inline Vec mantissa(Vec a) {
  const __m512i bits = _mm512_and_epi32(_mm512_castps_si512(a.v), _mm512_set1_epi32(0x007fffff));
  return {_mm512_castsi512_ps(_mm512_or_epi32(bits, _mm512_set1_epi32(0x3f800000)))};
}
inline void keep_broadcast(Vec& a) { asm("" : "+v"(a.v)); }
template <std::size_t n>
inline Vec down(Vec a) {
  if constexpr (n == 8) return {_mm512_maskz_shuffle_f32x4(every, a.v, a.v, 0x4e)};
  if constexpr (n == 4) return {_mm512_maskz_shuffle_f32x4(every, a.v, a.v, 0xb1)};
  if constexpr (n == 2) return {_mm512_maskz_permute_ps(every, a.v, 0x4e)};
  return {_mm512_maskz_permute_ps(every, a.v, 0xb1)};
}
inline float first_lane(Vec a) { return _mm512_cvtss_f32(a.v); }

// Vec for AVX2 + FMA: the sixteen lanes are two ymm registers.
struct Vec {
  __m256 lo, hi;
};
using Mask = Vec;
inline constexpr std::size_t gemm_vecs = 1;  // NR = 16
inline constexpr std::size_t gemm_rows = 6;  // 12 accumulators + 2 weights + 1 broadcast of 16 registers

inline __m256i first(std::size_t n) {  // lanes [0, n) all ones
  const __m256i index = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), index);
}
inline std::size_t above_8(std::size_t n) { return n > 8 ? n - 8 : 0; }
inline Vec set1(float x) {
  const __m256 v = _mm256_set1_ps(x);
  return {v, v};
}
inline Vec load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
inline void store(float* p, Vec a) { _mm256_storeu_ps(p, a.lo), _mm256_storeu_ps(p + 8, a.hi); }
inline __m256 load_first_8(const float* p, std::size_t n, __m256 fill) {
  const __m256i mask = first(n);
  return _mm256_blendv_ps(fill, _mm256_maskload_ps(p, mask), _mm256_castsi256_ps(mask));
}
inline Vec load_first(const float* p, std::size_t n, float fill) {
  if (n >= lanes) return load(p);
  const __m256 f = _mm256_set1_ps(fill);
  return {load_first_8(p, n, f), load_first_8(p + 8, above_8(n), f)};
}
inline void store_first(float* p, std::size_t n, Vec a) {
  if (n >= lanes) return store(p, a);
  _mm256_maskstore_ps(p, first(n), a.lo);
  _mm256_maskstore_ps(p + 8, first(above_8(n)), a.hi);
}
inline Vec operator+(Vec a, Vec b) { return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)}; }
inline Vec operator-(Vec a, Vec b) { return {_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)}; }
inline Vec operator*(Vec a, Vec b) { return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)}; }
inline Vec operator/(Vec a, Vec b) { return {_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)}; }
inline Vec fma(Vec a, Vec b, Vec c) { return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)}; }
inline Vec max(Vec a, Vec b) { return {_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)}; }
inline Vec sqrt(Vec a) { return {_mm256_sqrt_ps(a.lo), _mm256_sqrt_ps(a.hi)}; }
inline Vec round(Vec a) {
  constexpr int nearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  return {_mm256_round_ps(a.lo, nearest), _mm256_round_ps(a.hi, nearest)};
}
inline Mask operator<(Vec a, Vec b) {
  return {_mm256_cmp_ps(a.lo, b.lo, _CMP_LT_OQ), _mm256_cmp_ps(a.hi, b.hi, _CMP_LT_OQ)};
}
inline Vec select(Mask m, Vec yes, Vec no) {
  return {_mm256_blendv_ps(no.lo, yes.lo, m.lo), _mm256_blendv_ps(no.hi, yes.hi, m.hi)};
}
inline Vec abs(Vec a) {
  const __m256 bit = _mm256_set1_ps(-0.0f);
  return {_mm256_andnot_ps(bit, a.lo), _mm256_andnot_ps(bit, a.hi)};
}
inline Vec copysign(Vec magnitude, Vec sign) {
  const __m256 bit = _mm256_set1_ps(-0.0f);
  const Vec m = abs(magnitude);
  return {_mm256_or_ps(m.lo, _mm256_and_ps(bit, sign.lo)), _mm256_or_ps(m.hi, _mm256_and_ps(bit, sign.hi))};
}
inline __m256 ldexp_8(__m256 a, __m256 n) {
  const __m256i shift = _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23);
  return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(a), shift));
}
inline Vec ldexp(Vec a, Vec n) { return {ldexp_8(a.lo, n.lo), ldexp_8(a.hi, n.hi)}; }
inline __m256 exponent_8(__m256 a) {
  const __m256i bits = _mm256_srli_epi32(_mm256_castps_si256(a), 23);
  return _mm256_cvtepi32_ps(_mm256_sub_epi32(bits, _mm256_set1_epi32(127)));
}
inline Vec exponent(Vec a) { return {exponent_8(a.lo), exponent_8(a.hi)}; }
inline __m256 mantissa_8(__m256 a) {
  const __m256 one = _mm256_set1_ps(1.0f);
  return _mm256_or_ps(_mm256_and_ps(a, _mm256_castsi256_ps(_mm256_set1_epi32(0x007fffff))), one);
}
inline Vec mantissa(Vec a) { return {mantissa_8(a.lo), mantissa_8(a.hi)}; }
inline void keep_broadcast(Vec& a) {  // both halves hold the same number
  asm("" : "+x"(a.lo));
  a.hi = a.lo;
}
template <std::size_t n>
inline Vec down(Vec a) {
  if constexpr (n == 8) return {a.hi, a.lo};
  if constexpr (n == 4) return {_mm256_permute2f128_ps(a.lo, a.lo, 1), a.hi};
  if constexpr (n == 2) return {_mm256_permute_ps(a.lo, 0x4e), a.hi};
  return {_mm256_permute_ps(a.lo, 0xb1), a.hi};
}
inline float first_lane(Vec a) { return _mm256_cvtss_f32(a.lo); }

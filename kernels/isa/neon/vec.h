// Vec for NEON (AArch64): the sixteen lanes are four quad registers.
struct Vec {
  float32x4_t v[4];
};
struct Mask {
  uint32x4_t m[4];
};
inline constexpr std::size_t gemm_vecs = 1;  // NR = 16
inline constexpr std::size_t gemm_rows = 6;  // 24 accumulators + 4 weights + 1 broadcast of 32 registers

#define BERT_QUADS(expression)                                               \
  Vec r;                                                                     \
  _Pragma("GCC unroll 4") for (int i = 0; i < 4; ++i) r.v[i] = (expression); \
  return r
inline Vec set1(float x) { BERT_QUADS(vdupq_n_f32(x)); }
inline Vec load(const float* p) { BERT_QUADS(vld1q_f32(p + 4 * i)); }
inline void store(float* p, Vec a) { _Pragma("GCC unroll 4") for (int i = 0; i < 4; ++i) vst1q_f32(p + 4 * i, a.v[i]); }
inline Vec load_first(const float* p, std::size_t n, float fill) {
  if (n >= lanes) return load(p);
  float lane[lanes];
  for (std::size_t i = 0; i < lanes; ++i) lane[i] = i < n ? p[i] : fill;
  return load(lane);
}
inline void store_first(float* p, std::size_t n, Vec a) {
  if (n >= lanes) return store(p, a);
  float lane[lanes];
  store(lane, a);
  for (std::size_t i = 0; i < n && i < lanes; ++i) p[i] = lane[i];
}
inline Vec operator+(Vec a, Vec b) { BERT_QUADS(vaddq_f32(a.v[i], b.v[i])); }
inline Vec operator-(Vec a, Vec b) { BERT_QUADS(vsubq_f32(a.v[i], b.v[i])); }
inline Vec operator*(Vec a, Vec b) { BERT_QUADS(vmulq_f32(a.v[i], b.v[i])); }
inline Vec operator/(Vec a, Vec b) { BERT_QUADS(vdivq_f32(a.v[i], b.v[i])); }
inline Vec fma(Vec a, Vec b, Vec c) { BERT_QUADS(vfmaq_f32(c.v[i], a.v[i], b.v[i])); }
inline Vec max(Vec a, Vec b) { BERT_QUADS(vbslq_f32(vcgtq_f32(a.v[i], b.v[i]), a.v[i], b.v[i])); }
inline Vec sqrt(Vec a) { BERT_QUADS(vsqrtq_f32(a.v[i])); }
inline Vec round(Vec a) { BERT_QUADS(vrndnq_f32(a.v[i])); }
inline Vec select(Mask m, Vec yes, Vec no) { BERT_QUADS(vbslq_f32(m.m[i], yes.v[i], no.v[i])); }
inline Vec abs(Vec a) { BERT_QUADS(vabsq_f32(a.v[i])); }
inline Vec copysign(Vec magnitude, Vec sign) {
  BERT_QUADS(vbslq_f32(vdupq_n_u32(0x80000000u), sign.v[i], magnitude.v[i]));
}
inline Vec ldexp(Vec a, Vec n) {
  BERT_QUADS(vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(a.v[i]), vshlq_n_s32(vcvtnq_s32_f32(n.v[i]), 23))));
}
inline Vec exponent(Vec a) {
  BERT_QUADS(vcvtq_f32_s32(vsubq_s32(vshrq_n_s32(vreinterpretq_s32_f32(a.v[i]), 23), vdupq_n_s32(127))));
}
inline Vec mantissa(Vec a) {
  BERT_QUADS(vreinterpretq_f32_u32(
      vorrq_u32(vandq_u32(vreinterpretq_u32_f32(a.v[i]), vdupq_n_u32(0x007fffffu)), vdupq_n_u32(0x3f800000u))));
}
#undef BERT_QUADS
inline Mask operator<(Vec a, Vec b) {
  Mask r;
  _Pragma("GCC unroll 4") for (int i = 0; i < 4; ++i) r.m[i] = vcltq_f32(a.v[i], b.v[i]);
  return r;
}
inline void keep_broadcast(Vec&) {}
template <std::size_t n>
inline Vec down(Vec a) {
  if constexpr (n == 8) return {{a.v[2], a.v[3], a.v[0], a.v[1]}};
  if constexpr (n == 4) return {{a.v[1], a.v[0], a.v[3], a.v[2]}};
  return {
      {vextq_f32(a.v[0], a.v[0], n % 4), a.v[1], a.v[2], a.v[3]}};  // % 4: clang checks it in the branches above too
}
inline float first_lane(Vec a) { return vgetq_lane_f32(a.v[0], 0); }

// 8-bit products for NEON without the dot-product extension: smull and smlal multiply and add two bytes in 16 bits (2 x
// 127 x 127 fits), sadalp adds neighbours to the sums: three instructions for 16 products.

struct Ints {
  int32x4_t v[4];
};
inline Ints load_ints(const void* p) {  // as bytes: they lie where floats or bytes are declared
  const auto* at = static_cast<const std::uint8_t*>(p);
  Ints r;
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) r.v[i] = vreinterpretq_s32_u8(vld1q_u8(at + 16 * i));
  return r;
}
inline void store_ints(void* p, Ints a) {
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) vst1q_u8(static_cast<std::uint8_t*>(p) + 16 * i, vreinterpretq_u8_s32(a.v[i]));
}
inline Ints operator+(Ints a, Ints b) {
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) a.v[i] = vaddq_s32(a.v[i], b.v[i]);
  return a;
}
inline Vec to_float(Ints a) {
  return {{vcvtq_f32_s32(a.v[0]), vcvtq_f32_s32(a.v[1]), vcvtq_f32_s32(a.v[2]), vcvtq_f32_s32(a.v[3])}};
}
inline int8x16_t to_bytes(Vec a) {
  const int16x8_t low = vcombine_s16(vqmovn_s32(vcvtnq_s32_f32(a.v[0])), vqmovn_s32(vcvtnq_s32_f32(a.v[1])));
  const int16x8_t high = vcombine_s16(vqmovn_s32(vcvtnq_s32_f32(a.v[2])), vqmovn_s32(vcvtnq_s32_f32(a.v[3])));
  return vcombine_s8(vqmovn_s16(low), vqmovn_s16(high));
}
inline void store_bytes(std::int8_t* p, Vec a, Vec b, Vec c, Vec d) {
  vst1q_s8(p, to_bytes(a)), vst1q_s8(p + 16, to_bytes(b));
  vst1q_s8(p + 32, to_bytes(c)), vst1q_s8(p + 48, to_bytes(d));
}

inline constexpr std::size_t int8_step = 4, int8_depth = 2;
inline constexpr std::int32_t int8_bias = 0;
inline constexpr std::size_t int8_rows = gemm_rows;
using Int8Input = std::int8_t;
inline void copy_inputs(const std::int8_t* from, Int8Input* to) { std::memcpy(to, from, 64); }
struct Weights {
  int8x16_t first[2], second[2];  // sixteen columns' first and second pairs
};
inline Weights load_weights(const std::byte* p) {
  const auto* at = reinterpret_cast<const std::int8_t*>(p);
  return {{vld1q_s8(at), vld1q_s8(at + 16)}, {vld1q_s8(at + 32), vld1q_s8(at + 48)}};
}
inline int8x8_t repeat_pair(const Int8Input* a) {
  std::int16_t pair;
  std::memcpy(&pair, a, sizeof pair);
  return vreinterpret_s8_s16(vdup_n_s16(pair));
}
inline Ints multiply_add(const Int8Input* a, Weights w, Ints sum) {
  const int8x8_t x = repeat_pair(a), y = repeat_pair(a + 2);
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    const int16x8_t low = vmull_s8(vget_low_s8(w.first[i]), x), high = vmull_s8(vget_high_s8(w.first[i]), x);
    sum.v[2 * i] = vpadalq_s16(sum.v[2 * i], vmlal_s8(low, vget_low_s8(w.second[i]), y));
    sum.v[2 * i + 1] = vpadalq_s16(sum.v[2 * i + 1], vmlal_s8(high, vget_high_s8(w.second[i]), y));
  }
  return sum;
}

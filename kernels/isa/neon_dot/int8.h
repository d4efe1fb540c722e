// sdot: signed inputs times signed weights, four products into each of four sums.

inline constexpr std::size_t int8_step = 4, int8_depth = 4;
inline constexpr std::int32_t int8_bias = 0;
inline constexpr std::size_t int8_rows = gemm_rows;
using Int8Input = std::int8_t;
inline void copy_inputs(const std::int8_t* from, Int8Input* to) { std::memcpy(to, from, 64); }
struct Weights {
  int8x16_t v[4];
};
inline Weights load_weights(const std::byte* p) {
  const auto* at = reinterpret_cast<const std::int8_t*>(p);
  return {{vld1q_s8(at), vld1q_s8(at + 16), vld1q_s8(at + 32), vld1q_s8(at + 48)}};
}
inline Ints multiply_add(const Int8Input* a, Weights w, Ints sum) {
  std::int32_t four;
  std::memcpy(&four, a, sizeof four);
  const int8x16_t x = vreinterpretq_s8_s32(vdupq_n_s32(four));
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i)  // clang 14 has vdotq_s32 only where the whole file is compiled for it
    asm("sdot %0.4s, %1.16b, %2.16b" : "+w"(sum.v[i]) : "w"(w.v[i]), "w"(x));
  return sum;
}

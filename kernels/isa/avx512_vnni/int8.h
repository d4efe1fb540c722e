// vpdpbusd: unsigned inputs times signed weights, four products into each of sixteen sums, none saturates.

inline constexpr std::size_t int8_step = 4, int8_depth = 4;
inline constexpr std::int32_t int8_bias = 128;
inline constexpr std::size_t int8_rows = 8;  // 16 sums hide 5 cycles of latency on two ports
using Int8Input = std::uint8_t;
inline void copy_inputs(const std::int8_t* from, Int8Input* to) {  // x + 128 is x with its sign bit turned over
  _mm512_storeu_si512(to, _mm512_xor_si512(_mm512_loadu_si512(from), _mm512_set1_epi8(-128)));
}
struct Weights {
  __m512i v;
};
inline Weights load_weights(const std::byte* p) { return {_mm512_loadu_si512(p)}; }
inline Ints multiply_add(const Int8Input* a, Weights w, Ints sum) {
  std::int32_t four;
  std::memcpy(&four, a, sizeof four);
  return {_mm512_dpbusd_epi32(sum.v, _mm512_set1_epi32(four), w.v)};
}

// vpdpbusd on 256 bits: unsigned inputs times signed weights, four products into each of eight sums, none saturates.

inline constexpr std::size_t int8_step = 4, int8_depth = 4;
inline constexpr std::int32_t int8_bias = 128;
inline constexpr std::size_t int8_rows = gemm_rows;
using Int8Input = std::uint8_t;
inline void copy_inputs(const std::int8_t* from, Int8Input* to) {  // x + 128 is x with its sign bit turned over
  const __m256i bit = _mm256_set1_epi8(-128);
#pragma GCC unroll 2
  for (std::size_t i = 0; i < 64; i += 32) {
    const __m256i x = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + i));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + i), _mm256_xor_si256(x, bit));
  }
}
struct Weights {
  __m256i lo, hi;
};
inline Weights load_weights(const std::byte* p) {
  const auto* at = reinterpret_cast<const __m256i*>(p);
  return {_mm256_loadu_si256(at), _mm256_loadu_si256(at + 1)};
}
inline Ints multiply_add(const Int8Input* a, Weights w, Ints sum) {
  std::int32_t four;
  std::memcpy(&four, a, sizeof four);
  __m256i x = _mm256_set1_epi32(four);
  asm("" : "+x"(x));  // one broadcast for both
  return {_mm256_dpbusd_avx_epi32(sum.lo, x, w.lo), _mm256_dpbusd_avx_epi32(sum.hi, x, w.hi)};
}

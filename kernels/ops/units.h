// What gemm.h multiplies: units of 32 bits, each with Unit::k consecutive k of one row of A or one column of weights.
// Here a unit is a float; isa/NAME/bf16.h has units of two bfloat16.

struct Unit {
  static constexpr std::size_t k = 1;

  /// The unit of the first min(k, count) numbers.
  static inline float make(const float* from, std::size_t) { return *from; }

  /// to <- the units of `count` numbers.
  static inline void copy(const float* from, std::size_t count, float* to) {
    std::size_t i = 0;
    for (; i + 4 * lanes <= count; i += 4 * lanes) {
      const Vec v0 = load(from + i), v1 = load(from + i + lanes);
      const Vec v2 = load(from + i + 2 * lanes), v3 = load(from + i + 3 * lanes);
      store(to + i, v0), store(to + i + lanes, v1), store(to + i + 2 * lanes, v2), store(to + i + 3 * lanes, v3);
    }
    for (; i < count; i += lanes) store_first(to + i, count - i, load_first(from + i, count - i, 0.0f));
  }

  /// sum + x * weight, in ascending k.
  static inline Vec multiply_add(Vec x, Vec weight, Vec sum) { return fma(x, weight, sum); }
};

/// Rounded to nearest, ties to even; NaN stays NaN.
inline std::uint32_t round_to_bf16(float x) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(x);
  return x != x ? bits >> 16 | 0x40 : (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}
/// The first min(2, count) numbers as a unit of bfloat16: the even k in the lower half.
inline float bf16_pair(const float* from, std::size_t count) {
  return std::bit_cast<float>(round_to_bf16(from[0]) | (count > 1 ? round_to_bf16(from[1]) << 16 : 0));
}

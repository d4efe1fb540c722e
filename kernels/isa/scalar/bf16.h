// Units of two bfloat16 in portable C++: the even k in the lower half of the 32 bits. Slow, and the definition of what
// the instructions compute, but that those take subnormal numbers for 0.

struct Unit {
  static constexpr std::size_t k = 2;

  static inline float even(float unit) { return std::bit_cast<float>(std::bit_cast<std::uint32_t>(unit) << 16); }
  static inline float odd(float unit) { return std::bit_cast<float>(std::bit_cast<std::uint32_t>(unit) & 0xffff0000u); }

  static inline float make(const float* from, std::size_t count) { return bf16_pair(from, count); }

  /// to <- the units of `count` numbers.
  static inline void copy(const float* from, std::size_t count, float* to) {
    for (std::size_t i = 0; i < count; i += k) to[i / k] = make(from + i, count - i);
  }

  /// sum + odd x * odd weight + even x * even weight; products of bfloat16 are exact.
  static inline Vec multiply_add(const Vec& x, const Vec& weight, Vec sum) {
    for (std::size_t i = 0; i < lanes; ++i) {
      sum.lane[i] = std::fma(odd(x.lane[i]), odd(weight.lane[i]), sum.lane[i]);
      sum.lane[i] = std::fma(even(x.lane[i]), even(weight.lane[i]), sum.lane[i]);
    }
    return sum;
  }
};

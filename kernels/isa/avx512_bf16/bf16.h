// Units of two bfloat16, the even k in the lower half: vdpbf16ps adds the products of sixteen pairs to sixteen sums.

inline constexpr std::size_t gemm_rows = 8;  // sixteen sums hide the latency; taller tiles only take longer to compile

struct Unit {
  static constexpr std::size_t k = 2;

  static inline float make(const float* from, std::size_t count) { return bf16_pair(from, count); }

  /// to <- the units of `count` numbers.
  static inline void copy(const float* from, std::size_t count, float* to) {
    for (std::size_t i = 0; i < count; i += 2 * lanes) {
      const Vec low = load_first(from + i, count - i, 0.0f);
      const Vec high = count - i > lanes ? load_first(from + i + lanes, count - i - lanes, 0.0f) : set1(0.0f);
      store_first(to + i / k, (count - i + 1) / k, {reinterpret_cast<__m512>(_mm512_cvtne2ps_pbh(high.v, low.v))});
    }
  }

  /// sum + odd x * odd weight + even x * even weight.
  static inline Vec multiply_add(Vec x, Vec weight, Vec sum) {
    return {_mm512_dpbf16_ps(sum.v, reinterpret_cast<__m512bh>(x.v), reinterpret_cast<__m512bh>(weight.v))};
  }
};

// 8-bit products in portable C++. Inputs are biased to unsigned, weights lie in fours: the form of the VNNI instruction
// sets, so that what they compute around their one instruction is tested wherever this runs.

/// Sixteen sums.
struct Ints {
  std::int32_t lane[lanes];
};
inline Ints load_ints(const void* p) {
  Ints r;
  std::memcpy(r.lane, p, sizeof r.lane);
  return r;
}
inline void store_ints(void* p, const Ints& a) { std::memcpy(p, a.lane, sizeof a.lane); }
inline Ints operator+(Ints a, const Ints& b) {
  for (std::size_t i = 0; i < lanes; ++i) a.lane[i] += b.lane[i];
  return a;
}
inline Vec to_float(const Ints& a) {
  Vec r;
  for (std::size_t i = 0; i < lanes; ++i) r.lane[i] = static_cast<float>(a.lane[i]);
  return r;
}
/// p[0, 64) = a, b, c, d: whole numbers in [-127, 127].
inline void store_bytes(std::int8_t* p, const Vec& a, const Vec& b, const Vec& c, const Vec& d) {
  for (std::size_t i = 0; i < lanes; ++i) {
    p[i] = static_cast<std::int8_t>(a.lane[i]), p[lanes + i] = static_cast<std::int8_t>(b.lane[i]);
    p[2 * lanes + i] = static_cast<std::int8_t>(c.lane[i]), p[3 * lanes + i] = static_cast<std::int8_t>(d.lane[i]);
  }
}

inline constexpr std::size_t int8_step = 4;          // multiply_add takes so many k,
inline constexpr std::size_t int8_depth = 4;         // of which so many lie side by side in the packed weights;
inline constexpr std::int32_t int8_bias = 128;       // the inputs that it takes are larger by so much
inline constexpr std::size_t int8_rows = gemm_rows;  // a tile has so many rows
using Int8Input = std::uint8_t;
/// to[0, 64) <- from[0, 64)
inline void copy_inputs(const std::int8_t* from, Int8Input* to) {
  for (std::size_t i = 0; i < 64; ++i) to[i] = static_cast<Int8Input>(from[i] + int8_bias);
}
/// int8_step weights of sixteen columns.
struct Weights {
  std::int8_t byte[lanes * int8_step];
};
inline Weights load_weights(const std::byte* p) {
  Weights r;
  std::memcpy(r.byte, p, sizeof r.byte);
  return r;
}
/// sum + a[0, int8_step) w
inline Ints multiply_add(const Int8Input* a, const Weights& w, Ints sum) {
  for (std::size_t i = 0; i < lanes; ++i)
    for (std::size_t k = 0; k < int8_step; ++k) sum.lane[i] += std::int32_t{a[k]} * w.byte[int8_step * i + k];
  return sum;
}

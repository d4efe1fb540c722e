// Rows of floats into rows of 8-bit integers, each with its scale (numerics rule 5).

/// x[i, i + 16) * multiplier[i, i + 16), and 0 from `count` on.
inline Vec load_scaled(const float* x, const float* multiplier, std::size_t i, std::size_t count) {
  if (i >= count) return set1(0.0f);
  const Vec v = load_first(x + i, count - i, 0.0f);
  return multiplier ? v * load_first(multiplier + i, count - i, 0.0f) : v;
}

inline float largest_magnitude(const float* x, const float* multiplier, std::size_t count) {
  Vec top[4] = {set1(0.0f), set1(0.0f), set1(0.0f), set1(0.0f)};  // the order of a maximum is free
  for (std::size_t i = 0; i < count; i += 4 * lanes)
#pragma GCC unroll 4
    for (std::size_t j = 0; j < 4; ++j) top[j] = max(top[j], abs(load_scaled(x, multiplier, i + j * lanes, count)));
  return tree_max(max(max(top[0], top[1]), max(top[2], top[3])));
}

inline void quantize_int8(const QuantizeArgs& args) {
  for (std::size_t r = 0; r < args.rows; ++r) {
    const float* x = args.x + r * args.x_stride;
    const float largest = largest_magnitude(x, args.multiplier, args.columns);
    const Vec factor = set1(largest < 1e-30f ? 0.0f : 127.0f / largest), low = set1(-127.0f), high = set1(127.0f);
    args.scale[r] = largest < 1e-30f ? 0.0f : largest / 127.0f;
    for (std::size_t i = 0; i < args.q_stride; i += 4 * lanes) {
      Vec v[4];
#pragma GCC unroll 4
      for (std::size_t j = 0; j < 4; ++j) {
        const Vec whole = round(load_scaled(x, args.multiplier, i + j * lanes, args.columns) * factor);
        const Vec above = max(whole, low);  // NaN, which an infinite row gives, becomes -127
        v[j] = select(high < above, high, above);
      }
      store_bytes(args.q + r * args.q_stride + i, v[0], v[1], v[2], v[3]);
    }
  }
}

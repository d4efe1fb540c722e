// Linear layers on integers of 8 bits: activations are quantised row by row, weights once, row by row (numerics rule
// 5).
//
// Weights lie in panels of NR columns, [N/NR][K/4][NR][4]: four consecutive k of one column are what the instructions
// that multiply bytes take at once. Behind each panel's weights lie its NR column sums, 32-bit.

inline constexpr std::size_t int8_panel = 32;  // NR

inline std::size_t int8_groups(std::size_t k) { return (k + 3) / 4; }
inline std::size_t int8_panel_bytes(std::size_t k) { return int8_panel * (4 * int8_groups(k) + sizeof(std::int32_t)); }
inline std::size_t packed_int8_bytes(std::size_t n, std::size_t k) {
  return (n + int8_panel - 1) / int8_panel * int8_panel_bytes(k);
}

inline void pack_int8(const PackInt8Args& args) {
  for (std::size_t r = 0; r < args.rows; ++r) {
    const std::size_t row = args.first_row + r, lane = row % int8_panel;
    std::byte* const panel = args.packed + row / int8_panel * int8_panel_bytes(args.k);
    std::int32_t sum = 0;
    for (std::size_t k = 0; k < args.k; ++k) {
      const std::int8_t weight = args.weight[r * args.stride + k];
      std::memcpy(panel + (k / 4 * int8_panel + lane) * 4 + k % 4, &weight, 1);
      sum += weight;
    }
    std::memcpy(panel + int8_groups(args.k) * int8_panel * 4 + lane * sizeof sum, &sum, sizeof sum);
  }
}

inline float largest_magnitude(const float* x, const float* multiplier, std::size_t count) {
  Vec top = set1(0.0f);
  for (std::size_t i = 0; i < count; i += lanes) {
    Vec v = load_first(x + i, count - i, 0.0f);
    if (multiplier) v = v * load_first(multiplier + i, count - i, 0.0f);
    top = max(top, abs(v));
  }
  return tree_max(top);
}

inline void quantize_int8(const QuantizeArgs& args) {
  for (std::size_t r = 0; r < args.rows; ++r) {
    const float* x = args.x + r * args.x_stride;
    std::int8_t* q = args.q + r * args.q_stride;
    const float largest = largest_magnitude(x, args.multiplier, args.columns);
    const Vec factor = set1(largest < 1e-30f ? 0.0f : 127.0f / largest), low = set1(-127.0f), high = set1(127.0f);
    args.scale[r] = largest < 1e-30f ? 0.0f : largest / 127.0f;
    for (std::size_t i = 0; i < args.q_stride; i += lanes) {
      float whole[lanes] = {};
      if (i < args.columns) {
        Vec v = load_first(x + i, args.columns - i, 0.0f);
        if (args.multiplier) v = v * load_first(args.multiplier + i, args.columns - i, 0.0f);
        v = round(v * factor);
        store(whole, select(v < low, low, select(high < v, high, v)));
      }
      for (std::size_t j = 0; j < lanes; ++j) q[i + j] = static_cast<std::int8_t>(whole[j]);
    }
  }
}

/// acc [NR] = row a [K] times one panel.
inline void int8_row(const std::int8_t* a, const std::byte* panel, std::size_t k, std::int32_t* acc) {
  for (std::size_t n = 0; n < int8_panel; ++n) acc[n] = 0;
  for (std::size_t g = 0; g < int8_groups(k); ++g)
    for (std::size_t n = 0; n < int8_panel; ++n) {
      std::int8_t w[4];
      std::memcpy(w, panel + (g * int8_panel + n) * 4, 4);
      for (std::size_t i = 0; i < 4; ++i) acc[n] += std::int32_t{a[4 * g + i]} * w[i];
    }
}

inline void gemm_int8(const GemmInt8Args& args) {
  for (std::size_t p = args.panel_begin; p < args.panel_end; ++p)
    for (std::size_t r = 0; r < args.rows; ++r) {
      const std::size_t column = p * int8_panel, left = args.n - column;
      float* c = args.c + r * args.c_stride + column;
      std::int32_t acc[int8_panel];
      int8_row(args.a + r * args.a_stride, args.packed + p * int8_panel_bytes(args.k), args.k, acc);
      for (std::size_t n = 0; n < int8_panel && n < left; ++n)
        c[n] = std::fma(static_cast<float>(acc[n]), args.a_scale[r] * args.w_scale[column + n],
                        args.bias ? args.bias[column + n] : 0.0f);
      epilogue_for(args.activation)(c, nullptr,
                                    args.residual ? args.residual + r * args.residual_stride + column : nullptr,
                                    left < int8_panel ? left : int8_panel);
    }
}

inline constexpr Int8Kernels int8_kernels = {int8_panel, packed_int8_bytes, pack_int8, quantize_int8, gemm_int8};

// What follows a product: bias, activation, residual; in a tile's registers, or row by row.

/// sum += terms, row by row.
template <std::size_t Rows>
inline __attribute__((always_inline)) void add_rows(Vec (&sum)[Rows][gemm_vecs], const float* terms,
                                                    std::size_t stride) {
#pragma GCC unroll 16
  for (std::size_t r = 0; r < Rows; ++r)
#pragma GCC unroll 2
    for (std::size_t v = 0; v < gemm_vecs; ++v) sum[r][v] = load(terms + r * stride + v * lanes) + sum[r][v];
}

/// One row's slice of C on its way from sums to results.
struct EpilogueRow {
  float* c;
  const float *bias, *residual;  // or null
  std::size_t count;
  float a_scale = 1;               // for sums of 8-bit products (ops/int8_gemm.h):
  const float* w_scale = nullptr;  // [count] or null: c holds floats
};

/// Sixteen sums of which `count` are there.
inline Ints load_sums(const float* c, std::size_t count) {
  if (count >= lanes) return load_ints(c);
  std::int32_t sums[lanes] = {};
  std::memcpy(sums, c, count * sizeof *sums);
  return load_ints(sums);
}

/// c[0, count) = activation(c + bias) + residual, where integers are scaled: activation(fma(c, scales, bias)) +
/// residual.
template <Activation kind>
inline void gemm_epilogue_row(const EpilogueRow& row) {
  for (std::size_t n = 0; n < row.count; n += lanes) {
    const std::size_t left = row.count - n;
    Vec x;
    if (row.w_scale) {
      const Vec scale = set1(row.a_scale) * load_first(row.w_scale + n, left, 0.0f);
      x = fma(to_float(load_sums(row.c + n, left)), scale,
              row.bias ? load_first(row.bias + n, left, 0.0f) : set1(0.0f));
    } else {
      x = load_first(row.c + n, left, 0.0f);
      if (row.bias) x = x + load_first(row.bias + n, left, 0.0f);
    }
    x = apply<kind>(x);
    if (row.residual) x = x + load_first(row.residual + n, left, 0.0f);
    store_first(row.c + n, left, x);
  }
}

using RowFunction = void (*)(const EpilogueRow&);
inline RowFunction epilogue_for(Activation kind) {
  static constexpr RowFunction rows[] = {
      gemm_epilogue_row<Activation::linear>,    gemm_epilogue_row<Activation::gelu>,
      gemm_epilogue_row<Activation::gelu_tanh>, gemm_epilogue_row<Activation::quick_gelu>,
      gemm_epilogue_row<Activation::relu>,      gemm_epilogue_row<Activation::relu2>,
      gemm_epilogue_row<Activation::relu6>,     gemm_epilogue_row<Activation::silu>,
      gemm_epilogue_row<Activation::tanh>,      gemm_epilogue_row<Activation::sigmoid>};
  return rows[static_cast<int>(kind)];
}

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

/// c[0, count) = activation(c + bias) + residual for one row's slice.
template <Activation kind>
inline void gemm_epilogue_row(float* c, const float* bias, const float* residual, std::size_t count) {
  for (std::size_t n = 0; n < count; n += lanes) {
    const std::size_t left = count - n;
    Vec x = load_first(c + n, left, 0.0f);
    if (bias) x = x + load_first(bias + n, left, 0.0f);
    x = apply<kind>(x);
    if (residual) x = x + load_first(residual + n, left, 0.0f);
    store_first(c + n, left, x);
  }
}

using RowFunction = void (*)(float*, const float*, const float*, std::size_t);
inline RowFunction epilogue_for(Activation kind) {
  static constexpr RowFunction rows[] = {
      gemm_epilogue_row<Activation::linear>,    gemm_epilogue_row<Activation::gelu>,
      gemm_epilogue_row<Activation::gelu_tanh>, gemm_epilogue_row<Activation::quick_gelu>,
      gemm_epilogue_row<Activation::relu>,      gemm_epilogue_row<Activation::relu2>,
      gemm_epilogue_row<Activation::relu6>,     gemm_epilogue_row<Activation::silu>,
      gemm_epilogue_row<Activation::tanh>,      gemm_epilogue_row<Activation::sigmoid>};
  return rows[static_cast<int>(kind)];
}

// GEMM over packed weights: C = activation(A W^T + bias) + residual.
//
// Numerics rule 1: k runs in blocks of 256; inside a block an output element is one FMA chain over ascending k from +0,
// and block sums are added in ascending order. Tile shape, loop order and threads are free, and none of them changes a
// bit. Layout: weights [N/NR][K][NR], NR = 16 * gemm_vecs. A strip of up to gemm_rows rows of A is copied to a fixed
// stride (a 3072-wide row stride would map all rows of a tile to one cache set), then multiplied with a block of
// panels.

inline constexpr std::size_t panel_width = lanes * gemm_vecs;
inline constexpr std::size_t panels_per_block = 384 * 1024 / (k_block * panel_width * sizeof(float));  // stays in L2

inline void pack(const PackArgs<float>& args) {
  for (std::size_t row = 0; row < args.rows;) {
    const std::size_t packed_row = args.first_row + row, lane = packed_row % panel_width;
    const std::size_t count = panel_width - lane < args.rows - row ? panel_width - lane : args.rows - row;
    const float* from = args.weight + row * args.stride;
    float* to = args.packed + (packed_row - lane) * args.k + lane;
    for (std::size_t k0 = 0; k0 < args.k; k0 += lanes) {  // in squares, so that a cache line is read and written whole
      const std::size_t k1 = k0 + lanes < args.k ? k0 + lanes : args.k;
      for (std::size_t r = 0; r < count; ++r)
        for (std::size_t k = k0; k < k1; ++k) to[k * panel_width + r] = from[r * args.stride + k];
    }
    row += count;
  }
}

/// C[Rows, NR] (+)= A[Rows, count] B[count, NR] with every accumulator in a register. A's row stride is k_block.
template <std::size_t Rows>
inline void gemm_tile(const float* a, const float* b, std::size_t count, float* c, std::size_t c_stride, bool add) {
  Vec sum[Rows][gemm_vecs];
#pragma GCC unroll 16
  for (std::size_t r = 0; r < Rows; ++r)
#pragma GCC unroll 2
    for (std::size_t v = 0; v < gemm_vecs; ++v) sum[r][v] = set1(0.0f);
  for (std::size_t k = 0; k < count; ++k) {
    Vec weight[gemm_vecs];
#pragma GCC unroll 2
    for (std::size_t v = 0; v < gemm_vecs; ++v) weight[v] = load(b + k * panel_width + v * lanes);
#pragma GCC unroll 16
    for (std::size_t r = 0; r < Rows; ++r) {
      Vec x = set1(a[r * k_block + k]);
      keep_broadcast(x);
#pragma GCC unroll 2
      for (std::size_t v = 0; v < gemm_vecs; ++v) sum[r][v] = fma(x, weight[v], sum[r][v]);
    }
  }
#pragma GCC unroll 16
  for (std::size_t r = 0; r < Rows; ++r)
#pragma GCC unroll 2
    for (std::size_t v = 0; v < gemm_vecs; ++v) {
      float* to = c + r * c_stride + v * lanes;
      store(to, add ? load(to) + sum[r][v] : sum[r][v]);
    }
}

using TileFunction = void (*)(const float*, const float*, std::size_t, float*, std::size_t, bool);
template <std::size_t... Index>
inline TileFunction tile_for(std::size_t rows, std::index_sequence<Index...>) {
  static constexpr TileFunction tiles[] = {gemm_tile<Index + 1>...};
  return tiles[rows - 1];
}
inline TileFunction tile_for(std::size_t rows) { return tile_for(rows, std::make_index_sequence<gemm_rows>()); }

/// A panel cut by the matrix's edge goes through a full-width tile on the stack.
inline void gemm_edge_tile(TileFunction tile, const float* a, const float* b, std::size_t count, float* c,
                           std::size_t c_stride, bool add, std::size_t rows, std::size_t columns) {
  alignas(64) float whole[gemm_rows * panel_width];
  for (std::size_t r = 0; add && r < rows; ++r)
    for (std::size_t n = 0; n < panel_width; ++n) whole[r * panel_width + n] = n < columns ? c[r * c_stride + n] : 0.0f;
  tile(a, b, count, whole, panel_width, add);
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t n = 0; n < columns; ++n) c[r * c_stride + n] = whole[r * panel_width + n];
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

/// One k-block of one strip of rows against panels [panel_begin, panel_end).
inline void gemm_strip(const GemmArgs<float>& args, std::size_t row, std::size_t rows, std::size_t k0,
                       std::size_t panel_begin, std::size_t panel_end) {
  const std::size_t count = args.k - k0 < k_block ? args.k - k0 : k_block;
  alignas(64) float a[gemm_rows * k_block];
  for (std::size_t r = 0; r < rows; ++r)
    std::memcpy(a + r * k_block, args.a + (row + r) * args.a_stride + k0, count * sizeof(float));
  const TileFunction tile = tile_for(rows);
  for (std::size_t panel = panel_begin; panel < panel_end; ++panel) {
    const std::size_t column = panel * panel_width, columns = args.n - column;
    const float* b = args.packed + (panel * args.k + k0) * panel_width;
    float* c = args.c + row * args.c_stride + column;
    if (columns >= panel_width)
      tile(a, b, count, c, args.c_stride, k0 > 0);
    else
      gemm_edge_tile(tile, a, b, count, c, args.c_stride, k0 > 0, rows, columns);
  }
}

inline void gemm_epilogue(const GemmArgs<float>& args, std::size_t row, std::size_t rows, std::size_t column,
                          std::size_t end) {
  if (!args.bias && !args.residual && args.activation == Activation::linear) return;
  const RowFunction finish = epilogue_for(args.activation);
  for (std::size_t r = row; r < row + rows; ++r)
    finish(args.c + r * args.c_stride + column, args.bias ? args.bias + column : nullptr,
           args.residual ? args.residual + r * args.residual_stride + column : nullptr, end - column);
}

inline void gemm(const GemmArgs<float>& args) {
  const std::size_t strips = (args.rows + gemm_rows - 1) / gemm_rows;
  for (std::size_t p0 = args.panel_begin; p0 < args.panel_end; p0 += panels_per_block) {
    const std::size_t p1 = p0 + panels_per_block < args.panel_end ? p0 + panels_per_block : args.panel_end;
    const std::size_t column = p0 * panel_width, end = p1 * panel_width < args.n ? p1 * panel_width : args.n;
    for (std::size_t k0 = 0; k0 < args.k; k0 += k_block)
      for (std::size_t s = 0; s < strips; ++s) {  // even strips: 16 rows are 8 + 8, never 14 + 2
        const std::size_t row = args.rows * s / strips, rows = args.rows * (s + 1) / strips - row;
        gemm_strip(args, row, rows, k0, p0, p1);
        if (k0 + k_block >= args.k) gemm_epilogue(args, row, rows, column, end);
      }
  }
}

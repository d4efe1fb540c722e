// GEMM over packed weights: C = activation(A W^T + bias) + residual.
//
// Numerics rule 1: k runs in blocks of 256; inside a block an output element is one FMA chain over ascending k from +0,
// and block sums are added in ascending order. Tile shape, loop order and threads are free, and none of them changes a
// bit. Layout: weights [N/NR][K][NR], NR = 16 * gemm_vecs.
//
// Loops, from the outside: rows by 128, so that C's part stays in L2; columns by 384 KB of weights, which stay in L2
// too; k-blocks; strips of gemm_rows rows, copied to a fixed stride in L1 (a 3072-wide row stride would map all rows of
// a tile to one cache set); panels, whose weights stream from L2. Every tile also fetches its share of the weights of
// the next k-block into L2: without that the first strip waits for memory (measured: 74 -> 85 % of the peak).

inline constexpr std::size_t panel_width = lanes * gemm_vecs;
inline constexpr std::size_t panels_per_block = 384 * 1024 / (k_block * panel_width * sizeof(float));  // stays in L2
inline constexpr std::size_t row_block = 128;

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

/// What one tile computes: c[Rows, NR] = a[Rows, count] b[count, NR] (+ c) (+ bias) (+ residual).
struct Tile {
  const float *a, *b;  // a's row stride is k_block
  std::size_t count;
  float* c;
  std::size_t c_stride;
  bool add;               // to what c holds from earlier k-blocks
  const float* bias;      // [NR] or null
  const float* residual;  // [Rows, NR] or null
  std::size_t residual_stride;
  const float* next;       // weights to fetch into L2 meanwhile,
  std::size_t next_lines;  // so many cache lines every `fetch_steps` steps of k
};
inline constexpr std::size_t fetch_steps = 8, cache_line = 64 / sizeof(float);

/// sum += terms, row by row.
template <std::size_t Rows>
inline __attribute__((always_inline)) void add_rows(Vec (&sum)[Rows][gemm_vecs], const float* terms,
                                                    std::size_t stride) {
#pragma GCC unroll 16
  for (std::size_t r = 0; r < Rows; ++r)
#pragma GCC unroll 2
    for (std::size_t v = 0; v < gemm_vecs; ++v) sum[r][v] = load(terms + r * stride + v * lanes) + sum[r][v];
}

/// Every accumulator stays in a register. Weights are fetched into L1 `fetch_steps` steps before they are used.
template <std::size_t Rows>
inline void gemm_tile(const Tile& tile) {
  Vec sum[Rows][gemm_vecs];
#pragma GCC unroll 16
  for (std::size_t r = 0; r < Rows; ++r)
#pragma GCC unroll 2
    for (std::size_t v = 0; v < gemm_vecs; ++v) sum[r][v] = set1(0.0f);
  const float *a = tile.a, *b = tile.b, *next = tile.next;
  for (std::size_t left = tile.count; left > 0;) {
    for (std::size_t i = 0; i < tile.next_lines; ++i, next += cache_line) __builtin_prefetch(next, 0, 2);
    const std::size_t steps = left < fetch_steps ? left : fetch_steps;
    left -= steps;
    for (const float* end = a + steps; a != end; ++a, b += panel_width) {
#pragma GCC unroll 2
      for (std::size_t i = 0; i < panel_width; i += cache_line)
        __builtin_prefetch(b + fetch_steps * panel_width + i, 0, 3);
      Vec weight[gemm_vecs];
#pragma GCC unroll 2
      for (std::size_t v = 0; v < gemm_vecs; ++v) weight[v] = load(b + v * lanes);
#pragma GCC unroll 16
      for (std::size_t r = 0; r < Rows; ++r) {
        Vec x = set1(a[r * k_block]);
        keep_broadcast(x);
#pragma GCC unroll 2
        for (std::size_t v = 0; v < gemm_vecs; ++v) sum[r][v] = fma(x, weight[v], sum[r][v]);
      }
    }
  }
  if (tile.add) add_rows<Rows>(sum, tile.c, tile.c_stride);
  if (tile.bias) add_rows<Rows>(sum, tile.bias, 0);
  if (tile.residual) add_rows<Rows>(sum, tile.residual, tile.residual_stride);
#pragma GCC unroll 16
  for (std::size_t r = 0; r < Rows; ++r)
#pragma GCC unroll 2
    for (std::size_t v = 0; v < gemm_vecs; ++v) store(tile.c + r * tile.c_stride + v * lanes, sum[r][v]);
}

using TileFunction = void (*)(const Tile&);
template <std::size_t... Index>
inline TileFunction tile_for(std::size_t rows, std::index_sequence<Index...>) {
  static constexpr TileFunction tiles[] = {gemm_tile<Index + 1>...};
  return tiles[rows - 1];
}
inline TileFunction tile_for(std::size_t rows) { return tile_for(rows, std::make_index_sequence<gemm_rows>()); }

/// A panel cut by the matrix's edge goes through a full-width tile on the stack, its epilogue through gemm_epilogue.
inline void gemm_edge_tile(TileFunction function, Tile tile, std::size_t rows, std::size_t columns) {
  alignas(64) float whole[gemm_rows * panel_width];
  float* const c = tile.c;
  for (std::size_t r = 0; tile.add && r < rows; ++r)
    for (std::size_t n = 0; n < panel_width; ++n)
      whole[r * panel_width + n] = n < columns ? c[r * tile.c_stride + n] : 0.0f;
  const std::size_t c_stride = std::exchange(tile.c_stride, panel_width);
  tile.c = whole, tile.bias = nullptr, tile.residual = nullptr;
  function(tile);
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t n = 0; n < columns; ++n) c[r * c_stride + n] = whole[r * panel_width + n];
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

/// The panels that a strip is multiplied with: a block of weights.
struct PanelBlock {
  std::size_t begin, end;  // panels
  std::size_t k0;
  const float* next;  // the block that follows, laid out alike; null after the last
};
/// Rows of A and C, and which part of the next block's weights they fetch.
struct Strip {
  std::size_t row, rows;
  std::size_t part, parts;
};

/// What the tile does not do itself: other activations than linear, and the panel cut by the matrix's edge.
inline void gemm_epilogue(const GemmArgs<float>& args, const Strip& strip, std::size_t begin, std::size_t end) {
  const RowFunction finish = epilogue_for(args.activation);
  for (std::size_t r = strip.row; begin < end && r < strip.row + strip.rows; ++r)
    finish({args.c + r * args.c_stride + begin, args.bias ? args.bias + begin : nullptr,
            args.residual ? args.residual + r * args.residual_stride + begin : nullptr, end - begin});
}

inline void copy_row(const float* from, std::size_t count, float* to) {
  std::size_t i = 0;
  for (; i + 4 * lanes <= count; i += 4 * lanes) {
    const Vec v0 = load(from + i), v1 = load(from + i + lanes);
    const Vec v2 = load(from + i + 2 * lanes), v3 = load(from + i + 3 * lanes);
    store(to + i, v0), store(to + i + lanes, v1), store(to + i + 2 * lanes, v2), store(to + i + 3 * lanes, v3);
  }
  for (; i < count; i += lanes) store_first(to + i, count - i, load_first(from + i, count - i, 0.0f));
}

inline void gemm_strip(const GemmArgs<float>& args, const PanelBlock& block, const Strip& strip) {
  const std::size_t count = args.k - block.k0 < k_block ? args.k - block.k0 : k_block;
  alignas(64) float a[gemm_rows * k_block];
  for (std::size_t r = 0; r < strip.rows; ++r)
    copy_row(args.a + (strip.row + r) * args.a_stride + block.k0, count, a + r * k_block);
  const bool last = block.k0 + k_block >= args.k, fused = last && args.activation == Activation::linear;
  // Each of the strip's fetches takes `each` lines a time; together the strips fetch a panel's k-block once.
  constexpr std::size_t lines = k_block * panel_width / cache_line;
  const std::size_t times = (count + fetch_steps - 1) / fetch_steps * strip.parts, each = (lines + times - 1) / times;
  const std::size_t first = strip.part * (times / strip.parts) * each;
  const TileFunction function = tile_for(strip.rows);
  for (std::size_t panel = block.begin; panel < block.end; ++panel) {
    const std::size_t column = panel * panel_width;
    const std::size_t ahead = (panel - block.begin) * args.k * panel_width + first * cache_line;
    const Tile tile{a,
                    args.packed + (panel * args.k + block.k0) * panel_width,
                    count,
                    args.c + strip.row * args.c_stride + column,
                    args.c_stride,
                    block.k0 > 0,
                    fused && args.bias ? args.bias + column : nullptr,
                    fused && args.residual ? args.residual + strip.row * args.residual_stride + column : nullptr,
                    args.residual_stride,
                    block.next ? block.next + ahead : nullptr,
                    block.next && first < lines ? each : 0};
    args.n - column >= panel_width ? function(tile) : gemm_edge_tile(function, tile, strip.rows, args.n - column);
  }
  if (!last) return;
  const std::size_t end = block.end * panel_width < args.n ? block.end * panel_width : args.n;
  gemm_epilogue(args, strip, fused ? end / panel_width * panel_width : block.begin * panel_width, end);
}

inline void gemm(const GemmArgs<float>& args) {
  const std::size_t strips = (args.rows + gemm_rows - 1) / gemm_rows, groups = (args.rows + row_block - 1) / row_block;
  for (std::size_t g = 0; g < groups; ++g)
    for (std::size_t p0 = args.panel_begin; p0 < args.panel_end; p0 += panels_per_block) {
      const std::size_t p1 = p0 + panels_per_block < args.panel_end ? p0 + panels_per_block : args.panel_end;
      const std::size_t first = strips * g / groups, end = strips * (g + 1) / groups;
      for (std::size_t k0 = 0; k0 < args.k; k0 += k_block) {
        const float* next = k0 + k_block < args.k ? args.packed + (p0 * args.k + k0 + k_block) * panel_width
                            : p1 < args.panel_end ? args.packed + p1 * args.k * panel_width
                                                  : nullptr;
        for (std::size_t s = first; s < end; ++s) {  // even strips: 16 rows are 8 + 8, never 14 + 2
          const std::size_t row = args.rows * s / strips;
          gemm_strip(args, {p0, p1, k0, next}, {row, args.rows * (s + 1) / strips - row, s - first, end - first});
        }
      }
    }
}

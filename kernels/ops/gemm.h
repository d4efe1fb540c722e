// GEMM over packed weights: C = activation(A W^T + bias) + residual.
//
// Numerics rule 1: k runs in blocks of 256; inside a block an output element is one FMA chain over ascending k from +0,
// and block sums are added in ascending order. Tile shape, loop order and threads are free, and none of them changes a
// bit. Layout: weights [N/NR][K][NR], NR = 16 * gemm_vecs.
//
// Everything is counted in units (units.h): floats, or pairs of bfloat16, of which there are half as many. A region
// that has both includes this file twice, each time in a namespace of its own.
//
// Loops, from the outside: rows by 128, so that C's part stays in L2; columns by 384 KB of weights, which stay in L2
// too; k-blocks; strips of gemm_rows rows, copied to a fixed stride in L1 (a 3072-wide row stride would map all rows of
// a tile to one cache set); panels, whose weights stream from L2. Every tile also fetches its share of the weights of
// the next k-block into L2: without that the first strip waits for memory (measured: 74 -> 85 % of the peak).

inline constexpr std::size_t panel_width = lanes * gemm_vecs;
inline constexpr std::size_t panels_per_block = 384 * 1024 / (k_block * panel_width * sizeof(float));  // stays in L2
inline constexpr std::size_t row_block = 128;

inline std::size_t units(std::size_t k) { return (k + Unit::k - 1) / Unit::k; }

inline void pack(const PackArgs<float>& args) {
  const std::size_t depth = units(args.k);
  for (std::size_t row = 0; row < args.rows;) {
    const std::size_t packed_row = args.first_row + row, lane = packed_row % panel_width;
    const std::size_t count = panel_width - lane < args.rows - row ? panel_width - lane : args.rows - row;
    const float* from = args.weight + row * args.stride;
    float* to = args.packed + (packed_row - lane) * depth + lane;
    for (std::size_t k0 = 0; k0 < depth; k0 += lanes) {  // in squares, so that a cache line is read and written whole
      const std::size_t k1 = k0 + lanes < depth ? k0 + lanes : depth;
      for (std::size_t r = 0; r < count; ++r)
        for (std::size_t k = k0; k < k1; ++k)
          to[k * panel_width + r] = Unit::make(from + r * args.stride + k * Unit::k, args.k - k * Unit::k);
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
        for (std::size_t v = 0; v < gemm_vecs; ++v) sum[r][v] = Unit::multiply_add(x, weight[v], sum[r][v]);
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

/// The panels that a strip is multiplied with: a block of weights.
struct PanelBlock {
  std::size_t begin, end;  // panels
  std::size_t k0;          // in units
  const float* next;       // the block that follows, laid out alike; null after the last
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

inline void gemm_strip(const GemmArgs<float>& args, const PanelBlock& block, const Strip& strip) {
  const std::size_t depth = units(args.k), count = depth - block.k0 < k_block ? depth - block.k0 : k_block;
  const std::size_t k0 = block.k0 * Unit::k, k1 = k0 + count * Unit::k < args.k ? k0 + count * Unit::k : args.k;
  alignas(64) float a[gemm_rows * k_block];
  for (std::size_t r = 0; r < strip.rows; ++r)
    Unit::copy(args.a + (strip.row + r) * args.a_stride + k0, k1 - k0, a + r * k_block);
  const bool last = block.k0 + k_block >= depth, fused = last && args.activation == Activation::linear;
  // Each of the strip's fetches takes `each` lines a time; together the strips fetch a panel's k-block once.
  constexpr std::size_t lines = k_block * panel_width / cache_line;
  const std::size_t times = (count + fetch_steps - 1) / fetch_steps * strip.parts, each = (lines + times - 1) / times;
  const std::size_t first = strip.part * (times / strip.parts) * each;
  const TileFunction function = tile_for(strip.rows);
  for (std::size_t panel = block.begin; panel < block.end; ++panel) {
    const std::size_t column = panel * panel_width;
    const std::size_t ahead = (panel - block.begin) * depth * panel_width + first * cache_line;
    const Tile tile{a,
                    args.packed + (panel * depth + block.k0) * panel_width,
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
  const std::size_t depth = units(args.k);
  for (std::size_t g = 0; g < groups; ++g)
    for (std::size_t p0 = args.panel_begin; p0 < args.panel_end; p0 += panels_per_block) {
      const std::size_t p1 = p0 + panels_per_block < args.panel_end ? p0 + panels_per_block : args.panel_end;
      const std::size_t first = strips * g / groups, end = strips * (g + 1) / groups;
      for (std::size_t k0 = 0; k0 < depth; k0 += k_block) {
        const float* next = k0 + k_block < depth  ? args.packed + (p0 * depth + k0 + k_block) * panel_width
                            : p1 < args.panel_end ? args.packed + p1 * depth * panel_width
                                                  : nullptr;
        for (std::size_t s = first; s < end; ++s) {  // even strips: 16 rows are 8 + 8, never 14 + 2
          const std::size_t row = args.rows * s / strips;
          gemm_strip(args, {p0, p1, k0, next}, {row, args.rows * (s + 1) / strips - row, s - first, end - first});
        }
      }
    }
}

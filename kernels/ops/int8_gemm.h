// GEMM on 8-bit integers: C = activation(fma(float(A . W), a_scale w_scale, bias)) + residual (numerics rule 5).
//
// Written over five things that isa/NAME/int8.h has: Ints, Weights, load_weights, copy_inputs, multiply_add. Sums of
// integers are exact, so layouts, tiles and the order of sums are free. An instruction set that differs from another in
// its 8-bit instructions alone includes this file and nothing else (ops/int8_overlay.h).
//
// Panels of NR columns are [K/step][NR/16][step/depth][16][depth] bytes, K padded with zeros to a multiple of 4; behind
// them lie the NR numbers that sums start from: -int8_bias times the column's sum, which takes away what inputs that
// are larger by int8_bias add. Loops as in gemm.h; sums of an earlier k-block wait in C, as integers.

inline constexpr std::size_t int8_panel = lanes * gemm_vecs;      // NR
inline constexpr std::size_t int8_block = 1024;                   // k; a strip of inputs stays in L1
inline constexpr std::size_t int8_stride = int8_block + 64;       // of a strip's rows, which shall not share cache sets
inline constexpr std::size_t int8_weights_in_cache = 384 * 1024;  // bytes that stay in L2

inline std::size_t int8_padded(std::size_t k) { return (k + 3) / 4 * 4; }
inline std::size_t int8_panel_bytes(std::size_t k) { return int8_panel * (int8_padded(k) + sizeof(std::int32_t)); }
inline std::size_t packed_int8_bytes(std::size_t n, std::size_t k) {
  return (n + int8_panel - 1) / int8_panel * int8_panel_bytes(k);
}

/// Where in its panel the weight of column `n` for input `k` lies.
inline std::size_t int8_place(std::size_t n, std::size_t k) {
  const std::size_t step = k / int8_step * gemm_vecs + n / lanes, part = k % int8_step / int8_depth;
  return (step * int8_step + part * int8_depth) * lanes + n % lanes * int8_depth + k % int8_depth;
}

inline void pack_int8(const PackInt8Args& args) {
  for (std::size_t r = 0; r < args.rows; ++r) {
    const std::size_t row = args.first_row + r, lane = row % int8_panel;
    std::byte* const panel = args.packed + row / int8_panel * int8_panel_bytes(args.k);
    const std::int8_t* weight = args.weight + r * args.stride;
    std::int32_t start = 0;
    for (std::size_t k = 0; k < args.k; ++k) {
      panel[int8_place(lane, k)] = static_cast<std::byte>(weight[k]);
      start -= int8_bias * weight[k];
    }
    std::memcpy(panel + int8_padded(args.k) * int8_panel + lane * sizeof start, &start, sizeof start);
  }
}

/// c[Rows, NR] = start[Rows, NR] + a[Rows, steps] b[steps, NR], integers all.
struct Int8Tile {
  const Int8Input* a;  // the row stride is int8_stride
  const std::byte* b;
  std::size_t steps;
  const void* start;
  std::size_t start_stride;  // in integers
  float* c;                  // holds the sums' bits
  std::size_t c_stride;
};

/// Every sum stays in a register.
template <std::size_t Rows>
inline void int8_tile(const Int8Tile& tile) {
  Ints sum[Rows][gemm_vecs];
#pragma GCC unroll 16
  for (std::size_t r = 0; r < Rows; ++r)
#pragma GCC unroll 2
    for (std::size_t v = 0; v < gemm_vecs; ++v)
      sum[r][v] = load_ints(static_cast<const std::int32_t*>(tile.start) + r * tile.start_stride + v * lanes);
  const Int8Input* a = tile.a;
  const std::byte* b = tile.b;
  for (const Int8Input* const end = a + tile.steps * int8_step; a != end; a += int8_step) {
    Weights weight[gemm_vecs];
#pragma GCC unroll 2
    for (std::size_t v = 0; v < gemm_vecs; ++v, b += lanes * int8_step) weight[v] = load_weights(b);
#pragma GCC unroll 16
    for (std::size_t r = 0; r < Rows; ++r)
#pragma GCC unroll 2
      for (std::size_t v = 0; v < gemm_vecs; ++v) sum[r][v] = multiply_add(a + r * int8_stride, weight[v], sum[r][v]);
  }
#pragma GCC unroll 16
  for (std::size_t r = 0; r < Rows; ++r)
#pragma GCC unroll 2
    for (std::size_t v = 0; v < gemm_vecs; ++v) store_ints(tile.c + r * tile.c_stride + v * lanes, sum[r][v]);
}

using Int8TileFunction = void (*)(const Int8Tile&);
template <std::size_t... Index>
inline Int8TileFunction int8_tile_for(std::size_t rows, std::index_sequence<Index...>) {
  static constexpr Int8TileFunction tiles[] = {int8_tile<Index + 1>...};
  return tiles[rows - 1];
}
inline Int8TileFunction int8_tile_for(std::size_t rows) {
  return int8_tile_for(rows, std::make_index_sequence<int8_rows>());
}

/// A panel cut by the matrix's edge goes through a full-width tile on the stack.
inline void int8_edge_tile(Int8TileFunction function, Int8Tile tile, std::size_t rows, std::size_t columns) {
  alignas(64) float whole[int8_rows * int8_panel] = {};
  float* const c = std::exchange(tile.c, whole);
  const std::size_t c_stride = std::exchange(tile.c_stride, int8_panel);
  if (tile.start == c) {
    for (std::size_t r = 0; r < rows; ++r)
      std::memcpy(whole + r * int8_panel, c + r * c_stride, columns * sizeof(float));
    tile.start = whole, tile.start_stride = int8_panel;
  }
  function(tile);
  for (std::size_t r = 0; r < rows; ++r) std::memcpy(c + r * c_stride, whole + r * int8_panel, columns * sizeof(float));
}

/// A block of weights: panels [begin, end), inputs [k0, k0 + count).
struct Int8Block {
  std::size_t begin, end, k0, count;
};

/// Rows [row, row + rows) of C, at most int8_rows, from one block of weights; finished if it is the last of K.
inline void int8_strip(const GemmInt8Args& args, const Int8Block& block, std::size_t row, std::size_t rows) {
  alignas(64) Int8Input a[int8_rows * int8_stride];
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t k = 0; k < block.count; k += 64)  // the rows of q are whole multiples of 64
      copy_inputs(args.a + (row + r) * args.a_stride + block.k0 + k, a + r * int8_stride + k);
  const Int8TileFunction function = int8_tile_for(rows);
  for (std::size_t p = block.begin; p < block.end; ++p) {
    const std::byte* const panel = args.packed + p * int8_panel_bytes(args.k);
    const std::size_t column = p * int8_panel;
    float* const c = args.c + row * args.c_stride + column;
    const void* const start = panel + int8_padded(args.k) * int8_panel;
    const Int8Tile tile{a,
                        panel + block.k0 * int8_panel,
                        int8_padded(block.count) / int8_step,
                        block.k0 > 0 ? c : start,
                        block.k0 > 0 ? args.c_stride : 0,
                        c,
                        args.c_stride};
    args.n - column >= int8_panel ? function(tile) : int8_edge_tile(function, tile, rows, args.n - column);
  }
  if (block.k0 + block.count < args.k) return;
  const std::size_t begin = block.begin * int8_panel;
  const std::size_t end = block.end * int8_panel < args.n ? block.end * int8_panel : args.n;
  const RowFunction finish = epilogue_for(args.activation);  // one pass, while the row is in L1
  for (std::size_t r = row; r < row + rows; ++r)
    finish({args.c + r * args.c_stride + begin, args.bias ? args.bias + begin : nullptr,
            args.residual ? args.residual + r * args.residual_stride + begin : nullptr, end - begin, args.a_scale[r],
            args.w_scale + begin});
}

inline void gemm_int8(const GemmInt8Args& args) {
  if (args.rows == 0 || args.panel_begin >= args.panel_end) return;
  const std::size_t strips = (args.rows + int8_rows - 1) / int8_rows, groups = (args.rows + row_block - 1) / row_block;
  const std::size_t k_blocks = (args.k + int8_block - 1) / int8_block;
  const std::size_t k_each = ((args.k + k_blocks - 1) / k_blocks + 63) / 64 * 64;  // even blocks, at most int8_block
  const std::size_t panels = int8_weights_in_cache / (k_each * int8_panel);
  for (std::size_t g = 0; g < groups; ++g)
    for (std::size_t p0 = args.panel_begin; p0 < args.panel_end; p0 += panels) {
      const std::size_t p1 = p0 + panels < args.panel_end ? p0 + panels : args.panel_end;
      for (std::size_t k0 = 0; k0 < args.k; k0 += k_each) {
        const Int8Block block{p0, p1, k0, k0 + k_each < args.k ? k_each : args.k - k0};
        for (std::size_t s = strips * g / groups; s < strips * (g + 1) / groups; ++s) {  // even strips
          const std::size_t row = args.rows * s / strips;
          int8_strip(args, block, row, args.rows * (s + 1) / strips - row);
        }
      }
    }
}

inline constexpr Int8Kernels int8_kernels = {int8_panel, packed_int8_bytes, pack_int8, quantize_int8, gemm_int8};

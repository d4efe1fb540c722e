// Attention of one head over one sequence: out = softmax(scale q k^T) v  (Vaswani et al. 2017, equation 1).
//
// Keys and values are packed once, then strips of query rows pass through: scores [rows, S] by the GEMM tile, a
// full-row softmax kept unnormalised, values by the GEMM tile again, and one multiplication by 1 / sum at the head's D
// outputs. No [S, S] matrix exists unless the caller asks for the probabilities. There is no mask: a batch holds no
// padding. Queries and scores of a strip lie as the tile reads them, [columns / k_block][gemm_rows][k_block], so
// nothing is copied in between. Causal models: causal.h.

inline std::size_t round_up(std::size_t n, std::size_t multiple) { return (n + multiple - 1) / multiple * multiple; }

inline constexpr std::size_t strip_block = gemm_rows * k_block;  // elements of one k-block of a strip
inline std::size_t strip_size(std::size_t columns) { return round_up(columns, k_block) * gemm_rows; }

/// Elements of scratch: packed keys, packed values, one strip of scaled queries and one of scores.
inline std::size_t attention_scratch(std::size_t length, std::size_t head_size) {
  return round_up(length, panel_width) * head_size + round_up(head_size, panel_width) * length + strip_size(length) +
         strip_size(head_size);
}

/// Rows of keys k [rows, D] as rows [first, first + rows) of packed ones. Panels begun by them are numbers throughout.
inline void pack_keys(const float* k, std::size_t stride, std::size_t first, std::size_t rows, std::size_t size,
                      float* packed) {
  const std::size_t end = first + rows, last = end / panel_width * panel_width;  // the cut panel's first row
  if (last < end && last >= first)
    for (std::size_t i = 0; i < panel_width * size; ++i) packed[last * size + i] = 0.0f;
  pack({k, stride, first, rows, size, packed});
}

/// Rows of values v [rows, D] as rows [first, first + rows) of [D/NR][depth][NR]: the values' columns play the part of
/// the weights' rows.
inline void pack_values(const float* v, std::size_t stride, std::size_t first, std::size_t rows, std::size_t size,
                        std::size_t depth, float* packed) {
  for (std::size_t d = 0; d < size; d += panel_width) {
    float* next = packed + d * depth + first * panel_width;
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t i = 0; i < panel_width; i += lanes, next += lanes) {
        const std::size_t column = d + i, left = column < size ? size - column : 0;
        store(next, left > 0 ? load_first(v + r * stride + column, left, 0.0f) : set1(0.0f));
      }
  }
}

/// c [rows, N] = a [rows, K] b for a strip `a`; c's column n lies at n / k_block * c_block + n % k_block. b's panels
/// are `depth` deep, of which the first K count. Padded: c has room for whole panels.
inline void multiply_strip(const float* a, std::size_t rows, const float* packed, std::size_t k, std::size_t depth,
                           float* c, std::size_t c_stride, std::size_t c_block, std::size_t n, bool padded) {
  const TileFunction function = tile_for(rows);
  for (std::size_t column = 0; column < n; column += panel_width)
    for (std::size_t k0 = 0; k0 < k; k0 += k_block) {
      const std::size_t count = k - k0 < k_block ? k - k0 : k_block;
      const Tile tile{a + k0 / k_block * strip_block,
                      packed + (column / panel_width * depth + k0) * panel_width,
                      count,
                      c + column / k_block * c_block + column % k_block,
                      c_stride,
                      k0 > 0,
                      nullptr,
                      nullptr,
                      0,
                      nullptr,
                      0};
      padded || n - column >= panel_width ? function(tile) : gemm_edge_tile(function, tile, rows, n - column);
    }
}

/// Rows of queries q [rows, D], plus a bias [D] that may be null, scaled, as a strip.
inline void pack_queries(const float* q, std::size_t stride, std::size_t rows, std::size_t head_size, float scale,
                         float* strip, const float* bias = nullptr) {
  const Vec factor = set1(scale);
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t i = 0; i < head_size; i += lanes) {
      Vec x = load_first(q + r * stride + i, head_size - i, 0.0f);
      if (bias) x = x + load_first(bias + i, head_size - i, 0.0f);
      store(strip + i / k_block * strip_block + r * k_block + i % k_block, x * factor);
    }
}

inline void attention(const AttentionArgs<float>& args) {
  const std::size_t length = args.length, size = args.head_size;
  float* keys = args.scratch;
  float* values = keys + round_up(length, panel_width) * size;
  float* scores = values + round_up(size, panel_width) * length;
  float* queries = scores + strip_size(length);
  pack_keys(args.k, args.stride, 0, length, size, keys);
  pack_values(args.v, args.stride, 0, length, size, length, values);

  const std::size_t count = args.row_end - args.row_begin, strips = (count + gemm_rows - 1) / gemm_rows;
  for (std::size_t strip = 0; strip < strips; ++strip) {
    const std::size_t row = args.row_begin + count * strip / strips;
    const std::size_t rows = args.row_begin + count * (strip + 1) / strips - row;
    float* out = args.out + row * args.out_stride;
    float inverse[gemm_rows];
    pack_queries(args.q + row * args.stride, args.stride, rows, size, args.scale, queries);
    multiply_strip(queries, rows, keys, size, size, scores, k_block, strip_block, length,
                   true);  // (scale q) k^T   [rows, S]
    for (std::size_t r = 0; r < rows; ++r) {
      float largest = 0.0f;
      inverse[r] = 1.0f / exp_row(scores + r * k_block, length, strip_block, largest);
    }
    multiply_strip(scores, rows, values, length, length, out, args.out_stride, k_block, size,
                   false);  // exp(scores - max) v [rows, D]
    for (std::size_t r = 0; r < rows; ++r) {
      scale_row(out + r * args.out_stride, size, inverse[r]);
      if (!args.probabilities) continue;
      for (std::size_t i = 0; i < length; ++i)
        args.probabilities[(row + r) * length + i] =
            scores[i / k_block * strip_block + r * k_block + i % k_block] * inverse[r];
    }
  }
}

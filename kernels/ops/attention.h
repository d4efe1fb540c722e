// Attention of one head over one sequence: out = softmax(scale q k^T) v  (Vaswani et al. 2017, equation 1).
//
// Keys and values are packed once, then strips of query rows pass through: scores [rows, S] by the GEMM tile, a
// full-row softmax kept unnormalised, values by the GEMM tile again, and one multiplication by 1 / sum at the head's D
// outputs. No [S, S] matrix exists unless the caller asks for the probabilities. There is no mask: a batch holds no
// padding.

inline std::size_t round_up(std::size_t n, std::size_t multiple) { return (n + multiple - 1) / multiple * multiple; }

/// Elements of scratch: packed keys, packed values, one strip of scaled queries and one of scores.
inline std::size_t attention_scratch(std::size_t length, std::size_t head_size) {
  return round_up(length, panel_width) * head_size + round_up(head_size, panel_width) * length +
         gemm_rows * round_up(length, lanes) + gemm_rows * round_up(head_size, lanes);
}

inline void pack_keys(const AttentionArgs<float>& args, float* packed) {
  const std::size_t last = args.length / panel_width * panel_width;  // the cut panel's padding must be numbers
  if (last < args.length)
    for (std::size_t i = 0; i < panel_width * args.head_size; ++i) packed[last * args.head_size + i] = 0.0f;
  pack({args.k, args.stride, 0, args.length, args.head_size, packed});
}

/// v [S, D] -> [D/NR][S][NR]: the values' columns play the part of the weights' rows.
inline void pack_values(const AttentionArgs<float>& args, float* packed) {
  for (std::size_t d = 0; d < args.head_size; d += panel_width)
    for (std::size_t s = 0; s < args.length; ++s)
      for (std::size_t v = 0; v < panel_width; v += lanes, packed += lanes) {
        const std::size_t column = d + v, left = column < args.head_size ? args.head_size - column : 0;
        store(packed, left > 0 ? load_first(args.v + s * args.stride + column, left, 0.0f) : set1(0.0f));
      }
}

inline void attention(const AttentionArgs<float>& args) {
  const std::size_t length = args.length, size = args.head_size;
  float* keys = args.scratch;
  float* values = keys + round_up(length, panel_width) * size;
  float* scores = values + round_up(size, panel_width) * length;
  float* queries = scores + gemm_rows * round_up(length, lanes);
  pack_keys(args, keys);
  pack_values(args, values);

  const std::size_t count = args.row_end - args.row_begin, strips = (count + gemm_rows - 1) / gemm_rows;
  for (std::size_t strip = 0; strip < strips; ++strip) {
    const std::size_t row = args.row_begin + count * strip / strips;
    const std::size_t rows = args.row_begin + count * (strip + 1) / strips - row;
    for (std::size_t r = 0; r < rows; ++r) {
      std::memcpy(queries + r * size, args.q + (row + r) * args.stride, size * sizeof(float));
      scale_row(queries + r * size, size, args.scale);
    }
    // scores = (scale q) k^T   [rows, S]
    GemmArgs<float> product{};
    product.a = queries, product.a_stride = size, product.packed = keys;
    product.c = scores, product.c_stride = length;
    product.rows = rows, product.n = length, product.k = size;
    product.panel_end = (length + panel_width - 1) / panel_width;
    gemm(product);
    float inverse[gemm_rows];
    for (std::size_t r = 0; r < rows; ++r) {
      float largest = 0.0f;
      inverse[r] = 1.0f / exp_row(scores + r * length, length, largest);
    }
    // out = (exp(scores - max) v) / sum   [rows, D]
    product.a = scores, product.a_stride = length, product.packed = values;
    product.c = args.out + row * args.out_stride, product.c_stride = args.out_stride;
    product.n = size, product.k = length;
    product.panel_end = (size + panel_width - 1) / panel_width;
    gemm(product);
    for (std::size_t r = 0; r < rows; ++r) {
      scale_row(product.c + r * args.out_stride, size, inverse[r]);
      if (!args.probabilities) continue;
      float* row_out = args.probabilities + (row + r) * length;
      std::memcpy(row_out, scores + r * length, length * sizeof(float));
      scale_row(row_out, length, inverse[r]);
    }
  }
}

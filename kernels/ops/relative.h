// Attention that sees keys at their distance (Dai et al. 2019, section 3.3), XLNet's, in three products per strip of
// queries: with the keys, with the keys of distances, and with those of the two kinds of segments.
//
// Query i sees key j at the distance i - j, row L - i + j of the distances' keys: for one query, neighbouring keys are
// neighbouring rows. So a strip multiplies the rows that its queries need, from a whole panel on, and query i adds its
// part of the product, which begins one column further left with every row.

/// Columns of a strip's product with the keys of distances: at most those of its keys and queries, and a panel's rest.
inline std::size_t distance_columns(std::size_t length) {
  return round_up(length + gemm_rows + panel_width, panel_width);
}

/// Elements of scratch: attention's, and one strip's product with distances, which begins at a whole vector.
inline std::size_t relative_scratch(std::size_t length, std::size_t head_size) {
  return round_up(attention_scratch(length, head_size), panel_width) + gemm_rows * distance_columns(length);
}

/// x <- (x + y) factor, `count` scores of a strip's row.
inline void add_to_row(float* x, const float* y, std::size_t count, float factor) {
  const Vec f = set1(factor);
  for (std::size_t i = 0; i < count; i += lanes) {
    float* const at = x + i / k_block * strip_block + i % k_block;
    store_first(at, count - i, (load_first(at, count - i, 0.0f) + load_first(y + i, count - i, 0.0f)) * f);
  }
}

/// to [rows, N] <- (q + bias) packed^T, `to` laid out as multiply_strip's c.
inline void multiply_biased(const RelativeAttentionArgs<float>& args, std::size_t row, std::size_t rows,
                            const float* bias, float* queries, const float* packed, float* to, std::size_t to_stride,
                            std::size_t to_block, std::size_t n) {
  const std::size_t size = args.head_size;
  pack_queries(args.q + row * args.stride, args.stride, rows, size, 1.0f, queries, bias);
  multiply_strip(queries, rows, packed, size, size, to, to_stride, to_block, n, true);
}

inline void relative_attention(const RelativeAttentionArgs<float>& args) {
  const std::size_t length = args.length, keys = args.keys, size = args.head_size;
  const std::size_t strips = (length + gemm_rows - 1) / gemm_rows, columns = distance_columns(length);
  float* packed_keys = args.scratch;
  float* values = packed_keys + round_up(length, panel_width) * size;
  float* scores = values + round_up(size, panel_width) * length;
  float* queries = scores + strip_size(length);
  float* extra = args.scratch + round_up(attention_scratch(length, size), panel_width);  // [rows, columns]
  pack_keys(args.k, args.stride, 0, keys, size, packed_keys);
  pack_values(args.v, args.stride, 0, keys, size, keys, values);

  for (std::size_t strip = 0; strip < strips; ++strip) {
    const std::size_t row = length * strip / strips, end = length * (strip + 1) / strips, rows = end - row;
    float* out = args.out + row * args.out_stride;
    float inverse[gemm_rows];
    multiply_biased(args, row, rows, args.content_bias, queries, packed_keys, scores, k_block, strip_block, keys);
    if (args.types) {
      multiply_biased(args, row, rows, args.segment_bias, queries, args.segments, extra, columns, k_block, 2);
      for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t j = 0; j < keys; ++j)
          scores[j / k_block * strip_block + r * k_block + j % k_block] +=
              extra[r * columns + (args.types[j] != args.types[row + r] ? 1 : 0)];
    }
    const std::size_t first = (args.longest + 1 - end) / panel_width * panel_width;  // the last query's first distance
    multiply_biased(args, row, rows, args.position_bias, queries, args.positions + first * size, extra, columns,
                    k_block, args.longest - row + keys - first);
    for (std::size_t r = 0; r < rows; ++r)
      add_to_row(scores + r * k_block, extra + r * columns + (args.longest - row - r - first), keys, args.scale);
    for (std::size_t r = 0; r < rows; ++r) {
      float largest = 0.0f;
      inverse[r] = 1.0f / exp_row(scores + r * k_block, keys, strip_block, largest);
    }
    multiply_strip(scores, rows, values, keys, keys, out, args.out_stride, k_block, size, false);
    for (std::size_t r = 0; r < rows; ++r) {
      scale_row(out + r * args.out_stride, size, inverse[r]);
      if (!args.probabilities) continue;
      for (std::size_t j = 0; j < length; ++j)
        args.probabilities[(row + r) * length + j] =
            j < keys ? scores[j / k_block * strip_block + r * k_block + j % k_block] * inverse[r] : 0.0f;
    }
  }
}

// Attention of a causal model over keys and values that are kept packed between calls: the query at position p sees the
// keys 0 to p (numerics rule 8). A sequence may come whole, in pieces or token by token.
//
// A head's cache is its packed keys [capacity/NR][D][NR], then its packed values [D/NR][capacity][NR]. A strip of
// queries passes as in attention.h, over the keys of its last row. In the other rows the probabilities beyond their own
// position are 0: a sum goes on over terms +-0, which leaves every number what it was but the sign of a zero; the last
// step, one fma that adds +0, makes those equal.

inline std::size_t cache_size(std::size_t capacity, std::size_t head_size) {
  return round_up(capacity, panel_width) * head_size + round_up(head_size, panel_width) * capacity;
}

/// Elements of scratch: one strip of scores and one of scaled queries.
inline std::size_t causal_scratch(std::size_t length, std::size_t head_size) {
  return strip_size(length) + strip_size(head_size);
}

inline void cache(const CacheArgs<float>& args) {
  float* values = args.cache + round_up(args.capacity, panel_width) * args.head_size;
  pack_keys(args.k, args.stride, args.first, args.rows, args.head_size, args.cache);
  pack_values(args.v, args.stride, args.first, args.rows, args.head_size, args.capacity, values);
}

/// x[count, end) <- 0 in a strip's row.
inline void clear_row(float* x, std::size_t count, std::size_t end) {
  for (; count < end; ++count) x[count / k_block * strip_block + count % k_block] = 0.0f;
}

/// x <- x * factor + 0: no zero keeps a sign.
inline void scale_causal_row(float* x, std::size_t count, float factor) {
  const Vec f = set1(factor), zero = set1(0.0f);
  for (std::size_t i = 0; i < count; i += lanes)
    store_first(x + i, count - i, fma(load_first(x + i, count - i, 0.0f), f, zero));
}

inline void causal_attention(const CausalAttentionArgs<float>& args) {
  const std::size_t size = args.head_size, strips = (args.rows + gemm_rows - 1) / gemm_rows;
  const float* values = args.cache + round_up(args.capacity, panel_width) * size;
  float* scores = args.scratch;
  float* queries = scores + strip_size(args.first + args.rows);
  for (std::size_t strip = 0; strip < strips; ++strip) {
    const std::size_t row = args.rows * strip / strips, rows = args.rows * (strip + 1) / strips - row;
    const std::size_t first = args.first + row, length = first + rows;  // the last row's keys
    float* out = args.out + row * args.out_stride;
    float inverse[gemm_rows];
    pack_queries(args.q + row * args.stride, args.stride, rows, size, args.scale, queries);
    multiply_strip(queries, rows, args.cache, size, size, scores, k_block, strip_block, length, true);
    for (std::size_t r = 0; r < rows; ++r) {
      float largest = 0.0f;
      inverse[r] = 1.0f / exp_row(scores + r * k_block, first + r + 1, strip_block, largest);
      clear_row(scores + r * k_block, first + r + 1, length);
    }
    multiply_strip(scores, rows, values, length, args.capacity, out, args.out_stride, k_block, size, false);
    for (std::size_t r = 0; r < rows; ++r) {
      scale_causal_row(out + r * args.out_stride, size, inverse[r]);
      if (!args.probabilities) continue;
      float* p = args.probabilities + (row + r) * (args.first + args.rows);
      for (std::size_t i = 0; i < args.first + args.rows; ++i)
        p[i] = i < length ? scores[i / k_block * strip_block + r * k_block + i % k_block] * inverse[r] : 0.0f;
    }
  }
}

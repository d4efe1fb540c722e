// Row operations: reductions over sixteen virtual lanes, softmax, LayerNorm, embedding rows, pooling, element-wise
// maps.
//
// Numerics rule 2: element i of a row belongs to lane i mod 16; lanes are folded 8, 4, 2, 1. Tails are masked loads
// that fill with the operation's neutral element, so a row's result does not depend on where in memory it lies.

inline float tree_sum(Vec v) {
  v = v + down<8>(v);
  v = v + down<4>(v);
  v = v + down<2>(v);
  return first_lane(v + down<1>(v));
}

inline float tree_max(Vec v) {
  v = max(v, down<8>(v));
  v = max(v, down<4>(v));
  v = max(v, down<2>(v));
  return first_lane(max(v, down<1>(v)));
}

template <Vec (*function)(Vec)>
inline void map(float* x, std::size_t count) {
  for (std::size_t i = 0; i < count; i += lanes)
    store_first(x + i, count - i, function(load_first(x + i, count - i, 1.0f)));
}

inline void activate(Activation kind, float* x, std::size_t count) { epilogue_for(kind)({x, nullptr, nullptr, count}); }

inline float dot(const float* a, const float* b, std::size_t count) {
  Vec sum = set1(0.0f);
  for (std::size_t i = 0; i < count; i += lanes)
    sum = fma(load_first(a + i, count - i, 0.0f), load_first(b + i, count - i, 0.0f), sum);
  return tree_sum(sum);
}

/// x <- exp(x - max); returns the sum. Dividing is left to the caller. Largest: the row's maximum. The row lies in
/// blocks of k_block elements, `block_stride` apart.
inline float exp_row(float* x, std::size_t count, std::size_t block_stride, float& largest) {
  const float lowest = -std::numeric_limits<float>::infinity();
  Vec top = set1(lowest);
  for (std::size_t done = 0; done < count; done += k_block) {
    const float* block = x + done / k_block * block_stride;
    for (std::size_t i = done; i < count && i < done + k_block; i += lanes, block += lanes)
      top = max(top, load_first(block, count - i, lowest));
  }
  largest = tree_max(top);
  const Vec shift = set1(largest);
  Vec sum = set1(0.0f);
  for (std::size_t done = 0; done < count; done += k_block) {
    float* block = x + done / k_block * block_stride;
    for (std::size_t i = done; i < count && i < done + k_block; i += lanes, block += lanes) {
      const Vec e = exp(load_first(block, count - i, lowest) - shift);
      store_first(block, count - i, e);
      sum = sum + e;
    }
  }
  return tree_sum(sum);
}

inline void scale_row(float* x, std::size_t count, float factor) {
  const Vec f = set1(factor);
  for (std::size_t i = 0; i < count; i += lanes) store_first(x + i, count - i, load_first(x + i, count - i, 0.0f) * f);
}

inline void softmax(const SoftmaxArgs<float>& args) {
  float largest = 0.0f;
  const float sum = exp_row(args.x, args.count, k_block, largest);
  scale_row(args.x, args.count, 1.0f / sum);
  if (!args.log_sum) return;
  float log_sum[lanes];
  store(log_sum, log(set1(sum)));
  *args.log_sum = largest + log_sum[0];
}

/// Two passes (mean, then variance): E[x^2] - mean^2 would cancel on BERT's outlier channels.
inline void layer_norm(const LayerNormArgs<float>& args) {
  const std::size_t columns = args.columns;
  for (std::size_t r = 0; r < args.rows; ++r) {
    const float* x = args.x + r * args.x_stride;
    float* y = args.y + r * args.y_stride;
    Vec sum = set1(0.0f);
    for (std::size_t i = 0; i < columns; i += lanes) sum = sum + load_first(x + i, columns - i, 0.0f);
    const float mean = tree_sum(sum) / static_cast<float>(columns);
    const Vec center = set1(mean);
    Vec squares = set1(0.0f);
    for (std::size_t i = 0; i < columns; i += lanes) {
      const Vec d = load_first(x + i, columns - i, mean) - center;
      squares = fma(d, d, squares);
    }
    const float variance = tree_sum(squares) / static_cast<float>(columns);
    const Vec scale = set1(1.0f) / sqrt(set1(variance) + set1(args.eps));
    for (std::size_t i = 0; i < columns; i += lanes) {
      const std::size_t left = columns - i;
      const Vec normal = (load_first(x + i, left, mean) - center) * scale;
      store_first(y + i, left,
                  fma(normal, load_first(args.gamma + i, left, 0.0f), load_first(args.beta + i, left, 0.0f)));
    }
  }
}

inline void rms_norm(const LayerNormArgs<float>& args) {
  const std::size_t columns = args.columns;
  for (std::size_t r = 0; r < args.rows; ++r) {
    const float* x = args.x + r * args.x_stride;
    float* y = args.y + r * args.y_stride;
    Vec squares = set1(0.0f);
    for (std::size_t i = 0; i < columns; i += lanes) {
      const Vec v = load_first(x + i, columns - i, 0.0f);
      squares = fma(v, v, squares);
    }
    const Vec mean = set1(tree_sum(squares) / static_cast<float>(columns));
    const Vec scale = set1(1.0f) / sqrt(mean + set1(args.eps));
    for (std::size_t i = 0; i < columns; i += lanes) {
      const std::size_t left = columns - i;
      store_first(y + i, left, load_first(x + i, left, 0.0f) * scale * load_first(args.gamma + i, left, 0.0f));
    }
  }
}

/// (a, b) <- (a cos - b sin, b cos + a sin).
inline void rotate(const RotateArgs<float>& args) {
  const std::size_t half = args.head_size / 2;
  for (std::size_t r = 0; r < args.rows; ++r) {
    const std::size_t at = static_cast<std::size_t>(args.positions[r]) * half;
    for (std::size_t h = 0; h < args.heads; ++h) {
      float* x = args.x + r * args.stride + h * args.head_size;
      for (std::size_t i = 0; i < half; i += lanes) {
        const std::size_t left = half - i;
        const Vec a = load_first(x + i, left, 0.0f), b = load_first(x + half + i, left, 0.0f);
        const Vec c = load_first(args.cosine + at + i, left, 0.0f), s = load_first(args.sine + at + i, left, 0.0f);
        store_first(x + i, left, fma(a, c, set1(0.0f) - b * s));
        store_first(x + half + i, left, fma(b, c, a * s));
      }
    }
  }
}

inline void gate(const GateArgs<float>& args) {
  for (std::size_t r = 0; r < args.rows; ++r) {
    float* x = args.x + r * args.stride;
    activate(args.activation, x, args.columns);
    for (std::size_t i = 0; i < args.columns; i += lanes) {
      const std::size_t left = args.columns - i;
      store_first(x + i, left, load_first(x + i, left, 0.0f) * load_first(x + args.columns + i, left, 0.0f));
    }
  }
}

inline void embed(const EmbedArgs<float>& args) {
  const std::size_t columns = args.columns, panel = args.panel;
  for (std::size_t r = 0; r < args.rows; ++r) {
    const std::size_t id = static_cast<std::size_t>(args.ids[r]);
    const float* word = args.word + (id - id % panel) * columns + id % panel;  // element k lies at k * panel
    const float* type = args.type + static_cast<std::size_t>(args.type_ids[r]) * columns;
    const float* position = args.position + static_cast<std::size_t>(args.positions[r]) * columns;
    float* y = args.y + r * args.y_stride;
    for (std::size_t i = 0; i < columns; i += lanes) {
      const std::size_t left = columns - i, count = left < lanes ? left : lanes;
      float gathered[lanes] = {};
      for (std::size_t k = 0; k < count; ++k) gathered[k] = word[(i + k) * panel];
      const Vec sum = load(gathered) + load_first(type + i, left, 0.0f);
      store_first(y + i, left, sum + load_first(position + i, left, 0.0f));
    }
  }
}

inline Vec pool_step(PoolingMode mode, Vec y, Vec x) {
  if (mode == PoolingMode::mean) return y + x;
  return mode == PoolingMode::max ? max(y, x) : x;
}

inline void pool(const PoolArgs<float>& args) {
  const std::size_t row_count = args.mode == PoolingMode::cls ? 1 : args.rows;
  for (std::size_t i = 0; i < args.columns; i += lanes) {
    const std::size_t left = args.columns - i;
    Vec y = args.mode == PoolingMode::mean ? set1(0.0f) : load_first(args.x + i, left, 0.0f);
    for (std::size_t r = 0; r < row_count; ++r)
      y = pool_step(args.mode, y, load_first(args.x + r * args.stride + i, left, 0.0f));
    if (args.mode == PoolingMode::mean) y = y / set1(static_cast<float>(args.rows));
    store_first(args.y + i, left, y);
  }
  if (!args.normalize) return;
  const float norm = std::sqrt(dot(args.y, args.y, args.columns));
  const Vec divisor = set1(norm > 1e-12f ? norm : 1e-12f);
  for (std::size_t i = 0; i < args.columns; i += lanes)
    store_first(args.y + i, args.columns - i, load_first(args.y + i, args.columns - i, 0.0f) / divisor);
}

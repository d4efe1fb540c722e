// Operations of the backward pass and the optimiser, included in a region of its own after the operations of all.h.
//
// Products are the same gemm(): with weights W [N, K], y = x W^T packs W by pack(), dx = dy W by pack_columns(), and
// dW = dy^T x is the product of transposed dy with x packed by pack_columns(). So numerics rule 1 holds for all three:
// chains over k, over n, and over the rows of a gradient shard.

inline void pack_columns(const PackColumnsArgs<float>& args) {
  for (std::size_t panel = args.panel_begin; panel < args.panel_end; ++panel)
    for (std::size_t k = 0; k < args.k; ++k) {
      const float* row = args.x + k * args.stride;
      float* to = args.packed + (panel * args.k + k) * panel_width;
      for (std::size_t v = 0; v < panel_width; v += lanes) {
        const std::size_t column = panel * panel_width + v, left = column < args.n ? args.n - column : 0;
        store(to + v, left > 0 ? load_first(row + column, left, 0.0f) : set1(0.0f));
      }
    }
}

/// Four floats, for the one operation that mixes lanes; the compiler's own vectors, as every instruction set has them.
typedef float Four __attribute__((vector_size(16), aligned(4), may_alias));

/// y [4, 4] <- x [4, 4]^T.
inline void transpose_4x4(const float* x, std::size_t x_stride, float* y, std::size_t y_stride) {
  const Four a = *reinterpret_cast<const Four*>(x), b = *reinterpret_cast<const Four*>(x + x_stride);
  const Four c = *reinterpret_cast<const Four*>(x + 2 * x_stride), d = *reinterpret_cast<const Four*>(x + 3 * x_stride);
  const Four ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5), ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
  const Four cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5), cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
  *reinterpret_cast<Four*>(y) = __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5);
  *reinterpret_cast<Four*>(y + y_stride) = __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7);
  *reinterpret_cast<Four*>(y + 2 * y_stride) = __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5);
  *reinterpret_cast<Four*>(y + 3 * y_stride) = __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7);
}

/// In squares of 16 x 16, so that cache lines are read and written whole.
inline void transpose(const TransposeArgs<float>& args) {
  for (std::size_t r0 = 0; r0 < args.rows; r0 += lanes)
    for (std::size_t c0 = 0; c0 < args.columns; c0 += lanes) {
      const std::size_t r1 = r0 + lanes < args.rows ? r0 + lanes : args.rows;
      const std::size_t c1 = c0 + lanes < args.columns ? c0 + lanes : args.columns;
      if (r1 - r0 == lanes && c1 - c0 == lanes) {
        for (std::size_t c = c0; c < c1; c += 4)
          for (std::size_t r = r0; r < r1; r += 4)
            transpose_4x4(args.x + r * args.x_stride + c, args.x_stride, args.y + c * args.y_stride + r, args.y_stride);
        continue;
      }
      for (std::size_t c = c0; c < c1; ++c)
        for (std::size_t r = r0; r < r1; ++r) args.y[c * args.y_stride + r] = args.x[r * args.x_stride + c];
    }
}

inline void column_sums(const ColumnSumsArgs<float>& args) {
  for (std::size_t begin = 0; begin < args.rows; begin += partial_rows) {
    const std::size_t end = begin + partial_rows < args.rows ? begin + partial_rows : args.rows;
    float* to = args.partials + begin / partial_rows * args.partials_stride;
    for (std::size_t i = 0; i < args.columns; i += lanes) {
      Vec sum = set1(0.0f);
      for (std::size_t r = begin; r < end; ++r)
        sum = sum + load_first(args.x + r * args.stride + i, args.columns - i, 0.0f);
      store_first(to + i, args.columns - i, sum);
    }
  }
}

/// x sigmoid(u), differentiated: s + x s (1 - s) u'.
inline Vec swish_derivative(Vec x, Vec u, Vec u_prime) {
  const Vec s = sigmoid(u);
  return fma(x * s * (set1(1.0f) - s), u_prime, s);
}

template <Activation kind>
inline Vec derivative(Vec x) {
  const Vec zero = set1(0.0f), one = set1(1.0f), x2 = x * x;
  if constexpr (kind == Activation::gelu) {  // Phi(x) + x phi(x)
    const Vec tail = normal_tail(abs(x)), phi = exp(x2 * set1(-0.5f)) * set1(0.398942280f);
    return fma(x, phi, select(x < zero, tail, one - tail));
  }
  if constexpr (kind == Activation::gelu_tanh)
    return swish_derivative(x, fma(x2, set1(0.0713548163f), set1(1.59576912f)) * x,
                            fma(x2, set1(0.214064449f), set1(1.59576912f)));
  if constexpr (kind == Activation::quick_gelu) return swish_derivative(x, set1(1.702f) * x, set1(1.702f));
  if constexpr (kind == Activation::silu) return swish_derivative(x, x, one);
  if constexpr (kind == Activation::tanh) {
    const Vec y = tanh(x);
    return fma(zero - y, y, one);
  }
  if constexpr (kind == Activation::sigmoid) {
    const Vec s = sigmoid(x);
    return s * (one - s);
  }
  if constexpr (kind == Activation::relu) return select(zero < x, one, zero);
  if constexpr (kind == Activation::relu2) return select(zero < x, x + x, zero);
  if constexpr (kind == Activation::relu6) return select(zero < x, select(x < set1(6.0f), one, zero), zero);
  return one;
}

template <Activation kind>
inline void multiply_by_derivative(const float* x, float* dy, std::size_t count) {
  for (std::size_t i = 0; i < count; i += lanes) {
    const Vec slope = derivative<kind>(load_first(x + i, count - i, 0.0f));
    store_first(dy + i, count - i, load_first(dy + i, count - i, 0.0f) * slope);
  }
}

inline void activation_backward(Activation kind, const float* x, float* dy, std::size_t count) {
  using Function = void (*)(const float*, float*, std::size_t);
  static constexpr Function functions[] = {
      multiply_by_derivative<Activation::linear>,    multiply_by_derivative<Activation::gelu>,
      multiply_by_derivative<Activation::gelu_tanh>, multiply_by_derivative<Activation::quick_gelu>,
      multiply_by_derivative<Activation::relu>,      multiply_by_derivative<Activation::relu2>,
      multiply_by_derivative<Activation::relu6>,     multiply_by_derivative<Activation::silu>,
      multiply_by_derivative<Activation::tanh>,      multiply_by_derivative<Activation::sigmoid>};
  functions[static_cast<int>(kind)](x, dy, count);
}

/// dx = (dn - mean(dn) - n mean(dn n)) / sqrt(variance + eps) with dn = dy gamma (nn/layer_norm.h); not `centered`: the
/// mean is 0, as are mean(dn) and dbeta (nn/rms_norm.h).
template <bool centered>
inline void norm_backward(const LayerNormBackwardArgs<float>& args) {
  const std::size_t columns = args.columns;
  const float count = static_cast<float>(columns);
  for (std::size_t r = 0; r < args.rows; ++r) {
    const float *x = args.x + r * args.x_stride, *dy = args.dy + r * args.dy_stride;
    float* dx = args.dx + r * args.dx_stride;
    Vec sum = set1(0.0f), squares = sum, sum_dn = sum, sum_dn_n = sum;
    if constexpr (centered)
      for (std::size_t i = 0; i < columns; i += lanes) sum = sum + load_first(x + i, columns - i, 0.0f);
    const float mean = centered ? tree_sum(sum) / count : 0.0f;
    const Vec center = set1(mean);
    for (std::size_t i = 0; i < columns; i += lanes) {
      const Vec d = load_first(x + i, columns - i, mean) - center;
      squares = fma(d, d, squares);
    }
    const Vec scale = set1(1.0f) / sqrt(set1(tree_sum(squares) / count) + set1(args.eps));
    const bool add = r % partial_rows != 0;
    float* dgamma = args.dgamma + r / partial_rows * args.partials_stride;
    float* dbeta = centered ? args.dbeta + r / partial_rows * args.partials_stride : nullptr;
    for (std::size_t i = 0; i < columns; i += lanes) {
      const std::size_t left = columns - i;
      const Vec n = (load_first(x + i, left, mean) - center) * scale, g = load_first(dy + i, left, 0.0f);
      const Vec dn = g * load_first(args.gamma + i, left, 0.0f);
      sum_dn = sum_dn + dn;
      sum_dn_n = fma(dn, n, sum_dn_n);
      store_first(dgamma + i, left, fma(g, n, add ? load_first(dgamma + i, left, 0.0f) : set1(0.0f)));
      if constexpr (centered) store_first(dbeta + i, left, add ? load_first(dbeta + i, left, 0.0f) + g : g);
    }
    const Vec mean_dn = set1(centered ? tree_sum(sum_dn) / count : 0.0f);
    const Vec minus_mean_dn_n = set1(-(tree_sum(sum_dn_n) / count));
    for (std::size_t i = 0; i < columns; i += lanes) {
      const std::size_t left = columns - i;
      const Vec n = (load_first(x + i, left, mean) - center) * scale;
      const Vec dn = load_first(dy + i, left, 0.0f) * load_first(args.gamma + i, left, 0.0f);
      store_first(dx + i, left, fma(n, minus_mean_dn_n, dn - mean_dn) * scale);
    }
  }
}

inline void layer_norm_backward(const LayerNormBackwardArgs<float>& args) { norm_backward<true>(args); }
inline void rms_norm_backward(const LayerNormBackwardArgs<float>& args) { norm_backward<false>(args); }

inline void gate_backward(const GateBackwardArgs<float>& args) {
  for (std::size_t r = 0; r < args.rows; ++r) {
    const float *gate = args.x + r * args.x_stride, *up = gate + args.columns, *dy = args.dy + r * args.dy_stride;
    float *dgate = args.dx + r * args.dx_stride, *dup = dgate + args.columns;
    std::memcpy(dup, gate, args.columns * sizeof(float));
    activate(args.activation, dup, args.columns);
    for (std::size_t i = 0; i < args.columns; i += lanes) {
      const std::size_t left = args.columns - i;
      const Vec g = load_first(dy + i, left, 0.0f);
      store_first(dup + i, left, g * load_first(dup + i, left, 0.0f));
      store_first(dgate + i, left, g * load_first(up + i, left, 0.0f));
    }
    activation_backward(args.activation, gate, dgate, args.columns);
  }
}

/// Where the matrices of one head lie in its scratch. [S, S] rows are `row` elements apart.
struct HeadScratch {
  std::size_t row;
  float *packed, *queries, *p, *dropped, *dp, *turned;
};
inline std::size_t larger(std::size_t a, std::size_t b) { return a > b ? a : b; }
inline std::size_t packed_head(std::size_t length, std::size_t size) {
  return larger(round_up(length, panel_width) * size, round_up(size, panel_width) * length);
}
inline std::size_t training_attention_scratch(std::size_t length, std::size_t size) {
  return packed_head(length, size) + round_up(length * size, lanes) + 4 * length * round_up(length, lanes);
}
inline HeadScratch head_scratch(const TrainingAttentionArgs<float>& args) {
  const std::size_t row = round_up(args.length, lanes), square = args.length * row;
  float* const queries = args.scratch + packed_head(args.length, args.head_size);
  float* const p = queries + round_up(args.length * args.head_size, lanes);
  return {row, args.scratch, queries, p, p + square, p + 2 * square, p + 3 * square};
}

/// c [M, N] = a [M, K] b with b as packed.
inline void multiply(const float* a, std::size_t a_stride, const float* packed, float* c, std::size_t c_stride,
                     std::size_t m, std::size_t n, std::size_t k) {
  gemm({a, a_stride, packed, nullptr, nullptr, 0, c, c_stride, m, n, k, 0, (n + panel_width - 1) / panel_width,
        Activation::linear});
}
/// c [S, S] = a [S, D] b^T for b [S, D] of the head.
inline void multiply_transposed(const TrainingAttentionArgs<float>& args, const float* a, std::size_t a_stride,
                                const float* b, std::size_t b_stride, float* packed, float* c, std::size_t c_stride) {
  const std::size_t last = args.length / panel_width * panel_width;
  for (std::size_t i = last * args.head_size; i < round_up(args.length, panel_width) * args.head_size; ++i)
    packed[i] = 0.0f;
  pack({b, b_stride, 0, args.length, args.head_size, packed});
  multiply(a, a_stride, packed, c, c_stride, args.length, args.length, args.head_size);
}
/// c [S, D] = a [S, S] b for b [S, D].
inline void multiply_square(const TrainingAttentionArgs<float>& args, const float* a, std::size_t a_stride,
                            const float* b, std::size_t b_stride, float* packed, float* c, std::size_t c_stride) {
  pack_columns({b, b_stride, args.length, args.head_size, 0, (args.head_size + panel_width - 1) / panel_width, packed});
  multiply(a, a_stride, packed, c, c_stride, args.length, args.head_size, args.length);
}

/// p and dropped <- softmax(scale q k^T) before and after dropout; queries <- scale q.
inline void probabilities(const TrainingAttentionArgs<float>& args, const HeadScratch& s) {
  const std::size_t length = args.length, size = args.head_size;
  for (std::size_t i = 0; i < length; ++i)
    for (std::size_t d = 0; d < size; d += lanes)
      store_first(s.queries + i * size + d, size - d,
                  load_first(args.q + i * args.stride + d, size - d, 0.0f) * set1(args.scale));
  multiply_transposed(args, s.queries, size, args.k, args.stride, s.packed, s.p, s.row);
  for (std::size_t i = 0; i < length; ++i) {
    const std::size_t seen = args.causal ? i + 1 : length;
    softmax({s.p + i * s.row, seen, nullptr});
    for (std::size_t j = seen; j < length; ++j) s.p[i * s.row + j] = 0.0f;
    if (args.mask.threshold == 0) continue;
    std::memcpy(s.dropped + i * s.row, s.p + i * s.row, length * sizeof(float));
    apply_dropout<float>({s.dropped + i * s.row, length, args.first_element + i * round_up(length, 8), args.mask});
  }
}

inline void training_attention(const TrainingAttentionArgs<float>& args) {
  const HeadScratch s = head_scratch(args);
  probabilities(args, s);
  const float* p = args.mask.threshold == 0 ? s.p : s.dropped;
  multiply_square(args, p, s.row, args.v, args.stride, s.packed, args.out, args.out_stride);
}

/// The derivation is in nn/attention.h.
inline void training_attention_backward(const TrainingAttentionArgs<float>& args) {
  const std::size_t length = args.length, size = args.head_size;
  const HeadScratch s = head_scratch(args);
  probabilities(args, s);
  transpose({args.mask.threshold == 0 ? s.p : s.dropped, s.row, length, length, s.turned, s.row});
  multiply_square(args, s.turned, s.row, args.dout, args.out_stride, s.packed, args.dv, args.stride);  // dropped^T dout
  multiply_transposed(args, args.dout, args.out_stride, args.v, args.stride, s.packed, s.dp, s.row);   // dout v^T
  for (std::size_t i = 0; i < length; ++i) {
    float *dp = s.dp + i * s.row, *p = s.p + i * s.row;
    apply_dropout<float>({dp, length, args.first_element + i * round_up(length, 8), args.mask});
    const Vec mean = set1(dot(args.dout + i * args.out_stride, args.out + i * args.out_stride, size));
    for (std::size_t j = 0; j < length; j += lanes)  // ds = p (dp - mean)
      store_first(dp + j, length - j,
                  load_first(p + j, length - j, 0.0f) * (load_first(dp + j, length - j, 0.0f) - mean));
  }
  transpose({s.dp, s.row, length, length, s.turned, s.row});
  multiply_square(args, s.turned, s.row, s.queries, size, s.packed, args.dk, args.stride);  // ds^T (scale q)
  multiply_square(args, s.dp, s.row, args.k, args.stride, s.packed, args.dq, args.stride);  // ds k, to be scaled
  for (std::size_t i = 0; i < length; ++i) scale_row(args.dq + i * args.stride, size, args.scale);
}

inline float cross_entropy(const CrossEntropyArgs<float>& args) {
  const float logit = args.x[args.label];
  float largest = 0;
  const float sum = exp_row(args.x, args.count, k_block, largest);
  scale_row(args.x, args.count, args.weight / sum);
  args.x[args.label] -= args.weight;
  float log_sum[lanes];
  store(log_sum, log(set1(sum)));
  *args.right = logit == largest;
  return largest + log_sum[0] - logit;
}

inline void add(const float* x, float* y, std::size_t count) {
  for (std::size_t i = 0; i < count; i += lanes)
    store_first(y + i, count - i, load_first(y + i, count - i, 0.0f) + load_first(x + i, count - i, 0.0f));
}

inline void adamw(const AdamWArgs<float>& args) {
  const Vec clip = set1(args.clip), beta1 = set1(args.beta1), beta2 = set1(args.beta2), eps = set1(args.eps);
  const Vec rest1 = set1(1.0f - args.beta1), rest2 = set1(1.0f - args.beta2), correction = set1(args.sqrt_correction2);
  const Vec minus_decay = set1(-args.decay), minus_step = set1(-args.step);
  for (std::size_t i = 0; i < args.count; i += lanes) {
    const std::size_t left = args.count - i;
    const Vec g = clip * load_first(args.g + i, left, 0.0f);
    const Vec m = fma(rest1, g, beta1 * load_first(args.m + i, left, 0.0f));
    const Vec v = fma(rest2 * g, g, beta2 * load_first(args.v + i, left, 0.0f));
    const Vec p = load_first(args.p + i, left, 0.0f), direction = m / (sqrt(v) / correction + eps);
    store_first(args.m + i, left, m);
    store_first(args.v + i, left, v);
    store_first(args.p + i, left, fma(minus_step, direction, fma(minus_decay, p, p)));
  }
}

inline constexpr TrainingKernels<float> training_kernels = {pack_columns,
                                                            transpose,
                                                            column_sums,
                                                            activation_backward,
                                                            layer_norm_backward,
                                                            rms_norm_backward,
                                                            gate_backward,
                                                            apply_dropout<float>,
                                                            training_attention_scratch,
                                                            training_attention,
                                                            training_attention_backward,
                                                            cross_entropy,
                                                            add,
                                                            adamw};

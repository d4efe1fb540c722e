// The kernel table of training: what the operations of a backward pass and of the optimiser take. As table.h, which
// it goes beside: slices chosen by the caller, no allocation, no threads; struct, pointer, ops/training.h,
// training_reference.h.
#pragma once
#include "table.h"

namespace bert_kernels::inline table_v0_1 {

/// Rows whose sums are taken one after the other; the partial sums are then added in pairs (numerics rule 6).
inline constexpr std::size_t partial_rows = 64;

/// packed [N/NR][K][NR] <- x [K, N], the panels [panel_begin, panel_end): the right side of a product c = a x, where
/// pack() makes that of c = a x^T. Padding columns become 0.
template <class T>
struct PackColumnsArgs {
  const T* x;  // [K, N]
  std::size_t stride;
  std::size_t k, n;
  std::size_t panel_begin, panel_end;
  T* packed;  // the whole packed matrix
};

/// y [columns, rows] <- x [rows, columns].
template <class T>
struct TransposeArgs {
  const T* x;
  std::size_t x_stride;
  std::size_t rows, columns;
  T* y;
  std::size_t y_stride;
};

/// Sums over the rows of each block of partial_rows rows, row by row: partials [ceil(rows / 64), columns]. A slice
/// begins at a multiple of 64 rows.
template <class T>
struct ColumnSumsArgs {
  const T* x;  // [rows, columns]
  std::size_t stride;
  std::size_t rows, columns;
  T* partials;
  std::size_t partials_stride;
};

/// Through y = n gamma + beta with n = (x - mean) / sqrt(variance + eps): dx, and the partial sums of dgamma = sum of
/// dy n and dbeta = sum of dy, as ColumnSumsArgs. dx may be dy.
template <class T>
struct LayerNormBackwardArgs {
  const T* x;  // what forward normalised
  std::size_t x_stride;
  const T* gamma;
  const T* dy;
  std::size_t dy_stride;
  T* dx;
  std::size_t dx_stride;
  std::size_t rows, columns;
  T eps;
  T *dgamma, *dbeta;  // [ceil(rows / 64), partials_stride]; rms_norm_backward: no dbeta
  std::size_t partials_stride;
};

/// Through y = activation(gate) * up, gate and up side by side in x: dgate and dup, side by side in dx.
template <class T>
struct GateBackwardArgs {
  const T* x;  // [rows, 2 columns]
  std::size_t x_stride;
  const T* dy;  // [rows, columns]
  std::size_t dy_stride;
  T* dx;  // [rows, 2 columns]
  std::size_t dx_stride;
  std::size_t rows, columns;
  Activation activation;
};

/// Where a dropout mask comes from: halfword e % 8 of Philox block e / 8 at (step, site, sequence) decides on element
/// e. Elements below `threshold` of 65536 become 0, others are multiplied by `scale` = 1 / (1 - threshold / 65536).
struct DropoutMask {
  std::uint32_t key[2] = {};
  std::uint32_t step = 0, site = 0, sequence = 0;
  std::uint32_t threshold = 0;  // 0: no dropout
};

/// x [count] is elements [first, first + count) of what the mask covers. `first` is a multiple of 8.
template <class T>
struct DropoutArgs {
  T* x;
  std::size_t count, first;
  DropoutMask mask;
};

/// One head of one sequence (AttentionArgs), with dropout of the probabilities: element (i, j) of the mask is
/// first_element + i * round_up(S, 8) + j. `causal`: query i sees keys 0 to i, the other probabilities are 0.
template <class T>
struct TrainingAttentionArgs {
  const T *q, *k, *v;  // each [S, D]
  std::size_t stride;  // of q, k, v and, in the backward pass, dq, dk, dv
  T* out;              // [S, D]: written by forward, read by backward
  std::size_t out_stride;
  std::size_t length, head_size;
  T scale;
  DropoutMask mask;
  std::size_t first_element;
  T* scratch;               // training_attention_scratch(length, head_size) elements, 64-byte aligned
  const T* dout = nullptr;  // [S, D], out_stride apart
  T *dq = nullptr, *dk = nullptr, *dv = nullptr;
  bool causal = false;
};

/// One row: x [count] holds logits and receives weight * (softmax(x) - onehot(label)); `right` whether no logit is
/// larger than the label's. Returns -log softmax(x)[label].
template <class T>
struct CrossEntropyArgs {
  T* x;
  std::size_t count, label;
  T weight;
  std::uint8_t* right;
};

/// AdamW (Loshchilov and Hutter 2019, algorithm 2) on a slice of a parameter:
///   g' = clip g;  m = b1 m + (1 - b1) g';  v = b2 v + (1 - b2) g'^2
///   p = p - lr decay p - lr / correction1 * m / (sqrt(v) / sqrt_correction2 + eps)
template <class T>
struct AdamWArgs {
  T *p, *m, *v;
  const T* g;
  std::size_t count;
  T clip, beta1, beta2, eps;
  T decay;             // lr * weight decay
  T step;              // lr / (1 - beta1^t)
  T sqrt_correction2;  // sqrt(1 - beta2^t)
};

template <class T>
struct TrainingKernels {
  void (*pack_columns)(const PackColumnsArgs<T>&);
  void (*transpose)(const TransposeArgs<T>&);
  void (*column_sums)(const ColumnSumsArgs<T>&);
  /// dy <- dy * activation'(x).
  void (*activation_backward)(Activation, const T* x, T* dy, std::size_t count);
  void (*layer_norm_backward)(const LayerNormBackwardArgs<T>&);
  /// Through y = n gamma with n = x / sqrt(mean(x^2) + eps).
  void (*rms_norm_backward)(const LayerNormBackwardArgs<T>&);
  void (*gate_backward)(const GateBackwardArgs<T>&);
  void (*dropout)(const DropoutArgs<T>&);
  std::size_t (*attention_scratch)(std::size_t length, std::size_t head_size);  // elements
  void (*attention)(const TrainingAttentionArgs<T>&);
  void (*attention_backward)(const TrainingAttentionArgs<T>&);
  T (*cross_entropy)(const CrossEntropyArgs<T>&);
  /// y <- y + x.
  void (*add)(const T* x, T* y, std::size_t count);
  void (*adamw)(const AdamWArgs<T>&);
};

/// The ten rounds of Philox4x32 (include/bert/core/rng.h).
inline void philox(const DropoutMask& mask, std::uint32_t block, std::uint32_t (&words)[4]) {
  std::uint32_t c0 = block, c1 = mask.sequence, c2 = mask.site, c3 = mask.step, k0 = mask.key[0], k1 = mask.key[1];
  for (int round = 0; round < 10; ++round, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
    const std::uint64_t a = std::uint64_t{0xD2511F53u} * c0, b = std::uint64_t{0xCD9E8D57u} * c2;
    c0 = static_cast<std::uint32_t>(b >> 32) ^ c1 ^ k0, c1 = static_cast<std::uint32_t>(b);
    c2 = static_cast<std::uint32_t>(a >> 32) ^ c3 ^ k1, c3 = static_cast<std::uint32_t>(a);
  }
  words[0] = c0, words[1] = c1, words[2] = c2, words[3] = c3;
}

/// x [count] <- x * mask, of elements from `first`, a multiple of 8: the same numbers in every instruction set.
template <class T>
void apply_dropout(const DropoutArgs<T>& args) {
  if (args.mask.threshold == 0) return;
  const T scale = T(1) / (T(1) - static_cast<T>(args.mask.threshold) / T(65536));
  for (std::size_t i = 0; i < args.count; i += 8) {
    std::uint32_t words[4];
    philox(args.mask, static_cast<std::uint32_t>((args.first + i) / 8), words);
    for (std::size_t e = 0; e < 8 && i + e < args.count; ++e) {
      const std::uint32_t half = words[e / 2] >> (e % 2 * 16) & 0xffff;
      args.x[i + e] = half < args.mask.threshold ? T(0) : args.x[i + e] * scale;
    }
  }
}

}  // namespace bert_kernels::inline table_v0_1

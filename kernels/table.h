// The kernel table: what every operation takes, and one function pointer per operation.
//
// All operations work on a slice (rows, panels, heads) that the caller chose. They never allocate, start or wait for
// threads, throw or print. Float matrices are row-major, [rows, columns] with a row stride in elements.
// To add an operation: a struct of arguments and a pointer here, a file in ops/, a line in ops/all.h and one in
// reference.h; tests and benchmarks list the table's operations (README.md here).
//
// Letters: M rows, N output columns, K summed-over columns, S tokens of one sequence, D head size, H hidden.
#pragma once
#include <cstddef>
#include <cstdint>

#ifndef BERT_KERNELS_ABI
#define BERT_KERNELS_ABI standalone
#endif

// Plain types and constants, the same in every translation unit and in the compiled library, which passes them by
// pointer: so they lie in a namespace of the version alone. Functions lie in BERT_KERNELS_ABI.
namespace bert_kernels::inline table_v0_1 {

/// Element-wise functions by the names of Hugging Face's `hidden_act` (transformers/activations.py).
enum class Activation : int { linear, gelu, gelu_tanh, quick_gelu, relu, relu2, relu6, silu, tanh, sigmoid };

/// The contract constant: sums over K are cut into blocks of this many terms (numerics rule 1).
inline constexpr std::size_t k_block = 256;
/// Sums over a row use this many virtual lanes (numerics rule 2).
inline constexpr std::size_t lanes = 16;

/// packed [N/NR][K][NR] <- weight rows [first_row, first_row + rows) of a [N, K] matrix. Padding rows stay as they are.
template <class T>
struct PackArgs {
  const T* weight;        // [rows, K]
  std::size_t stride;     // elements between rows of weight
  std::size_t first_row;  // in the packed matrix
  std::size_t rows, k;
  T* packed;  // the whole packed matrix
};

/// c = activation(a W^T + bias) + residual, rows [0, rows), columns of panels [panel_begin, panel_end).
/// c may overlap neither a nor residual: sums build up in it.
template <class T>
struct GemmArgs {
  const T* a;  // [rows, K]
  std::size_t a_stride;
  const T* packed;    // W packed [N/NR][K][NR]
  const T* bias;      // [N] or null
  const T* residual;  // [rows, N] or null
  std::size_t residual_stride;
  T* c;  // [rows, N]
  std::size_t c_stride;
  std::size_t rows, n, k;
  std::size_t panel_begin, panel_end;  // panels are NR columns wide; the last may be cut by n
  Activation activation;
};

/// One head of one sequence: out = softmax(scale q k^T) v for query rows [row_begin, row_end)  [S, D].
/// Vaswani et al. 2017, equation 1.
template <class T>
struct AttentionArgs {
  const T *q, *k, *v;  // each [S, D]
  std::size_t stride;  // of q, k and v
  T* out;              // [S, D]
  std::size_t out_stride;
  std::size_t length, head_size;   // S, D
  std::size_t row_begin, row_end;  // queries
  T scale;                         // 1 / sqrt(D)
  T* probabilities;                // [S, S] or null
  T* scratch;                      // attention_scratch(length, head_size) elements, 64-byte aligned
};

/// Keys and values of one head of one sequence that later queries will read, kept as products read them: rows [first,
/// first + rows) of k and v go into the cache, cache_size(capacity, head_size) elements, 64-byte aligned. Rows are put
/// in from 0 upward; what was put in from `first` on is replaced.
template <class T>
struct CacheArgs {
  const T *k, *v;      // [rows, D]
  std::size_t stride;  // of k and v
  std::size_t first, rows, head_size, capacity;
  T* cache;
};

/// One head of a causal model: queries at positions [first, first + rows) of a sequence, of which the one at position p
/// sees the keys 0 to p in the cache. out = softmax(scale q k^T) v. A row's bits do not depend on which rows come with
/// it, nor on the capacity (numerics rule 8).
template <class T>
struct CausalAttentionArgs {
  const T* q;  // [rows, D]
  std::size_t stride;
  const T* cache;  // of at least first + rows tokens
  T* out;          // [rows, D]
  std::size_t out_stride;
  std::size_t first, rows, head_size, capacity;
  T scale;           // 1 / sqrt(D)
  T* probabilities;  // [rows, first + rows] or null
  T* scratch;        // causal_scratch(first + rows, head_size) elements, 64-byte aligned
};

/// One head of one sequence whose keys are seen at their distance, XLNet's (Dai et al. 2019, section 3.3;
/// transformers/models/xlnet/modeling_xlnet.py, rel_attn_core): out = softmax(s) v  [S, D],
///   s_ij = scale ((q_i + content_bias) k_j + (q_i + position_bias) r_(i - j) + (q_i + segment_bias) e_ij)
/// where e_ij is segments' row 0 for tokens i and j of one type, row 1 for others.
template <class T>
struct RelativeAttentionArgs {
  const T *q, *k, *v;  // [S, D], [J, D], [J, D]
  std::size_t stride;  // of q, k and v
  T* out;              // [S, D]
  std::size_t out_stride;
  std::size_t length, keys, head_size;                   // S, J, D; J <= S: the last S - J tokens are seen by nobody
  const T* positions;                                    // [2 L, D] packed: row m is the key of the distance L - m
  std::size_t longest;                                   // L >= S
  const T *content_bias, *position_bias, *segment_bias;  // [D]
  const T* segments;                                     // [2, D] packed
  const std::int32_t* types;                             // [S], or null: all tokens are of one type
  T scale;                                               // 1 / sqrt(D)
  T* probabilities;                                      // [S, S] or null; 0 for keys from J
  T* scratch;  // relative_scratch(length, head_size) elements, 64-byte aligned
};

/// Rotary positions (Su et al. 2021, in the layout of transformers/models/llama/modeling_llama.py): of each head's D
/// elements, i and i + D/2 are turned by the angle of their row's position.
template <class T>
struct RotateArgs {
  T* x;  // [rows, heads * D]
  std::size_t stride;
  const T *cosine, *sine;         // [positions, D/2]
  const std::int32_t* positions;  // [rows]
  std::size_t rows, heads, head_size;
};

/// x[i] = activation(x[i]) * x[columns + i] for i in [0, columns), row by row: a gated linear unit (Shazeer 2020).
template <class T>
struct GateArgs {
  T* x;  // [rows, 2 * columns]
  std::size_t stride, rows, columns;
  Activation activation;
};

/// y = (x - mean) / sqrt(variance + eps) * gamma + beta, row by row. Ba et al. 2016. y may be x.
/// As RMSNorm (Zhang and Sennrich 2019): y = x / sqrt(mean(x^2) + eps) * gamma; beta is not read.
template <class T>
struct LayerNormArgs {
  const T* x;
  std::size_t x_stride;
  const T *gamma, *beta;
  T* y;
  std::size_t y_stride;
  std::size_t rows, columns;
  T eps;
};

/// y = word + type + position, row by row; word rows are read from a packed matrix or, with panel 1, a plain one.
template <class T>
struct EmbedArgs {
  const T* word;                                   // [V, H], packed in panels of `panel` rows
  std::size_t panel;                               // NR, or 1 for row-major
  const T *type, *position;                        // [types, H], [positions, H] row-major
  const std::int32_t *ids, *type_ids, *positions;  // [rows]
  T* y;
  std::size_t y_stride;
  std::size_t rows, columns;  // H
};

/// One row: x <- exp(x - max) / sum. Returns nothing; `log_sum` (or null) receives max + log(sum).
template <class T>
struct SoftmaxArgs {
  T* x;
  std::size_t count;
  T* log_sum;
};

/// Sentence vector of one sequence's token rows.
enum class PoolingMode : int { cls, mean, max, last };
template <class T>
struct PoolArgs {
  const T* x;  // [rows, columns]
  std::size_t stride, rows, columns;
  PoolingMode mode;
  bool normalize;  // divide by max(sqrt(sum of squares), 1e-12)
  T* y;            // [columns]
};

/// Integers of 8 bits (numerics rule 5). Every sum of products is exact, so layouts and tiles are free.
///
/// Row r of x becomes q = clamp(rint(x * multiplier * (127 / absmax)), -127, 127), ties to even, scale[r] = absmax /
/// 127; a row whose largest |x * multiplier| is below 1e-30 becomes zeros with scale 0.
struct QuantizeArgs {
  const float* x;  // [rows, columns]
  std::size_t x_stride;
  const float* multiplier;  // [columns] or null: 1 / the input scale of the linear layer that reads q
  std::size_t rows, columns;
  std::int8_t* q;        // [rows, q_stride]; columns from `columns` to q_stride become 0
  std::size_t q_stride;  // a multiple of 64
  float* scale;          // [rows]
};

/// Rows [first_row, first_row + rows) of a [N, K] matrix of integers in [-127, 127] into the packed form, whose bytes
/// packed_bytes(N, K) were 0 before the first call. Row ranges come in any order and from several threads, each row
/// once.
struct PackInt8Args {
  const std::int8_t* weight;  // [rows, K]
  std::size_t stride, first_row, rows, n, k;
  std::byte* packed;
};

/// c = activation(fma(float(a . w), a_scale * w_scale, bias)) + residual, rows [0, rows), columns of panels
/// [panel_begin, panel_end). c overlaps neither a nor residual.
struct GemmInt8Args {
  const std::int8_t* a;  // [rows, K], as quantize() leaves it
  std::size_t a_stride;
  const float* a_scale;  // [rows]
  const std::byte* packed;
  const float* w_scale;   // [N]
  const float* bias;      // [N] or null, which is 0
  const float* residual;  // [rows, N] or null
  std::size_t residual_stride;
  float* c;  // [rows, N]
  std::size_t c_stride;
  std::size_t rows, n, k;
  std::size_t panel_begin, panel_end;
  Activation activation;
};

struct Int8Kernels {
  std::size_t panel_width;
  std::size_t (*packed_bytes)(std::size_t n, std::size_t k);  // a multiple of 64
  void (*pack)(const PackInt8Args&);
  void (*quantize)(const QuantizeArgs&);
  void (*gemm)(const GemmInt8Args&);
};

/// Products with A and weights rounded to bfloat16, summed in float: outside the promise of equal bits across
/// instruction sets. The packed form is [N/NR][ceil(K/2)][NR] units of 32 bits, a float's room each.
struct Bf16Kernels {
  std::size_t panel_width;
  void (*pack)(const PackArgs<float>&);
  void (*gemm)(const GemmArgs<float>&);
};

/// The operations of one instruction set, or of the reference.
template <class T>
struct KernelTable {
  const char* name;
  std::size_t panel_width;  // NR
  void (*pack)(const PackArgs<T>&);
  void (*gemm)(const GemmArgs<T>&);
  std::size_t (*attention_scratch)(std::size_t length, std::size_t head_size);  // elements
  void (*attention)(const AttentionArgs<T>&);
  std::size_t (*cache_size)(std::size_t capacity, std::size_t head_size);    // elements, a multiple of 16
  std::size_t (*causal_scratch)(std::size_t length, std::size_t head_size);  // elements
  void (*cache)(const CacheArgs<T>&);
  void (*causal_attention)(const CausalAttentionArgs<T>&);
  std::size_t (*relative_scratch)(std::size_t length, std::size_t head_size);  // elements
  void (*relative_attention)(const RelativeAttentionArgs<T>&);
  void (*rotate)(const RotateArgs<T>&);
  void (*gate)(const GateArgs<T>&);
  void (*layer_norm)(const LayerNormArgs<T>&);
  void (*rms_norm)(const LayerNormArgs<T>&);
  void (*embed)(const EmbedArgs<T>&);
  void (*activate)(Activation, T* x, std::size_t count);
  void (*softmax)(const SoftmaxArgs<T>&);
  void (*pool)(const PoolArgs<T>&);
  T (*dot)(const T* a, const T* b, std::size_t count);
  /// exp, erf, tanh, log over an array: for tests, error tables and scores.
  void (*exp)(T* x, std::size_t count);
  void (*erf)(T* x, std::size_t count);
  void (*tanh)(T* x, std::size_t count);
  void (*log)(T* x, std::size_t count);
  /// Runs `rounds` x 16 independent fused multiply-add chains of one register; returns the FLOPs done: the peak.
  double (*peak)(std::size_t rounds, T* sink);
  const Int8Kernels* int8;            // null for double
  const Bf16Kernels* bf16 = nullptr;  // null where the CPU has no such instructions
};

}  // namespace bert_kernels::inline table_v0_1

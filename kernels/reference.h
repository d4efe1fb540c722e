// Every operation of the table as plain templates with std:: functions: what BertModel<double> runs on, the oracle for
// gradients, and the place to read what an operation means. Outside the promise of equal bits.
#pragma once
#include "table.h"

#include <cmath>

namespace bert_kernels::inline BERT_KERNELS_ABI::reference {

template <class T>
T activation(Activation kind, T x) {
  switch (kind) {
    case Activation::linear:
      return x;
    case Activation::gelu:
      return x * T(0.5) * std::erfc(-x / std::sqrt(T(2)));
    case Activation::gelu_tanh:
      return T(0.5) * x * (T(1) + std::tanh(std::sqrt(T(2) / std::acos(T(-1))) * (x + T(0.044715) * x * x * x)));
    case Activation::quick_gelu:
      return x / (T(1) + std::exp(T(-1.702) * x));
    case Activation::relu:
      return x > 0 ? x : T(0);
    case Activation::relu2:
      return x > 0 ? x * x : T(0);
    case Activation::relu6:
      return x > 0 ? (x < 6 ? x : T(6)) : T(0);
    case Activation::silu:
      return x / (T(1) + std::exp(-x));
    case Activation::tanh:
      return std::tanh(x);
    case Activation::sigmoid:
      return T(1) / (T(1) + std::exp(-x));
  }
  return x;
}

template <class T>
void pack(const PackArgs<T>& args) {  // panels of one row: the plain row-major matrix
  for (std::size_t r = 0; r < args.rows; ++r)
    for (std::size_t k = 0; k < args.k; ++k)
      args.packed[(args.first_row + r) * args.k + k] = args.weight[r * args.stride + k];
}

template <class T>
void gemm(const GemmArgs<T>& args) {
  for (std::size_t m = 0; m < args.rows; ++m)
    for (std::size_t n = args.panel_begin; n < args.panel_end; ++n) {
      T sum = 0;
      for (std::size_t k = 0; k < args.k; ++k) sum += args.a[m * args.a_stride + k] * args.packed[n * args.k + k];
      const T x = activation(args.activation, sum + (args.bias ? args.bias[n] : T(0)));
      args.c[m * args.c_stride + n] = x + (args.residual ? args.residual[m * args.residual_stride + n] : T(0));
    }
}

template <class T>
void softmax(const SoftmaxArgs<T>& args) {
  T largest = args.x[0], sum = 0;
  for (std::size_t i = 0; i < args.count; ++i) largest = largest > args.x[i] ? largest : args.x[i];
  for (std::size_t i = 0; i < args.count; ++i) sum += args.x[i] = std::exp(args.x[i] - largest);
  for (std::size_t i = 0; i < args.count; ++i) args.x[i] /= sum;
  if (args.log_sum) *args.log_sum = largest + std::log(sum);
}

inline std::size_t attention_scratch(std::size_t length, std::size_t) { return length; }

template <class T>
void attention(const AttentionArgs<T>& args) {
  for (std::size_t i = args.row_begin; i < args.row_end; ++i) {
    T* p = args.probabilities ? args.probabilities + i * args.length : args.scratch;  // row i   [S]
    for (std::size_t j = 0; j < args.length; ++j) {
      p[j] = 0;
      for (std::size_t d = 0; d < args.head_size; ++d)
        p[j] += args.q[i * args.stride + d] * args.k[j * args.stride + d];
      p[j] *= args.scale;
    }
    softmax<T>({p, args.length, nullptr});
    for (std::size_t d = 0; d < args.head_size; ++d) {
      T sum = 0;
      for (std::size_t j = 0; j < args.length; ++j) sum += p[j] * args.v[j * args.stride + d];
      args.out[i * args.out_stride + d] = sum;
    }
  }
}

inline std::size_t cache_size(std::size_t capacity, std::size_t head_size) { return 2 * capacity * head_size; }

template <class T>
void cache(const CacheArgs<T>& args) {  // keys [capacity, D], then values
  T* keys = args.cache + args.first * args.head_size;
  for (std::size_t r = 0; r < args.rows; ++r)
    for (std::size_t d = 0; d < args.head_size; ++d) {
      keys[r * args.head_size + d] = args.k[r * args.stride + d];
      keys[(args.capacity + r) * args.head_size + d] = args.v[r * args.stride + d];
    }
}

template <class T>
void causal_attention(const CausalAttentionArgs<T>& args) {
  const T *keys = args.cache, *values = keys + args.capacity * args.head_size;
  const std::size_t length = args.first + args.rows;
  for (std::size_t i = 0; i < args.rows; ++i) {
    const std::size_t seen = args.first + i + 1;
    T* p = args.probabilities ? args.probabilities + i * length : args.scratch;  // [seen], then zeros
    for (std::size_t j = 0; j < length; ++j) p[j] = 0;
    for (std::size_t j = 0; j < seen; ++j) {
      for (std::size_t d = 0; d < args.head_size; ++d)
        p[j] += args.q[i * args.stride + d] * keys[j * args.head_size + d];
      p[j] *= args.scale;
    }
    softmax<T>({p, seen, nullptr});
    for (std::size_t d = 0; d < args.head_size; ++d) {
      T sum = 0;
      for (std::size_t j = 0; j < seen; ++j) sum += p[j] * values[j * args.head_size + d];
      args.out[i * args.out_stride + d] = sum;
    }
  }
}

template <class T>
void relative_attention(const RelativeAttentionArgs<T>& args) {
  const std::size_t size = args.head_size;
  for (std::size_t i = 0; i < args.length; ++i) {
    T* p = args.probabilities ? args.probabilities + i * args.length : args.scratch;  // [keys], then zeros
    for (std::size_t j = 0; j < args.length; ++j) p[j] = 0;
    for (std::size_t j = 0; j < args.keys; ++j) {
      const T* r = args.positions + (args.longest + j - i) * size;
      const T* e = args.segments + (args.types && args.types[i] != args.types[j] ? size : 0);
      for (std::size_t d = 0; d < size; ++d) {
        const T q = args.q[i * args.stride + d];
        p[j] += (q + args.content_bias[d]) * args.k[j * args.stride + d] + (q + args.position_bias[d]) * r[d] +
                (q + args.segment_bias[d]) * e[d];
      }
      p[j] *= args.scale;
    }
    softmax<T>({p, args.keys, nullptr});
    for (std::size_t d = 0; d < size; ++d) {
      T sum = 0;
      for (std::size_t j = 0; j < args.keys; ++j) sum += p[j] * args.v[j * args.stride + d];
      args.out[i * args.out_stride + d] = sum;
    }
  }
}

template <class T>
void rotate(const RotateArgs<T>& args) {
  const std::size_t half = args.head_size / 2;
  for (std::size_t r = 0; r < args.rows; ++r)
    for (std::size_t h = 0; h < args.heads; ++h)
      for (std::size_t i = 0; i < half; ++i) {
        T* x = args.x + r * args.stride + h * args.head_size + i;
        const std::size_t at = static_cast<std::size_t>(args.positions[r]) * half + i;
        const T a = x[0], b = x[half];
        x[0] = a * args.cosine[at] - b * args.sine[at];
        x[half] = b * args.cosine[at] + a * args.sine[at];
      }
}

template <class T>
void gate(const GateArgs<T>& args) {
  for (std::size_t r = 0; r < args.rows; ++r)
    for (std::size_t i = 0; i < args.columns; ++i) {
      T* x = args.x + r * args.stride + i;
      *x = activation(args.activation, *x) * x[args.columns];
    }
}

template <class T>
void rms_norm(const LayerNormArgs<T>& args) {
  for (std::size_t r = 0; r < args.rows; ++r) {
    const T* x = args.x + r * args.x_stride;
    T mean = 0;
    for (std::size_t i = 0; i < args.columns; ++i) mean += x[i] * x[i] / T(args.columns);
    for (std::size_t i = 0; i < args.columns; ++i)
      args.y[r * args.y_stride + i] = x[i] / std::sqrt(mean + args.eps) * args.gamma[i];
  }
}

template <class T>
void layer_norm(const LayerNormArgs<T>& args) {
  for (std::size_t r = 0; r < args.rows; ++r) {
    const T* x = args.x + r * args.x_stride;
    T mean = 0, variance = 0;
    for (std::size_t i = 0; i < args.columns; ++i) mean += x[i] / T(args.columns);
    for (std::size_t i = 0; i < args.columns; ++i) variance += (x[i] - mean) * (x[i] - mean) / T(args.columns);
    for (std::size_t i = 0; i < args.columns; ++i)
      args.y[r * args.y_stride + i] = (x[i] - mean) / std::sqrt(variance + args.eps) * args.gamma[i] + args.beta[i];
  }
}

template <class T>
void embed(const EmbedArgs<T>& args) {
  const auto row = [&](const T* table, std::int32_t id) { return table + static_cast<std::size_t>(id) * args.columns; };
  for (std::size_t r = 0; r < args.rows; ++r)
    for (std::size_t i = 0; i < args.columns; ++i)
      args.y[r * args.y_stride + i] = row(args.word, args.ids[r])[i] + row(args.type, args.type_ids[r])[i] +
                                      row(args.position, args.positions[r])[i];
}

template <class T>
T dot(const T* a, const T* b, std::size_t count) {
  T sum = 0;
  for (std::size_t i = 0; i < count; ++i) sum += a[i] * b[i];
  return sum;
}

template <class T>
void pool(const PoolArgs<T>& args) {
  for (std::size_t i = 0; i < args.columns; ++i) {
    const T* x = args.x + i;
    T sum = 0, largest = x[0];
    for (std::size_t r = 0; r < args.rows; ++r) {
      sum += x[r * args.stride];
      largest = largest > x[r * args.stride] ? largest : x[r * args.stride];
    }
    args.y[i] = args.mode == PoolingMode::cls    ? x[0]
                : args.mode == PoolingMode::mean ? sum / T(args.rows)
                : args.mode == PoolingMode::max  ? largest
                                                 : x[(args.rows - 1) * args.stride];
  }
  if (!args.normalize) return;
  const T norm = std::sqrt(dot(args.y, args.y, args.columns));
  for (std::size_t i = 0; i < args.columns; ++i) args.y[i] /= norm > T(1e-12) ? norm : T(1e-12);
}

template <class T, T (*function)(T)>
void map(T* x, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) x[i] = function(x[i]);
}

template <class T>
void activate(Activation kind, T* x, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) x[i] = activation(kind, x[i]);
}

template <class T>
double peak(std::size_t rounds, T* sink) {
  for (std::size_t i = 0; i < rounds; ++i) *sink = std::fma(*sink, *sink, *sink);
  return 2.0 * static_cast<double>(rounds);
}

template <class T>
const KernelTable<T>& table() {
  static constexpr KernelTable<T> entries = {"reference",
                                             1,
                                             pack<T>,
                                             gemm<T>,
                                             attention_scratch,
                                             attention<T>,
                                             cache_size,
                                             attention_scratch,
                                             cache<T>,
                                             causal_attention<T>,
                                             attention_scratch,
                                             relative_attention<T>,
                                             rotate<T>,
                                             gate<T>,
                                             layer_norm<T>,
                                             rms_norm<T>,
                                             embed<T>,
                                             activate<T>,
                                             softmax<T>,
                                             pool<T>,
                                             dot<T>,
                                             map<T, std::exp>,
                                             map<T, std::erf>,
                                             map<T, std::tanh>,
                                             map<T, std::log>,
                                             peak<T>,
                                             nullptr};
  return entries;
}

}  // namespace bert_kernels::inline BERT_KERNELS_ABI::reference

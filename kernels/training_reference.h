// The training operations as plain templates: what training in double runs on, and the place to read them.
#pragma once
#include "reference.h"
#include "training_table.h"

namespace bert_kernels::inline BERT_KERNELS_ABI::reference {

template <class T>
void pack_columns(const PackColumnsArgs<T>& args) {  // panels of one column: the transposed matrix
  for (std::size_t n = args.panel_begin; n < args.panel_end; ++n)
    for (std::size_t k = 0; k < args.k; ++k) args.packed[n * args.k + k] = args.x[k * args.stride + n];
}

template <class T>
void transpose(const TransposeArgs<T>& args) {
  for (std::size_t r = 0; r < args.rows; ++r)
    for (std::size_t c = 0; c < args.columns; ++c) args.y[c * args.y_stride + r] = args.x[r * args.x_stride + c];
}

template <class T>
void column_sums(const ColumnSumsArgs<T>& args) {
  for (std::size_t r = 0; r < args.rows; ++r)
    for (std::size_t c = 0; c < args.columns; ++c) {
      T& sum = args.partials[r / partial_rows * args.partials_stride + c];
      sum = args.x[r * args.stride + c] + (r % partial_rows == 0 ? T(0) : sum);
    }
}

/// d activation(x) / dx
template <class T>
T derivative(Activation kind, T x) {
  const auto sigmoid = [](T z) { return T(1) / (T(1) + std::exp(-z)); };
  switch (kind) {
    case Activation::linear:
      return T(1);
    case Activation::gelu:  // Phi(x) + x phi(x)
      return T(0.5) * std::erfc(-x / std::sqrt(T(2))) + x * std::exp(T(-0.5) * x * x) / std::sqrt(2 * std::acos(T(-1)));
    case Activation::gelu_tanh: {  // x s(u): s(u) + x s(u) (1 - s(u)) u'
      const T c = 2 * std::sqrt(T(2) / std::acos(T(-1))), s = sigmoid(c * (x + T(0.044715) * x * x * x));
      return s + x * s * (1 - s) * c * (1 + T(3 * 0.044715) * x * x);
    }
    case Activation::quick_gelu: {
      const T s = sigmoid(T(1.702) * x);
      return s + x * s * (1 - s) * T(1.702);
    }
    case Activation::relu:
      return x > 0 ? T(1) : T(0);
    case Activation::relu2:
      return x > 0 ? 2 * x : T(0);
    case Activation::relu6:
      return x > 0 && x < 6 ? T(1) : T(0);
    case Activation::silu: {
      const T s = sigmoid(x);
      return s + x * s * (1 - s);
    }
    case Activation::tanh: {
      const T y = std::tanh(x);
      return 1 - y * y;
    }
    case Activation::sigmoid: {
      const T s = sigmoid(x);
      return s * (1 - s);
    }
  }
  return T(1);
}

template <class T>
void activation_backward(Activation kind, const T* x, T* dy, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) dy[i] *= derivative(kind, x[i]);
}

template <class T>
void layer_norm_backward(const LayerNormBackwardArgs<T>& args) {
  const std::size_t columns = args.columns;
  for (std::size_t r = 0; r < args.rows; ++r) {
    const T *x = args.x + r * args.x_stride, *dy = args.dy + r * args.dy_stride;
    T mean = 0, variance = 0;
    for (std::size_t i = 0; i < columns; ++i) mean += x[i] / T(columns);
    for (std::size_t i = 0; i < columns; ++i) variance += (x[i] - mean) * (x[i] - mean) / T(columns);
    const T inverse = 1 / std::sqrt(variance + args.eps);
    T mean_dn = 0, mean_dn_n = 0;  // of dn = dy gamma, and of dn n
    for (std::size_t i = 0; i < columns; ++i) {
      const T n = (x[i] - mean) * inverse, dn = dy[i] * args.gamma[i];
      mean_dn += dn / T(columns), mean_dn_n += dn * n / T(columns);
    }
    T* dgamma = args.dgamma + r / partial_rows * args.partials_stride;
    T* dbeta = args.dbeta + r / partial_rows * args.partials_stride;
    for (std::size_t i = 0; i < columns; ++i) {
      const T n = (x[i] - mean) * inverse, dy_i = dy[i];
      const bool first = r % partial_rows == 0;
      dgamma[i] = dy_i * n + (first ? T(0) : dgamma[i]);
      dbeta[i] = dy_i + (first ? T(0) : dbeta[i]);
      args.dx[r * args.dx_stride + i] = inverse * (dy_i * args.gamma[i] - mean_dn - n * mean_dn_n);
    }
  }
}

template <class T>
void rms_norm_backward(const LayerNormBackwardArgs<T>& args) {
  const std::size_t columns = args.columns;
  for (std::size_t r = 0; r < args.rows; ++r) {
    const T *x = args.x + r * args.x_stride, *dy = args.dy + r * args.dy_stride;
    T squares = 0, mean_dn_n = 0;
    for (std::size_t i = 0; i < columns; ++i) squares += x[i] * x[i] / T(columns);
    const T inverse = 1 / std::sqrt(squares + args.eps);
    for (std::size_t i = 0; i < columns; ++i) mean_dn_n += dy[i] * args.gamma[i] * x[i] * inverse / T(columns);
    T* dgamma = args.dgamma + r / partial_rows * args.partials_stride;
    for (std::size_t i = 0; i < columns; ++i) {
      const T n = x[i] * inverse, dy_i = dy[i];
      dgamma[i] = dy_i * n + (r % partial_rows == 0 ? T(0) : dgamma[i]);
      args.dx[r * args.dx_stride + i] = inverse * (dy_i * args.gamma[i] - n * mean_dn_n);
    }
  }
}

template <class T>
void gate_backward(const GateBackwardArgs<T>& args) {
  for (std::size_t r = 0; r < args.rows; ++r)
    for (std::size_t i = 0; i < args.columns; ++i) {
      const T gate = args.x[r * args.x_stride + i], up = args.x[r * args.x_stride + args.columns + i];
      const T dy = args.dy[r * args.dy_stride + i];
      T* const dx = args.dx + r * args.dx_stride + i;
      dx[0] = dy * up * derivative(args.activation, gate);
      dx[args.columns] = dy * activation(args.activation, gate);
    }
}

inline std::size_t training_attention_scratch(std::size_t length, std::size_t) { return 3 * length; }

/// Row i of the probabilities, before and after dropout  [S].
template <class T>
void probabilities(const TrainingAttentionArgs<T>& args, std::size_t i, T* p, T* dropped) {
  const std::size_t seen = args.causal ? i + 1 : args.length;
  for (std::size_t j = 0; j < args.length; ++j) {
    p[j] = 0;
    for (std::size_t d = 0; d < args.head_size; ++d) p[j] += args.q[i * args.stride + d] * args.k[j * args.stride + d];
    p[j] *= args.scale;
  }
  softmax<T>({p, seen, nullptr});
  for (std::size_t j = seen; j < args.length; ++j) p[j] = 0;
  for (std::size_t j = 0; j < args.length; ++j) dropped[j] = p[j];
  apply_dropout<T>({dropped, args.length, args.first_element + i * ((args.length + 7) / 8 * 8), args.mask});
}

template <class T>
void training_attention(const TrainingAttentionArgs<T>& args) {
  T *p = args.scratch, *dropped = p + args.length;
  for (std::size_t i = 0; i < args.length; ++i) {
    probabilities(args, i, p, dropped);
    for (std::size_t d = 0; d < args.head_size; ++d) {
      T sum = 0;
      for (std::size_t j = 0; j < args.length; ++j) sum += dropped[j] * args.v[j * args.stride + d];
      args.out[i * args.out_stride + d] = sum;
    }
  }
}

template <class T>
void training_attention_backward(const TrainingAttentionArgs<T>& args) {
  const std::size_t length = args.length, size = args.head_size;
  for (std::size_t i = 0; i < length; ++i)
    for (std::size_t d = 0; d < size; ++d)
      args.dq[i * args.stride + d] = args.dk[i * args.stride + d] = args.dv[i * args.stride + d] = 0;
  T *p = args.scratch, *dropped = p + length, *dp = dropped + length;
  for (std::size_t i = 0; i < length; ++i) {
    const T* dout = args.dout + i * args.out_stride;
    probabilities(args, i, p, dropped);
    for (std::size_t j = 0; j < length; ++j) {
      dp[j] = 0;
      for (std::size_t d = 0; d < size; ++d) {
        args.dv[j * args.stride + d] += dropped[j] * dout[d];
        dp[j] += dout[d] * args.v[j * args.stride + d];
      }
    }
    apply_dropout<T>({dp, length, args.first_element + i * ((length + 7) / 8 * 8), args.mask});
    T mean = 0;
    for (std::size_t j = 0; j < length; ++j) mean += p[j] * dp[j];
    for (std::size_t j = 0; j < length; ++j) {
      const T ds = p[j] * (dp[j] - mean) * args.scale;
      for (std::size_t d = 0; d < size; ++d) {
        args.dq[i * args.stride + d] += ds * args.k[j * args.stride + d];
        args.dk[j * args.stride + d] += ds * args.q[i * args.stride + d];
      }
    }
  }
}

template <class T>
T cross_entropy(const CrossEntropyArgs<T>& args) {
  const T logit = args.x[args.label];
  T log_sum = 0;
  *args.right = true;
  for (std::size_t i = 0; i < args.count; ++i)
    if (args.x[i] > logit) *args.right = false;
  softmax<T>({args.x, args.count, &log_sum});
  args.x[args.label] -= 1;
  for (std::size_t i = 0; i < args.count; ++i) args.x[i] *= args.weight;
  return log_sum - logit;
}

template <class T>
void add(const T* x, T* y, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) y[i] += x[i];
}

template <class T>
void adamw(const AdamWArgs<T>& args) {
  for (std::size_t i = 0; i < args.count; ++i) {
    const T g = args.clip * args.g[i];
    args.m[i] = args.beta1 * args.m[i] + (1 - args.beta1) * g;
    args.v[i] = args.beta2 * args.v[i] + (1 - args.beta2) * g * g;
    const T direction = args.m[i] / (std::sqrt(args.v[i]) / args.sqrt_correction2 + args.eps);
    args.p[i] = args.p[i] - args.decay * args.p[i] - args.step * direction;
  }
}

template <class T>
const TrainingKernels<T>& training_table() {
  static constexpr TrainingKernels<T> entries = {pack_columns<T>,
                                                 transpose<T>,
                                                 column_sums<T>,
                                                 activation_backward<T>,
                                                 layer_norm_backward<T>,
                                                 rms_norm_backward<T>,
                                                 gate_backward<T>,
                                                 apply_dropout<T>,
                                                 training_attention_scratch,
                                                 training_attention<T>,
                                                 training_attention_backward<T>,
                                                 cross_entropy<T>,
                                                 add<T>,
                                                 adamw<T>};
  return entries;
}

}  // namespace bert_kernels::inline BERT_KERNELS_ABI::reference

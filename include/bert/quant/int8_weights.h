// 8-bit weights of a checkpoint: read as they are stored (docs/weights.md), or made now from floating-point ones.
// Loading as int8 and `bert quantize` both make them here, so a file and the model it was made from give the same bits.
#pragma once
#include <bert/io/weights.h>
#include <bert/quant/int8_linear.h>
#include <bert/quant/precision.h>
#include <bert/quant/smoothing.h>

namespace bert::inline BERT_ABI {

bool holds_int8(const Checkpoint& checkpoint);

/// The precision to load with: what is asked for, else int8 for a file that holds 8-bit weights, else fp32. Throws
/// Error when the two do not go together, or the model's type is not float (`is_float`).
Precision precision_of(const Checkpoint& checkpoint, std::optional<Precision> asked, bool is_float);

/// Whether prefix.weight is to run on 8-bit integers: where the file holds any, those it holds so; else as asked.
bool is_int8(const WeightReader& reader, const std::string& prefix, Precision precision);

/// One tensor of 8-bit weights.
struct Int8Weights {
  std::vector<std::int8_t> q;  // [N, K]
  std::vector<float> scale;    // [N]
};
/// Linear layers that read the same input, as one product.
struct Int8Product {
  std::vector<float> input_scale;    // [K], empty: 1
  std::vector<Int8Weights> weights;  // one for each prefix
};

/// prefix.weight [rows, K] and prefix.weight_scale [rows] as they are stored. Errors: -128, a scale that is none.
Int8Weights stored_int8_weights(WeightReader& reader, const std::string& prefix, std::size_t rows, std::size_t k);
/// prefix.weight [rows, K], column k times input_scale[k] (empty: 1), rounded to 8 bits row by row.
Int8Weights quantized_weights(WeightReader& reader, const std::string& prefix, std::size_t rows, std::size_t k,
                              std::span<const float> input_scale, const KernelTable<float>& kernels);

/// The input scale [K] that products which share their input have in the file; empty where they have none.
std::vector<float> stored_input_scale(WeightReader& reader, std::span<const std::string> prefixes, std::size_t k);
/// The one that smooths an input of these sizes [K] against the largest weights of its columns.
std::vector<float> smoothing_input_scale(WeightReader& reader, std::span<const std::string> prefixes,
                                         std::span<const std::size_t> rows, std::span<const float> input_size,
                                         int eighths);

/// prefix.weight [rows, K] of each prefix, `rows` being one number for each, with an input scale that smooths an input
/// of these sizes.
Int8Product quantized_product(WeightReader& reader, std::span<const std::string> prefixes,
                              std::span<const std::size_t> rows, std::span<const float> input_size,
                              const KernelTable<float>& kernels, int eighths = smoothing_half);
Int8Product stored_product(WeightReader& reader, std::span<const std::string> prefixes,
                           std::span<const std::size_t> rows, std::size_t k);
/// The layer of these weights and, with `bias`, prefix.bias [rows] of each prefix.
Int8Linear int8_linear(WeightReader& reader, std::span<const std::string> prefixes, const Int8Product& product,
                       const KernelTable<float>& kernels, bool bias = true);

/// Calls visit(row index, weights [K]) for each row of prefix.weight [rows, K].
template <class Visit>
void for_each_row(WeightReader& reader, const std::string& prefix, std::size_t rows, std::size_t k,
                  const Visit& visit) {
  const std::size_t shape[] = {rows, k};
  const TensorRef& tensor = reader.get(prefix + ".weight", shape);
  std::vector<float> row(k);
  for (std::size_t r = 0; r < rows; ++r) {
    read_elements(tensor, r * k, k, row.data());
    visit(r, std::span<const float>(row));
  }
}

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <algorithm>
#include <cmath>
#include <cstring>

namespace bert::inline BERT_ABI {

BERT_INLINE bool holds_int8(const Checkpoint& checkpoint) {
  const auto& all = checkpoint.tensors();
  return std::any_of(all.begin(), all.end(), [](const TensorRef& tensor) { return tensor.dtype == DType::I8; });
}

BERT_INLINE Precision precision_of(const Checkpoint& checkpoint, std::optional<Precision> asked, bool is_float) {
  const bool stored = holds_int8(checkpoint);
  if (stored && asked.value_or(Precision::int8) != Precision::int8)
    fail("\"", checkpoint.path().string(), "\" holds 8-bit weights, which run as int8 only, not as ", name(*asked),
         ": for that use the model it was made from");
  const Precision precision = asked.value_or(stored ? Precision::int8 : Precision::fp32);
  if (precision != Precision::fp32 && !is_float)
    fail("cannot load \"", checkpoint.path().string(), "\" as ", name(precision),
         ": only models of float run so, not those of double");
  return precision;
}

BERT_INLINE bool is_int8(const WeightReader& reader, const std::string& prefix, Precision precision) {
  if (!holds_int8(reader.checkpoint())) return precision == Precision::int8;
  const TensorRef* const weight = reader.checkpoint().find(prefix + ".weight");
  return weight && weight->dtype == DType::I8;
}

namespace detail {
/// Every number of a tensor of scales F32 [count], above 0, or not below it where `zero` is allowed.
BERT_INLINE std::vector<float> read_scales(WeightReader& reader, const std::string& name, std::size_t count,
                                           bool zero) {
  std::vector<float> scales(count);
  const TensorRef& tensor = reader.get(name, std::span(&count, 1), DType::F32);
  read_elements(tensor, 0, count, scales.data());
  for (std::size_t i = 0; i < count; ++i)
    if (!std::isfinite(scales[i]) || scales[i] < 0 || (!zero && !std::isfinite(1 / scales[i])))
      reader.broken(name, " has ", scales[i], " at ", i, ": a scale is a finite number ", zero ? "not below" : "above",
                    " 0");
  return scales;
}
}  // namespace detail

BERT_INLINE Int8Weights stored_int8_weights(WeightReader& reader, const std::string& prefix, std::size_t rows,
                                            std::size_t k) {
  const std::string name = prefix + ".weight";
  const std::size_t shape[] = {rows, k};
  const TensorRef& tensor = reader.get(name, shape, DType::I8);
  Int8Weights weights{std::vector<std::int8_t>(rows * k),
                      detail::read_scales(reader, prefix + ".weight_scale", rows, true)};
  std::memcpy(weights.q.data(), tensor.bytes.data(), rows * k);
  if (std::memchr(weights.q.data(), -128, rows * k))
    reader.broken(name, " holds -128: 8-bit weights are from -127 to 127");
  reader.release(tensor);
  return weights;
}

BERT_INLINE Int8Weights quantized_weights(WeightReader& reader, const std::string& prefix, std::size_t rows,
                                          std::size_t k, std::span<const float> input_scale,
                                          const KernelTable<float>& kernels) {
  Int8Weights weights{std::vector<std::int8_t>(rows * k), std::vector<float>(rows)};
  const std::size_t shape[] = {rows, k};
  const TensorRef& tensor = reader.get(prefix + ".weight", shape);
  for_row_blocks(reader, rows, [&](std::size_t r, std::size_t count) {
    std::vector<float> space(count * k);
    quantize_rows({elements(tensor, r * k, count * k, space.data()), {count, k}}, input_scale,
                  {weights.q.data() + r * k, {count, k}}, std::span(weights.scale).subspan(r, count), kernels);
  });
  return weights;
}

BERT_INLINE std::vector<float> stored_input_scale(WeightReader& reader, std::span<const std::string> prefixes,
                                                  std::size_t k) {
  std::vector<float> first;
  for (const std::string& prefix : prefixes) {
    const std::string name = prefix + ".input_scale";
    std::vector<float> scale;
    if (reader.has(name)) scale = detail::read_scales(reader, name, k, false);
    if (&prefix == &prefixes[0]) first = scale;
    if (scale != first)
      reader.broken(name, scale.empty() ? " is missing, unlike " : " differs from ", prefixes[0],
                    ".input_scale: these layers share their input");
  }
  return first;
}

BERT_INLINE std::vector<float> smoothing_input_scale(WeightReader& reader, std::span<const std::string> prefixes,
                                                     std::span<const std::size_t> rows,
                                                     std::span<const float> input_size, int eighths) {
  std::vector<float> weight_size(input_size.size());
  for (std::size_t i = 0; i < prefixes.size(); ++i)
    for_each_row(reader, prefixes[i], rows[i], input_size.size(), [&](std::size_t, std::span<const float> row) {
      for (std::size_t k = 0; k < row.size(); ++k) {
        if (!std::isfinite(row[k])) reader.broken(prefixes[i], ".weight holds ", row[k], ": it cannot run on 8 bits");
        weight_size[k] = std::max(weight_size[k], std::fabs(row[k]));
      }
    });
  return smoothing_scale(input_size, weight_size, eighths);
}

BERT_INLINE Int8Product quantized_product(WeightReader& reader, std::span<const std::string> prefixes,
                                          std::span<const std::size_t> rows, std::span<const float> input_size,
                                          const KernelTable<float>& kernels, int eighths) {
  const FloatEnvironment environment;
  const std::size_t k = input_size.size();
  Int8Product product{smoothing_input_scale(reader, prefixes, rows, input_size, eighths), {}};
  for (std::size_t i = 0; i < prefixes.size(); ++i) {
    product.weights.push_back(quantized_weights(reader, prefixes[i], rows[i], k, product.input_scale, kernels));
    reader.release(reader.get(prefixes[i] + ".weight", {rows[i], k}));
  }
  return product;
}

BERT_INLINE Int8Product stored_product(WeightReader& reader, std::span<const std::string> prefixes,
                                       std::span<const std::size_t> rows, std::size_t k) {
  Int8Product product{stored_input_scale(reader, prefixes, k), {}};
  for (std::size_t i = 0; i < prefixes.size(); ++i)
    product.weights.push_back(stored_int8_weights(reader, prefixes[i], rows[i], k));
  return product;
}

BERT_INLINE Int8Linear int8_linear(WeightReader& reader, std::span<const std::string> prefixes,
                                   const Int8Product& product, const KernelTable<float>& kernels, bool bias) {
  const FloatEnvironment environment;
  std::size_t n = 0, first = 0;
  for (const Int8Weights& weights : product.weights) n += weights.scale.size();
  const std::size_t k = product.weights[0].q.size() / product.weights[0].scale.size();
  Int8Linear linear(n, k, kernels);  // its bias is 0 until read
  if (!product.input_scale.empty()) linear.set_input_scale(product.input_scale);
  for (std::size_t i = 0; i < prefixes.size(); ++i) {
    const Int8Weights& weights = product.weights[i];
    const std::size_t rows = weights.scale.size();
    for_row_blocks(reader, rows, [&](std::size_t r, std::size_t count) {
      linear.set_rows(first + r, {weights.q.data() + r * k, {count, k}}, std::span(weights.scale).subspan(r, count));
    });
    if (bias) reader.read(prefixes[i] + ".bias", {rows}, linear.bias().data() + first);
    first += rows;
  }
  return linear;
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

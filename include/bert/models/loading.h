// From a checkpoint's tensors to the blocks of nn/: shared by all model families.
#pragma once
#include <bert/io/checkpoint.h>
#include <bert/io/weights.h>
#include <bert/nn/any_linear.h>
#include <bert/nn/layer_norm.h>
#include <bert/quant/int8_weights.h>

#include <algorithm>

namespace bert::inline BERT_ABI {

/// Packs tensor `name` [rows, K] into rows [first, first + rows) of `matrix`; gives its pages back.
template <class T>
void load_rows(WeightReader& reader, const std::string& name, PackedMatrix<T>& matrix, std::size_t first,
               std::size_t rows) {
  const TensorRef& tensor = reader.get(name, {rows, matrix.k()});
  for_row_blocks(reader, rows, [&](std::size_t r, std::size_t count) {
    std::vector<T> space(count * matrix.k());
    const T* const some = elements(tensor, r * matrix.k(), count * matrix.k(), space.data());
    matrix.set_rows(first + r, TensorView<const T, 2>(some, {count, matrix.k()}));
  });
  reader.release(tensor);
}

/// prefix.weight [N, K] and, with `bias`, prefix.bias [N] into rows [first, first + N) of a linear layer.
template <class T>
void load_linear(WeightReader& reader, const std::string& prefix, Linear<T>& linear, std::size_t first,
                 std::size_t rows, bool bias = true) {
  load_rows(reader, prefix + ".weight", linear.weight(), first, rows);
  if (bias) reader.read(prefix + ".bias", {rows}, linear.bias().data() + first);
}
template <class T>
Linear<T> load_linear(WeightReader& reader, const std::string& prefix, std::size_t out_features,
                      std::size_t in_features, const KernelTable<T>& kernels) {
  Linear<T> linear(out_features, in_features, kernels);
  load_linear(reader, prefix, linear, 0, out_features);
  return linear;
}

/// Linear layers that read the same input, [rows, K] with `rows` of each, as one product. In a file of 8-bit weights a
/// layer whose weights are floating-point stays so; of a file without any, `precision` decides, and weights that become
/// 8-bit now are smoothed against an input of these sizes [K]. `bias`: whether they have one.
template <class T>
AnyLinear<T> load_any_linear(WeightReader& reader, std::span<const std::string> prefixes,
                             std::span<const std::size_t> rows, std::size_t k, const KernelTable<T>& kernels,
                             Precision precision, std::span<const float> input_size, bool bias = true) {
  if constexpr (std::is_same_v<T, float>)
    if (is_int8(reader, prefixes[0], precision))
      return int8_linear(reader, prefixes,
                         holds_int8(reader.checkpoint())
                             ? stored_product(reader, prefixes, rows, k)
                             : quantized_product(reader, prefixes, rows, input_size, kernels),
                         kernels, bias);
  std::size_t n = 0, first = 0;
  for (std::size_t each : rows) n += each;
  Linear<T> linear(n, k, kernels, precision == Precision::bf16 ? Packing::bf16 : Packing::panels);
  for (std::size_t i = 0; i < prefixes.size(); first += rows[i++])
    load_linear(reader, prefixes[i], linear, first, rows[i], bias);
  return linear;
}

template <class T>
LayerNorm<T> load_layer_norm(WeightReader& reader, const std::string& prefix, std::size_t size, double eps,
                             const KernelTable<T>& kernels) {
  LayerNorm<T> norm(size, static_cast<T>(eps), kernels);
  reader.read(prefix + ".weight", {size}, norm.weight().data());
  reader.read(prefix + ".bias", {size}, norm.bias().data());
  return norm;
}

template <class T>
Tensor<T, 2> load_table(WeightReader& reader, const std::string& name, std::size_t rows, std::size_t columns) {
  Tensor<T, 2> table({rows, columns});
  reader.read(name, {rows, columns}, table.data());
  return table;
}

}  // namespace bert::inline BERT_ABI

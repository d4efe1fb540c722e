// From a checkpoint's tensors to the blocks of nn/: shared by all model families.
#pragma once
#include <bert/io/checkpoint.h>
#include <bert/io/weights.h>
#include <bert/nn/any_linear.h>
#include <bert/nn/layer_norm.h>
#include <bert/quant/precision.h>

#include <algorithm>
#include <cmath>
#include <cstring>

namespace bert::inline BERT_ABI {

/// Rows of a matrix that are read and packed at a time: few enough for the cache, and whole panels, which threads do
/// not share.
inline constexpr std::size_t load_step = 64;

/// Calls work(first, count) for each load_step of `rows` rows, on the reader's threads.
template <class Work>
void for_row_blocks(const WeightReader& reader, std::size_t rows, const Work& work) {
  reader.threads().run([&](const Team& team) {
    const Share mine = team.share(rows, load_step);
    for (std::size_t r = mine.begin; r < mine.end; r += load_step) work(r, std::min(load_step, mine.end - r));
  });
}

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

/// prefix.weight [N, K] and prefix.bias [N] into rows [first, first + N) of a linear layer.
template <class T>
void load_linear(WeightReader& reader, const std::string& prefix, Linear<T>& linear, std::size_t first,
                 std::size_t rows) {
  load_rows(reader, prefix + ".weight", linear.weight(), first, rows);
  reader.read(prefix + ".bias", {rows}, linear.bias().data() + first);
}
template <class T>
Linear<T> load_linear(WeightReader& reader, const std::string& prefix, std::size_t out_features,
                      std::size_t in_features, const KernelTable<T>& kernels) {
  Linear<T> linear(out_features, in_features, kernels);
  load_linear(reader, prefix, linear, 0, out_features);
  return linear;
}

inline bool holds_int8(const Checkpoint& checkpoint) {
  const auto& all = checkpoint.tensors();
  return std::any_of(all.begin(), all.end(), [](const TensorRef& tensor) { return tensor.dtype == DType::I8; });
}

/// The precision to load with: what is asked for, else int8 for a file that holds 8-bit weights, else fp32. Throws
/// Error when the two do not go together, or the model's type is not float.
template <class T>
Precision precision_of(const Checkpoint& checkpoint, std::optional<Precision> asked) {
  const bool stored = holds_int8(checkpoint);
  if (stored && asked.value_or(Precision::int8) != Precision::int8)
    fail("\"", checkpoint.path().string(), "\" holds 8-bit weights, which run as int8 only, not as ", name(*asked),
         ": for that use the model it was made from");
  const Precision precision = asked.value_or(stored ? Precision::int8 : Precision::fp32);
  if (precision == Precision::int8 && !std::is_same_v<T, float>)
    fail("cannot load \"", checkpoint.path().string(), "\" as int8: only models of float run on 8-bit integers");
  return precision;
}

/// Every number of a tensor of scales F32 [count], above 0, or not below it where `zero` is allowed.
inline std::vector<float> load_scales(WeightReader& reader, const std::string& name, std::size_t count, bool zero) {
  std::vector<float> scales(count);
  const TensorRef& tensor = reader.get(name, std::span(&count, 1), DType::F32);
  read_elements(tensor, 0, count, scales.data());
  for (std::size_t i = 0; i < count; ++i)
    if (!std::isfinite(scales[i]) || scales[i] < 0 || (!zero && !std::isfinite(1 / scales[i])))
      reader.broken(name, " has ", scales[i], " at ", i, ": a scale is a finite number ", zero ? "not below" : "above",
                    " 0");
  return scales;
}

/// prefix.weight [rows, K] into rows [first, first + rows) of an 8-bit layer: `stored` as integers with
/// prefix.weight_scale, or quantised now.
inline void load_int8_rows(WeightReader& reader, const std::string& prefix, Int8Linear& linear, std::size_t first,
                           std::size_t rows, bool stored) {
  const std::string name = prefix + ".weight";
  const std::size_t k = linear.k(), shape[] = {rows, k};
  const TensorRef& tensor = stored ? reader.get(name, shape, DType::I8) : reader.get(name, shape);
  std::vector<float> scale(rows);
  if (stored) scale = load_scales(reader, prefix + ".weight_scale", rows, true);
  for_row_blocks(reader, rows, [&](std::size_t r, std::size_t count) {
    std::vector<std::int8_t> q(count * k);
    const TensorView<std::int8_t, 2> part(q.data(), {count, k});
    const auto scales = std::span(scale).subspan(r, count);
    if (stored) {
      std::memcpy(q.data(), tensor.bytes.data() + r * k, count * k);
      if (std::memchr(q.data(), -128, count * k))
        reader.broken(name, " holds -128: 8-bit weights are from -127 to 127");
    } else {
      std::vector<float> space(count * k);
      const float* const some = elements(tensor, r * k, count * k, space.data());
      quantize_rows({some, {count, k}}, {}, part, scales, linear.kernels());
    }
    linear.set_rows(first + r, part, scales);
  });
  reader.release(tensor);
}

/// Linear layers that read the same input, [rows, K] each, as one product. In a file of 8-bit weights a layer whose
/// weights are floating-point stays so; of a file without any, `precision` decides.
template <class T>
AnyLinear<T> load_any_linear(WeightReader& reader, std::span<const std::string> prefixes, std::size_t rows,
                             std::size_t k, const KernelTable<T>& kernels, Precision precision) {
  const bool stored = holds_int8(reader.checkpoint());
  const TensorRef* const weight = reader.checkpoint().find(prefixes[0] + ".weight");
  if constexpr (std::is_same_v<T, float>)
    if (stored ? weight && weight->dtype == DType::I8 : precision == Precision::int8) {
      Int8Linear linear(prefixes.size() * rows, k, kernels);
      std::vector<float> first_scale;
      for (std::size_t i = 0; i < prefixes.size(); ++i) {
        const std::string name = prefixes[i] + ".input_scale";
        std::vector<float> scale;
        if (reader.has(name)) scale = load_scales(reader, name, k, false);
        if (i == 0) first_scale = scale;
        if (scale != first_scale)
          reader.broken(name, " differs from ", prefixes[0], ".input_scale: these layers share their input");
        if (i == 0 && !scale.empty()) linear.set_input_scale(scale);
        load_int8_rows(reader, prefixes[i], linear, i * rows, rows, stored);
        reader.read(prefixes[i] + ".bias", {rows}, linear.bias().data() + i * rows);
      }
      return linear;
    }
  Linear<T> linear(prefixes.size() * rows, k, kernels);
  for (std::size_t i = 0; i < prefixes.size(); ++i) load_linear(reader, prefixes[i], linear, i * rows, rows);
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

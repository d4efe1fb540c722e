// Parameters: every number a model learns, row-major in one array, by Hugging Face's names.
//
// Gradients and the optimiser's moments are arrays of the same layout, so that norms, updates, checkpoints and, later,
// sums over processes are loops over one array. Parts begin at multiples of 16 elements but for those that a block
// multiplies as one matrix (query, key and value), which lie end to end.
#pragma once
#include <bert/core/tensor.h>

#include <string>
#include <vector>

namespace bert::inline BERT_ABI {

struct ParameterInfo {
  std::string name;
  std::vector<std::size_t> shape;    // as the file has it
  std::size_t offset = 0, size = 0;  // elements
  bool transposed = false;           // a matrix that lies here as [N, K] and in the file as [K, N]

  /// Weight decay is for matrices, not for biases and layer norms.
  bool decays() const { return shape.size() >= 2; }
};

class ParameterLayout {
 public:
  /// Appends a parameter and returns its offset. `joined`: right behind the one before it.
  std::size_t add(std::string name, std::vector<std::size_t> shape, bool joined = false, bool transposed = false) {
    ParameterInfo info{std::move(name), std::move(shape), joined ? size_ : (size_ + 15) / 16 * 16, 1, transposed};
    for (std::size_t extent : info.shape) info.size *= extent;
    size_ = info.offset + info.size;
    all_.push_back(std::move(info));
    return all_.back().offset;
  }
  const std::vector<ParameterInfo>& all() const { return all_; }
  /// Elements of an array of this layout; those between parameters stay 0.
  std::size_t size() const { return size_; }
  /// The parameter of that name, null when there is none.
  const ParameterInfo* find(std::string_view name) const {
    for (const ParameterInfo& info : all_)
      if (info.name == name) return &info;
    return nullptr;
  }

 private:
  std::vector<ParameterInfo> all_;
  std::size_t size_ = 0;
};

/// An array of a layout, zero at first.
template <class T>
using ParameterArray = Tensor<T, 1>;

/// Copies a parameter between its place in an array and the order of its file.
template <class T>
void copy_to_file_order(const ParameterInfo& info, const T* values, T* file) {
  const std::size_t n = info.transposed ? info.shape[1] : 1, k = info.size / n;
  for (std::size_t row = 0; row < n; ++row)
    for (std::size_t column = 0; column < k; ++column) file[column * n + row] = values[row * k + column];
}
template <class T>
void copy_from_file_order(const ParameterInfo& info, const T* file, T* values) {
  const std::size_t n = info.transposed ? info.shape[1] : 1, k = info.size / n;
  for (std::size_t row = 0; row < n; ++row)
    for (std::size_t column = 0; column < k; ++column) values[row * k + column] = file[column * n + row];
}

// --- Views of an array, as the blocks take them ----------------------------------------------------------------------

template <class T>
struct LinearParameters {
  TensorView<T, 2> weight;  // [N, K]
  T* bias = nullptr;        // [N], or none
};
template <class T>
struct NormParameters {
  T *gamma = nullptr, *beta = nullptr;  // [H]; no beta: an RMS norm
};

/// Adds parameters to a layout and gives views of them in `array`; of nothing, where that is null.
template <class T>
class ParameterBuilder {
 public:
  ParameterBuilder(ParameterLayout& layout, T* array) : layout_(layout), array_(array) {}

  TensorView<T, 2> matrix(const std::string& name, std::size_t rows, std::size_t columns) const {
    return {at(layout_.add(name, {rows, columns})), {rows, columns}};
  }
  T* vector(const std::string& name, std::size_t size, bool joined = false) const {
    return at(layout_.add(name, {size}, joined));
  }
  NormParameters<T> norm(const std::string& name, std::size_t size, bool bias = true) const {
    T* const gamma = vector(name + ".weight", size);
    return {gamma, bias ? vector(name + ".bias", size) : nullptr};
  }
  LinearParameters<T> linear(const std::string& name, std::size_t n, std::size_t k, bool bias = true) const {
    return product({name}, {n}, k, bias);
  }
  /// Linear layers [rows_i, K] that read the same input, end to end: one product. `transposed`: in files [K, rows_i].
  LinearParameters<T> product(const std::vector<std::string>& names, const std::vector<std::size_t>& rows,
                              std::size_t k, bool bias, bool transposed = false) const {
    LinearParameters<T> all;
    std::size_t n = 0;
    for (std::size_t i = 0; i < names.size(); n += rows[i++]) {
      const std::vector<std::size_t> shape = transposed ? std::vector{k, rows[i]} : std::vector{rows[i], k};
      T* const weight = at(layout_.add(names[i] + ".weight", shape, i > 0, transposed));
      if (i == 0) all.weight = {weight, {0, k}};
    }
    all.weight = {all.weight.data(), {n, k}};
    for (std::size_t i = 0; i < names.size() && bias; ++i) {
      T* const first = vector(names[i] + ".bias", rows[i], i > 0);
      if (i == 0) all.bias = first;
    }
    return all;
  }

 private:
  T* at(std::size_t offset) const { return array_ ? array_ + offset : nullptr; }

  ParameterLayout& layout_;
  T* array_;
};

}  // namespace bert::inline BERT_ABI

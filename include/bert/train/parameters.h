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
  std::vector<std::size_t> shape;
  std::size_t offset = 0, size = 0;  // elements

  /// Weight decay is for matrices, not for biases and layer norms.
  bool decays() const { return shape.size() >= 2; }
};

class ParameterLayout {
 public:
  /// Appends a parameter and returns its offset. `joined`: right behind the one before it.
  std::size_t add(std::string name, std::vector<std::size_t> shape, bool joined = false) {
    ParameterInfo info{std::move(name), std::move(shape), joined ? size_ : (size_ + 15) / 16 * 16, 1};
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

}  // namespace bert::inline BERT_ABI

// Arena: the memory of a forward pass, handed out in order and planned beforehand.
//
// The same code lays out the activations twice: over an Arena without memory, which only counts (plan()), and over one
// with memory. So the plan is exact by construction.
#pragma once
#include <bert/core/tensor.h>

#include <cstddef>

namespace bert::inline BERT_ABI {

class Arena {
 public:
  /// Counts only: take() returns views of null.
  Arena() = default;
  /// Hands out `memory`, 64-byte aligned.
  explicit Arena(std::byte* memory) : memory_(memory) {}

  /// The next `count` elements, 64-byte aligned, not initialised.
  template <class T>
  T* take(std::size_t count) {
    std::byte* at = memory_ ? memory_ + used_ : nullptr;
    used_ += (count * sizeof(T) + 63) / 64 * 64;
    return reinterpret_cast<T*>(at);
  }
  template <class T>
  TensorView<T, 2> matrix(std::size_t rows, std::size_t columns) {
    return {take<T>(rows * columns), {rows, columns}};
  }
  std::size_t bytes() const { return used_; }

 private:
  std::byte* memory_ = nullptr;
  std::size_t used_ = 0;
};

/// Memory that grows to the largest plan asked of it. One forward pass at a time.
class Workspace {
 public:
  std::byte* reserve(std::size_t bytes) {
    if (bytes > capacity_) {
      memory_.reset();
      memory_ = make_aligned<std::byte>(bytes);
      capacity_ = bytes;
    }
    return memory_.get();
  }
  std::size_t capacity() const { return capacity_; }

 private:
  AlignedArray<std::byte> memory_;
  std::size_t capacity_ = 0;
};

}  // namespace bert::inline BERT_ABI

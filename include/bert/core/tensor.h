// Tensor<T, Rank>, which owns its elements, and TensorView<T, Rank>, which borrows them.
//
// Row-major; the last dimension is contiguous, and rows (slices along it) lie row_stride() elements apart, so a view
// can be a column slice of a wider matrix or an Eigen matrix. A view of const T is read-only. Copying a view copies no
// data.
//
// Dimension letters, the same everywhere: B sequences, T tokens of a packed batch, S tokens of one sequence, H hidden,
// A heads, D head size (H / A), I intermediate, V vocabulary, M masked positions.
#pragma once
#include <bert/core/error.h>

#include <sys/mman.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <span>
#include <type_traits>

namespace bert::inline BERT_ABI {

template <int Rank>
using Shape = std::array<std::size_t, Rank>;

template <class T, int Rank>
class TensorView {
 public:
  TensorView() = default;
  /// Borrows `data`, dense.
  TensorView(T* data, const Shape<Rank>& shape) : TensorView(data, shape, shape[Rank - 1]) {}
  /// Borrows `data` with rows `row_stride` elements apart; row_stride >= shape's last extent.
  TensorView(T* data, const Shape<Rank>& shape, std::size_t row_stride)
      : data_(data), shape_(shape), row_stride_(row_stride) {}
  /// A view of T is also a view of const T.
  operator TensorView<const T, Rank>() const { return {data_, shape_, row_stride_}; }

  T* data() const { return data_; }
  const Shape<Rank>& shape() const { return shape_; }
  std::size_t extent(int dimension) const { return shape_[static_cast<std::size_t>(dimension)]; }
  std::size_t row_stride() const { return row_stride_; }
  /// Number of rows along the last dimension: the product of the other extents.
  std::size_t rows() const {
    std::size_t count = 1;
    for (int i = 0; i + 1 < Rank; ++i) count *= extent(i);
    return count;
  }
  std::size_t columns() const { return shape_[Rank - 1]; }
  std::size_t size() const { return rows() * columns(); }
  bool empty() const { return size() == 0; }
  T* row(std::size_t r) const { return data_ + r * row_stride_; }
  std::span<T> row_span(std::size_t r) const { return {row(r), columns()}; }

  /// Element at one index per dimension.
  template <class... Index>
  requires(sizeof...(Index) == Rank) T& operator()(Index... index) const {
    const Shape<Rank> at{static_cast<std::size_t>(index)...};
    std::size_t r = 0;
    for (std::size_t i = 0; i + 1 < Rank; ++i) r = r * shape_[i] + at[i];
    return row(r)[at[Rank - 1]];
  }
  /// Rows [first, first + count) of a matrix.
  TensorView slice_rows(std::size_t first, std::size_t count) const requires(Rank == 2) {
    return {row(first), {count, columns()}, row_stride_};
  }
  /// Columns [first, first + count) of a matrix.
  TensorView slice_columns(std::size_t first, std::size_t count) const requires(Rank == 2) {
    return {data_ + first, {rows(), count}, row_stride_};
  }

 private:
  T* data_ = nullptr;
  Shape<Rank> shape_{};
  std::size_t row_stride_ = 0;
};

/// 64-byte aligned memory for `count` elements, not initialised. From 2 MiB up it is aligned to that size and the
/// system is asked for pages of it: a matrix product that streams weights through 4 KiB pages loses 3 to 8 % to address
/// translation.
template <class T>
struct AlignedDelete {
  void operator()(T* p) const { std::free(p); }
};
template <class T>
using AlignedArray = std::unique_ptr<T[], AlignedDelete<T>>;
template <class T>
AlignedArray<T> make_aligned(std::size_t count) {
  constexpr std::size_t huge = std::size_t{2} << 20;
  const std::size_t bytes = count * sizeof(T), alignment = bytes >= huge ? huge : 64;
  if (count > SIZE_MAX / 2 / sizeof(T)) throw std::bad_alloc();
  void* const memory =
      std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment + (bytes == 0) * 64);
  if (!memory) throw std::bad_alloc();
  if (bytes >= huge) madvise(memory, bytes / huge * huge, MADV_HUGEPAGE);  // a hint: failing is no failure
  return AlignedArray<T>(static_cast<T*>(memory));
}

/// Owns a dense tensor, 64-byte aligned, zero at first. Moves, does not copy.
template <class T, int Rank>
class Tensor {
 public:
  Tensor() = default;
  explicit Tensor(const Shape<Rank>& shape) : shape_(shape), data_(make_aligned<T>(view().size())) {
    for (std::size_t i = 0; i < view().size(); ++i) data_[i] = T{};
  }

  TensorView<T, Rank> view() { return {data_.get(), shape_}; }
  TensorView<const T, Rank> view() const { return {data_.get(), shape_}; }
  operator TensorView<T, Rank>() { return view(); }
  operator TensorView<const T, Rank>() const { return view(); }
  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  const Shape<Rank>& shape() const { return shape_; }
  std::size_t size() const { return view().size(); }
  std::span<T> span() { return {data(), size()}; }
  std::span<const T> span() const { return {data(), size()}; }
  template <class... Index>
  T& operator()(Index... index) {
    return view()(index...);
  }
  template <class... Index>
  const T& operator()(Index... index) const {
    return view()(index...);
  }

 private:
  Shape<Rank> shape_{};
  AlignedArray<T> data_;
};

/// Throws Error unless the view has this shape; `what` names it in the message.
template <class T, int Rank>
void check_shape(const char* what, const TensorView<T, Rank>& view, const std::type_identity_t<Shape<Rank>>& expected) {
  if (view.shape() != expected) fail(what, " is ", shape_text(view.shape()), ", expected ", shape_text(expected));
}

}  // namespace bert::inline BERT_ABI

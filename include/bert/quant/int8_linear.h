// Int8Linear: a linear layer whose product runs on 8-bit integers: y = activation(x W^T + b) + residual (numerics rule
// 5; Xiao et al. 2023, "SmoothQuant", for the input scale).
//
// Weights have one scale per output channel, activations one per token, found as they come: so a token's result does
// not depend on its batch. Sums of integers are exact, so it depends on no tile, thread or instruction set either.
#pragma once
#include <bert/core/team.h>
#include <bert/core/workspace.h>
#include <bert/kernels.h>

#include <vector>

namespace bert::inline BERT_ABI {

/// Room for rows of 8-bit integers, each with its scale: the quantised input of a product. Rows are as wide as the
/// widest layer needs; narrower ones lie densely from the first row on. A slice belongs to one thread alone, whatever
/// the width.
struct Int8Rows {
  std::int8_t* q = nullptr;  // [rows, width]
  float* scale = nullptr;    // [rows]
  std::size_t rows = 0, width = 0;

  Int8Rows() = default;
  Int8Rows(Arena& arena, std::size_t row_count, std::size_t columns)
      : q(arena.take<std::int8_t>(row_count * stride_of(columns))),
        scale(arena.take<float>(row_count)),
        rows(row_count),
        width(stride_of(columns)) {}
  static std::size_t stride_of(std::size_t columns) { return (columns + 63) / 64 * 64; }
  Int8Rows slice_rows(std::size_t first, std::size_t count) const;
};

/// weight [N, K] of integers with a scale [N]; bias [N]; optionally an input scale [K], by which the input is divided.
class Int8Linear {
 public:
  Int8Linear() = default;
  /// Zeros; throws Error where the kernels have no 8-bit operations.
  Int8Linear(std::size_t out_features, std::size_t in_features, const KernelTable<float>& kernels);

  std::size_t n() const { return n_; }
  std::size_t k() const { return k_; }
  const KernelTable<float>& kernels() const { return *kernels_; }
  std::span<float> bias() { return bias_.span(); }
  /// Bytes of weights and scales less than in float.
  std::ptrdiff_t bytes_saved() const {
    return static_cast<std::ptrdiff_t>(3 * n_ * k_) - static_cast<std::ptrdiff_t>(4 * (n_ + multiplier_.size()));
  }

  /// Every entry positive and finite. To be called before set_rows().
  void set_input_scale(std::span<const float> scale);
  /// Rows [first, first + rows.rows()) as they are stored: integers in [-127, 127] and their scales. Each row once.
  void set_rows(std::size_t first, TensorView<const std::int8_t, 2> rows, std::span<const float> scale);

  /// As Linear::forward; the input is quantised into `space`, which has at least its rows and columns.
  void forward(const Team& team, TensorView<const float, 2> x, TensorView<float, 2> out, Activation activation,
               TensorView<const float, 2> residual, const Int8Rows& space) const;

 private:
  std::size_t n_ = 0, k_ = 0;
  const KernelTable<float>* kernels_ = nullptr;
  AlignedArray<std::byte> packed_;
  Tensor<float, 1> scale_, bias_;  // [N]
  std::vector<float> multiplier_;  // [K]: 1 / input scale; empty: 1
};

/// q [rows, K] and scale [rows] of weight rows [rows, K]: per row symmetric, scale = absmax / 127, after multiplying
/// column k by input_scale[k] (empty: 1). What a file holds and what loading as int8 computes: the same bits.
void quantize_rows(TensorView<const float, 2> rows, std::span<const float> input_scale, TensorView<std::int8_t, 2> q,
                   std::span<float> scale, const KernelTable<float>& kernels = default_kernels<float>());

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <algorithm>

namespace bert::inline BERT_ABI {

BERT_INLINE Int8Rows Int8Rows::slice_rows(std::size_t first, std::size_t count) const {
  Int8Rows slice = *this;
  if (q) slice.q += first * width, slice.scale += first;
  slice.rows = count;
  return slice;
}

BERT_INLINE Int8Linear::Int8Linear(std::size_t out_features, std::size_t in_features, const KernelTable<float>& kernels)
    : n_(out_features), k_(in_features), kernels_(&kernels), scale_({out_features}), bias_({out_features}) {
  if (!kernels.int8) fail("the instruction set ", kernels.name, " has no 8-bit operations");
  const std::size_t bytes = kernels.int8->packed_bytes(n_, k_);
  packed_ = make_aligned<std::byte>(bytes);
  std::fill(packed_.get(), packed_.get() + bytes, std::byte{0});
}

BERT_INLINE void Int8Linear::set_input_scale(std::span<const float> scale) {
  if (scale.size() != k_) fail("an input scale of ", scale.size(), " for a linear layer of ", k_, " inputs");
  multiplier_.clear();
  for (float each : scale) multiplier_.push_back(1 / each);
}

BERT_INLINE void Int8Linear::set_rows(std::size_t first, TensorView<const std::int8_t, 2> rows,
                                      std::span<const float> scale) {
  if (rows.columns() != k_ || first + rows.rows() > n_ || scale.size() != rows.rows())
    fail("cannot put rows ", shape_text(rows.shape()), " with ", scale.size(), " scales at row ", first, " of a [", n_,
         ", ", k_, "] matrix");
  kernels_->int8->pack({rows.data(), rows.row_stride(), first, rows.rows(), n_, k_, packed_.get()});
  std::copy(scale.begin(), scale.end(), scale_.data() + first);
}

BERT_INLINE void Int8Linear::forward(const Team& team, TensorView<const float, 2> x, TensorView<float, 2> out,
                                     Activation activation, TensorView<const float, 2> residual,
                                     const Int8Rows& space) const {
  check_shape("the input of a linear layer", x, {x.rows(), k_});
  check_shape("the output of a linear layer", out, {x.rows(), n_});
  if (residual.data()) check_shape("the residual of a linear layer", residual, out.shape());
  const std::size_t stride = Int8Rows::stride_of(k_), panel = kernels_->int8->panel_width;
  if (space.rows < x.rows() || space.width < stride)
    fail("an 8-bit linear layer needs room for [", x.rows(), ", ", stride, "] integers, not [", space.rows, ", ",
         space.width, "]");
  // Where Linear shares rows, so does this: a thread quantises the rows that it multiplies. Where threads share panels,
  // each quantises some rows for all.
  const bool by_rows = team.by_rows(x.rows());
  const Share mine = team.share(x.rows()), rows = by_rows ? mine : Share{0, x.rows()},
              panels = by_rows ? Share{0, (n_ + panel - 1) / panel} : team.share((n_ + panel - 1) / panel);
  kernels_->int8->quantize({x.row(mine.begin), x.row_stride(), multiplier_.empty() ? nullptr : multiplier_.data(),
                            mine.end - mine.begin, k_, space.q + mine.begin * stride, stride,
                            space.scale + mine.begin});
  if (!by_rows) team.sync();
  if (rows.end > rows.begin && panels.end > panels.begin)
    kernels_->int8->gemm({space.q + rows.begin * stride, stride, space.scale + rows.begin, packed_.get(), scale_.data(),
                          bias_.data(), residual.data() ? residual.row(rows.begin) : nullptr, residual.row_stride(),
                          out.row(rows.begin), out.row_stride(), rows.end - rows.begin, n_, k_, panels.begin,
                          panels.end, activation});
  team.sync();
}

BERT_INLINE void quantize_rows(TensorView<const float, 2> rows, std::span<const float> input_scale,
                               TensorView<std::int8_t, 2> q, std::span<float> scale,
                               const KernelTable<float>& kernels) {
  const FloatEnvironment environment;
  const std::size_t columns = rows.columns(), stride = Int8Rows::stride_of(columns);
  check_shape("quantised weights", q, rows.shape());
  if (!kernels.int8) fail("the instruction set ", kernels.name, " has no 8-bit operations");
  std::vector<std::int8_t> padded(stride);
  for (std::size_t r = 0; r < rows.rows(); ++r) {
    kernels.int8->quantize({rows.row(r), rows.row_stride(), input_scale.empty() ? nullptr : input_scale.data(), 1,
                            columns, padded.data(), stride, &scale[r]});
    std::copy(padded.data(), padded.data() + columns, q.row(r));
  }
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

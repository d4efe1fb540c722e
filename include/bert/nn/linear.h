// PackedMatrix: a weight matrix in the layout the GEMM reads. Linear: y = activation(x W^T + b) + residual.
//
// Weights are packed once, row range by row range, so that a loader never holds a second copy of a matrix.
#pragma once
#include <bert/core/team.h>
#include <bert/core/tensor.h>
#include <bert/kernels.h>
#include <bert/nn/training_space.h>

#include <cstring>

namespace bert::inline BERT_ABI {

/// Rows of a product that a thread takes at a time: a few even strips of any instruction set's tiles.
inline constexpr std::size_t product_rows = 48;

/// The team computes a product together: each thread its rows, or its panels of all rows (Team::by_rows). Returns
/// without waiting for the others; once between two sync().
template <class T>
void share_product(const Team& team, kernels::GemmArgs<T> args, void (*gemm)(const kernels::GemmArgs<T>&)) {
  if (team.by_rows(args.rows)) {
    team.divide(args.rows, product_rows, [&](const Share& rows) {
      kernels::GemmArgs<T> part = args;
      part.a += rows.begin * args.a_stride;
      part.c += rows.begin * args.c_stride;
      if (args.residual) part.residual += rows.begin * args.residual_stride;
      part.rows = rows.end - rows.begin;
      if (part.rows > 0 && part.panel_end > part.panel_begin) gemm(part);
    });
  } else {
    const Share share = team.share(args.panel_end - args.panel_begin);
    args.panel_end = args.panel_begin + share.end, args.panel_begin += share.begin;
    if (args.rows > 0 && args.panel_end > args.panel_begin) gemm(args);
  }
}

/// How a PackedMatrix lies: in panels for products; row-major, for tables only looked up; in panels of bfloat16, for
/// products in that type (float only).
enum class Packing { panels, row_major, bf16 };

/// [N, K] in panels: [N/NR][K][NR], NR the kernels' panel width, or row-major (`panel` 1). As bfloat16 two neighbouring
/// k share the room of one float.
template <class T>
class PackedMatrix {
 public:
  PackedMatrix() = default;
  /// Throws Error where the kernels have no products of bfloat16.
  PackedMatrix(std::size_t n, std::size_t k, const KernelTable<T>& kernels, Packing packing = Packing::panels)
      : n_(n),
        k_(k),
        panel_(packing == Packing::row_major ? 1 : panel_width(kernels, packing)),
        packing_(packing),
        kernels_(&kernels),
        data_(make_aligned<T>(size())) {
    for (std::size_t i = n / panel_ * panel_ * depth(); i < size(); ++i) data_[i] = T{};  // the cut panel's padding
  }

  std::size_t n() const { return n_; }
  std::size_t k() const { return k_; }
  std::size_t panel() const { return panel_; }
  std::size_t panels() const { return (n_ + panel_ - 1) / panel_; }
  std::size_t size() const { return panels() * panel_ * depth(); }
  /// Bytes of weights less than as T.
  std::ptrdiff_t bytes_saved() const { return static_cast<std::ptrdiff_t>(n_ * (k_ - depth()) * sizeof(T)); }
  const T* data() const { return data_.get(); }
  const KernelTable<T>& kernels() const { return *kernels_; }
  bool empty() const { return n_ == 0; }

  /// Packs rows [first, first + rows.rows()) from a [rows, K] view.
  void set_rows(std::size_t first, TensorView<const T, 2> rows) {
    if (rows.columns() != k_ || first + rows.rows() > n_)
      fail("cannot put rows ", shape_text(rows.shape()), " at row ", first, " of a [", n_, ", ", k_, "] matrix");
    if (panel_ == 1)
      for (std::size_t r = 0; r < rows.rows(); ++r)
        std::memcpy(data_.get() + (first + r) * k_, rows.row(r), k_ * sizeof(T));
    else
      operation(&KernelTable<T>::pack,
                &kernels::Bf16Kernels::pack)({rows.data(), rows.row_stride(), first, rows.rows(), k_, data_.get()});
  }

  /// out = activation(x W^T + bias) + residual   [M, N] <- [M, K]. out overlaps neither x nor residual.
  void multiply(const Team& team, TensorView<const T, 2> x, const T* bias, TensorView<T, 2> out,
                Activation activation = Activation::linear, TensorView<const T, 2> residual = {}) const {
    kernels::GemmArgs<T> args{x.data(),
                              x.row_stride(),
                              data(),
                              bias,
                              residual.data(),
                              residual.row_stride(),
                              out.data(),
                              out.row_stride(),
                              x.rows(),
                              n_,
                              k_,
                              0,
                              panels(),
                              activation};
    share_product(team, args, operation(&KernelTable<T>::gemm, &kernels::Bf16Kernels::gemm));
    team.sync();
  }

 private:
  std::size_t depth() const { return packing_ == Packing::bf16 ? (k_ + 1) / 2 : k_; }

  static std::size_t panel_width(const KernelTable<T>& kernels, Packing packing) {
    if (packing == Packing::panels) return kernels.panel_width;
    if (!kernels.bf16)
      fail("the instruction set ", kernels.name, " has no products of bfloat16; avx512_bf16 has, on CPUs that run it");
    return kernels.bf16->panel_width;
  }

  /// An operation of the matrix's own packing.
  template <class Own, class Bf16>
  auto operation(Own KernelTable<T>::*own, Bf16 kernels::Bf16Kernels::*bf16) const {
    if constexpr (std::is_same_v<T, float>)
      if (packing_ == Packing::bf16) return kernels_->bf16->*bf16;
    return kernels_->*own;
  }

  std::size_t n_ = 0, k_ = 0, panel_ = 1;
  Packing packing_ = Packing::panels;
  const KernelTable<T>* kernels_ = nullptr;
  AlignedArray<T> data_;
};

/// torch.nn.Linear: weight [N, K] (out_features, in_features), bias [N].
template <class T>
class Linear {
 public:
  Linear() = default;
  Linear(std::size_t out_features, std::size_t in_features, const KernelTable<T>& kernels = default_kernels<T>(),
         Packing packing = Packing::panels)
      : weight_(out_features, in_features, kernels, packing), bias_({out_features}) {}
  Linear(TensorView<const T, 2> weight, std::span<const T> bias, const KernelTable<T>& kernels = default_kernels<T>())
      : Linear(weight.rows(), weight.columns(), kernels) {
    if (bias.size() != weight.rows())
      fail("a linear layer with weight ", shape_text(weight.shape()), " has a bias of ", bias.size());
    weight_.set_rows(0, weight);
    if (!bias.empty()) std::memcpy(bias_.data(), bias.data(), bias.size_bytes());
  }

  PackedMatrix<T>& weight() { return weight_; }
  const PackedMatrix<T>& weight() const { return weight_; }
  std::span<T> bias() { return bias_.span(); }

  /// out [M, N] = activation(x [M, K] W^T + b) + residual [M, N]. All threads of the team call it together; on return
  /// `out` is whole. `out` overlaps neither x nor residual. Throws Error when shapes do not fit (before any work).
  void forward(const Team& team, TensorView<const T, 2> x, TensorView<T, 2> out,
               Activation activation = Activation::linear, TensorView<const T, 2> residual = {}) const {
    check_shape("the input of a linear layer", x, {x.rows(), weight_.k()});
    check_shape("the output of a linear layer", out, {x.rows(), weight_.n()});
    if (residual.data()) check_shape("the residual of a linear layer", residual, out.shape());
    weight_.multiply(team, x, bias_.data(), out, activation, residual);
  }

 private:
  PackedMatrix<T> weight_;
  Tensor<T, 1> bias_;
};

// --- Training: the same layer on a row-major weight that changes from step to step, and its gradients ----------------

/// Sets the last panel of n packed columns to 0 where it is not full, before its rows up to `end` are packed.
template <class T>
void clear_padding(const TrainingSpace<T>& space, std::size_t n, std::size_t k, std::size_t end) {
  const std::size_t width = space.products.panel, depth = space.products.depth(k);
  if (end != n || n % width == 0) return;
  T* panel = space.packed + n / width * width * depth;
  for (std::size_t i = 0; i < width * depth; ++i) panel[i] = T(0);
}

/// The panels of packed columns that this thread packs: of x [K, N], the right side of a product a x.
template <class T>
void pack_columns(const Team& team, const TrainingSpace<T>& space, TensorView<const T, 2> x) {
  const std::size_t width = space.products.panel, k = x.rows(), n = x.columns();
  const Share panels = team.share((n + width - 1) / width);
  if (!space.products.bf16)
    return space.training->pack_columns({x.data(), x.row_stride(), k, n, panels.begin, panels.end, space.packed});
  T* const turned = space.scratch.row(static_cast<std::size_t>(team.rank()));  // a panel's columns as rows [width, K]
  for (std::size_t panel = panels.begin; panel < panels.end; ++panel) {
    const std::size_t first = panel * width, count = std::min(width, n - first);
    space.training->transpose({x.data() + first, x.row_stride(), k, count, turned, k});
    clear_padding(space, n, k, first + count);
    space.products.pack({turned, k, first, count, k, space.packed});
  }
}

/// c [M, N] = a [M, K] packed + residual [M, N], for the K x N matrix packed in space.packed. Waits before and after.
template <class T>
void multiply_packed(const Team& team, const TrainingSpace<T>& space, TensorView<const T, 2> a, const T* bias,
                     TensorView<T, 2> c, TensorView<const T, 2> residual) {
  const std::size_t width = space.products.panel;
  team.sync();
  share_product<T>(
      team,
      {a.data(), a.row_stride(), space.packed, bias, residual.data(), residual.row_stride(), c.data(), c.row_stride(),
       a.rows(), c.columns(), a.columns(), 0, (c.columns() + width - 1) / width, Activation::linear},
      space.products.gemm);
  team.sync();
}

/// out [M, N] = x [M, K] W^T + b + residual [M, N], W [N, K] row-major. The weight is packed anew: it has just changed.
template <class T>
void linear_forward(const Team& team, const TrainingSpace<T>& space, TensorView<const T, 2> weight, const T* bias,
                    TensorView<const T, 2> x, TensorView<T, 2> out, TensorView<const T, 2> residual = {}) {
  const std::size_t k = weight.columns(), n = weight.rows();
  const Share rows = team.share(n, space.products.panel);
  if (rows.end > rows.begin) {
    clear_padding(space, n, k, rows.end);
    space.products.pack(
        {weight.row(rows.begin), weight.row_stride(), rows.begin, rows.end - rows.begin, k, space.packed});
  }
  multiply_packed(team, space, x, bias, out, residual);
}

/// out [columns] = sum of the rows of x: rows in blocks of 64, the blocks' sums in pairs (numerics rule 6).
template <class T>
void sum_rows(const Team& team, const TrainingSpace<T>& space, TensorView<const T, 2> x, T* out) {
  constexpr std::size_t block = kernels::partial_rows;
  const Share mine = team.share(x.rows(), block);
  if (mine.end > mine.begin)
    space.training->column_sums({x.row(mine.begin), x.row_stride(), mine.end - mine.begin, x.columns(),
                                 space.partials + mine.begin / block * x.columns(), x.columns()});
  add_partials(team, space, (x.rows() + block - 1) / block, x.columns(), space.partials, out);
}

/// Gradients of y = x W^T + b:
///   dL/dx_mk = sum over n of dy_mn W_nk              dx = dy W
///   dL/dW_nk = sum over m of dy_mn x_mk              dW = dy^T x
///   dL/db_n  = sum over m of dy_mn
/// x [M, K], dy [M, N] -> dx [M, K] = dy W + residual (nothing where dx is empty), dweight [N, K], dbias [N] or
/// null.
template <class T>
void linear_backward(const Team& team, const TrainingSpace<T>& space, TensorView<const T, 2> weight,
                     TensorView<const T, 2> x, TensorView<const T, 2> dy, TensorView<T, 2> dx,
                     TensorView<const T, 2> residual, TensorView<T, 2> dweight, T* dbias) {
  if (!dx.empty()) {
    pack_columns(team, space, weight);
    multiply_packed<T>(team, space, dy, nullptr, dx, residual);
  }
  const TensorView<T, 2> turned(space.turned, {dy.columns(), dy.rows()});  // dy^T   [N, M]
  const Share columns = team.share(dy.columns(), kernels::lanes);
  if (columns.end > columns.begin)
    space.training->transpose({dy.data() + columns.begin, dy.row_stride(), dy.rows(), columns.end - columns.begin,
                               turned.row(columns.begin), turned.row_stride()});
  pack_columns(team, space, x);
  multiply_packed<T>(team, space, turned, nullptr, dweight, {});
  if (dbias) sum_rows(team, space, dy, dbias);
}

}  // namespace bert::inline BERT_ABI

// TrainingSpace: what the blocks' training passes compute with and in.
//
// Every block of nn/ has, beside its forward() for loaded models, functions for training: NAME_forward on row-major
// parameters that change from step to step, and NAME_backward, with its derivation above it. All threads of a team call
// them together, and on return their outputs are whole. Gradients are written, not added to what was there, unless a
// comment says so.
#pragma once
#include <bert/core/team.h>
#include <bert/core/tensor.h>
#include <bert/core/workspace.h>
#include <bert/kernels.h>
#include <bert/quant/precision.h>

#include <vector>

namespace bert::inline BERT_ABI {

using kernels::TrainingKernels;

/// The matrix products of a training pass: in T, or (float only) on bfloat16 numbers with sums in float, as PyTorch's
/// autocast has them; parameters and gradients are T all the same.
template <class T>
struct TrainingProducts {
  std::size_t panel = 1;  // columns of a packed panel
  void (*pack)(const kernels::PackArgs<T>&) = nullptr;
  void (*gemm)(const kernels::GemmArgs<T>&) = nullptr;
  bool bf16 = false;

  TrainingProducts() = default;
  /// Error where the kernels have no products of bfloat16.
  TrainingProducts(const KernelTable<T>& table, Precision precision)
      : panel(table.panel_width), pack(table.pack), gemm(table.gemm), bf16(precision == Precision::bf16) {
    if (precision == Precision::int8) fail("training is in fp32 or bf16, not in int8");
    if (!bf16) return;
    if constexpr (std::is_same_v<T, float>) {
      if (!table.bf16) fail("the instruction set ", table.name, " has no products of bfloat16 to train with");
      panel = table.bf16->panel_width, pack = table.bf16->pack, gemm = table.bf16->gemm;
    } else {
      fail("training in double has no products of bfloat16");
    }
  }
  /// Elements of T that one packed column of k numbers takes.
  std::size_t depth(std::size_t k) const { return bf16 ? (k + 1) / 2 : k; }
};

template <class T>
struct TrainingSpace {
  const KernelTable<T>* kernels = nullptr;
  const TrainingKernels<T>* training = nullptr;
  TrainingProducts<T> products;
  T* packed = nullptr;       // one operand of a product, packed
  T* turned = nullptr;       // one transposed matrix
  T* partials = nullptr;     // sums of blocks of 64 rows
  TensorView<T, 2> scratch;  // [threads, of one head, or of one panel of bfloat16]

  /// Elements of each that a model needs: it names its products and row operations, then take() lays them out.
  struct Needs {
    TrainingProducts<T> products;
    std::size_t packed = 0, turned = 0, partials = 0, scratch = 0;

    Needs(const KernelTable<T>& table, Precision precision) : products(table, precision) {}

    /// linear_forward and linear_backward of `rows` rows with a weight [N, K].
    void linear(std::size_t rows, std::size_t n, std::size_t k) {
      const auto padded = [&](std::size_t count) {
        return (count + products.panel - 1) / products.panel * products.panel;
      };
      packed = std::max(packed, std::max(padded(n) * k, padded(k) * std::max(n, rows)));
      turned = std::max(turned, n * rows);
      if (products.bf16) scratch = std::max(scratch, products.panel * std::max(n, rows));
      sums(rows, n);
    }
    /// sum_rows or, with 2 * columns, layer_norm_backward.
    void sums(std::size_t rows, std::size_t columns) {
      partials = std::max(partials, (rows + kernels::partial_rows - 1) / kernels::partial_rows * columns);
    }
  };

  TrainingSpace() = default;
  TrainingSpace(Arena& arena, const Needs& needs, std::size_t threads, const KernelTable<T>& table,
                const TrainingKernels<T>& training_table)
      : kernels(&table),
        training(&training_table),
        products(needs.products),
        packed(arena.take<T>(needs.packed)),
        turned(arena.take<T>(needs.turned)),
        partials(arena.take<T>(needs.partials)),
        scratch(arena.matrix<T>(threads, (needs.scratch + 15) / 16 * 16)) {}
};

/// out [columns] = the sum of partials [count, columns], which are added in pairs: neighbours, then pairs of
/// neighbours, … (numerics rule 6). Waits before and after; the partials are overwritten.
template <class T>
void add_partials(const Team& team, const TrainingSpace<T>& space, std::size_t count, std::size_t columns, T* partials,
                  T* out) {
  team.sync();
  const Share mine = team.share(columns, bert::kernels::lanes);
  const std::size_t width = mine.end - mine.begin;
  for (std::size_t step = 1; step < count; step *= 2)
    for (std::size_t i = 0; i + step < count; i += 2 * step)
      space.training->add(partials + (i + step) * columns + mine.begin, partials + i * columns + mine.begin, width);
  std::copy(partials + mine.begin, partials + mine.end, out + mine.begin);
  team.sync();
}

/// y [M, N] <- y + x.
template <class T>
void add_rows(const Team& team, const TrainingSpace<T>& space, TensorView<const T, 2> x, TensorView<T, 2> y) {
  const Share rows = team.share(x.rows());
  for (std::size_t r = rows.begin; r < rows.end; ++r) space.training->add(x.row(r), y.row(r), x.columns());
  team.sync();
}

}  // namespace bert::inline BERT_ABI

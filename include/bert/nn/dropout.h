// Dropout (Srivastava et al. 2014): in training, each element becomes 0 with probability `rate`, else x / (1 - rate).
//
// The mask is a function of seed, step, place in the network, sequence and element (numerics rule 7): it is made again
// in the backward pass instead of being kept, and does not depend on threads or on what else is in the batch.
#pragma once
#include <bert/core/rng.h>
#include <bert/nn/training_space.h>

namespace bert::inline BERT_ABI {

/// One place of dropout in one step.
struct Dropout {
  std::uint32_t threshold = 0;  // of 65536; 0: no dropout
  std::uint32_t key[2] = {}, step = 0, site = 0;
  std::span<const std::uint32_t> sequences;  // [B] numbers of the batch's sequences in the whole run

  Dropout() = default;
  Dropout(double rate, std::uint64_t seed, std::uint32_t step_of_run, std::uint32_t place,
          std::span<const std::uint32_t> sequence_numbers)
      : threshold(static_cast<std::uint32_t>(rate * 65536 + 0.5)),
        key{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)},
        step(step_of_run),
        site(place),
        sequences(sequence_numbers) {}

  bool active() const { return threshold > 0; }
  kernels::DropoutMask mask(std::size_t b) const {
    return {{key[0], key[1]}, step, site, active() ? sequences[b] : 0, threshold};
  }
  /// Elements of the mask that a row of `columns` takes: rows begin at a new Philox block.
  static std::size_t row_elements(std::size_t columns) { return (columns + 7) / 8 * 8; }
};

/// x [M, N] <- x times the mask. Its own backward pass: dL/dx is dL/dy times the same mask. Row m is token `tokens`[m]
/// of the batch, ascending; where that is empty, token m.
template <class T>
void apply_dropout(const Team& team, const TrainingSpace<T>& space, const Dropout& dropout,
                   std::span<const std::size_t> offsets, TensorView<T, 2> x, std::span<const std::size_t> tokens = {}) {
  if (!dropout.active()) return;
  const Share mine = team.share(x.rows());
  std::size_t b = 0;
  for (std::size_t m = mine.begin; m < mine.end; ++m) {
    const std::size_t token = tokens.empty() ? m : tokens[m];
    while (offsets[b + 1] <= token) ++b;
    space.training->dropout(
        {x.row(m), x.columns(), (token - offsets[b]) * Dropout::row_elements(x.columns()), dropout.mask(b)});
  }
  team.sync();
}

}  // namespace bert::inline BERT_ABI

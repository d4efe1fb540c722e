// RelativeAttention: what XLNet's attention adds to q k^T: how far apart two tokens are, and whether they are of one
// segment (Dai et al. 2019, section 3.3; Yang et al. 2019, section 2.6; transformers/models/xlnet/modeling_xlnet.py).
#pragma once
#include <bert/nn/attention.h>
#include <bert/nn/rotary.h>

#include <memory>

namespace bert::inline BERT_ABI {

/// Sines and cosines of distances, [2 W, H]: row m is that of W - m, elements i and i + H/2 the sine and cosine of it
/// times 10000^(-2i/H), rounded to float where Hugging Face rounds.
template <class T>
Tensor<T, 2> distance_table(std::size_t window, std::size_t hidden);

/// What a batch says of its tokens beyond their states.
struct TokenKinds {
  std::span<const std::int32_t> types = {};  // [T]; only which are equal counts
  bool targets = false;                      // whether each sequence's last token is a target, which nobody sees
};

template <class T>
struct RelativeAttention {
  std::shared_ptr<const Tensor<T, 2>> distances;  // distance_table(W, H), of all layers
  PackedMatrix<T> keys;                           // [H, H]: of a distance
  Tensor<T, 2> biases;                    // [3, H]: of contents, positions and segments (r_w_bias, r_r_bias, r_s_bias)
  std::vector<PackedMatrix<T>> segments;  // [A] of [2, D]: a head's keys of its own segment and of others

  bool empty() const { return keys.empty(); }

  /// Room for the keys of the distances of up to `longest` tokens.
  struct Buffers {
    TensorView<T, 2> keys;    // [2 longest, H]
    TensorView<T, 2> packed;  // [A, packed_size(longest)]
    Buffers() = default;
    Buffers(Arena& arena, const RelativeAttention& layer, std::size_t heads, std::size_t longest) {
      keys = arena.matrix<T>(2 * longest, layer.keys.n());
      packed = arena.matrix<T>(heads, layer.packed_size(longest, heads));
    }
  };

  std::size_t packed_size(std::size_t longest, std::size_t heads) const {
    const std::size_t panel = keys.kernels().panel_width;
    return (2 * longest + panel - 1) / panel * panel * (keys.n() / heads);
  }

  /// SelfAttention::attend with the terms of this layer. `offsets`, `projected`, `scratch` (relative_scratch elements
  /// per thread), `context` and `probabilities` as there, in which nobody sees targets.
  void attend(const Team& team, std::size_t heads, std::span<const std::size_t> offsets, const TokenKinds& kinds,
              TensorView<const T, 2> projected, TensorView<T, 2> scratch, const Buffers& buffers,
              TensorView<T, 2> context, Tensor<T, 3>* probabilities = nullptr) const {
    std::size_t longest = 0;
    for (std::size_t b = 0; b + 1 < offsets.size(); ++b)
      if (const std::size_t length = offsets[b + 1] - offsets[b]; length > longest) longest = length;
    project(team, heads, longest, buffers);
    const std::size_t hidden = keys.n(), size = hidden / heads;
    for_each_head(team, offsets, heads, [&](std::size_t b, std::size_t head) {
      const std::size_t first = offsets[b] - offsets[0], length = offsets[b + 1] - offsets[b], column = head * size;
      const T* const q = projected.row(first) + column;
      const std::span<const std::int32_t> types =
          kinds.types.empty() ? kinds.types : kinds.types.subspan(first, length);
      bool mixed = false;
      for (std::int32_t type : types) mixed = mixed || type != types[0];
      keys.kernels().relative_attention(
          {q, q + hidden, q + 2 * hidden, projected.row_stride(), context.row(first) + column, context.row_stride(),
           length, kinds.targets ? length - 1 : length, size, buffers.packed.row(head), longest,
           biases.view().row(0) + column, biases.view().row(1) + column, biases.view().row(2) + column,
           segments[head].data(), mixed ? types.data() : nullptr, T(1) / std::sqrt(static_cast<T>(size)),
           probabilities ? probabilities[b].data() + head * length * length : nullptr,
           scratch.row(static_cast<std::size_t>(team.rank()))});
    });
    team.sync();
  }

 private:
  /// The distances' keys of this layer, packed for each head.
  void project(const Team& team, std::size_t heads, std::size_t longest, const Buffers& buffers) const {
    const std::size_t window = distances->shape()[0] / 2, size = keys.n() / heads;
    const std::size_t panel = keys.kernels().panel_width;
    const TensorView<T, 2> rows = buffers.keys.slice_rows(0, 2 * longest);
    keys.multiply(team, distances->view().slice_rows(window - longest, 2 * longest), nullptr, rows);
    const Share mine = team.share(heads);
    for (std::size_t head = mine.begin; head < mine.end; ++head) {
      T* const packed = buffers.packed.row(head);
      for (std::size_t i = 2 * longest / panel * panel * size; i < packed_size(longest, heads); ++i)
        packed[i] = T{};  // the cut panel
      keys.kernels().pack({rows.row(0) + head * size, rows.row_stride(), 0, 2 * longest, size, packed});
    }
    team.sync();
  }
};

template <class T>
Tensor<T, 2> distance_table(std::size_t window, std::size_t hidden) {
  Tensor<T, 2> table({2 * window, hidden});
  for (std::size_t i = 0; i < hidden / 2; ++i) {
    const float frequency = angle_frequency(10000, i, hidden);
    for (std::size_t distance = 0; distance <= window; ++distance) {
      const SineCosine angle = sine_cosine(static_cast<double>(frequency * static_cast<float>(distance)));
      const T sine = static_cast<T>(static_cast<float>(angle.sine)),
              cosine = static_cast<T>(static_cast<float>(angle.cosine));
      table(window - distance, i) = sine, table(window - distance, i + hidden / 2) = cosine;
      if (distance > 0 && distance < window)
        table(window + distance, i) = -sine, table(window + distance, i + hidden / 2) = cosine;
    }
  }
  return table;
}

}  // namespace bert::inline BERT_ABI

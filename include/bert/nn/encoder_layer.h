// EncoderLayer: one post-norm transformer layer, as in BERT (transformers/models/bert/modeling_bert.py, BertLayer).
//
//   attended = LayerNorm(attention(x) W + b + x)
//   x        = LayerNorm(down(gelu(up(attended))) + attended)
#pragma once
#include <bert/core/workspace.h>
#include <bert/nn/attention.h>
#include <bert/nn/feed_forward.h>
#include <bert/nn/layer_norm.h>
#include <bert/nn/relative_attention.h>

#include <array>

namespace bert::inline BERT_ABI {

template <class T>
struct EncoderLayer {
  SelfAttention<T> attention;
  AnyLinear<T> attention_output;  // [H, H], Hugging Face: attention.output.dense
  LayerNorm<T> attention_norm;
  FeedForward<T> feed_forward;
  LayerNorm<T> output_norm;
  RelativeAttention<T> relative = {};  // XLNet's; empty: positions are in x

  /// Activations of up to `tokens` tokens, shared by all layers of a stack. q, k and v are dead when the feed-forward
  /// network runs, so both lie in `wide`, row for row: a thread that is ahead overwrites only rows of its own.
  struct Buffers {
    TensorView<T, 2> wide;               // [T, max(3H, I)]
    TensorView<T, 2> context, attended;  // [T, H]
    TensorView<T, 2> scratch;            // [threads, attention scratch]
    Int8Rows quantized;                  // [T, max(H, I)]: the input of a product of 8 bits, one at a time
    typename RelativeAttention<T>::Buffers relative;
    /// `int8`: whether any layer of the stack has a product of 8 bits.
    Buffers(Arena& arena, const EncoderLayer& layer, std::size_t tokens, std::size_t longest, std::size_t threads,
            bool int8) {
      const std::size_t hidden = layer.attention.hidden_size(), intermediate = layer.feed_forward.up.n();
      wide = arena.matrix<T>(tokens, 3 * hidden > intermediate ? 3 * hidden : intermediate);
      context = arena.matrix<T>(tokens, hidden);
      attended = arena.matrix<T>(tokens, hidden);
      const std::size_t space =
          layer.relative.empty() ? layer.attention.scratch_size(longest)
                                 : layer.relative.keys.kernels().relative_scratch(longest, layer.attention.head_size());
      scratch = arena.matrix<T>(threads, (space + 15) / 16 * 16);
      if (!layer.relative.empty()) relative = {arena, layer.relative, layer.attention.heads, longest};
      if (int8) quantized = Int8Rows(arena, tokens, hidden > intermediate ? hidden : intermediate);
    }
  };

  /// The four products in the order in which they run.
  std::array<AnyLinear<T>*, 4> products() {
    return {&attention.qkv, &attention_output, &feed_forward.up, &feed_forward.down};
  }
  bool has_int8() const {
    return attention.qkv.is_int8() || attention_output.is_int8() || feed_forward.up.is_int8() ||
           feed_forward.down.is_int8();
  }
  /// Bytes of weights that products of 8 bits save.
  std::ptrdiff_t bytes_saved() const {
    return attention.qkv.bytes_saved() + attention_output.bytes_saved() + feed_forward.up.bytes_saved() +
           feed_forward.down.bytes_saved();
  }

  /// x [T, H] is replaced by the layer's output. `offsets` [B + 1]; row 0 of x is token offsets[0]. `kinds` counts with
  /// relative attention only.
  ///
  /// With many tokens each thread keeps the same rows from one operation to the next and waits for the others only
  /// around attention, the one operation that mixes rows, and at the end. With few, threads share the columns of every
  /// product instead (each keeps its part of the weights in its cache) and wait after each.
  void forward(const Team& team, TensorView<T, 2> x, std::span<const std::size_t> offsets, const Buffers& buffers,
               Tensor<T, 3>* probabilities = nullptr, const TokenKinds& kinds = {}) const {
    const bool by_rows = team.by_rows(x.rows());
    const Team worker = by_rows ? Team() : team;
    const Share mine = by_rows ? team.share(x.rows()) : Share{0, x.rows()};
    const auto rows = [&](TensorView<T, 2> all) { return all.slice_rows(mine.begin, mine.end - mine.begin); };
    const TensorView<T, 2> qkv = buffers.wide.slice_columns(0, attention.qkv.n());
    const TensorView<T, 2> intermediate = buffers.wide.slice_columns(0, feed_forward.up.n());
    const TensorView<T, 2> attended = rows(buffers.attended);
    const Int8Rows space = buffers.quantized.slice_rows(mine.begin, mine.end - mine.begin);

    attention.qkv.forward(worker, rows(x), rows(qkv), Activation::linear, {}, space);
    if (by_rows) team.sync();
    if (relative.empty())
      attention.attend(team, offsets, qkv, buffers.scratch, buffers.context, probabilities);
    else
      relative.attend(team, attention.heads, offsets, kinds, qkv, buffers.scratch, buffers.relative, buffers.context,
                      probabilities);
    attention_output.forward(worker, rows(buffers.context), attended, Activation::linear, rows(x), space);
    attention_norm.forward(worker, attended, attended);
    feed_forward.forward(worker, attended, rows(intermediate), rows(x), space);
    output_norm.forward(worker, rows(x), rows(x));
    if (by_rows) team.sync();
  }
};

}  // namespace bert::inline BERT_ABI

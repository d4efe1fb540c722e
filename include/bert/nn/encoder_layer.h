// EncoderLayer: one post-norm transformer layer, as in BERT (transformers/models/bert/modeling_bert.py, BertLayer).
//
//   attended = LayerNorm(attention(x) W + b + x)
//   x        = LayerNorm(down(gelu(up(attended))) + attended)
#pragma once
#include <bert/core/workspace.h>
#include <bert/nn/attention.h>
#include <bert/nn/feed_forward.h>
#include <bert/nn/layer_norm.h>

namespace bert::inline BERT_ABI {

template <class T>
struct EncoderLayer {
  SelfAttention<T> attention;
  Linear<T> attention_output;  // [H, H], Hugging Face: attention.output.dense
  LayerNorm<T> attention_norm;
  FeedForward<T> feed_forward;
  LayerNorm<T> output_norm;

  /// Activations of up to `tokens` tokens, shared by all layers of a stack. q, k, v and the context are dead when the
  /// feed-forward network runs, so both lie in `wide`.
  struct Buffers {
    TensorView<T, 2> wide;      // [T, max(4H, I)]
    TensorView<T, 2> attended;  // [T, H]
    TensorView<T, 2> scratch;   // [threads, attention scratch]
    Buffers(Arena& arena, const EncoderLayer& layer, std::size_t tokens, std::size_t longest, std::size_t threads) {
      const std::size_t hidden = layer.attention.hidden_size(), intermediate = layer.feed_forward.up.weight().n();
      wide = arena.matrix<T>(tokens, 4 * hidden > intermediate ? 4 * hidden : intermediate);
      attended = arena.matrix<T>(tokens, hidden);
      scratch = arena.matrix<T>(threads, (layer.attention.scratch_size(longest) + 15) / 16 * 16);
    }
  };

  /// x [T, H] is replaced by the layer's output. `offsets` [B + 1]; row 0 of x is token offsets[0].
  void forward(const Team& team, TensorView<T, 2> x, std::span<const std::size_t> offsets, const Buffers& buffers,
               Tensor<T, 3>* probabilities = nullptr) const {
    const std::size_t tokens = x.rows(), hidden = x.columns();
    const TensorView<T, 2> qkv(buffers.wide.data(), {tokens, 3 * hidden});
    const TensorView<T, 2> context(buffers.wide.data() + qkv.size(), {tokens, hidden});
    const TensorView<T, 2> intermediate(buffers.wide.data(), {tokens, feed_forward.up.weight().n()});
    const TensorView<T, 2> attended = buffers.attended.slice_rows(0, tokens);

    attention.forward(team, x, offsets, qkv, buffers.scratch, context, probabilities);
    attention_output.forward(team, context, attended, Activation::linear, x);
    attention_norm.forward(team, attended, attended);
    feed_forward.forward(team, attended, intermediate, x);
    output_norm.forward(team, x, x);
  }
};

}  // namespace bert::inline BERT_ABI

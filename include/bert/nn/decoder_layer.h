// DecoderLayer: one pre-norm layer of a causal transformer (GPT-2: Radford et al. 2019; Llama: Touvron et al. 2023).
//
//   attended = attention(norm(x)) W + b + x
//   x        = down(activation(up(norm(attended)))) + attended
//
// or, with a gated feed-forward network, down(activation(gate(·)) * up(·)), gate and up being one product.
#pragma once
#include <bert/core/workspace.h>
#include <bert/nn/causal_attention.h>
#include <bert/nn/rms_norm.h>

#include <array>

namespace bert::inline BERT_ABI {

template <class T>
struct DecoderLayer {
  AnyNorm<T> attention_norm;
  CausalAttention<T> attention;
  AnyLinear<T> attention_output;  // [H, A D]
  AnyNorm<T> feed_forward_norm;
  bool gated = false;
  Activation activation = Activation::gelu_tanh;
  AnyLinear<T> up;    // [I, H], or gate and up [2 I, H]
  AnyLinear<T> down;  // [H, I]

  std::size_t hidden_size() const { return attention.qkv.k(); }

  /// Activations of up to `tokens` tokens, shared by all layers of a stack, as EncoderLayer's.
  struct Buffers {
    TensorView<T, 2> wide;                       // [T, max((A + 2 G) D, I or 2 I)]
    TensorView<T, 2> normed, context, attended;  // [T, H], [T, A D], [T, H]
    TensorView<T, 2> scratch;                    // [threads, attention scratch]
    Int8Rows quantized;                          // [T, widest input of a product]
    /// `longest`: most tokens of a sequence, those in its cache counted.
    Buffers(Arena& arena, const DecoderLayer& layer, std::size_t tokens, std::size_t longest, std::size_t threads,
            bool int8) {
      const std::size_t hidden = layer.hidden_size(), heads = layer.attention_output.k(), inner = layer.down.k();
      const std::size_t qkv = layer.attention.qkv.n(), outer = layer.up.n(), most = hidden > heads ? hidden : heads;
      wide = arena.matrix<T>(tokens, qkv > outer ? qkv : outer);
      normed = arena.matrix<T>(tokens, hidden);
      context = arena.matrix<T>(tokens, heads);
      attended = arena.matrix<T>(tokens, hidden);
      scratch = arena.matrix<T>(threads, (layer.attention.scratch_size(longest) + 15) / 16 * 16);
      if (int8) quantized = Int8Rows(arena, tokens, most > inner ? most : inner);
    }
  };

  /// The four products in the order in which they run.
  std::array<AnyLinear<T>*, 4> products() { return {&attention.qkv, &attention_output, &up, &down}; }
  bool has_int8() const {
    return attention.qkv.is_int8() || attention_output.is_int8() || up.is_int8() || down.is_int8();
  }
  /// Bytes of weights that products of 8 and 16 bits save.
  std::ptrdiff_t bytes_saved() const {
    return attention.qkv.bytes_saved() + attention_output.bytes_saved() + up.bytes_saved() + down.bytes_saved();
  }

  /// What a pass reads beside its states: see CausalAttention::attend.
  struct Context {
    std::span<const std::size_t> offsets;
    std::span<const std::int32_t> positions;
    std::span<const CachedSequence<T>> sequences;
    const Rotary<T>* rotary = nullptr;
  };

  /// x [T, H] is replaced by the output of this layer, the stack's number `index`. Threads work as in EncoderLayer.
  void forward(const Team& team, TensorView<T, 2> x, const Context& context, std::size_t index, const Buffers& buffers,
               Tensor<T, 3>* probabilities = nullptr) const {
    const bool by_rows = team.by_rows(x.rows());
    const Team worker = by_rows ? Team() : team;
    const Share mine = by_rows ? team.share(x.rows()) : Share{0, x.rows()};
    const auto rows = [&](TensorView<T, 2> all) { return all.slice_rows(mine.begin, mine.end - mine.begin); };
    const TensorView<T, 2> qkv = buffers.wide.slice_columns(0, attention.qkv.n()).slice_rows(0, x.rows());
    const TensorView<T, 2> wide = rows(buffers.wide.slice_columns(0, up.n()));
    const TensorView<T, 2> normed = rows(buffers.normed), attended = rows(buffers.attended);
    const Int8Rows space = buffers.quantized.slice_rows(mine.begin, mine.end - mine.begin);

    attention_norm.forward(worker, rows(x), normed);
    attention.qkv.forward(worker, normed, rows(qkv), Activation::linear, {}, space);
    if (by_rows) team.sync();
    attention.attend(team, context.offsets, context.positions, context.sequences, index, context.rotary, qkv,
                     buffers.scratch, buffers.context, probabilities);
    attention_output.forward(worker, rows(buffers.context), attended, Activation::linear, rows(x), space);
    feed_forward_norm.forward(worker, attended, normed);
    up.forward(worker, normed, wide, gated ? Activation::linear : activation, {}, space);
    if (gated) gate(worker, wide);
    down.forward(worker, wide.slice_columns(0, down.k()), rows(x), Activation::linear, attended, space);
    if (by_rows) team.sync();
  }

 private:
  void gate(const Team& team, TensorView<T, 2> wide) const {
    const Share rows = team.share(wide.rows());
    attention.kernels().gate({wide.row(rows.begin), wide.row_stride(), rows.end - rows.begin, down.k(), activation});
    team.sync();
  }
};

}  // namespace bert::inline BERT_ABI

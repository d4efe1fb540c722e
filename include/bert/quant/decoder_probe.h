// DecoderProbe: what Probe is for encoders (probe.h), for causal models: how large the inputs of each product get when
// a few made-up sentences pass.
#pragma once
#include <bert/nn/decoder_layer.h>
#include <bert/quant/probe.h>

namespace bert::inline BERT_ABI {

class DecoderProbe {
 public:
  /// `x` [T, H]: the embeddings of `batch`, of sequences that fit the positions. Borrows `rotary`, which may be null.
  DecoderProbe(PackedBatch batch, Tensor<float, 2> x, const Rotary<float>* rotary)
      : batch_(std::move(batch)), x_(std::move(x)), rotary_(rotary) {}
  /// Runs the layer, whose products are of float. Returns for each product the largest magnitude of each input channel.
  std::array<std::vector<float>, 4> advance(const DecoderLayer<float>& layer);

 private:
  PackedBatch batch_;
  Tensor<float, 2> x_;
  const Rotary<float>* rotary_;
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <algorithm>

namespace bert::inline BERT_ABI {

BERT_INLINE std::array<std::vector<float>, 4> DecoderProbe::advance(const DecoderLayer<float>& layer) {
  const FloatEnvironment environment;
  const std::vector<std::size_t> lengths = batch_.lengths();
  const std::size_t longest = *std::max_element(lengths.begin(), lengths.end());
  const std::size_t room = layer.attention.cache_size(longest);
  Arena counting;
  DecoderLayer<float>::Buffers(counting, layer, batch_.tokens(), longest, 1, false);
  counting.take<float>(lengths.size() * room);
  Workspace workspace;
  Arena arena(workspace.reserve(counting.bytes()));
  const DecoderLayer<float>::Buffers buffers(arena, layer, batch_.tokens(), longest, 1, false);
  float* const caches = arena.take<float>(lengths.size() * room);
  std::vector<CachedSequence<float>> sequences;
  for (std::size_t b = 0; b < lengths.size(); ++b) sequences.push_back({caches + b * room, 0, longest, 0});
  std::array<std::vector<float>, 4> sizes;
  layer.attention_norm.forward(Team(), x_.view(), buffers.normed);
  widen(sizes[0], buffers.normed);
  layer.forward(Team(), x_.view(), {batch_.offsets, batch_.positions, sequences, rotary_}, 0, buffers);
  widen(sizes[1], buffers.context);
  widen(sizes[2], buffers.normed);
  widen(sizes[3], buffers.wide.slice_columns(0, layer.down.k()));
  return sizes;
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

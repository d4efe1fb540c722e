// Probe: how large the inputs of a model's products get, found without any text: a few made-up sentences pass each
// layer in float while the model is loaded as int8. That is enough to see which channels are large (docs/numerics.md).
#pragma once
#include <bert/core/packed_batch.h>
#include <bert/core/workspace.h>
#include <bert/nn/embedding.h>
#include <bert/nn/encoder_layer.h>
#include <bert/quant/smoothing.h>

namespace bert::inline BERT_ABI {

/// Four sentences of up to sixteen ids, spread over the vocabulary.
PackedBatch probe_batch(std::size_t vocabulary, std::size_t window);

class Probe {
 public:
  /// Positions of each sequence count from `first_position`.
  Probe(const BertEmbeddings<float>& embeddings, PackedBatch batch, std::size_t first_position = 0);
  /// Runs the layer, whose products are of float, `uses` times in a row. Returns for each product the largest magnitude
  /// of each input channel [K].
  std::array<std::vector<float>, 4> advance(const EncoderLayer<float>& layer, std::size_t uses = 1);

 private:
  PackedBatch batch_;
  Tensor<float, 2> x_;  // [T, H]
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <algorithm>

namespace bert::inline BERT_ABI {

BERT_INLINE PackedBatch probe_batch(std::size_t vocabulary, std::size_t window) {
  PackedBatch batch;
  std::size_t next = 0;
  for (std::size_t sentence = 0; sentence < 4; ++sentence) {
    std::vector<std::int32_t> ids(std::min<std::size_t>(16, window));
    for (std::int32_t& id : ids) id = static_cast<std::int32_t>(7919 * next++ % vocabulary);  // 7919 is a prime
    batch.add(ids);
  }
  return batch;
}

BERT_INLINE Probe::Probe(const BertEmbeddings<float>& embeddings, PackedBatch batch, std::size_t first_position)
    : batch_(std::move(batch)),
      x_({batch_.tokens(),
          embeddings.projection.weight().empty() ? embeddings.word.k() : embeddings.projection.weight().n()}) {
  const FloatEnvironment environment;
  for (std::int32_t& position : batch_.positions) position += static_cast<std::int32_t>(first_position);
  Tensor<float, 2> space({batch_.tokens(), embeddings.word.k()});
  embeddings.forward(Team(), batch_.ids, batch_.type_ids, batch_.positions, x_.view(), space.view());
}

BERT_INLINE std::array<std::vector<float>, 4> Probe::advance(const EncoderLayer<float>& layer, std::size_t uses) {
  const FloatEnvironment environment;
  const std::vector<std::size_t> lengths = batch_.lengths();
  const std::size_t longest = *std::max_element(lengths.begin(), lengths.end());
  Arena counting;
  EncoderLayer<float>::Buffers(counting, layer, batch_.tokens(), longest, 1, false);
  Workspace workspace;
  Arena arena(workspace.reserve(counting.bytes()));
  const EncoderLayer<float>::Buffers buffers(arena, layer, batch_.tokens(), longest, 1, false);
  std::array<std::vector<float>, 4> sizes;
  for (std::size_t use = 0; use < uses; ++use) {
    widen(sizes[0], std::as_const(x_).view());
    layer.forward(Team(), x_.view(), batch_.offsets, buffers);
    widen(sizes[1], buffers.context);
    widen(sizes[2], buffers.attended);
    widen(sizes[3], buffers.wide.slice_columns(0, layer.feed_forward.up.n()));
  }
  return sizes;
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

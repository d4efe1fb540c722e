// BertEmbeddings: LayerNorm(word[id] + token_type[type] + position[p])   (Devlin et al. 2019, figure 2).
//
// The word table exists once. Where the MLM decoder is tied to it, it is packed for the decoder's GEMM and look-up
// gathers from the panels.
#pragma once
#include <bert/nn/layer_norm.h>
#include <bert/nn/linear.h>

#include <cstdint>

namespace bert::inline BERT_ABI {

template <class T>
struct BertEmbeddings {
  PackedMatrix<T> word;     // [V, H]
  Tensor<T, 2> position;    // [max_position_embeddings, H]
  Tensor<T, 2> token_type;  // [type_vocab_size, H]
  LayerNorm<T> layer_norm;

  /// out [T, H] for T tokens given by three spans [T]. Ids are in range: the model has checked them.
  void forward(const Team& team, std::span<const std::int32_t> ids, std::span<const std::int32_t> type_ids,
               std::span<const std::int32_t> positions, TensorView<T, 2> out) const {
    const Share rows = team.share(ids.size());
    word.kernels().embed({word.data(), word.panel(), token_type.data(), position.data(), ids.data() + rows.begin,
                          type_ids.data() + rows.begin, positions.data() + rows.begin, out.row(rows.begin),
                          out.row_stride(), rows.end - rows.begin, word.k()});
    team.sync();
    layer_norm.forward(team, out, out);
  }
};

}  // namespace bert::inline BERT_ABI

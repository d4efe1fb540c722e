// BertEmbeddings: LayerNorm(word[id] + token_type[type] + position[p])   (Devlin et al. 2019, figure 2); where the
// tables are narrower than the layers, E against H, projected to their width (Lan et al. 2020, section 3.1). With
// relative attention: word[id] alone.
//
// The word table exists once. Where the MLM decoder is tied to it, it is packed for the decoder's GEMM and look-up
// gathers from the panels.
#pragma once
#include <bert/core/packed_batch.h>
#include <bert/nn/layer_norm.h>
#include <bert/nn/linear.h>

#include <cstdint>

namespace bert::inline BERT_ABI {

template <class T>
struct BertEmbeddings {
  PackedMatrix<T> word;     // [V, E]
  Tensor<T, 2> position;    // [max_position_embeddings, E]; empty: zeros, as are types, and there is no norm
  Tensor<T, 2> token_type;  // [type_vocab_size, E]
  LayerNorm<T> layer_norm;
  Linear<T> projection;  // [H, E], or empty: E = H

  /// out [T, H] for T tokens given by three spans [T]. Ids are in range: the model has checked them. `space` [T, E] is
  /// for a projection.
  void forward(const Team& team, std::span<const std::int32_t> ids, std::span<const std::int32_t> type_ids,
               std::span<const std::int32_t> positions, TensorView<T, 2> out, TensorView<T, 2> space = {}) const {
    const bool projected = !projection.weight().empty();
    const TensorView<T, 2> sums = projected ? space : out;
    const Share rows = team.share(ids.size());
    const bool placed = position.size() > 0;
    word.kernels().embed({word.data(), word.panel(), token_type.data(), placed ? position.data() : token_type.data(),
                          ids.data() + rows.begin, type_ids.data() + rows.begin,
                          (placed ? positions : type_ids).data() + rows.begin, sums.row(rows.begin), sums.row_stride(),
                          rows.end - rows.begin, word.k()});
    team.sync();
    if (placed) layer_norm.forward(team, sums, sums);
    if (projected) projection.forward(team, sums, out);
  }
};

/// out [T, H] = word[id] + token_type[type] + position[p], before the layer norm, from row-major tables.
template <class T>
void embedding_forward(const Team& team, const TrainingSpace<T>& space, TensorView<const T, 2> word,
                       TensorView<const T, 2> token_type, TensorView<const T, 2> position,
                       std::span<const std::int32_t> ids, std::span<const std::int32_t> type_ids,
                       std::span<const std::int32_t> positions, TensorView<T, 2> out) {
  const Share rows = team.share(ids.size());
  space.kernels->embed({word.data(), 1, token_type.data(), position.data(), ids.data() + rows.begin,
                        type_ids.data() + rows.begin, positions.data() + rows.begin, out.row(rows.begin),
                        out.row_stride(), rows.end - rows.begin, out.columns()});
  team.sync();
}

/// Gradient of a look-up y_t = table[index_t]: dL/dtable_i = sum over t with index_t = i of dy_t, added to `dtable` in
/// ascending t. The team shares the columns, so a row of the table that many tokens read needs no lock.
template <class T>
void lookup_backward(const Team& team, const TrainingSpace<T>& space, std::span<const std::int32_t> indices,
                     TensorView<const T, 2> dy, TensorView<T, 2> dtable) {
  const Share columns = team.share(dy.columns(), kernels::lanes);
  for (std::size_t t = 0; t < indices.size() && columns.end > columns.begin; ++t)
    space.training->add(dy.row(t) + columns.begin, dtable.row(static_cast<std::size_t>(indices[t])) + columns.begin,
                        columns.end - columns.begin);
  team.sync();
}

}  // namespace bert::inline BERT_ABI

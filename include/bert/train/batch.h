// What a training step reads: a packed batch with what is to be predicted from it. One struct per objective.
#pragma once
#include <bert/core/packed_batch.h>

namespace bert::inline BERT_ABI {

/// Devlin et al. 2019, section 3.1: words were hidden from `tokens`, and every sequence is a pair of texts. Causal
/// models: nothing was hidden, "masked" are the tokens whose next is to be predicted.
struct PretrainingBatch {
  PackedBatch tokens;
  std::vector<std::size_t> masked;       // [M] indices into `tokens`, ascending
  std::vector<std::int32_t> masked_ids;  // [M] what stood there
  std::vector<std::int32_t>
      next_sentence;  // [B] 0: the second text follows the first, 1: it does not; empty: no such task
  std::vector<std::uint32_t> sequence_index;  // [B] number of the sequence in the whole run: seeds its dropout
};

}  // namespace bert::inline BERT_ABI

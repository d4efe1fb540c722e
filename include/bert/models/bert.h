// BERT (Devlin et al. 2019; transformers/models/bert/modeling_bert.py): BertModel, the embeddings, encoder and pooler,
// and BertForPreTraining, which adds the heads that the checkpoint has.
//
// The architecture itself, which other families share, is encoder.h.
#pragma once
#include <bert/models/encoder.h>
#include <bert/models/with_heads.h>

namespace bert::inline BERT_ABI {

inline constexpr EncoderFamily bert_family = {
    .model_type = "bert",
    .read_config = BertConfig::from,
    .prefix = "bert.",
    .pooler = "pooler.dense",
    .heads = {.transform = "cls.predictions.transform.dense",
              .transform_norm = "cls.predictions.transform.LayerNorm",
              .decoder = "cls.predictions.decoder",
              .decoder_bias = "cls.predictions.bias",
              .next_sentence = "cls.seq_relationship",
              .classifier = "classifier",
              .tags = "classifier",
              .spans = "qa_outputs"},
};

/// BERT without heads: token ids to states. Arguments as EncoderModel's, but for the family.
template <class T>
class BertModel : public EncoderModel<T> {
 public:
  explicit BertModel(const Checkpoint& checkpoint, const KernelTable<T>& kernels = default_kernels<T>(),
                     std::optional<Precision> precision = {}, const Threads& threads = Threads())
      : EncoderModel<T>(checkpoint, bert_family, kernels, precision, threads) {}
};

/// BERT with its heads, those that the checkpoint has (Devlin et al. 2019, sections 3.1 and 4): BertForMaskedLM,
/// BertForSequenceClassification, … have fewer. Arguments as WithHeads's, but for the family.
template <class T>
class BertForPreTraining : public WithHeads<EncoderModel<T>> {
 public:
  explicit BertForPreTraining(const Checkpoint& checkpoint, const KernelTable<T>& kernels = default_kernels<T>(),
                              std::optional<Precision> precision = {}, const Threads& threads = Threads())
      : WithHeads<EncoderModel<T>>(checkpoint, bert_family, kernels, precision, threads) {}
};

}  // namespace bert::inline BERT_ABI

#if !BERT_WITH_DEFINITIONS
namespace bert::inline BERT_ABI {
extern template class WithHeads<EncoderModel<float>>;
extern template class WithHeads<EncoderModel<double>>;
}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

// RoBERTa (Liu et al. 2019; transformers/models/roberta/modeling_roberta.py): BERT without segments and without next
// sentences, whose positions begin after that of the padding token.
#pragma once
#include <bert/models/encoder.h>

namespace bert::inline BERT_ABI {

/// The defaults are those of configuration_roberta.py.
BertConfig roberta_config(const ConfigReader& config);

inline constexpr EncoderFamily roberta_family = {
    .model_type = "roberta",
    .read_config = roberta_config,
    .prefix = "roberta.",
    .pooler = "pooler.dense",
    .heads = {.transform = "lm_head.dense",
              .transform_norm = "lm_head.layer_norm",
              .transform_act = "gelu",
              .decoder = "lm_head.decoder",
              .decoder_bias = "lm_head.bias",
              .summary = HeadNames::Summary::first,
              .class_dense = "classifier.dense",
              .class_act = "tanh",
              .classifier = "classifier.out_proj",
              .tags = "classifier",
              .spans = "qa_outputs"},
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
namespace bert::inline BERT_ABI {

BERT_INLINE BertConfig roberta_config(const ConfigReader& config) {
  BertConfig defaults;
  defaults.vocab_size = 50265, defaults.pad_token_id = 1;
  BertConfig c = BertConfig::from(config, ModelKeys(), defaults);
  c.first_position = c.pad_token_id + 1;
  if (c.first_position >= c.max_position_embeddings)
    fail(config.what(), ": pad_token_id ", c.pad_token_id, " leaves none of ", c.max_position_embeddings, " positions");
  return c;
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

// ELECTRA (Clark et al. 2020; transformers/models/electra/modeling_electra.py): BERT with narrower tables and a
// projection to the layers' width, trained to tell replaced tokens (the discriminator) that a small masked-language
// model (the generator) put in.
#pragma once
#include <bert/models/encoder.h>

namespace bert::inline BERT_ABI {

/// The defaults are those of configuration_electra.py.
BertConfig electra_config(const ConfigReader& config);

inline constexpr EncoderFamily electra_family = {
    .model_type = "electra",
    .read_config = electra_config,
    .prefix = "electra.",
    .projection = "embeddings_project",
    .heads = {.transform = "generator_predictions.dense",
              .transform_norm = "generator_predictions.LayerNorm",
              .transform_act = "gelu",
              .decoder = "generator_lm_head",
              .decoder_bias = "generator_lm_head.bias",
              .summary = HeadNames::Summary::first,
              .class_dense = "classifier.dense",
              .class_act = "gelu",
              .classifier = "classifier.out_proj",
              .tags = "classifier",
              .spans = "qa_outputs",
              .replaced_dense = "discriminator_predictions.dense",
              .replaced = "discriminator_predictions.dense_prediction"},
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
namespace bert::inline BERT_ABI {

BERT_INLINE BertConfig electra_config(const ConfigReader& config) {
  BertConfig defaults;
  defaults.embedding_size = 128, defaults.hidden_size = 256;
  defaults.num_attention_heads = 4, defaults.intermediate_size = 1024;
  defaults.embedding_size = config.get_size("embedding_size", defaults.embedding_size);
  return BertConfig::from(config, ModelKeys(), defaults);
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

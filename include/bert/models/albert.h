// ALBERT (Lan et al. 2020; transformers/models/albert/modeling_albert.py): BERT whose layers share their weights, with
// narrower tables and a projection, trained on the order of two sentences in place of next sentences.
#pragma once
#include <bert/models/encoder.h>

namespace bert::inline BERT_ABI {

/// The defaults are those of configuration_albert.py.
BertConfig albert_config(const ConfigReader& config);

inline constexpr EncoderFamily albert_family = {
    .model_type = "albert",
    .read_config = albert_config,
    .prefix = "albert.",
    .projection = "encoder.embedding_hidden_mapping_in",
    .layer = "encoder.albert_layer_groups.",
    .layer_end = ".albert_layers.0.",
    .query = "attention.query",
    .key = "attention.key",
    .value = "attention.value",
    .attention_output = "attention.dense",
    .attention_norm = "attention.LayerNorm",
    .up = "ffn",
    .down = "ffn_output",
    .output_norm = "full_layer_layer_norm",
    .pooler = "pooler",
    .heads = {.transform = "predictions.dense",
              .transform_norm = "predictions.LayerNorm",
              .decoder = "predictions.decoder",
              .decoder_bias = "predictions.bias",
              .next_sentence = "sop_classifier.classifier",
              .classifier = "classifier",
              .tags = "classifier",
              .spans = "qa_outputs"},
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
namespace bert::inline BERT_ABI {

BERT_INLINE BertConfig albert_config(const ConfigReader& config) {
  BertConfig defaults;
  defaults.vocab_size = 30000, defaults.hidden_size = 4096, defaults.num_attention_heads = 64;
  defaults.intermediate_size = 16384, defaults.hidden_act = "gelu_new";
  defaults.hidden_dropout_prob = defaults.attention_probs_dropout_prob = 0;
  defaults.embedding_size = config.get_size("embedding_size", 128);
  BertConfig c = BertConfig::from(config, ModelKeys(), defaults);
  c.num_hidden_groups = config.get_size("num_hidden_groups", 1);
  if (c.num_hidden_groups > c.num_hidden_layers)
    fail(config.what(), ": num_hidden_groups is ", c.num_hidden_groups, ", of ", c.num_hidden_layers, " layers");
  if (const std::size_t inner = config.get_size("inner_group_num", 1); inner != 1)
    fail(config.what(), ": inner_group_num is ", inner, "; only 1 is supported");
  return c;
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

// DistilBERT (Sanh et al. 2019; transformers/models/distilbert/modeling_distilbert.py): half of BERT's layers, no
// segments, no pooler.
#pragma once
#include <bert/models/encoder.h>

namespace bert::inline BERT_ABI {

/// Keys and defaults are those of configuration_distilbert.py.
BertConfig distilbert_config(const ConfigReader& config);

inline constexpr EncoderFamily distilbert_family = {
    .model_type = "distilbert",
    .read_config = distilbert_config,
    .prefix = "distilbert.",
    .token_types = false,
    .layer = "transformer.layer.",
    .query = "attention.q_lin",
    .key = "attention.k_lin",
    .value = "attention.v_lin",
    .attention_output = "attention.out_lin",
    .attention_norm = "sa_layer_norm",
    .up = "ffn.lin1",
    .down = "ffn.lin2",
    .output_norm = "output_layer_norm",
    .heads = {.transform = "vocab_transform",
              .transform_norm = "vocab_layer_norm",
              .decoder = "vocab_projector",
              .decoder_bias = "vocab_projector.bias",
              .summary = HeadNames::Summary::first,
              .class_dense = "pre_classifier",
              .class_act = "relu",
              .classifier = "classifier",
              .tags = "classifier",
              .spans = "qa_outputs"},
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
namespace bert::inline BERT_ABI {

BERT_INLINE BertConfig distilbert_config(const ConfigReader& config) {
  BertConfig defaults;
  defaults.num_hidden_layers = 6;
  const ModelKeys keys = {.hidden_size = "dim",
                          .num_hidden_layers = "n_layers",
                          .num_attention_heads = "n_heads",
                          .intermediate_size = "hidden_dim",
                          .type_vocab_size = "",
                          .hidden_act = "activation",
                          .layer_norm_eps = ""};
  return BertConfig::from(config, keys, defaults);
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

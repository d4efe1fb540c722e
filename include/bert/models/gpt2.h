// GPT-2 (Radford et al. 2019; transformers/models/gpt2/modeling_gpt2.py): learned positions, pre-norm layers whose
// matrices are stored transposed, a head tied to the word embeddings.
#pragma once
#include <bert/models/decoder.h>

namespace bert::inline BERT_ABI {

/// The defaults are those of configuration_gpt2.py.
DecoderConfig gpt2_config(const ConfigReader& config);

inline constexpr DecoderFamily gpt2_family = {
    .model_type = "gpt2",
    .read_config = gpt2_config,
    .prefix = "transformer.",
    .words = "wte",
    .positions = "wpe",
    .layer = "h.",
    .attention_norm = "ln_1",
    .qkv = {"attn.c_attn"},
    .attention_output = "attn.c_proj",
    .feed_forward_norm = "ln_2",
    .up = {"mlp.c_fc"},
    .down = "mlp.c_proj",
    .final_norm = "ln_f",
    .transposed = true,
    .heads = {.decoder = "lm_head",
              .tied_shows = false,
              .summary = HeadNames::Summary::last,
              .classifier = "score",
              .class_bias = false},
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
namespace bert::inline BERT_ABI {

BERT_INLINE DecoderConfig gpt2_config(const ConfigReader& config) {
  DecoderConfig c;
  c.model_type = "gpt2", c.vocab_size = 50257, c.max_position_embeddings = 1024, c.type_vocab_size = 1;
  c.hidden_act = "gelu_new", c.layer_norm_eps = 1e-5;
  read_model_config(config,
                    {.hidden_size = "n_embd",
                     .num_hidden_layers = "n_layer",
                     .num_attention_heads = "n_head",
                     .intermediate_size = "",
                     .max_position_embeddings = "n_positions",
                     .type_vocab_size = "",
                     .hidden_act = "activation_function",
                     .layer_norm_eps = "layer_norm_epsilon"},
                    c);
  c.intermediate_size = config.get_size("n_inner", 4 * c.hidden_size);
  c.embedding_dropout = config.get("embd_pdrop", 0.1), c.hidden_dropout = config.get("resid_pdrop", 0.1);
  c.attention_dropout = config.get("attn_pdrop", 0.1);
  c.read_text_ends(config, 50256, 50256);
  c.num_key_value_heads = c.num_attention_heads, c.head_size = c.hidden_size / c.num_attention_heads;
  for (const char* key : {"scale_attn_by_inverse_layer_idx", "add_cross_attention"})
    if (config.get(key, false)) fail(config.what(), ": ", key, " is true, which is not supported");
  if (!config.get("scale_attn_weights", true))
    fail(config.what(), ": scale_attn_weights is false, which is not supported");
  return c;
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

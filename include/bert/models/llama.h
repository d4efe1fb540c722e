// Llama (Touvron et al. 2023; transformers/models/llama/modeling_llama.py) and models of its shape (TinyLlama, SmolLM):
// RMSNorm, rotary positions, gated feed-forward networks (SwiGLU), grouped-query attention, no biases.
#pragma once
#include <bert/models/decoder.h>

namespace bert::inline BERT_ABI {

/// The defaults are those of configuration_llama.py.
DecoderConfig llama_config(const ConfigReader& config);

inline constexpr DecoderFamily llama_family = {
    .model_type = "llama",
    .read_config = llama_config,
    .prefix = "model.",
    .words = "embed_tokens",
    .positions = "",
    .layer = "layers.",
    .attention_norm = "input_layernorm",
    .qkv = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"},
    .attention_output = "self_attn.o_proj",
    .feed_forward_norm = "post_attention_layernorm",
    .up = {"mlp.gate_proj", "mlp.up_proj"},
    .down = "mlp.down_proj",
    .final_norm = "norm",
    .heads = {.decoder = "lm_head",
              .tied_shows = false,
              .summary = HeadNames::Summary::last,
              .classifier = "score",
              .class_bias = false},
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
namespace bert::inline BERT_ABI {

BERT_INLINE DecoderConfig llama_config(const ConfigReader& config) {
  DecoderConfig c;
  c.model_type = "llama", c.vocab_size = 32000, c.hidden_size = 4096, c.num_hidden_layers = 32;
  c.num_attention_heads = 32, c.intermediate_size = 11008, c.max_position_embeddings = 2048, c.type_vocab_size = 1;
  c.hidden_act = "silu", c.layer_norm_eps = 1e-6, c.tie_word_embeddings = false;
  read_model_config(config, {.type_vocab_size = "", .layer_norm_eps = "rms_norm_eps"}, c);
  c.num_key_value_heads = config.get_size("num_key_value_heads", c.num_attention_heads);
  c.head_size = config.get_size("head_dim", c.hidden_size / c.num_attention_heads);
  c.rms_norm = c.gated = true;
  c.attention_dropout = config.get("attention_dropout", 0.0);
  c.read_text_ends(config, 1, 2);
  c.attention_bias = c.output_bias = config.get("attention_bias", false);
  c.feed_forward_bias = config.get("mlp_bias", false);
  const auto refuse = [&](const auto&... parts) { fail(config.what(), ": ", parts...); };
  if (c.num_attention_heads % c.num_key_value_heads != 0)
    refuse("num_attention_heads ", c.num_attention_heads, " is not divisible by num_key_value_heads ",
           c.num_key_value_heads);
  if (c.head_size % 2 != 0) refuse("head_dim ", c.head_size, " is odd; rotary positions turn pairs");

  // Old files: rope_theta, and rope_scaling {"type", "factor"}; new ones: all of it in rope_parameters.
  c.rope_theta = config.get("rope_theta", 10000.0);
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    const Json* const rope = config.json().find(key);
    if (!rope || !rope->is(Json::Kind::object)) continue;
    if (const Json* theta = rope->find("rope_theta"); theta && !theta->to(c.rope_theta))
      refuse(key, ".rope_theta is not a number");
    const Json* type = rope->find("rope_type");
    if (!type) type = rope->find("type");
    const std::string_view kind = type ? std::string_view(type->text) : "default";
    if (kind == "default") continue;
    const Json* const factor = rope->find("factor");
    if (kind != "linear" || !factor || !factor->to(c.rope_scaling))
      refuse(key, " is of the type \"", kind, "\"; supported are \"default\", and \"linear\" with its factor");
  }
  if (!(c.rope_theta > 1 && c.rope_theta < 1e12)) refuse("rope_theta is ", c.rope_theta);
  if (!(c.rope_scaling >= 1 && c.rope_scaling < 1e6)) refuse("the factor of rope_scaling is ", c.rope_scaling);
  return c;
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

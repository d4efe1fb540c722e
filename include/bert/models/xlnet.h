// XLNet (Yang et al. 2019; transformers/models/xlnet/modeling_xlnet.py): an encoder that sees how far tokens are apart
// instead of where they are, and that is trained to say the word of a target, a place that no other token sees.
//
// A pass over a text is an encoder's. A pass whose batch has targets (PackedBatch) adds the query stream of one place
// behind each text: that is how it writes. What Hugging Face's model can do besides, keeping states of text before
// (mems) and other permutations, is not here.
#pragma once
#include <bert/models/encoder.h>

namespace bert::inline BERT_ABI {

/// The defaults are those of configuration_xlnet.py.
BertConfig xlnet_config(const ConfigReader& config);

inline constexpr EncoderFamily xlnet_family = {
    .model_type = "xlnet",
    .read_config = xlnet_config,
    .prefix = "transformer.",
    .words = "word_embedding",
    .layer = "layer.",
    .query = "rel_attn.q",
    .key = "rel_attn.k",
    .value = "rel_attn.v",
    .attention_output = "rel_attn.o",
    .attention_norm = "rel_attn.layer_norm",
    .up = "ff.layer_1",
    .down = "ff.layer_2",
    .output_norm = "ff.layer_norm",
    .relative = "rel_attn.",
    .target = "mask_emb",
    .heads = {.decoder = "lm_loss",
              .decoder_bias = "lm_loss.bias",
              .summary = HeadNames::Summary::last,
              .class_dense = "sequence_summary.summary",
              .class_act = "tanh",
              .classifier = "logits_proj",
              .tags = "classifier",
              .spans = "qa_outputs"},
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
namespace bert::inline BERT_ABI {

BERT_INLINE BertConfig xlnet_config(const ConfigReader& config) {
  BertConfig defaults;
  defaults.model_type = "xlnet", defaults.vocab_size = 32000, defaults.hidden_size = 1024;
  defaults.num_hidden_layers = 24, defaults.num_attention_heads = 16, defaults.intermediate_size = 4096;
  defaults.pad_token_id = 5;
  defaults.type_vocab_size = 4;             // a text, a second one, <cls>, padding; only which are equal counts
  defaults.max_position_embeddings = 1024;  // distances have no end; it was trained on 512 tokens
  const BertConfig c = BertConfig::from(config,
                                        {.hidden_size = "d_model",
                                         .num_hidden_layers = "n_layer",
                                         .num_attention_heads = "n_head",
                                         .intermediate_size = "d_inner",
                                         .max_position_embeddings = "",
                                         .type_vocab_size = "",
                                         .hidden_act = "ff_activation"},
                                        defaults);
  const auto refuse = [&](const auto&... parts) { fail(config.what(), ": ", parts...); };
  for (const std::string& architecture : c.architectures)
    if (architecture == "XLNetForQuestionAnswering")
      refuse(
          "XLNetForQuestionAnswering, whose answers come of a beam, is not supported; "
          "XLNetForQuestionAnsweringSimple is");
  const auto only = [&](std::string_view key, const std::string& wanted) {
    if (const Json* said = config.json().find(key); said && said->is(Json::Kind::null))
      refuse(key, " is null; only \"", wanted, "\" is supported");
    if (const std::string given = config.get(key, wanted); given != wanted)
      refuse(key, " is \"", given, "\"; only \"", wanted, "\" is supported");
  };
  only("attn_type", "bi");
  only("summary_type", "last");
  only("summary_activation", "tanh");
  if (!config.get("summary_use_proj", true)) refuse("summary_use_proj is false; only true is supported");
  if (config.get("bi_data", false)) refuse("bi_data is true; only false is supported");
  if (config.get("clamp_len", -1.0) > 0) refuse("clamp_len limits distances, which is not supported");
  if (const std::size_t size = config.get_size("d_head", c.hidden_size / c.num_attention_heads);
      size * c.num_attention_heads != c.hidden_size)
    refuse("d_head is ", size, ", of d_model ", c.hidden_size, " with ", c.num_attention_heads, " heads");
  if (c.hidden_size % 2 != 0) refuse("d_model ", c.hidden_size, " is odd: distances are sines and cosines");
  return c;
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

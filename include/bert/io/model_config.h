// ModelConfig: what config.json says of a model of any family. BertConfig: of BERT and its kin.
//
// Families spell the same thing in several ways (hidden_size, n_embd, d_model). ModelConfig has BERT's spelling; a
// family says its own in a ModelKeys and the defaults of Hugging Face's configuration class, beside its model.
#pragma once
#include <bert/io/config.h>

namespace bert::inline BERT_ABI {

struct ModelConfig {
  std::string model_type = "bert";
  std::size_t vocab_size = 30522;
  std::size_t hidden_size = 768;  // H
  std::size_t num_hidden_layers = 12;
  std::size_t num_attention_heads = 12;  // A; a head has H / A elements
  std::size_t intermediate_size = 3072;  // I
  std::size_t max_position_embeddings = 512;
  std::size_t type_vocab_size = 2;
  std::size_t pad_token_id = 0;
  std::string hidden_act = "gelu";
  double layer_norm_eps = 1e-12;
  double initializer_range = 0.02;
  bool tie_word_embeddings = true;
  std::vector<std::string> architectures;
  std::vector<std::string> id2label;  // label of each output of a classifier, in order
  std::string problem_type;

  std::size_t first_position = 0;  // of a sequence's first token: RoBERTa leaves out those up to pad_token_id
  /// Most tokens of a sequence.
  std::size_t window() const { return max_position_embeddings - first_position; }
};

/// Under which keys a family's config.json holds what is in a ModelConfig; an empty one: not at all.
struct ModelKeys {
  std::string_view hidden_size = "hidden_size";
  std::string_view num_hidden_layers = "num_hidden_layers";
  std::string_view num_attention_heads = "num_attention_heads";
  std::string_view intermediate_size = "intermediate_size";
  std::string_view max_position_embeddings = "max_position_embeddings";
  std::string_view type_vocab_size = "type_vocab_size";
  std::string_view hidden_act = "hidden_act";
  std::string_view layer_norm_eps = "layer_norm_eps";
};

/// Replaces the defaults in `out` by what the file says, and checks it. A file that gives one of the sizes from
/// vocab_size to max_position_embeddings must give them all: the default of a size beside those of another model would
/// be a guess, and a wrong number of heads shows in no shape. Errors name the key and its value.
void read_model_config(const ConfigReader& config, const ModelKeys& keys, ModelConfig& out);

/// BERT's keys under Hugging Face's names and with its defaults (configuration_bert.py), and what its kin add.
struct BertConfig : ModelConfig {
  double hidden_dropout_prob = 0.1, attention_probs_dropout_prob = 0.1;  // for training
  double classifier_dropout = -1;                                        // below 0: as hidden_dropout_prob
  std::string position_embedding_type = "absolute";
  std::size_t embedding_size = 0;     // E, of the tables; 0: H (ELECTRA, ALBERT: smaller)
  std::size_t num_hidden_groups = 0;  // sets of weights that layers share; 0: each layer has its own (ALBERT: 1)

  std::size_t table_width() const { return embedding_size ? embedding_size : hidden_size; }

  /// Reads and checks all of it, of a config.json whose model_type is "bert" or not said.
  static BertConfig from(const ConfigReader& config);
  /// The same for a family like BERT: its keys and defaults.
  static BertConfig from(const ConfigReader& config, const ModelKeys& keys, BertConfig defaults);
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
namespace bert::inline BERT_ABI {

BERT_INLINE void read_model_config(const ConfigReader& config, const ModelKeys& keys, ModelConfig& c) {
  const auto refuse = [&](const auto&... parts) { fail(config.what(), ": ", parts...); };
  struct Size {
    std::string_view key;
    std::size_t& value;
    std::size_t most = std::size_t{1} << 27;
  };
  const Size sizes[] = {{"vocab_size", c.vocab_size},
                        {keys.hidden_size, c.hidden_size},
                        {keys.num_hidden_layers, c.num_hidden_layers, 4096},
                        {keys.num_attention_heads, c.num_attention_heads},
                        {keys.intermediate_size, c.intermediate_size},
                        {keys.max_position_embeddings, c.max_position_embeddings}};
  std::string_view given;
  for (const auto& [key, value, most] : sizes) {
    if (!key.empty()) value = config.get_size(key, value, most);
    if (!key.empty() && config.has(key)) given = key;
  }
  for (const auto& [key, value, most] : sizes)
    if (!key.empty() && !given.empty() && !config.has(key)) refuse(key, " is missing, though ", given, " is there");
  c.model_type = config.get("model_type", c.model_type);
  if (!keys.type_vocab_size.empty()) c.type_vocab_size = config.get_size(keys.type_vocab_size, c.type_vocab_size);
  c.pad_token_id = config.get("pad_token_id", c.pad_token_id);
  c.hidden_act = config.get(keys.hidden_act, c.hidden_act);
  if (!keys.layer_norm_eps.empty()) c.layer_norm_eps = config.get(keys.layer_norm_eps, c.layer_norm_eps);
  c.initializer_range = config.get("initializer_range", c.initializer_range);
  c.tie_word_embeddings = config.get("tie_word_embeddings", c.tie_word_embeddings);
  c.architectures = config.get("architectures", c.architectures);
  c.id2label = config.get("id2label", c.id2label);
  c.problem_type = config.get("problem_type", c.problem_type);
  if (c.hidden_size % c.num_attention_heads != 0)
    refuse(keys.hidden_size, " ", c.hidden_size, " is not divisible by ", keys.num_attention_heads, " ",
           c.num_attention_heads);
  if (!(c.layer_norm_eps >= 0 && c.layer_norm_eps < 1)) refuse(keys.layer_norm_eps, " is ", c.layer_norm_eps);
}

BERT_INLINE BertConfig BertConfig::from(const ConfigReader& config, const ModelKeys& keys, BertConfig c) {
  read_model_config(config, keys, c);
  c.hidden_dropout_prob = config.get("hidden_dropout_prob", c.hidden_dropout_prob);
  c.attention_probs_dropout_prob = config.get("attention_probs_dropout_prob", c.attention_probs_dropout_prob);
  c.classifier_dropout = config.get("classifier_dropout", c.classifier_dropout);
  c.position_embedding_type = config.get("position_embedding_type", c.position_embedding_type);

  const auto refuse = [&](const auto&... parts) { fail(config.what(), ": ", parts...); };
  for (const auto& [key, rate] : {std::pair("hidden_dropout_prob", c.hidden_dropout_prob),
                                  std::pair("attention_probs_dropout_prob", c.attention_probs_dropout_prob),
                                  std::pair("classifier_dropout", c.classifier_dropout)})
    if (!(rate < 1)) refuse(key, " is ", rate, "; it must be below 1");
  if (c.position_embedding_type != "absolute")
    refuse("position_embedding_type is \"", c.position_embedding_type, "\"; only \"absolute\" is supported");
  if (config.get("is_decoder", false)) refuse("is_decoder is true; this family is supported as an encoder only");
  return c;
}

BERT_INLINE BertConfig BertConfig::from(const ConfigReader& config) {
  const std::string type = config.get("model_type", "bert");
  if (type != "bert") fail(config.what(), ": model_type is \"", type, "\", not \"bert\"");
  return from(config, ModelKeys(), BertConfig());
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

// config.json: ConfigReader, typed access by key for every model family, and BertConfig, the keys BERT uses.
//
// A family adds a struct like BertConfig beside its model (models/<family>.h), its fields named exactly as
// Hugging Face's keys, with the defaults of Hugging Face's configuration class.
#pragma once
#include <bert/io/json.h>

namespace bert::inline BERT_ABI {

/// Values of a config.json by key. A key that is absent or null gives the default; one of the wrong type is an error.
class ConfigReader {
 public:
  /// `what` names the text in errors: `"folder/config.json"`.
  ConfigReader(std::string_view text, std::string what);

  bool has(std::string_view key) const { return root_.find(key) != nullptr; }
  const Json& json() const { return root_; }
  const std::string& what() const { return what_; }

  template <class T>
  T get(std::string_view key, T otherwise) const {
    const Json* const value = root_.find(key);
    if (value == nullptr || value->is(Json::Kind::null)) return otherwise;
    if (!read(*value, otherwise)) fail(what_, ": ", key, " is ", shown(*value), ", which is not ", wanted(otherwise));
    return otherwise;
  }
  std::string get(std::string_view key, const char* otherwise) const { return get(key, std::string(otherwise)); }

  /// A whole number between 1 and `most`.
  std::size_t get_size(std::string_view key, std::size_t otherwise, std::size_t most = std::size_t{1} << 27) const;

 private:
  using Strings = std::vector<std::string>;

  static std::string_view shown(const Json& value);
  static bool read(const Json& value, bool& out);
  static bool read(const Json& value, std::string& out);
  static bool read(const Json& value, Strings& out);
  template <class Number>
  static bool read(const Json& value, Number& out) {
    return value.to(out);
  }
  static std::string_view wanted(bool) { return "true or false"; }
  static std::string_view wanted(double) { return "a number"; }
  static std::string_view wanted(std::size_t) { return "a whole number from 0 on"; }
  static std::string_view wanted(const std::string&) { return "a string"; }
  static std::string_view wanted(const Strings&) { return "a list of strings"; }

  std::string what_;
  Json root_;
};

/// The keys of config.json that BERT uses, under Hugging Face's names and with its defaults (configuration_bert.py). A
/// file that gives one of the sizes from vocab_size to max_position_embeddings must give them all: the default of a
/// size beside those of another model would be a guess, and a wrong number of heads shows in no shape.
struct BertConfig {
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
  double hidden_dropout_prob = 0.1, attention_probs_dropout_prob = 0.1;  // for training
  double classifier_dropout = -1;                                        // below 0: as hidden_dropout_prob
  double initializer_range = 0.02;
  std::string position_embedding_type = "absolute";
  bool tie_word_embeddings = true;
  std::vector<std::string> architectures;
  std::vector<std::string> id2label;  // label of each output of a classifier, in order
  std::string problem_type;

  /// Reads and checks all of it. Errors name the key and its value.
  static BertConfig from(const ConfigReader& config);
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
namespace bert::inline BERT_ABI {

BERT_INLINE ConfigReader::ConfigReader(std::string_view text, std::string what)
    : what_(std::move(what)), root_(parse_json(text, what_)) {
  if (!root_.is(Json::Kind::object)) fail(what_, " is not a JSON object");
}

BERT_INLINE std::size_t ConfigReader::get_size(std::string_view key, std::size_t otherwise, std::size_t most) const {
  const std::size_t size = get(key, otherwise);
  if (size < 1 || size > most) fail(what_, ": ", key, " is ", size, "; it must be between 1 and ", most);
  return size;
}

BERT_INLINE std::string_view ConfigReader::shown(const Json& value) {
  return value.members.empty() && !value.is(Json::Kind::null) ? std::string_view(value.text) : "no plain value";
}

BERT_INLINE bool ConfigReader::read(const Json& value, bool& out) {
  return out = value.is_true(), value.is(Json::Kind::boolean);
}

BERT_INLINE bool ConfigReader::read(const Json& value, std::string& out) {
  return out = value.text, value.is(Json::Kind::string);
}

BERT_INLINE bool ConfigReader::read(const Json& value,
                                    Strings& out) {  // an array, or an object whose keys are 0, 1, … (id2label)
  out.assign(value.members.size(), "");
  std::size_t place = 0;
  for (const Json& element : value.members) {
    if (value.is(Json::Kind::object)) place = element.name.size() < 9 ? 0 : out.size();
    for (char digit : element.name)
      place = digit >= '0' && digit <= '9' ? place * 10 + static_cast<std::size_t>(digit - '0') : out.size();
    if (place >= out.size() || !read(element, out[place++])) return false;
  }
  return value.is(Json::Kind::array) || value.is(Json::Kind::object);
}

BERT_INLINE BertConfig BertConfig::from(const ConfigReader& config) {
  BertConfig c;
  c.model_type = config.get("model_type", c.model_type);
  c.vocab_size = config.get_size("vocab_size", c.vocab_size);
  c.hidden_size = config.get_size("hidden_size", c.hidden_size);
  c.num_hidden_layers = config.get_size("num_hidden_layers", c.num_hidden_layers, 4096);
  c.num_attention_heads = config.get_size("num_attention_heads", c.num_attention_heads);
  c.intermediate_size = config.get_size("intermediate_size", c.intermediate_size);
  c.max_position_embeddings = config.get_size("max_position_embeddings", c.max_position_embeddings);
  c.type_vocab_size = config.get_size("type_vocab_size", c.type_vocab_size);
  c.pad_token_id = config.get("pad_token_id", c.pad_token_id);
  c.hidden_act = config.get("hidden_act", c.hidden_act);
  c.layer_norm_eps = config.get("layer_norm_eps", c.layer_norm_eps);
  c.hidden_dropout_prob = config.get("hidden_dropout_prob", c.hidden_dropout_prob);
  c.attention_probs_dropout_prob = config.get("attention_probs_dropout_prob", c.attention_probs_dropout_prob);
  c.classifier_dropout = config.get("classifier_dropout", c.classifier_dropout);
  c.initializer_range = config.get("initializer_range", c.initializer_range);
  c.position_embedding_type = config.get("position_embedding_type", c.position_embedding_type);
  c.tie_word_embeddings = config.get("tie_word_embeddings", c.tie_word_embeddings);
  c.architectures = config.get("architectures", c.architectures);
  c.id2label = config.get("id2label", c.id2label);
  c.problem_type = config.get("problem_type", c.problem_type);

  const auto refuse = [&](const auto&... parts) { fail(config.what(), ": ", parts...); };
  constexpr std::string_view sizes[] = {"vocab_size",          "hidden_size",       "num_hidden_layers",
                                        "num_attention_heads", "intermediate_size", "max_position_embeddings"};
  std::string_view given;
  for (std::string_view key : sizes) given = config.has(key) ? key : given;
  for (std::string_view key : sizes)
    if (!given.empty() && !config.has(key)) refuse(key, " is missing, though ", given, " is there");
  if (c.hidden_size % c.num_attention_heads != 0)
    refuse("hidden_size ", c.hidden_size, " is not divisible by num_attention_heads ", c.num_attention_heads);
  if (!(c.layer_norm_eps >= 0 && c.layer_norm_eps < 1)) refuse("layer_norm_eps is ", c.layer_norm_eps);
  for (const auto& [key, rate] : {std::pair("hidden_dropout_prob", c.hidden_dropout_prob),
                                  std::pair("attention_probs_dropout_prob", c.attention_probs_dropout_prob),
                                  std::pair("classifier_dropout", c.classifier_dropout)})
    if (!(rate < 1)) refuse(key, " is ", rate, "; it must be below 1");
  if (c.position_embedding_type != "absolute")
    refuse("position_embedding_type is \"", c.position_embedding_type, "\"; only \"absolute\" is supported");
  if (config.get("is_decoder", false)) refuse("is_decoder is true; BERT is supported as an encoder only");
  return c;
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

// What the two kinds of training runs begin with: the model they start from, and what their manifests say alike.
#pragma once
#include <bert/io/checkpoint.h>
#include <bert/io/json.h>
#include <bert/io/safetensors_writer.h>
#include <bert/io/tokenizer_files.h>
#include <bert/train/trainable.h>
#include <bert/train/trainer.h>

namespace bert::inline BERT_ABI {

/// The model a run starts from: a checkpoint, or a new one of a configuration; and its tokenizer. Which kind of model,
/// who asks for it knows: Model is a TrainableModel.
class RunStart {
 public:
  /// From `model`; where it is empty, a new model of the config.json `config` with the tokenizer of the folder
  /// `tokenizer`. Errors name the file.
  RunStart(const std::filesystem::path& model, const std::filesystem::path& config,
           const std::filesystem::path& tokenizer);

  const TokenizerFiles& files() const { return files_; }
  const Tokenizer& tokenizer() const { return tokenizer_; }
  template <class Model>
  typename Model::Config config() const {
    return Model::read_config(config_);
  }
  /// The manifest's "parent": hash of the checkpoint's tensors, or null.
  std::string parent_json() const { return parent_ ? quote_json(parent_->tensor_digest()) : "null"; }
  const std::string& config_text() const { return config_text_; }
  std::string model_type() const { return config_.get("model_type", "bert"); }
  /// The model before the first step; heads that the checkpoint lacks are new. Error when sequences of `length` tokens
  /// do not fit it.
  template <class Model>
  Model model(typename Model::Heads heads, std::size_t length, std::uint64_t seed,
              const KernelTable<float>& kernels) const {
    const typename Model::Config config = this->config<Model>();
    if (tokenizer_.vocab_size() > config.vocab_size)
      fail("the tokenizer has ", tokenizer_.vocab_size(), " tokens, vocab_size in the model's config is ",
           config.vocab_size);
    if (length > config.window())
      fail("sequences of ", length, " tokens do not fit the model's window of ", config.window(),
           " (max_position_embeddings ", config.max_position_embeddings, ")");
    if (parent_) return {*parent_, heads, seed, config.initializer_range, kernels};
    return {config, heads, seed, config.initializer_range, kernels};
  }

 private:
  std::optional<Checkpoint> parent_;
  std::string config_text_;
  ConfigReader config_;
  TokenizerFiles files_;
  Tokenizer tokenizer_;
};

/// Reads a number of a manifest; one that is not there changes nothing.
template <class Number>
void read_number(const Json& manifest, std::string_view key, Number& out) {
  if (const Json* const value = manifest.find(key)) value->to(out);
}

/// What manifests say of seed, steps and optimiser: members of a JSON object, without its braces.
std::string training_json(const TrainOptions& options);
/// Reads them back.
void read_training(const Json& manifest, TrainOptions& options);

/// The first thing that two runs' manifests say otherwise, as "its seed is 1, now it is 2"; empty: none.
std::string manifest_difference(const Json& before, const Json& now);

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS

namespace bert::inline BERT_ABI {

BERT_INLINE RunStart::RunStart(const std::filesystem::path& model, const std::filesystem::path& config,
                               const std::filesystem::path& tokenizer)
    : parent_(model.empty() ? std::nullopt : std::optional(Checkpoint::open(model))),
      config_text_(parent_ ? std::string(parent_->config_json()) : read_text(config)),
      config_(config_text_, concat('"', (parent_ ? model : config).string(), '"')),
      files_(read_tokenizer_files(model.empty() ? tokenizer : model)),
      tokenizer_([&] {
        if (files_.model_type.empty()) files_.model_type = model_type();  // says which kind a SentencePiece model is
        return load_tokenizer(files_);
      }()) {}

BERT_INLINE std::string training_json(const TrainOptions& options) {
  return concat("\"seed\":", options.seed, ",\"steps\":", options.rate.steps, ",\"batch\":", options.batch,
                ",\"shard\":", options.shard, ",\"lr\":", options.rate.peak, ",\"warmup\":", options.rate.warmup,
                ",\"schedule\":", quote_json(options.rate.shape_name()),
                ",\"weight_decay\":", options.adamw.weight_decay, ",\"beta1\":", options.adamw.beta1,
                ",\"beta2\":", options.adamw.beta2, ",\"eps\":", options.adamw.eps, ",\"clip\":", options.adamw.clip,
                ",\"precision\":", quote_json(name(options.precision)));
}

BERT_INLINE void read_training(const Json& manifest, TrainOptions& options) {
  const auto read = [&](const char* key, auto& out) { read_number(manifest, key, out); };
  read("seed", options.seed), read("steps", options.rate.steps), read("batch", options.batch);
  read("shard", options.shard), read("lr", options.rate.peak), read("warmup", options.rate.warmup);
  read("weight_decay", options.adamw.weight_decay), read("beta1", options.adamw.beta1);
  read("beta2", options.adamw.beta2), read("eps", options.adamw.eps), read("clip", options.adamw.clip);
  if (const Json* const precision = manifest.find("precision")) options.precision = precision_by_name(precision->text);
  if (const Json* const shape = manifest.find("schedule")) options.rate.set_shape(shape->text);
}

BERT_INLINE std::string manifest_difference(const Json& before, const Json& now) {
  const auto text = [](const Json* json) {
    std::string all = json ? json->text : "nothing";
    for (std::size_t i = 0; json && i < json->members.size(); ++i) all += concat(i ? ", " : "", json->members[i].text);
    return all;
  };
  for (const Json& value : now.members)
    if (const Json* const other = before.find(value.name); text(other) != text(&value))
      return concat("its ", value.name, " is ", text(other), ", now it is ", text(&value));
  return {};
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

// What the two kinds of training runs begin with: the model they start from, and what their manifests say alike.
#pragma once
#include <bert/io/json.h>
#include <bert/io/safetensors_writer.h>
#include <bert/io/tokenizer_files.h>
#include <bert/train/trainable.h>
#include <bert/train/trainer.h>

namespace bert::inline BERT_ABI {

/// The model a run starts from: a checkpoint, or a new one of a configuration; and its tokenizer.
class RunStart {
 public:
  /// From `model`; where it is empty, a new model of the config.json `config` with the tokenizer of the folder
  /// `tokenizer`. Errors name the file.
  RunStart(const std::filesystem::path& model, const std::filesystem::path& config,
           const std::filesystem::path& tokenizer);

  const TokenizerFiles& files() const { return files_; }
  const Tokenizer& tokenizer() const { return tokenizer_; }
  const BertConfig& config() const { return config_; }
  /// The manifest's "parent": hash of the checkpoint's tensors, or null.
  std::string parent_json() const { return parent_ ? quote_json(parent_->tensor_digest()) : "null"; }
  /// Error when sequences of so many tokens do not fit the model.
  void check_length(std::size_t tokens) const;
  /// The model before the first step; heads that the checkpoint lacks are new.
  TrainableBert<float> model(BertHeads heads, std::uint64_t seed, const KernelTable<float>& kernels) const;

 private:
  TokenizerFiles files_;
  Tokenizer tokenizer_;
  std::optional<Checkpoint> parent_;
  BertConfig config_;
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
#include <bert/io/checkpoint.h>

namespace bert::inline BERT_ABI {

BERT_INLINE RunStart::RunStart(const std::filesystem::path& model, const std::filesystem::path& config,
                               const std::filesystem::path& tokenizer)
    : files_(read_tokenizer_files(model.empty() ? tokenizer : model)), tokenizer_(load_tokenizer(files_)) {
  if (!model.empty()) parent_.emplace(Checkpoint::open(model));
  config_ = BertConfig::from(parent_ ? ConfigReader(parent_->config_json(), concat('"', model.string(), '"'))
                                     : ConfigReader(read_text(config), concat('"', config.string(), '"')));
  if (tokenizer_.vocab_size() > config_.vocab_size)
    fail("the tokenizer has ", tokenizer_.vocab_size(), " tokens, vocab_size in the model's config is ",
         config_.vocab_size);
}

BERT_INLINE void RunStart::check_length(std::size_t tokens) const {
  if (tokens > config_.max_position_embeddings)
    fail("sequences of ", tokens, " tokens do not fit a model with max_position_embeddings ",
         config_.max_position_embeddings);
}

BERT_INLINE TrainableBert<float> RunStart::model(BertHeads heads, std::uint64_t seed,
                                                 const KernelTable<float>& kernels) const {
  if (parent_) return {*parent_, heads, seed, config_.initializer_range, kernels};
  return {config_, heads, seed, config_.initializer_range, kernels};
}

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

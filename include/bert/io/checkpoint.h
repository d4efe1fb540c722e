// Checkpoint: a model on disk, opened but not loaded: its tensors under Hugging Face's current names, its
// configuration, tokenizer, pooling and provenance.
//
// Two forms: the converted file, one .safetensors that is the whole model, and a Hugging Face folder. docs/weights.md
// has the layouts.
#pragma once
#include <bert/io/config.h>
#include <bert/io/folder.h>
#include <bert/io/names.h>
#include <bert/io/safetensors.h>

namespace bert::inline BERT_ABI {

/// Immutable and movable; const calls may come from any thread. Tensor data stays in the file's pages until touched.
class Checkpoint {
 public:
  /// A converted .safetensors file, or a folder with config.json and model.safetensors or its shards.
  /// Errors name the file and say what to do.
  static Checkpoint open(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return folder_.path(); }
  /// Text of config.json, and a reader of it.
  const std::string& config_json() const { return config_json_; }
  const ConfigReader& config() const { return *config_; }
  bool has_tokenizer() const { return !tokenizer_.empty(); }
  const TokenizerFiles& tokenizer() const { return tokenizer_; }
  const Pooling& pooling() const { return pooling_; }
  /// Compact JSON that the converter wrote; empty for a folder.
  const std::string& provenance() const { return provenance_; }

  /// All tensors, sorted by name, under canonical names; buffers and tied copies are left out.
  const std::vector<TensorRef>& tensors() const { return tensors_; }
  /// The tensor of that canonical name, null when there is none.
  const TensorRef* find(std::string_view name) const { return find_by_name(tensors_, name); }
  /// Bytes of all tensors as stored.
  std::size_t tensor_bytes() const;
  /// Gives back the memory of the tensor's pages; it is read from disk again when touched.
  void release(const TensorRef& tensor) const;

  // Hashes, computed when asked for, in hexadecimal (io/provenance.h).
  /// Of the file; for a folder of the sorted lines "sha256  name" of the files read.
  std::string sha256() const;
  /// Of the text of tokenizer.json, or of vocab.txt where there is none; empty without a tokenizer.
  std::string tokenizer_sha256() const;
  /// Sameness of weights: over "name dtype [shape]\n" and the bytes of each tensor, in name order.
  std::string tensor_digest() const;

 private:
  explicit Checkpoint(const std::filesystem::path& path) : folder_(path) {}
  void open_file();
  void open_folder();
  void open_shards(const std::string& prefix);
  void name_tensors();

  Folder folder_;  // for the converted form: the file itself
  std::vector<SafetensorsFile> files_;
  std::vector<TensorRef> tensors_;
  std::string config_json_, provenance_;
  std::optional<ConfigReader> config_;
  TokenizerFiles tokenizer_;
  Pooling pooling_;
};

inline Checkpoint Checkpoint::open(const std::filesystem::path& path) {
  Checkpoint checkpoint(path);
  std::filesystem::is_directory(path) ? checkpoint.open_folder() : checkpoint.open_file();
  checkpoint.name_tensors();
  return checkpoint;
}

inline void Checkpoint::open_file() {
  const std::string shown = concat('"', path().string(), '"');
  const SafetensorsFile& file = files_.emplace_back(path());
  const auto text = [&](std::string_view key) { return std::string(file.metadata(key).value_or("")); };
  const std::string format = text("bert.format");
  if (format.empty())
    fail(shown,
         " is not a converted model: convert its folder with tools/convert_weights.py, or give the folder itself");
  if (format != "1") fail(shown, " has bert.format ", format, ", this program reads 1");
  config_json_ = text("bert.config");
  config_.emplace(config_json_, concat(shown, " (bert.config)"));
  tokenizer_.tokenizer_json = text("bert.tokenizer");
  tokenizer_.source = concat(path().string(), " (bert.tokenizer)");
  provenance_ = text("bert.provenance");
  if (const auto pooling = file.metadata("bert.pooling"))
    pooling_ = Pooling::from_json(parse_json(*pooling, concat(shown, " (bert.pooling)")));
}

inline void Checkpoint::open_folder() {
  const std::string prefix = folder_.has("0_Transformer/config.json") ? "0_Transformer/" : "";
  if (!folder_.has(prefix + "config.json"))
    fail("\"", path().string(), "\" has no config.json: it is not a Hugging Face model folder");
  config_json_ = folder_.text(prefix + "config.json");
  config_.emplace(config_json_, concat('"', (path() / prefix / "config.json").string(), '"'));
  tokenizer_ = TokenizerFiles::from(folder_, prefix);
  pooling_ = Pooling::from(folder_, prefix);
  if (folder_.has(prefix + "model.safetensors")) {
    files_.emplace_back(folder_.use(prefix + "model.safetensors"));
  } else if (folder_.has(prefix + "model.safetensors.index.json")) {
    open_shards(prefix);
  } else {
    fail("\"", path().string(), "\" has no model.safetensors",
         folder_.has(prefix + "pytorch_model.bin") ? ": convert pytorch_model.bin with tools/convert_weights.py" : "");
  }
}

/// model.safetensors.index.json names the file of each tensor; all of each file's tensors count.
inline void Checkpoint::open_shards(const std::string& prefix) {
  const Json index = folder_.json(prefix + "model.safetensors.index.json");
  const auto broken = [&](const auto&... parts) {
    fail("\"", (path() / prefix / "model.safetensors.index.json").string(), "\" ", parts...);
  };
  const Json* const map = index.find("weight_map");
  if (!map || !map->is(Json::Kind::object) || map->members.empty()) broken("has no weight_map");
  std::vector<std::string_view> shards;
  for (const Json& shard : map->members) shards.push_back(shard.text);
  std::sort(shards.begin(), shards.end());
  shards.erase(std::unique(shards.begin(), shards.end()), shards.end());
  for (const std::string_view shard : shards) {
    if (shard.empty() || shard.find('/') != std::string_view::npos)
      broken("names the shard \"", shard, "\", which is not a file beside it");
    files_.emplace_back(folder_.use(concat(prefix, shard)));
  }
  for (const Json& shard : map->members) {
    const auto at = std::find(shards.begin(), shards.end(), shard.text) - shards.begin();
    if (!files_[static_cast<std::size_t>(at)].find(shard.name))
      broken("promises ", shard.name, " in ", shard.text, ", where it is not");
  }
}

/// Fills tensors_: canonical names, sorted; without buffers and, where the decoder is tied, without its copies.
inline void Checkpoint::name_tensors() {
  const std::string model_type = config_->get("model_type", "bert");
  for (const SafetensorsFile& file : files_)
    for (TensorRef tensor : file.tensors()) {
      tensor.name = canonical_name(tensor.name, model_type);
      if (!tensor.name.empty()) tensors_.push_back(std::move(tensor));
    }
  sort_by_name(tensors_);
  for (std::size_t i = 1; i < tensors_.size(); ++i)
    if (tensors_[i].name == tensors_[i - 1].name) fail("\"", path().string(), "\" holds ", tensors_[i].name, " twice");

  if (!config_->get("tie_word_embeddings", true)) return;
  for (const auto& [copy_name, original_name] : detail::kTied) {
    const TensorRef *copy = find(copy_name), *original = find(original_name);
    if (!copy) continue;
    if (!original) {
      tensors_[static_cast<std::size_t>(copy - tensors_.data())].name = original_name;
    } else if (copy->dtype == original->dtype && copy->shape == original->shape &&
               std::memcmp(copy->bytes.data(), original->bytes.data(), copy->bytes.size()) == 0) {
      release(*copy), release(*original);
      tensors_.erase(tensors_.begin() + (copy - tensors_.data()));
    }
    sort_by_name(tensors_);
  }
}

inline std::size_t Checkpoint::tensor_bytes() const {
  std::size_t total = 0;
  for (const TensorRef& tensor : tensors_) total += tensor.bytes.size();
  return total;
}

inline void Checkpoint::release(const TensorRef& tensor) const {
  for (const SafetensorsFile& file : files_)
    if (file.owns(tensor)) return file.release(tensor);
}

}  // namespace bert::inline BERT_ABI

#include <bert/io/provenance.h>

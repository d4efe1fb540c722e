// Checkpoint: a model on disk, opened but not loaded: its tensors, configuration, tokenizer, pooling and provenance.
//
// Here: the class, and the converted form, one .safetensors file that is the whole model. Hugging Face folders, with
// old names and shards, are io/checkpoint.h, hashes io/provenance.h; docs/weights.md has all layouts.
#pragma once
#include <bert/io/base64.h>
#include <bert/io/config.h>
#include <bert/io/names.h>
#include <bert/io/safetensors.h>

namespace bert::inline BERT_ABI {

class Folder;

/// Texts of a tokenizer's files, empty where there is none. tokenizer.json says everything; the others need
/// tokenizer_config.json or the caller to say more: whether text is lower-cased (io/tokenizer_files.h).
struct TokenizerFiles {
  std::string tokenizer_json, vocab_txt, tokenizer_config_json;
  std::string vocab_json, merges_txt;  // of byte-level BPE
  std::string sentencepiece;           // bytes of a .model
  std::string model_type;              // config.json's, beside a .model; empty: the .model stands for itself
  std::string source;                  // the file the tokenizer is in, for errors
  bool empty() const {
    return tokenizer_json.empty() && vocab_txt.empty() && vocab_json.empty() && sentencepiece.empty();
  }
};

/// The tokenizer files that a converted model carries in its metadata: bert.tokenizer, or bert.sentencepiece with
/// bert.tokenizer_config. Error when the configuration or the SentencePiece model's base64 is damaged.
TokenizerFiles tokenizer_files_of(const SafetensorsFile& file);

/// A linear layer behind the pooling, as its config.json says. Its tensors are module_prefix + path + ".linear.weight"
/// and ".linear.bias".
struct DenseModule {
  std::string path;                 // of its folder
  std::string activation_function;  // a class of PyTorch
  std::size_t in_features = 0, out_features = 0;
  bool bias = true;
};
inline constexpr std::string_view module_prefix = "sentence_transformers.";

/// The module that `config` describes. Error for a size that is missing or no size.
DenseModule dense_module_of(const ConfigReader& config, std::string path);

/// How a model's token states become one vector, as far as its files say.
struct Pooling {
  std::string mode;                           // "cls", "mean", "max", "last"; several joined by '+'; "" not said
  std::optional<bool> normalize;              // to unit length
  std::optional<std::size_t> max_seq_length;  // recommended limit in tokens, special ones included
  std::vector<DenseModule> dense;             // what the vector passes, before it gets unit length
};

/// Immutable and movable; const calls may come from any thread. Tensor data stays in the file's pages until touched.
class Checkpoint {
 public:
  /// A converted file, or a Hugging Face folder. Errors name the file and say what to do. Needs io/checkpoint.h.
  static Checkpoint open(const std::filesystem::path& path);
  /// A converted file.
  static Checkpoint open_file(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  /// Text of config.json, and a reader of it.
  const std::string& config_json() const { return config_json_; }
  const ConfigReader& config() const { return *config_; }
  bool has_tokenizer() const { return !tokenizer_.empty(); }
  const TokenizerFiles& tokenizer() const { return tokenizer_; }
  const Pooling& pooling() const { return pooling_; }
  /// Compact JSON that the converter wrote; empty for a folder.
  const std::string& provenance() const { return provenance_; }

  /// All tensors, sorted by name, under Hugging Face's current names; without buffers and tied copies.
  const std::vector<TensorRef>& tensors() const { return tensors_; }
  /// The tensor of that name, null when there is none.
  const TensorRef* find(std::string_view name) const { return find_by_name(tensors_, name); }
  /// Bytes of all tensors as stored.
  std::size_t tensor_bytes() const;
  /// Gives back the memory of the tensor's pages; it is read from disk again when touched.
  void release(const TensorRef& tensor) const;

  // Hashes in hexadecimal, computed when asked for. They need io/provenance.h.
  /// Of the file; for a folder of the sorted lines "sha256  name" of the files read.
  std::string sha256() const;
  /// Of the text of tokenizer.json, else of vocab.txt, else of vocab.json and merges.txt, else
  /// of a .model; empty without a tokenizer.
  std::string tokenizer_sha256() const;
  /// Sameness of weights: over "name dtype [shape]\n" and the bytes of each tensor, in name order.
  std::string tensor_digest() const;

 private:
  explicit Checkpoint(const std::filesystem::path& path) : path_(path) {}
  void open_folder();
  void open_shards(Folder& folder, const std::string& index_name);
  void open_modules(Folder& folder);
  void drop_tied_copies();

  std::filesystem::path path_;
  std::vector<std::string> used_;  // names of the files of a folder that were read
  std::vector<SafetensorsFile> files_;
  std::vector<TensorRef> tensors_;
  std::string config_json_, provenance_;
  std::optional<ConfigReader> config_;
  TokenizerFiles tokenizer_;
  Pooling pooling_;
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
namespace bert::inline BERT_ABI {

BERT_INLINE TokenizerFiles tokenizer_files_of(const SafetensorsFile& file) {
  TokenizerFiles files;
  const auto text = [&](std::string_view key) { return std::string(file.metadata(key).value_or("")); };
  const auto what = [&](std::string_view key) { return concat('"', file.file().path().string(), "\" (", key, ")"); };
  files.tokenizer_json = text("bert.tokenizer");
  files.source = concat(file.file().path().string(), " (bert.tokenizer)");
  if (const auto model = file.metadata("bert.sentencepiece"); model && files.tokenizer_json.empty()) {
    files.sentencepiece = from_base64(*model, what("bert.sentencepiece"));
    files.tokenizer_config_json = text("bert.tokenizer_config");
    if (const auto config = file.metadata("bert.config"))
      files.model_type = ConfigReader(*config, what("bert.config")).get("model_type", "");
    files.source = concat(file.file().path().string(), " (bert.sentencepiece)");
  }
  return files;
}

BERT_INLINE DenseModule dense_module_of(const ConfigReader& config, std::string path) {
  for (const char* size : {"in_features", "out_features"})
    if (!config.has(size)) fail(config.what(), " has no ", size);
  return {std::move(path), config.get("activation_function", "torch.nn.modules.activation.Tanh"),
          config.get_size("in_features", 0), config.get_size("out_features", 0), config.get("bias", true)};
}

BERT_INLINE std::size_t Checkpoint::tensor_bytes() const {
  std::size_t total = 0;
  for (const TensorRef& tensor : tensors_) total += tensor.bytes.size();
  return total;
}

BERT_INLINE void Checkpoint::release(const TensorRef& tensor) const {
  for (const SafetensorsFile& file : files_)
    if (file.owns(tensor)) return file.release(tensor);
}

BERT_INLINE Checkpoint Checkpoint::open_file(const std::filesystem::path& path) {
  Checkpoint checkpoint(path);
  const SafetensorsFile& file = checkpoint.files_.emplace_back(path);
  const auto text = [&](std::string_view key) { return std::string(file.metadata(key).value_or("")); };
  const auto what = [&](std::string_view key) { return concat('"', path.string(), "\" (", key, ")"); };
  const std::string format = text("bert.format");
  if (format.empty())
    fail("\"", path.string(),
         "\" is not a converted model: convert its folder with tools/convert_weights.py, or give the folder itself");
  if (format != "1") fail("\"", path.string(), "\" has bert.format ", format, ", this program reads 1");
  checkpoint.config_json_ = text("bert.config");
  checkpoint.config_.emplace(checkpoint.config_json_, what("bert.config"));
  checkpoint.tensors_ = canonical_tensors(file.tensors(), checkpoint.config_->get("model_type", "bert"));
  checkpoint.tokenizer_ = tokenizer_files_of(file);
  checkpoint.provenance_ = text("bert.provenance");
  if (const auto said = file.metadata("bert.pooling")) {
    const ConfigReader pooling(*said, what("bert.pooling"));
    checkpoint.pooling_.mode = pooling.get("mode", "");
    if (pooling.has("normalize")) checkpoint.pooling_.normalize = pooling.get("normalize", false);
    if (pooling.has("max_seq_length")) checkpoint.pooling_.max_seq_length = pooling.get_size("max_seq_length", 1);
    if (const Json* const dense = pooling.json().find("dense"))
      for (const Json& each : dense->members) {
        const ConfigReader module(each, concat(what("bert.pooling"), ": dense"));
        checkpoint.pooling_.dense.push_back(dense_module_of(module, module.get("path", "")));
      }
  }
  return checkpoint;
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

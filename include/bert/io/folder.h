// What a Hugging Face or sentence-transformers folder holds beside weights: tokenizer files and how to pool.
//
// A tokenizer of another kind (vocab.json + merges.txt, a .model) adds a member to TokenizerFiles and a line where it
// is filled. tools/convert_weights.py reads the same files by the same rules.
#pragma once
#include <bert/io/json.h>
#include <bert/io/mapped_file.h>

#include <optional>

namespace bert::inline BERT_ABI {

/// A folder that remembers which of its files were read (for `sha256`).
class Folder {
 public:
  explicit Folder(std::filesystem::path path) : path_(std::move(path)) {}
  const std::filesystem::path& path() const { return path_; }
  bool has(const std::string& name) const { return std::filesystem::is_regular_file(path_ / name); }
  /// The file's path, noted as read.
  std::filesystem::path use(const std::string& name) {
    used_.push_back(name);
    return path_ / name;
  }
  std::string text(const std::string& name) { return read_text(use(name)); }
  /// The file parsed, null when there is no such file.
  Json json(const std::string& name) {
    return has(name) ? parse_json(text(name), concat('"', (path_ / name).string(), '"')) : Json();
  }
  const std::vector<std::string>& used() const { return used_; }

 private:
  std::filesystem::path path_;
  std::vector<std::string> used_;
};

/// Texts of a tokenizer's files, empty where there is none. tokenizer.json says everything; vocab.txt needs
/// tokenizer_config.json or the caller to say whether text is lower-cased.
struct TokenizerFiles {
  std::string tokenizer_json, vocab_txt, tokenizer_config_json;
  std::string source;  // the file the tokenizer is in, for errors
  bool empty() const { return tokenizer_json.empty() && vocab_txt.empty(); }

  /// `prefix` is the sub-folder of the model, "" or "0_Transformer/".
  static TokenizerFiles from(Folder& folder, const std::string& prefix = "") {
    TokenizerFiles files;
    if (const std::string name = prefix + "tokenizer.json"; folder.has(name)) {
      files.tokenizer_json = folder.text(name);
      files.source = (folder.path() / name).string();
    } else if (const std::string vocab = prefix + "vocab.txt"; folder.has(vocab)) {
      files.vocab_txt = folder.text(vocab);
      files.source = (folder.path() / vocab).string();
      if (const std::string config = prefix + "tokenizer_config.json"; folder.has(config))
        files.tokenizer_config_json = folder.text(config);
    }
    return files;
  }
};

/// How a model's token states become one vector, as far as its files say.
struct Pooling {
  std::string mode;                           // "cls", "mean", "max", "last"; several joined by '+'; "" not said
  std::optional<bool> normalize;              // to unit length
  std::optional<std::size_t> max_seq_length;  // recommended limit in tokens, special ones included

  /// From the converted form: {"mode":"mean","normalize":true,"max_seq_length":256}, each member optional.
  static Pooling from_json(const Json& said) {
    Pooling pooling;
    if (const Json* mode = said.find("mode")) pooling.mode = mode->text;
    if (const Json* normalize = said.find("normalize")) pooling.normalize = normalize->is_true();
    pooling.read_max_seq_length(said);
    return pooling;
  }

  /// From sentence-transformers files: modules.json, 1_Pooling/config.json, sentence_bert_config.json.
  static Pooling from(Folder& folder, const std::string& prefix = "") {
    Pooling pooling;
    const Json modules = folder.json("modules.json");
    if (modules.members.empty() && folder.has("1_Pooling/config.json"))
      pooling.read_modes(folder.json("1_Pooling/config.json"));
    for (const Json& module : modules.members) {
      const Json *type = module.find("type"), *path = module.find("path");
      if (!type || !path) fail('"', folder.path().string(), "/modules.json\": a module without type or path");
      const std::string kind = type->text.substr(type->text.rfind('.') + 1);
      if (kind == "Pooling") {
        if (path->text.find("..") != std::string::npos || path->text.starts_with('/'))
          fail('"', folder.path().string(), "/modules.json\" leads out of its folder: ", path->text);
        pooling.read_modes(folder.json(path->text + "/config.json"));
      } else if (kind == "Normalize") {
        pooling.normalize = true;
      } else if (kind != "Transformer") {
        pooling.add(kind);  // a part we do not have: its name makes `embed` say so
      }
    }
    if (!pooling.mode.empty() && !pooling.normalize) pooling.normalize = false;
    pooling.read_max_seq_length(folder.json(prefix + "sentence_bert_config.json"));
    return pooling;
  }

 private:
  void add(std::string_view part) { mode += concat(mode.empty() ? "" : "+", part); }
  void read_max_seq_length(const Json& said) {
    std::size_t length = 0;
    if (const Json* value = said.find("max_seq_length"); value && value->to(length) && length > 0)
      max_seq_length = length;
  }
  void read_modes(const Json& said) {
    static constexpr std::string_view kModes[][2] = {{"cls_token", "cls"},    {"lasttoken", "last"},
                                                     {"max_tokens", "max"},   {"mean_sqrt_len_tokens", "mean_sqrt_len"},
                                                     {"mean_tokens", "mean"}, {"weightedmean_tokens", "weightedmean"}};
    if (const Json* current = said.find("pooling_mode")) {  // sentence-transformers 5: a name or a list of names
      if (current->is(Json::Kind::string)) add(current->text);
      for (const Json& each : current->members) add(each.text);
      return;
    }
    for (const auto& [key, name] : kModes)
      if (const Json* on = said.find(concat("pooling_mode_", key)); on && on->is_true()) add(name);
  }
};

}  // namespace bert::inline BERT_ABI

// What a Hugging Face or sentence-transformers folder holds beside weights: tokenizer files and how to pool.
//
// A tokenizer of another kind adds a member to TokenizerFiles and a line where it is filled. tools/convert_weights.py
// reads the same files by the same rules.
#pragma once
#include <bert/io/model_file.h>

namespace bert::inline BERT_ABI {

/// The whole file as text; an empty file is an empty text.
std::string read_text(const std::filesystem::path& path);

/// A folder that remembers which of its files were read (for `sha256`).
class Folder {
 public:
  explicit Folder(std::filesystem::path path) : path_(std::move(path)) {}
  const std::filesystem::path& path() const { return path_; }
  bool has(const std::string& name) const { return std::filesystem::is_regular_file(path_ / name); }
  /// The file's path, noted as read.
  std::filesystem::path use(const std::string& name);
  std::string text(const std::string& name) { return read_text(use(name)); }
  /// The file parsed, null when there is no such file.
  Json json(const std::string& name);
  const std::vector<std::string>& used() const { return used_; }

 private:
  std::filesystem::path path_;
  std::vector<std::string> used_;
};

/// The tokenizer files of a folder; `prefix` is the sub-folder of the model, "" or "0_Transformer/".
TokenizerFiles tokenizer_files_of(Folder& folder, const std::string& prefix = "");

/// The modes that a sentence-transformers pooling configuration turns on, joined by '+'.
std::string pooling_mode_of(const Json& said);

/// What sentence-transformers files say: modules.json, the modules' config.json, sentence_bert_config.json. A module we
/// do not have, or a Dense that stands elsewhere than between Pooling and Normalize, joins the mode under its own name,
/// which makes `embed` say so.
Pooling pooling_of(Folder& folder, const std::string& prefix = "");

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
namespace bert::inline BERT_ABI {

BERT_INLINE std::filesystem::path Folder::use(const std::string& name) {
  used_.push_back(name);
  return path_ / name;
}

BERT_INLINE Json Folder::json(const std::string& name) {
  return has(name) ? parse_json(text(name), concat('"', (path_ / name).string(), '"')) : Json();
}

BERT_INLINE std::string read_text(const std::filesystem::path& path) {
  std::error_code ignored;
  if (std::filesystem::is_regular_file(path, ignored) && std::filesystem::file_size(path, ignored) == 0) return {};
  return std::string(MappedFile(path).text());
}

BERT_INLINE TokenizerFiles tokenizer_files_of(Folder& folder, const std::string& prefix) {
  TokenizerFiles files;
  if (const std::string name = prefix + "tokenizer.json"; folder.has(name)) {
    files.tokenizer_json = folder.text(name);
    files.source = (folder.path() / name).string();
  } else if (const std::string vocab = prefix + "vocab.txt"; folder.has(vocab)) {
    files.vocab_txt = folder.text(vocab);
    files.source = (folder.path() / vocab).string();
  } else if (const std::string words = prefix + "vocab.json", merges = prefix + "merges.txt";
             folder.has(words) && folder.has(merges)) {
    files.vocab_json = folder.text(words);
    files.merges_txt = folder.text(merges);
    files.source = (folder.path() / words).string();
  } else {
    for (const std::string file : {"spiece.model", "sentencepiece.bpe.model", "tokenizer.model"}) {
      if (!folder.has(prefix + file) || !files.empty()) continue;
      files.sentencepiece = folder.text(prefix + file);
      files.source = (folder.path() / (prefix + file)).string();
      if (const std::string config = prefix + "config.json"; folder.has(config)) {  // not noted: who needs it reads it
        const ConfigReader reader(read_text(folder.path() / config),
                                  concat('"', (folder.path() / config).string(), '"'));
        files.model_type = reader.get("model_type", "");
      }
    }
  }
  if (const std::string config = prefix + "tokenizer_config.json";
      files.tokenizer_json.empty() && !files.empty() && folder.has(config))
    files.tokenizer_config_json = folder.text(config);
  return files;
}

BERT_INLINE std::string pooling_mode_of(const Json& said) {
  static constexpr std::string_view kModes[][2] = {{"cls_token", "cls"},    {"lasttoken", "last"},
                                                   {"max_tokens", "max"},   {"mean_sqrt_len_tokens", "mean_sqrt_len"},
                                                   {"mean_tokens", "mean"}, {"weightedmean_tokens", "weightedmean"}};
  std::string mode;
  const auto add = [&](std::string_view name) { mode += concat(mode.empty() ? "" : "+", name); };
  if (const Json* current = said.find("pooling_mode")) {  // sentence-transformers 5: a name or a list of names
    if (current->is(Json::Kind::string)) add(current->text);
    for (const Json& each : current->members) add(each.text);
    return mode;
  }
  for (const auto& [key, name] : kModes)
    if (const Json* on = said.find(concat("pooling_mode_", key)); on && on->is_true()) add(name);
  return mode;
}

namespace detail {
/// Adds the Dense module of that folder; false when it reads or makes something else than the sentence's vector.
inline bool add_dense(Folder& folder, const std::string& path, Pooling& pooling) {
  const std::string name = path + "/config.json", what = concat('"', (folder.path() / name).string(), '"');
  if (!folder.has(name)) fail(what, " is missing: modules.json names it");
  const ConfigReader config(folder.text(name), what);
  for (const char* key : {"module_input_name", "module_output_name"})
    if (config.get(key, "sentence_embedding") != "sentence_embedding") return false;
  pooling.dense.push_back(dense_module_of(config, path));
  return true;
}
}  // namespace detail

BERT_INLINE Pooling pooling_of(Folder& folder, const std::string& prefix) {
  Pooling pooling;
  const auto add = [&](const std::string& part) { pooling.mode += concat(pooling.mode.empty() ? "" : "+", part); };
  const Json modules = folder.json("modules.json");
  if (modules.members.empty()) pooling.mode = pooling_mode_of(folder.json("1_Pooling/config.json"));
  for (const Json& module : modules.members) {
    const Json *type = module.find("type"), *path = module.find("path");
    if (!type || !path || path->text.find("..") != std::string::npos || path->text.starts_with('/'))
      fail('"', (folder.path() / "modules.json").string(), "\": a module needs a type and a path inside the folder");
    const std::string kind = type->text.substr(type->text.rfind('.') + 1);
    if (kind == "Pooling") {
      add(pooling_mode_of(folder.json(path->text + "/config.json")));
    } else if (kind == "Normalize") {
      pooling.normalize = true;
    } else if (kind != "Transformer" && !(kind == "Dense" && !pooling.mode.empty() && !pooling.normalize &&
                                          detail::add_dense(folder, path->text, pooling))) {
      add(kind);
    }
  }
  if (!pooling.mode.empty() && !pooling.normalize) pooling.normalize = false;
  const Json limits = folder.json(prefix + "sentence_bert_config.json");
  std::size_t length = 0;
  if (const Json* said = limits.find("max_seq_length"); said && said->to(length) && length > 0)
    pooling.max_seq_length = length;
  return pooling;
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

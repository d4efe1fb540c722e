// Checkpoint::open: a model of either form, the converted file or a Hugging Face folder, whose tensors may be in shards
// and under old names.
#pragma once
#include <bert/io/folder.h>
#include <bert/io/model_file.h>
#include <bert/io/names.h>
#include <bert/io/provenance.h>

#if BERT_WITH_DEFINITIONS
#include <algorithm>
#include <cstring>

namespace bert::inline BERT_ABI {

BERT_INLINE Checkpoint Checkpoint::open(const std::filesystem::path& path) {
  if (!std::filesystem::is_directory(path)) return open_file(path);
  Checkpoint checkpoint(path);
  checkpoint.open_folder();
  return checkpoint;
}

BERT_INLINE void Checkpoint::open_folder() {
  Folder folder(path_);
  const std::string prefix = folder.has("0_Transformer/config.json") ? "0_Transformer/" : "";
  const std::string single = prefix + "model.safetensors";
  if (!folder.has(prefix + "config.json"))
    fail("\"", path_.string(), "\" has no config.json: it is not a Hugging Face model folder");
  config_json_ = folder.text(prefix + "config.json");
  config_.emplace(config_json_, concat('"', (path_ / prefix / "config.json").string(), '"'));
  tokenizer_ = tokenizer_files_of(folder, prefix);
  pooling_ = pooling_of(folder, prefix);
  if (folder.has(single)) {
    files_.emplace_back(folder.use(single));
  } else if (folder.has(single + ".index.json")) {
    open_shards(folder, single + ".index.json");
  } else {
    fail("\"", path_.string(), "\" has no model.safetensors",
         folder.has(prefix + "pytorch_model.bin") ? ": convert pytorch_model.bin with tools/convert_weights.py" : "");
  }

  const std::string model_type = config_->get("model_type", "bert");
  for (const SafetensorsFile& file : files_)
    for (TensorRef& tensor : canonical_tensors(file.tensors(), model_type)) tensors_.push_back(std::move(tensor));
  open_modules(folder);
  used_ = folder.used();
  sort_by_name(tensors_);
  for (std::size_t i = 1; i < tensors_.size(); ++i)
    if (tensors_[i].name == tensors_[i - 1].name) fail("\"", path_.string(), "\" holds ", tensors_[i].name, " twice");
  if (ties_word_embeddings(*config_)) drop_tied_copies();
}

/// model.safetensors.index.json names the file of each tensor; all of each file's tensors count.
BERT_INLINE void Checkpoint::open_shards(Folder& folder, const std::string& index_name) {
  const Json index = folder.json(index_name);
  const auto broken = [&](const auto&... parts) { fail("\"", (path_ / index_name).string(), "\" ", parts...); };
  const Json* const map = index.find("weight_map");
  if (!map || !map->is(Json::Kind::object) || map->members.empty()) broken("has no weight_map");
  std::vector<std::string_view> shards;
  for (const Json& shard : map->members) shards.push_back(shard.text);
  std::sort(shards.begin(), shards.end());
  shards.erase(std::unique(shards.begin(), shards.end()), shards.end());
  for (const std::string_view shard : shards) {
    if (shard.empty() || shard.find('/') != std::string_view::npos)
      broken("names the shard \"", shard, "\", which is not a file beside it");
    files_.emplace_back(folder.use((std::filesystem::path(index_name).parent_path() / shard).string()));
  }
  for (const Json& shard : map->members) {
    const auto at = std::find(shards.begin(), shards.end(), shard.text) - shards.begin();
    if (!files_[static_cast<std::size_t>(at)].find(shard.name))
      broken("promises ", shard.name, " in ", shard.text, ", where it is not");
  }
}

/// The tensors of modules behind the pooling, each in a folder of its own.
BERT_INLINE void Checkpoint::open_modules(Folder& folder) {
  for (const DenseModule& module : pooling_.dense) {
    const std::string name = module.path + "/model.safetensors";
    if (!folder.has(name))
      fail("\"", (path_ / name).string(), "\" is missing",
           folder.has(module.path + "/pytorch_model.bin")
               ? ": convert the folder, with its pytorch_model.bin, with tools/convert_weights.py"
               : ": modules.json names it");
    for (TensorRef tensor : files_.emplace_back(folder.use(name)).tensors()) {
      tensor.name = concat(module_prefix, module.path, ".", tensor.name);
      tensors_.push_back(std::move(tensor));
    }
  }
}

/// Where the decoder is tied, equal copies go; a copy that differs stays, and the model uses it (as Hugging Face does).
BERT_INLINE void Checkpoint::drop_tied_copies() {
  const std::string model_type = config_->get("model_type", "bert");
  for (const auto& [family, copy_name, original_name] : detail::kTied) {
    if (family != model_type) continue;
    const TensorRef *copy = find(copy_name), *original = find(original_name);
    if (!copy) continue;
    const auto at = static_cast<std::size_t>(copy - tensors_.data());
    if (!original) {
      tensors_[at].name = original_name;
      sort_by_name(tensors_);
    } else if (copy->dtype == original->dtype && copy->shape == original->shape &&
               std::memcmp(copy->bytes.data(), original->bytes.data(), copy->bytes.size()) == 0) {
      release(*copy), release(*original);
      tensors_.erase(tensors_.begin() + static_cast<std::ptrdiff_t>(at));
    }
  }
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

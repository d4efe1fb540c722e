// Checkpoints of a training run: a Hugging Face folder with the optimiser's state beside the model.
//
//   config.json, vocab.txt, …          written first, once
//   training_state-N.safetensors       moments after N steps
//   model.safetensors                  parameters after N steps; its metadata hold the manifest, N among it
//
// The state is written before the model and the old state removed after it, each file complete or not there (io/
// output_file.h). So whenever the process dies, model.safetensors names a step whose state is there.
#pragma once
#include <bert/io/checkpoint.h>
#include <bert/io/safetensors_writer.h>
#include <bert/train/optimizer.h>
#include <bert/train/trainable.h>

#include <filesystem>

namespace bert::inline BERT_ABI {

/// Where a run stands, beside parameters and moments.
struct RunProgress {
  std::uint64_t steps = 0, tokens = 0;
  std::string loss_curve;                                    // Trainer::loss_curve()
  std::vector<std::pair<std::uint64_t, std::string>> marks;  // the curve after 1, 2, …, 9, 10, 20, …, 90, 100, … steps

  void take(std::uint64_t step, std::uint64_t step_tokens, const std::string& curve);
};

/// config.json as transformers writes it for this configuration; `architecture` without the family: "ForMaskedLM".
std::string config_json(const BertConfig& config, std::string_view architecture);

/// Writes config.json and the tokenizer's files, where they are not there with this content already.
void save_run_files(const std::filesystem::path& folder, const std::string& config, const TokenizerFiles& tokenizer);

/// Writes a checkpoint. `manifest` is a JSON object of what the run is made of: it is kept in the model's metadata as
/// bert.training, with the progress added. Errors: as write_safetensors; what was there before stays.
void save_checkpoint(const std::filesystem::path& folder, const ParameterLayout& layout, std::span<const float> values,
                     const AdamWState<float>& state, const RunProgress& progress, const std::string& manifest);

/// Writes the model alone: nothing to go on from.
void save_model(const std::filesystem::path& folder, const ParameterLayout& layout, std::span<const float> values,
                const RunProgress& progress, const std::string& manifest);

/// Removes what a save that was killed has left: states of other steps, files without their name.
void remove_old_states(const std::filesystem::path& folder, std::uint64_t steps);

/// Whether the folder holds a checkpoint of a run.
bool has_checkpoint(const std::filesystem::path& folder);

/// The manifest of a checkpoint, and its progress. Errors: no checkpoint, or a model that no run has written.
Json read_manifest(const std::filesystem::path& folder, RunProgress& progress);

/// Reads parameters and moments of the folder's checkpoint into `values` and `state`. Errors name the file.
void load_checkpoint(const std::filesystem::path& folder, const ParameterLayout& layout, std::span<float> values,
                     AdamWState<float>& state);

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <fcntl.h>
#include <unistd.h>

namespace bert::inline BERT_ABI {

namespace detail {
inline constexpr std::string_view state_prefix = "training_state-";

inline std::filesystem::path state_path(const std::filesystem::path& folder, std::uint64_t steps) {
  return folder / concat(state_prefix, steps, ".safetensors");
}
/// Makes the names in a folder last through a loss of power.
inline void sync_folder(const std::filesystem::path& folder) {
  const int file = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) return;
  ::fsync(file);
  ::close(file);
}
inline void write_text(const std::filesystem::path& path, const std::string& text) {
  if (text.empty()) return;
  std::error_code ignored;
  if (std::filesystem::is_regular_file(path, ignored) && std::filesystem::file_size(path, ignored) == text.size() &&
      read_text(path) == text)
    return;
  OutputFile file(path);
  file.write(text);
  file.commit();
}
/// What compiled this code: for provenance.
inline const char* compiler() {
#if defined(__clang__)
  return "clang " __clang_version__;
#else
  return "g++ " __VERSION__;
#endif
}
inline TensorRef floats(std::string name, std::vector<std::size_t> shape, const float* data, std::size_t size) {
  return {std::move(name), DType::F32, std::move(shape), std::as_bytes(std::span(data, size))};
}
inline void read_floats(const SafetensorsFile& file, const std::string& name, const std::vector<std::size_t>& shape,
                        float* out) {
  const TensorRef* const tensor = file.find(name);
  if (!tensor || tensor->dtype != DType::F32 || tensor->shape != shape)
    fail("cannot go on from \"", file.file().path().string(), "\": it has no ", name, " ", shape_text(shape),
         " of F32");
  read_elements(*tensor, 0, tensor->elements(), out);
}
}  // namespace detail

BERT_INLINE void RunProgress::take(std::uint64_t step, std::uint64_t step_tokens, const std::string& curve) {
  steps = step, tokens += step_tokens, loss_curve = curve;
  std::uint64_t leading = step;
  while (leading % 10 == 0) leading /= 10;
  if (leading < 10) marks.emplace_back(step, curve);
}

BERT_INLINE std::string config_json(const BertConfig& config, std::string_view architecture) {
  const char* const family = config.model_type == "roberta" ? "Roberta" : "Bert";
  const std::string name = architecture.empty() ? "" : concat(family, architecture);  // none: a hash's
  std::string text = concat("{\n  \"architectures\": [", quote_json(name), "],\n");
  const auto add = [&](std::string_view key, const auto& value) { text += concat("  \"", key, "\": ", value, ",\n"); };
  add("attention_probs_dropout_prob", config.attention_probs_dropout_prob);
  if (config.classifier_dropout >= 0) add("classifier_dropout", config.classifier_dropout);
  add("hidden_act", quote_json(config.hidden_act));
  add("hidden_dropout_prob", config.hidden_dropout_prob);
  add("hidden_size", config.hidden_size);
  if (!config.id2label.empty()) {
    std::string names, numbers;
    for (std::size_t i = 0; i < config.id2label.size(); ++i) {
      const char* const comma = i ? ", " : "";
      names += concat(comma, "\"", i, "\": ", quote_json(config.id2label[i]));
      numbers += concat(comma, quote_json(config.id2label[i]), ": ", i);
    }
    add("id2label", concat("{", names, "}"));
    add("label2id", concat("{", numbers, "}"));
  }
  add("initializer_range", config.initializer_range);
  add("intermediate_size", config.intermediate_size);
  add("layer_norm_eps", config.layer_norm_eps);
  add("max_position_embeddings", config.max_position_embeddings);
  add("model_type", quote_json(config.model_type));
  add("num_attention_heads", config.num_attention_heads);
  add("num_hidden_layers", config.num_hidden_layers);
  add("pad_token_id", config.pad_token_id);
  if (!config.problem_type.empty()) add("problem_type", quote_json(config.problem_type));
  add("type_vocab_size", config.type_vocab_size);
  return text + concat("  \"vocab_size\": ", config.vocab_size, "\n}\n");
}

BERT_INLINE void save_run_files(const std::filesystem::path& folder, const std::string& config,
                                const TokenizerFiles& tokenizer) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) fail("cannot make the folder \"", folder.string(), "\": ", error.message());
  detail::write_text(folder / "config.json", config);
  detail::write_text(folder / "vocab.txt", tokenizer.vocab_txt);
  detail::write_text(folder / "vocab.json", tokenizer.vocab_json);
  detail::write_text(folder / "merges.txt", tokenizer.merges_txt);
  detail::write_text(folder / "tokenizer.json", tokenizer.tokenizer_json);
  detail::write_text(folder / (tokenizer.model_type == "llama" ? "tokenizer.model" : "spiece.model"),
                     tokenizer.sentencepiece);
  detail::write_text(folder / "tokenizer_config.json", tokenizer.tokenizer_config_json);
}

BERT_INLINE void save_checkpoint(const std::filesystem::path& folder, const ParameterLayout& layout,
                                 std::span<const float> values, const AdamWState<float>& state,
                                 const RunProgress& progress, const std::string& manifest) {
  const std::vector<std::size_t> flat{layout.size()};
  write_safetensors(detail::state_path(folder, progress.steps), {{"bert.steps", concat(progress.steps)}},
                    {detail::floats("adamw.m", flat, state.m.data(), layout.size()),
                     detail::floats("adamw.v", flat, state.v.data(), layout.size())});
  detail::sync_folder(folder);
  save_model(folder, layout, values, progress, manifest);
  remove_old_states(folder, progress.steps);
}

BERT_INLINE void save_model(const std::filesystem::path& folder, const ParameterLayout& layout,
                            std::span<const float> values, const RunProgress& progress, const std::string& manifest) {
  std::vector<TensorRef> tensors;
  std::vector<std::vector<float>> transposed;  // in the file's order
  for (const ParameterInfo& info : layout.all()) {
    const float* data = values.data() + info.offset;
    if (info.transposed) {
      copy_to_file_order(info, data, transposed.emplace_back(info.size).data());
      data = transposed.back().data();
    }
    tensors.push_back(detail::floats(info.name, info.shape, data, info.size));
  }
  std::string marks;
  for (const auto& [step, curve] : progress.marks)
    marks += concat(marks.empty() ? "" : ",", "[", step, ",", quote_json(curve), "]");
  const std::string whole = concat("{\"program\":", quote_json(BERT_VERSION),
                                   ",\"compiler\":", quote_json(detail::compiler()), ",\"steps\":", progress.steps,
                                   ",\"tokens\":", progress.tokens, ",\"loss_curve\":", quote_json(progress.loss_curve),
                                   ",\"loss_curve_after\":[", marks, "],\"run\":", manifest, "}");
  write_safetensors(folder / "model.safetensors", {{"format", "pt"}, {"bert.training", whole}}, std::move(tensors));
  detail::sync_folder(folder);
}

BERT_INLINE void remove_old_states(const std::filesystem::path& folder, std::uint64_t steps) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    const bool state = name.starts_with(detail::state_prefix) && entry.path() != detail::state_path(folder, steps);
    if (state || (name.starts_with("model.safetensors.") && name.ends_with(".part")))
      std::filesystem::remove(entry.path(), ignored);
  }
}

BERT_INLINE bool has_checkpoint(const std::filesystem::path& folder) {
  return std::filesystem::is_regular_file(folder / "model.safetensors");
}

BERT_INLINE Json read_manifest(const std::filesystem::path& folder, RunProgress& progress) {
  const std::filesystem::path path = folder / "model.safetensors";
  if (!has_checkpoint(folder)) fail("\"", folder.string(), "\" holds no checkpoint (model.safetensors) to go on from");
  const SafetensorsFile file(path);
  const auto text = file.metadata("bert.training");
  const auto broken = [&] { fail("\"", path.string(), "\" is no checkpoint of a training run of this program"); };
  if (!text) broken();
  Json manifest = parse_json(*text, concat("bert.training in \"", path.string(), "\""));
  const Json *steps = manifest.find("steps"), *tokens = manifest.find("tokens"), *curve = manifest.find("loss_curve");
  if (!steps || !tokens || !curve || !manifest.find("run") || !steps->to(progress.steps) ||
      !tokens->to(progress.tokens))
    broken();
  progress.loss_curve = curve->text;
  progress.marks.clear();
  if (const Json* const marks = manifest.find("loss_curve_after"))
    for (const Json& mark : marks->members) {
      progress.marks.emplace_back();
      if (mark.members.size() != 2 || !mark.members[0].to(progress.marks.back().first)) broken();
      progress.marks.back().second = mark.members[1].text;
    }
  return manifest;
}

BERT_INLINE void load_checkpoint(const std::filesystem::path& folder, const ParameterLayout& layout,
                                 std::span<float> values, AdamWState<float>& state) {
  RunProgress progress;
  read_manifest(folder, progress);
  const SafetensorsFile model(folder / "model.safetensors");
  std::vector<float> file;
  for (const ParameterInfo& info : layout.all()) {
    file.resize(info.size);
    detail::read_floats(model, info.name, info.shape, file.data());
    copy_from_file_order(info, file.data(), values.data() + info.offset);
  }
  const SafetensorsFile moments(detail::state_path(folder, progress.steps));
  detail::read_floats(moments, "adamw.m", {layout.size()}, state.m.data());
  detail::read_floats(moments, "adamw.v", {layout.size()}, state.v.data());
  state.steps = progress.steps;
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

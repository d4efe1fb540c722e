// verify_run: replays the first steps of a training run and compares bits: who has the data can check where a model
// comes from. It works because a run is a pure function of what its manifest names, whatever machine and threads.
#pragma once
#include <bert/train/finetune_run.h>
#include <bert/train/pretrain_run.h>

namespace bert::inline BERT_ABI {

struct VerifyOptions {
  std::filesystem::path checkpoint;           // a folder that a run has written
  std::uint64_t steps = 0;                    // to replay
  std::vector<std::filesystem::path> corpus;  // what a pre-training run has read, or …
  std::filesystem::path train;                // … a fine-tuning run
  std::filesystem::path model;                // the checkpoint it started from; empty: from none
  int threads = 0;
  const KernelTable<float>* kernels = nullptr;  // null: default_kernels()
};

struct VerifyResult {
  std::uint64_t replayed = 0;  // steps: those asked for, or all that the run has
  std::uint64_t compared = 0;  // steps whose losses were compared: the last of which the checkpoint keeps a hash
  bool weights = false;        // whether the weights were compared: after all steps, where the checkpoint has float32
  std::string difference;      // empty: the same bits
};

/// Replays the run that wrote the checkpoint. Errors: data, parent, tokenizer or configuration that are not those of
/// the run, named; as pretrain() and finetune().
VerifyResult verify_run(const VerifyOptions& options);

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <bert/io/temporary_folder.h>

#include <algorithm>

namespace bert::inline BERT_ABI {

namespace detail {

/// Sets what both kinds of runs have, and has the run stop after so many steps.
template <class RunOptions>
void replay_options(const VerifyOptions& options, const Json& run, const std::filesystem::path& output,
                    std::uint64_t steps, RunOptions& replay) {
  options_of_run(run, replay);
  const Json* const parent = run.find("parent");
  const bool from_parent = parent && parent->is(Json::Kind::string);
  if (from_parent == options.model.empty())
    fail("the run of \"", options.checkpoint.string(), "\" started from ",
         from_parent ? concat("a checkpoint, the parent ", parent->text, ": say where it is") : "no other model");
  replay.model = options.model;
  if (!from_parent) replay.config = options.checkpoint / "config.json", replay.tokenizer = options.checkpoint;
  replay.output = output, replay.threads = options.threads, replay.kernels = options.kernels;
  replay.report_every = replay.save_every = 0;
  replay.started = [&](const std::string& manifest) {
    const std::string difference = manifest_difference(run, parse_json(manifest, "the manifest"));
    if (!difference.empty()) fail("this is not what \"", options.checkpoint.string(), "\" was made of: ", difference);
  };
  replay.stop = [steps, taken = std::uint64_t{0}]() mutable { return ++taken == steps; };
}

/// The first tensor whose bytes differ in two model files, or that one of them alone has; empty: none.
inline std::string tensor_difference(const SafetensorsFile& mine, const SafetensorsFile& other) {
  for (const TensorRef& tensor : mine.tensors()) {
    const TensorRef* const twin = other.find(tensor.name);
    if (!twin || !std::ranges::equal(tensor.bytes, twin->bytes)) return tensor.name;
  }
  for (const TensorRef& tensor : other.tensors())
    if (!mine.find(tensor.name)) return tensor.name;
  return {};
}

inline bool has_float32(const SafetensorsFile& file) {
  return std::ranges::all_of(file.tensors(), [](const TensorRef& tensor) { return tensor.dtype == DType::F32; });
}

inline void compare_runs(const std::filesystem::path& checkpoint, const std::filesystem::path& replayed,
                         const RunProgress& before, VerifyResult& result) {
  RunProgress now;
  read_manifest(replayed, now);
  result.replayed = now.steps;
  const auto both = [&](std::uint64_t step, const std::string& mine, const std::string& other) {
    result.compared = step;
    if (mine != other && result.difference.empty()) result.difference = concat("the losses differ by step ", step);
  };
  for (const auto& [step, curve] : before.marks)
    for (const auto& [mine, other] : now.marks)
      if (mine == step) both(step, curve, other);
  if (now.steps != before.steps) return;
  both(now.steps, before.loss_curve, now.loss_curve);
  const SafetensorsFile mine(checkpoint / "model.safetensors"), other(replayed / "model.safetensors");
  result.weights = has_float32(mine);
  if (const std::string name = result.weights ? tensor_difference(mine, other) : ""; !name.empty())
    if (result.difference.empty()) result.difference = concat("the weights differ, in ", name);
}

}  // namespace detail

BERT_INLINE VerifyResult verify_run(const VerifyOptions& options) {
  RunProgress before;
  const Json manifest = read_manifest(options.checkpoint, before);
  const Json& run = *manifest.find("run");
  const std::uint64_t steps = std::min(options.steps, before.steps);
  if (steps == 0) fail("there is no step to replay");
  const TemporaryFolder scratch;
  const std::filesystem::path output = scratch.path() / "replay";
  const Json* const task = run.find("task");
  if ((task != nullptr) != options.corpus.empty() || (task != nullptr) == options.train.empty())
    fail("\"", options.checkpoint.string(), "\" comes from ", task ? "fine-tuning" : "pre-training", ": say where its ",
         task ? "training data" : "corpus", " is");
  if (task) {
    FinetuneOptions replay;
    detail::replay_options(options, run, output, steps, replay);
    replay.train = options.train;
    finetune(replay);
  } else {
    PretrainRunOptions replay;
    detail::replay_options(options, run, output, steps, replay);
    replay.corpus = options.corpus;
    pretrain(replay);
  }
  VerifyResult result;
  detail::compare_runs(options.checkpoint, output, before, result);
  return result;
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

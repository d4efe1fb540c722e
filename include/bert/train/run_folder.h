// RunFolder: the folder of a training run: its checkpoint (checkpoint.h), its manifest, metrics.jsonl and loss.svg.
#pragma once
#include <bert/train/checkpoint.h>
#include <bert/train/loss_plot.h>
#include <bert/train/run_start.h>

#include <chrono>
#include <fstream>

namespace bert::inline BERT_ABI {

class RunFolder {
 public:
  /// Error when the folder holds a model already and the run is not to go on with it.
  RunFolder(std::filesystem::path folder, bool resume);

  const std::filesystem::path& path() const { return path_; }
  const RunProgress& progress() const { return progress_; }
  /// Counts a step.
  void take(std::uint64_t step, std::uint64_t tokens, const std::string& loss_curve) {
    progress_.take(step, tokens, loss_curve), tokens_here_ += tokens;
  }
  /// Of the steps since open_metrics().
  double tokens_per_second() const {
    return static_cast<double>(tokens_here_) / std::chrono::duration<double>(Clock::now() - opened_).count();
  }

  /// Takes the checkpoint's parameters, moments and progress, where there is one. `manifest` says what the run is made
  /// of now; Error naming the first thing that was otherwise before.
  void go_on(const std::string& manifest, const ParameterLayout& layout, std::span<float> values,
             AdamWState<float>& state);

  /// Makes metrics.jsonl ready and returns its lines: those of steps that the checkpoint does not have are dropped
  /// (they will come again), as is one that was cut off.
  const std::vector<std::string>& open_metrics();
  /// Appends a line that begins with {"step":N. Error when it cannot be written.
  void add_metrics(const std::string& line);
  /// Draws all lines so far.
  void draw(const std::string& title);

 private:
  using Clock = std::chrono::steady_clock;

  std::filesystem::path path_;
  bool resume_;
  RunProgress progress_;
  std::uint64_t tokens_here_ = 0;  // of this process's steps
  Clock::time_point opened_;
  std::ofstream metrics_;
  std::vector<std::string> lines_;  // of metrics.jsonl
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <charconv>

namespace bert::inline BERT_ABI {

BERT_INLINE RunFolder::RunFolder(std::filesystem::path folder, bool resume)
    : path_(std::move(folder)), resume_(resume) {
  if (has_checkpoint(path_) && !resume)
    fail("\"", path_.string(), "\" holds a model already: go on with it (resume) or choose another folder");
}

BERT_INLINE void RunFolder::go_on(const std::string& manifest, const ParameterLayout& layout, std::span<float> values,
                                  AdamWState<float>& state) {
  if (!resume_ || !has_checkpoint(path_)) return;
  const Json whole = read_manifest(path_, progress_);
  const std::string difference = manifest_difference(*whole.find("run"), parse_json(manifest, "the manifest"));
  if (!difference.empty()) fail("cannot go on with the run in \"", path_.string(), "\": ", difference);
  load_checkpoint(path_, layout, values, state);
  remove_old_states(path_, progress_.steps);
}

BERT_INLINE const std::vector<std::string>& RunFolder::open_metrics() {
  const std::filesystem::path path = path_ / "metrics.jsonl";
  lines_.clear();
  std::ifstream before(path);
  for (std::string line; progress_.steps > 0 && std::getline(before, line);) {
    std::uint64_t step = 0;
    const std::string_view start = "{\"step\":";
    if (!line.starts_with(start) || !line.ends_with('}')) continue;
    std::from_chars(line.data() + start.size(), line.data() + line.size(), step);
    if (step <= progress_.steps) lines_.push_back(line);
  }
  OutputFile file(path);
  for (const std::string& line : lines_) file.write(line + "\n");
  file.commit();
  metrics_.open(path, std::ios::app);
  if (!metrics_) fail("cannot write \"", path.string(), "\"");
  opened_ = Clock::now();
  return lines_;
}

BERT_INLINE void RunFolder::add_metrics(const std::string& line) {
  lines_.push_back(line);
  metrics_ << line << std::endl;
  if (!metrics_) fail("cannot write \"", (path_ / "metrics.jsonl").string(), "\"");
}

BERT_INLINE void RunFolder::draw(const std::string& title) {
  OutputFile file(path_ / "loss.svg");
  file.write(loss_plot(title, loss_curves(lines_)));
  file.commit();
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

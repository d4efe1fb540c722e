// PretrainRun: a pre-training run from corpus to checkpoint: `bert pretrain` as a function.
//
// A run lives in a folder (run_folder.h): the checkpoint, the tokenised corpus, and metrics.jsonl, a line a report. It
// goes on from the folder's checkpoint as if it had never stopped: the manifest there says what the run is made of, and
// a run with another corpus, tokenizer, seed or hyper-parameter is refused.
#pragma once
#include <bert/io/text_file.h>
#include <bert/io/tokenizer_files.h>
#include <bert/train/corpus_builder.h>
#include <bert/train/pretraining.h>
#include <bert/train/pretraining_data.h>
#include <bert/train/run_folder.h>

namespace bert::inline BERT_ABI {

/// What a report says; losses are means since the report before.
struct RunReport {
  std::uint64_t step = 0, steps = 0;  // taken, and of the whole run
  PretrainingLoss loss;
  double rate = 0;
  std::uint64_t tokens = 0;  // of the run so far
  double tokens_per_second = 0;
  bool dev = false;  // losses of the dev text, not of training
};

struct PretrainRunOptions {
  std::vector<std::filesystem::path> corpus;
  std::filesystem::path output;
  std::filesystem::path config, tokenizer;  // of a new model, or …
  std::filesystem::path model;              // … a checkpoint to start from
  std::filesystem::path dev;                // a text to evaluate on, or empty
  TrainOptions training;                    // training.rate.steps: of the run
  std::size_t seq_len = 128;
  PretrainingObjective objective = PretrainingObjective::bert;
  std::uint64_t report_every = 10, save_every = 500, eval_every = 500;
  std::size_t dev_sequences = 512;
  bool resume = false;
  int threads = 0;
  const KernelTable<float>* kernels = nullptr;  // null: default_kernels()
  std::function<void(const RunReport&)> report = {};
  std::function<void(const CorpusCounts&)> tokenizing = {};
  std::function<bool()> stop = {};  // asked after every step; true: write a checkpoint and return
};

/// Runs, or goes on, until the last step or until it is stopped. Returns the steps taken. Errors: see Pretrainer,
/// save_checkpoint, Corpus; a folder that holds a run already, without `resume`; one whose run is another, with it.
std::uint64_t pretrain(const PretrainRunOptions& options);

/// The options that an existing run's manifest says, put in place of those of `options` that are part of it. For who
/// goes on with a run and does not want to repeat them.
void options_of_run(const Json& manifest, PretrainRunOptions& options);

/// A report as the line of JSON that metrics.jsonl holds.
std::string report_json(const RunReport& report);

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <bert/io/provenance.h>

#include <chrono>

namespace bert::inline BERT_ABI {

namespace detail {

class PretrainRun {
 public:
  explicit PretrainRun(const PretrainRunOptions& options)
      : options_(options),
        folder_(options.output, options.resume),
        threads_(options.threads),
        kernels_(options.kernels ? options.kernels : &default_kernels<float>()) {
    if (options.training.rate.steps == 0) fail("a run needs at least one step");
    if (options.corpus.empty()) fail("a run needs a corpus to train on");
    files_ = read_tokenizer_files(options.model.empty() ? options.tokenizer : options.model);
    tokenizer_.emplace(load_tokenizer(files_));
    if (!options.model.empty()) parent_.emplace(Checkpoint::open(options.model));
    const BertHeads heads{.mlm = true, .nsp = options.objective == PretrainingObjective::bert};
    const std::uint64_t seed = options.training.seed;
    if (parent_) {
      model_.emplace(*parent_, heads, seed, BertConfig::from(parent_->config()).initializer_range, *kernels_);
    } else {
      const BertConfig config =
          BertConfig::from(ConfigReader(read_text(options.config), concat('"', options.config.string(), '"')));
      model_.emplace(config, heads, seed, config.initializer_range, *kernels_);
    }
    check_sizes();
  }

  std::uint64_t run() {
    const char* const architecture =
        options_.objective == PretrainingObjective::bert ? "BertForPreTraining" : "BertForMaskedLM";
    save_run_files(options_.output, config_json(model_->config(), architecture), files_);
    corpus_.emplace(open_corpus(options_.corpus, "corpus.cache"));
    manifest_ = manifest();
    data_.emplace(*corpus_, *tokenizer_, data_options(options_.training.seed));
    trainer_.emplace(
        *model_, options_.training,
        [this](std::uint64_t first, std::size_t count) { return data_->sequences(first, count); }, threads_);
    folder_.go_on(manifest_, model_->layout(), model_->values(), trainer_->state());
    trainer_->set_loss_curve(folder_.progress().loss_curve);
    folder_.open_metrics();
    return steps();
  }

 private:
  void check_sizes() const {
    const BertConfig& config = model_->config();
    if (tokenizer_->vocab_size() > config.vocab_size)
      fail("the tokenizer has ", tokenizer_->vocab_size(), " tokens, vocab_size in the model's config is ",
           config.vocab_size);
    if (options_.seq_len > config.max_position_embeddings)
      fail("sequences of ", options_.seq_len, " tokens do not fit a model with max_position_embeddings ",
           config.max_position_embeddings);
  }

  Corpus open_corpus(const std::vector<std::filesystem::path>& files, const char* cache) const {
    CorpusOptions options;
    options.threads = options_.threads, options.progress = options_.tokenizing;
    return load_corpus<TextReader>(files, *tokenizer_, options_.output / cache, options);
  }
  PretrainingOptions data_options(std::uint64_t seed) const {
    PretrainingOptions options;
    options.objective = options_.objective, options.seq_len = options_.seq_len, options.seed = seed;
    options.batch_size = options_.training.batch;
    return options;
  }

  /// What the run is made of: equal manifests, equal bits.
  std::string manifest() const {
    const TrainOptions& training = options_.training;
    constexpr const char* shapes[] = {"constant", "linear", "cosine"};
    std::string corpus;
    for (const std::string& hash : corpus_->identity().files_sha256)
      corpus += concat(corpus.empty() ? "" : ",", quote_json(hash));
    return concat(
        "{\"objective\":", options_.objective == PretrainingObjective::bert ? "\"bert\"" : "\"mlm\"",
        ",\"corpus_sha256\":[", corpus, "],\"tokenizer_sha256\":", quote_json(corpus_->identity().tokenizer_sha256),
        ",\"parent\":", parent_ ? quote_json(parent_->tensor_digest()) : "null",
        ",\"config_sha256\":", quote_json(sha256_hex(config_json(model_->config(), ""))), ",\"seed\":", training.seed,
        ",\"steps\":", training.rate.steps, ",\"batch\":", training.batch, ",\"shard\":", training.shard,
        ",\"seq_len\":", options_.seq_len, ",\"lr\":", training.rate.peak, ",\"warmup\":", training.rate.warmup,
        ",\"schedule\":", quote_json(shapes[static_cast<int>(training.rate.shape)]),
        ",\"weight_decay\":", training.adamw.weight_decay, ",\"beta1\":", training.adamw.beta1,
        ",\"beta2\":", training.adamw.beta2, ",\"eps\":", training.adamw.eps, ",\"clip\":", training.adamw.clip,
        ",\"numerics_version\":", numerics_version, "}");
  }

  std::uint64_t steps() {
    using Clock = std::chrono::steady_clock;
    const Clock::time_point start = Clock::now();
    std::uint64_t tokens = 0;
    RunReport report;
    report.steps = options_.training.rate.steps;
    while (trainer_->state().steps < report.steps) {
      const StepReport<PretrainingLoss> step = trainer_->step();
      tokens += step.tokens, folder_.progress().tokens += step.tokens, folder_.progress().steps = step.step;
      report.loss.add(step.loss);
      const bool last = step.step == report.steps, stopped = options_.stop && options_.stop();
      const auto due = [&](std::uint64_t every) { return last || (every > 0 && step.step % every == 0); };
      if (due(options_.report_every) || stopped) {
        report.step = step.step, report.rate = step.rate, report.tokens = folder_.progress().tokens;
        report.tokens_per_second =
            static_cast<double>(tokens) / std::chrono::duration<double>(Clock::now() - start).count();
        give(report);
        report.loss = {};
      }
      if (!options_.dev.empty() && due(options_.eval_every)) evaluate(report);
      if (due(options_.save_every) || stopped) save();
      if (stopped) break;
    }
    return trainer_->state().steps;
  }

  void evaluate(RunReport report) {
    if (dev_.empty()) {
      dev_corpus_.emplace(open_corpus({options_.dev}, "dev.cache"));
      const PretrainingData data(*dev_corpus_, *tokenizer_, data_options(0));  // the same sequences for every run
      for (std::size_t done = 0; done < options_.dev_sequences; done += 16)
        dev_.push_back(data.sequences(done, std::min<std::size_t>(16, options_.dev_sequences - done)));
    }
    report.loss = trainer_->evaluate(dev_);
    report.dev = true;
    give(report);
  }

  void give(const RunReport& report) {
    folder_.add_metrics(report_json(report));
    if (options_.report) options_.report(report);
  }

  void save() {
    folder_.progress().loss_curve = trainer_->loss_curve();
    save_checkpoint(options_.output, model_->layout(), std::as_const(*model_).values(), trainer_->state(),
                    folder_.progress(), manifest_);
    folder_.draw("Pre-training: mean loss of masked words and next sentences");
  }

  const PretrainRunOptions& options_;
  RunFolder folder_;
  Threads threads_;
  const KernelTable<float>* kernels_;
  TokenizerFiles files_;
  std::optional<Tokenizer> tokenizer_;
  std::optional<Checkpoint> parent_;
  std::optional<TrainableBert<float>> model_;
  std::optional<Corpus> corpus_, dev_corpus_;
  std::optional<PretrainingData> data_;
  std::optional<Pretrainer<float>> trainer_;
  std::vector<PretrainingBatch> dev_;
  std::string manifest_;
};
}  // namespace detail

BERT_INLINE std::uint64_t pretrain(const PretrainRunOptions& options) { return detail::PretrainRun(options).run(); }

BERT_INLINE std::string report_json(const RunReport& report) {
  const std::string losses =
      concat(report.dev ? "\"dev_loss\":" : "\"loss\":", report.loss.total(), ",\"mlm_loss\":", report.loss.mlm.mean(),
             report.dev ? concat(",\"mlm_accuracy\":", report.loss.mlm.accuracy()) : "",
             report.loss.nsp.count
                 ? concat(",\"nsp_loss\":", report.loss.nsp.mean(), ",\"nsp_accuracy\":", report.loss.nsp.accuracy())
                 : "");
  if (report.dev) return concat("{\"step\":", report.step, ",", losses, "}");
  return concat("{\"step\":", report.step, ",", losses, ",\"lr\":", report.rate, ",\"tokens\":", report.tokens,
                ",\"tokens_per_s\":", static_cast<std::uint64_t>(report.tokens_per_second), "}");
}

BERT_INLINE void options_of_run(const Json& manifest, PretrainRunOptions& options) {
  const auto read = [&](const char* key, auto& out) {
    if (const Json* const value = manifest.find(key)) value->to(out);
  };
  TrainOptions& training = options.training;
  read("seed", training.seed), read("steps", training.rate.steps), read("batch", training.batch);
  read("shard", training.shard), read("seq_len", options.seq_len), read("lr", training.rate.peak);
  read("warmup", training.rate.warmup), read("weight_decay", training.adamw.weight_decay);
  read("beta1", training.adamw.beta1), read("beta2", training.adamw.beta2), read("eps", training.adamw.eps);
  read("clip", training.adamw.clip);
  if (const Json* const shape = manifest.find("schedule"))
    training.rate.shape = shape->text == "constant" ? LearningRate::Shape::constant
                          : shape->text == "cosine" ? LearningRate::Shape::cosine
                                                    : LearningRate::Shape::linear;
  if (const Json* const objective = manifest.find("objective"))
    options.objective = objective->text == "mlm" ? PretrainingObjective::mlm : PretrainingObjective::bert;
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

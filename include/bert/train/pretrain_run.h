// PretrainRun: a pre-training run from corpus to checkpoint: `bert pretrain` as a function.
//
// A run lives in a folder (run_folder.h): the checkpoint, the tokenised corpus, and metrics.jsonl, a line a report. It
// goes on from the folder's checkpoint as if it had never stopped: the manifest there says what the run is made of, and
// a run with another corpus, tokenizer, seed or hyper-parameter is refused.
#pragma once
#include <bert/io/text_file.h>
#include <bert/train/causal.h>
#include <bert/train/corpus_builder.h>
#include <bert/train/decoder_config.h>
#include <bert/train/pretraining_data.h>
#include <bert/train/run_folder.h>
#include <bert/train/run_start.h>

namespace bert::inline BERT_ABI {

/// What a report says; losses are means since the report before.
struct RunReport {
  std::uint64_t step = 0, steps = 0;  // taken, and of the whole run
  PretrainingLoss loss;
  double rate = 0;
  std::uint64_t tokens = 0;  // of the run so far
  double tokens_per_second = 0;
  bool dev = false;  // losses of the dev text, not of training
  PretrainingObjective objective = PretrainingObjective::bert;
};

struct PretrainRunOptions {
  std::vector<std::filesystem::path> corpus;
  std::filesystem::path output;
  std::filesystem::path config, tokenizer;  // of a new model, or …
  std::filesystem::path model;              // … a checkpoint to start from
  std::filesystem::path dev;                // a text to evaluate on, or empty
  TrainOptions training;                    // training.rate.steps: of the run
  std::size_t seq_len = 128;
  // Of training; the dev text is always scored with these:
  double mask_prob = PretrainingOptions{}.mask_prob, short_seq_prob = PretrainingOptions{}.short_seq_prob;
  std::optional<PretrainingObjective> objective = {};  // not said: the one of the model's family
  std::uint64_t report_every = 10, save_every = 500, eval_every = 500;
  std::size_t dev_sequences = 512;
  bool resume = false;
  int threads = 0;
  const KernelTable<float>* kernels = nullptr;  // null: default_kernels()
  std::function<void(const RunReport&)> report = {};
  std::function<void(const CorpusCounts&)> tokenizing = {};
  std::function<void(const std::string& manifest)> started = {};  // before the first step; may throw
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

namespace bert::inline BERT_ABI {

namespace detail {

/// What runs of encoders and of causal models do differently.
inline BertHeads heads_of(PretrainingObjective objective, const BertConfig&) {
  return {.mlm = true, .nsp = objective == PretrainingObjective::bert};
}
inline DecoderHeads heads_of(PretrainingObjective, const DecoderConfig&) { return {}; }

inline std::string run_config(PretrainingObjective objective, const RunStart&, const BertConfig& config) {
  return config_json(config, objective == PretrainingObjective::bert ? "ForPreTraining" : "ForMaskedLM");
}
inline std::string run_config(PretrainingObjective, const RunStart& start, const DecoderConfig& config) {
  return decoder_run_config(start.config_text(), config.model_type == "gpt2" ? "GPT2LMHeadModel" : "LlamaForCausalLM");
}

inline void set_text_ends(const BertConfig&, PretrainingOptions&) {}
inline void set_text_ends(const DecoderConfig& config, PretrainingOptions& options) {
  options.bos = config.bos_token_id, options.eos = config.eos_token_id;
}

/// The objective of a family's models; Error when another one is asked for that it cannot be trained on.
inline PretrainingObjective objective_of(const RunStart& start, std::optional<PretrainingObjective> asked) {
  const bool causal = trainable_decoder(start.model_type()) != nullptr;
  if (asked && causal != (*asked == PretrainingObjective::causal))
    fail("the objective ", name(*asked), " is not for a model of the type ", start.model_type(),
         causal ? ": causal models are trained on the next token (causal)" : ": encoders are trained on bert or mlm");
  if (asked == PretrainingObjective::bert && start.model_type() == "roberta")
    fail("roberta has no head for next sentences: its objective is mlm");
  if (asked) return *asked;
  if (causal) return PretrainingObjective::causal;
  return start.model_type() == "roberta" ? PretrainingObjective::mlm : PretrainingObjective::bert;
}

/// Error for an option that the objective does not read.
inline void check_unread(PretrainingObjective objective, const PretrainRunOptions& options) {
  const PretrainingOptions usual;
  if (objective == PretrainingObjective::causal && options.mask_prob != usual.mask_prob)
    fail("mask_prob is ", options.mask_prob, ", but the objective causal hides no words");
  if (objective != PretrainingObjective::bert && options.short_seq_prob != usual.short_seq_prob)
    fail("short_seq_prob is ", options.short_seq_prob, ", but the objective ", name(objective), " makes no pairs");
}

/// Pass: PretrainingPass or CausalPass.
template <class Pass>
class PretrainRun {
 public:
  using Model = typename Pass::Model;

  PretrainRun(const PretrainRunOptions& options, const RunStart& start)
      : options_(options),
        folder_(options.output, options.resume),
        threads_(options.threads),
        kernels_(options.kernels ? options.kernels : &default_kernels<float>()),
        start_(start),
        objective_(objective_of(start, options.objective)) {
    if (options.training.rate.steps == 0) fail("a run needs at least one step");
    if (options.corpus.empty()) fail("a run needs a corpus to train on");
    check_unread(objective_, options);
    const auto config = start_.config<Model>();
    model_.emplace(
        start_.model<Model>(heads_of(objective_, config), options.seq_len, options.training.seed, *kernels_));
    config_text_ = run_config(objective_, start_, config);
  }

  std::uint64_t run() {
    const CorpusIdentity identity = identity_of(options_.corpus);
    manifest_ = manifest(identity);
    trainer_.emplace(
        *model_, options_.training,
        [this](std::uint64_t first, std::size_t count) { return data_->sequences(first, count); }, threads_);
    folder_.go_on(manifest_, model_->layout(), model_->values(),
                  trainer_->state());  // or a refusal: nothing is written
    save_run_files(options_.output, config_text_, start_.files());
    corpus_.emplace(open_corpus(options_.corpus, identity, "corpus.cache"));
    PretrainingOptions data = data_options(options_.training.seed);
    data.mask_prob = options_.mask_prob, data.short_seq_prob = options_.short_seq_prob;
    data_.emplace(*corpus_, start_.tokenizer(), data);
    trainer_->set_loss_curve(folder_.progress().loss_curve);
    folder_.open_metrics();
    if (options_.started) options_.started(manifest_);
    return steps();
  }

 private:
  CorpusIdentity identity_of(const std::vector<std::filesystem::path>& files) const {
    const CorpusOptions options = CorpusOptions::for_training(causal());
    return corpus_identity(files, start_.tokenizer(), options.split_sentences, options.line_ends);
  }
  Corpus open_corpus(const std::vector<std::filesystem::path>& files, const CorpusIdentity& identity,
                     const char* cache) const {
    CorpusOptions options = CorpusOptions::for_training(causal());
    options.threads = options_.threads, options.progress = options_.tokenizing;
    return load_corpus<TextReader>(files, start_.tokenizer(), options_.output / cache, options, identity);
  }
  bool causal() const { return objective_ == PretrainingObjective::causal; }
  PretrainingOptions data_options(std::uint64_t seed) const {
    PretrainingOptions options;
    options.objective = objective_, options.seq_len = options_.seq_len, options.seed = seed;
    options.batch_size = options_.training.batch;
    set_text_ends(model_->config(), options);
    return options;
  }

  /// What the run is made of: equal manifests, equal bits.
  std::string manifest(const CorpusIdentity& identity) const {
    std::string corpus;
    for (const std::string& hash : identity.files_sha256) corpus += concat(corpus.empty() ? "" : ",", quote_json(hash));
    return concat("{\"objective\":", quote_json(std::string(name(objective_))), ",\"corpus_sha256\":[", corpus,
                  "],\"tokenizer_sha256\":", quote_json(identity.tokenizer_sha256),
                  ",\"parent\":", start_.parent_json(), ",\"config_sha256\":", quote_json(config_sha256()),
                  ",\"seq_len\":", options_.seq_len, ",\"mask_prob\":", options_.mask_prob,
                  ",\"short_seq_prob\":", options_.short_seq_prob, ",", training_json(options_.training),
                  ",\"numerics_version\":", numerics_version, "}");
  }

  /// Of an encoder's config the objective is no part, as it was before causal models came.
  std::string config_sha256() const {
    if constexpr (std::is_same_v<typename Model::Config, BertConfig>)
      return sha256_hex(config_json(model_->config(), ""));
    return sha256_hex(config_text_);
  }

  std::uint64_t steps() {
    RunReport report;
    report.objective = objective_;
    report.steps = options_.training.rate.steps;
    while (trainer_->state().steps < report.steps) {
      const StepReport<PretrainingLoss> step = trainer_->step();
      folder_.take(step.step, step.tokens, trainer_->loss_curve());
      report.loss.add(step.loss);
      const bool last = step.step == report.steps, stopped = options_.stop && options_.stop();
      const auto due = [&](std::uint64_t every) { return last || (every > 0 && step.step % every == 0); };
      if (due(options_.report_every) || stopped) {
        report.step = step.step, report.rate = step.rate, report.tokens = folder_.progress().tokens;
        report.tokens_per_second = folder_.tokens_per_second();
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
      dev_corpus_.emplace(open_corpus({options_.dev}, identity_of({options_.dev}), "dev.cache"));
      const PretrainingData data(*dev_corpus_, start_.tokenizer(),
                                 data_options(0));  // the same sequences for every run
      const std::size_t at_once = std::min<std::size_t>(16, options_.training.shard);  // memory is what a shard takes
      for (std::size_t done = 0; done < options_.dev_sequences; done += at_once)
        dev_.push_back(data.sequences(done, std::min(at_once, options_.dev_sequences - done)));
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
    save_checkpoint(options_.output, model_->layout(), std::as_const(*model_).values(), trainer_->state(),
                    folder_.progress(), manifest_);
    folder_.draw(causal() ? "Pre-training: mean loss of next tokens"
                          : "Pre-training: mean loss of masked words and next sentences");
  }

  const PretrainRunOptions& options_;
  RunFolder folder_;
  Threads threads_;
  const KernelTable<float>* kernels_;
  const RunStart& start_;
  PretrainingObjective objective_;
  std::optional<Model> model_;
  std::optional<Corpus> corpus_, dev_corpus_;
  std::optional<PretrainingData> data_;
  std::optional<Trainer<Pass>> trainer_;
  std::vector<PretrainingBatch> dev_;
  std::string config_text_, manifest_;
};
}  // namespace detail

BERT_INLINE std::uint64_t pretrain(const PretrainRunOptions& options) {
  const RunStart start(options.model, options.config, options.tokenizer);
  if (trainable_decoder(start.model_type())) return detail::PretrainRun<CausalPass<float>>(options, start).run();
  return detail::PretrainRun<PretrainingPass<float>>(options, start).run();
}

BERT_INLINE std::string report_json(const RunReport& report) {
  const bool causal = report.objective == PretrainingObjective::causal;
  const std::string losses =
      concat(report.dev ? "\"dev_loss\":" : "\"loss\":", report.loss.total(),
             causal ? "" : concat(",\"mlm_loss\":", report.loss.mlm.mean()),
             report.dev ? concat(causal ? ",\"accuracy\":" : ",\"mlm_accuracy\":", report.loss.mlm.accuracy()) : "",
             report.loss.nsp.count
                 ? concat(",\"nsp_loss\":", report.loss.nsp.mean(), ",\"nsp_accuracy\":", report.loss.nsp.accuracy())
                 : "");
  if (report.dev) return concat("{\"step\":", report.step, ",", losses, "}");
  return concat("{\"step\":", report.step, ",", losses, ",\"lr\":", report.rate, ",\"tokens\":", report.tokens,
                ",\"tokens_per_s\":", static_cast<std::uint64_t>(report.tokens_per_second), "}");
}

BERT_INLINE void options_of_run(const Json& manifest, PretrainRunOptions& options) {
  read_training(manifest, options.training);
  read_number(manifest, "seq_len", options.seq_len), read_number(manifest, "mask_prob", options.mask_prob);
  read_number(manifest, "short_seq_prob", options.short_seq_prob);
  if (const Json* const objective = manifest.find("objective")) options.objective = objective_by_name(objective->text);
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

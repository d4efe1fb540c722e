// FinetuneRun: fine-tuning from data files to checkpoint: `bert finetune` as a function, and `bert evaluate`.
//
// A run lives in a folder as a pre-training run does (run_folder.h), and goes on as one does. The model of the epoch
// with the best dev metric so far is kept in its subfolder `best`.
#pragma once
#include <bert/io/text_file.h>
#include <bert/train/run_folder.h>
#include <bert/train/run_start.h>
#include <bert/train/task_examples.h>

namespace bert::inline BERT_ABI {

/// What a report says: of steps, the mean loss since the report before; or the metrics of the dev data.
struct FinetuneReport {
  std::uint64_t step = 0, steps = 0;  // taken, and of the whole run
  double loss = 0, rate = 0;
  std::uint64_t tokens = 0;  // of the run so far
  double tokens_per_second = 0;
  TaskMetrics dev;  // empty: of steps
};

struct FinetuneOptions {
  Task task = Task::classify;
  std::filesystem::path train, dev;         // dev: may be empty
  std::filesystem::path model;              // a checkpoint to start from, or …
  std::filesystem::path config, tokenizer;  // … a new model
  std::filesystem::path output;
  TrainOptions training{16, 16, {5e-5, 0, 0, LearningRate::Shape::linear}, {}, 1};
  double epochs = 3, warmup = 0.1;  // where training.rate.steps is 0: they and their part of warm-up
  std::size_t limit = 0;            // examples of the training file, chosen by the seed; 0: all
  std::size_t patience = 0;         // stop after so many evaluations without a better dev metric; 0: never
  FeatureOptions features;
  std::uint64_t report_every = 10, save_every = 500;
  bool resume = false;
  int threads = 0;
  const KernelTable<float>* kernels = nullptr;
  std::function<void(const FinetuneReport&)> report = {};
  std::function<void(const std::string& manifest)> started = {};  // before the first step; may throw
  std::function<bool()> stop = {};
};

struct FinetuneResult {
  std::uint64_t steps = 0, best_step = 0;
  TaskMetrics last, best;  // empty without dev data
};

/// Fine-tunes. Errors as pretrain(), TaskExamples.
FinetuneResult finetune(const FinetuneOptions& options);

/// The options that an existing run's manifest says, put in place of those of `options`. Its data are not among them.
void options_of_run(const Json& manifest, FinetuneOptions& options);

/// The metric of a fine-tuned model on a data file. Labels are the model's id2label.
TaskMetrics evaluate_task(Task task, const std::filesystem::path& data, const std::filesystem::path& model,
                          FeatureOptions features, int threads, const KernelTable<float>& kernels);

/// {"accuracy":0.8}
std::string metrics_json(const TaskMetrics& metrics);
/// A report as the line of JSON that metrics.jsonl holds: {"step","loss","lr","tokens","tokens_per_s"} or
/// {"step","dev_…"}.
std::string report_json(const FinetuneReport& report);

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <bert/io/provenance.h>

namespace bert::inline BERT_ABI {

namespace detail {

class FinetuneRun {
 public:
  explicit FinetuneRun(const FinetuneOptions& options)
      : options_(options),
        folder_(options.output, options.resume),
        threads_(options.threads),
        kernels_(options.kernels ? options.kernels : &default_kernels<float>()),
        start_(options.model, options.config, options.tokenizer),
        config_(start_.config<TrainableBert<float>>()) {
    train_text_ = read_lines<TextReader>(options.train);
    train_.emplace(options.task, train_text_, options.train.string(), start_.tokenizer(), options.features);
    if (!options.dev.empty()) {
      FeatureOptions features = options.features;
      if (train_->labels()) features.labels = *train_->labels();
      dev_.emplace(options.task, read_lines<TextReader>(options.dev), options.dev.string(), start_.tokenizer(),
                   features);
    }
    if (train_->labels()) config_.id2label = train_->labels()->names();
    choose_examples();
  }

  FinetuneResult run() {
    constexpr const char* architectures[] = {"ForSequenceClassification", "ForSequenceClassification",
                                             "ForTokenClassification", "ForQuestionAnswering", "Model"};
    config_text_ = config_json(config_, architectures[static_cast<int>(options_.task)]);
    model_.emplace(start_.model<TrainableBert<float>>(train_->heads(), options_.features.max_length,
                                                      options_.training.seed, *kernels_));
    TrainOptions training = options_.training;
    if (training.rate.steps == 0) {
      const double examples = options_.epochs * static_cast<double>(chosen_.size());
      training.rate.steps = static_cast<std::uint64_t>(examples / static_cast<double>(training.batch) + 0.999999);
      training.rate.warmup = static_cast<std::uint64_t>(options_.warmup * static_cast<double>(training.rate.steps));
    }
    if (training.rate.steps == 0) fail("a run needs at least one step");
    trainer_.emplace(
        *model_, training, [this](std::uint64_t first, std::size_t count) { return batch(first, count); }, threads_);
    const std::string manifest = manifest_of(training);
    folder_.go_on(manifest, model_->layout(), model_->values(), trainer_->state());  // or a refusal: nothing is written
    save_run_files(options_.output, config_text_, start_.files());
    trainer_->set_loss_curve(folder_.progress().loss_curve);
    for (const std::string& line : folder_.open_metrics()) recall(line);
    if (options_.started) options_.started(manifest);
    steps(training, manifest);
    return result_;
  }

 private:
  /// The first `limit` of all, in an order of the seed's.
  void choose_examples() {
    chosen_.resize(train_->size());
    for (std::size_t i = 0; i < chosen_.size(); ++i) chosen_[i] = i;
    if (options_.limit == 0 || options_.limit >= chosen_.size()) return;
    RandomStream random(Philox(options_.training.seed), 0, RandomSite::order, 0xffffffff);
    shuffle(chosen_.begin(), chosen_.size(), random);
    chosen_.resize(options_.limit);
  }

  /// Examples [first, first + count) of the run: every epoch takes all, in another order.
  TaskBatch batch(std::uint64_t first, std::size_t count) {
    std::vector<std::size_t> examples;
    std::vector<std::uint32_t> numbers;
    for (std::uint64_t i = first; i < first + count; ++i) {
      const std::uint64_t epoch = i / chosen_.size();
      if (order_.empty() || epoch != order_epoch_) {
        order_ = chosen_, order_epoch_ = epoch;
        RandomStream random(Philox(options_.training.seed), static_cast<std::uint32_t>(epoch), RandomSite::order, 0);
        shuffle(order_.begin(), order_.size(), random);
      }
      examples.push_back(order_[i % chosen_.size()]);
      numbers.push_back(static_cast<std::uint32_t>(i));
    }
    return train_->batch(examples, numbers);
  }

  std::string manifest_of(const TrainOptions& training) const {
    return concat("{\"task\":", quote_json(name_of(options_.task)),
                  ",\"train_sha256\":", quote_json(sha256_hex(train_text_)),
                  ",\"tokenizer_sha256\":", quote_json(sha256_hex(start_.tokenizer().to_json())),
                  ",\"parent\":", start_.parent_json(), ",\"config_sha256\":", quote_json(sha256_hex(config_text_)),
                  ",", training_json(training), ",\"max_length\":", options_.features.max_length,
                  ",\"stride\":", options_.features.stride, ",\"limit\":", options_.limit,
                  ",\"numerics_version\":", numerics_version, "}");
  }

  void steps(const TrainOptions& training, const std::string& manifest) {
    const std::uint64_t epoch_steps = std::max<std::uint64_t>(1, chosen_.size() / training.batch);
    TaskLoss loss;
    bool stopped = false;
    while (trainer_->state().steps < training.rate.steps && !stopped) {
      const auto step = trainer_->step();
      folder_.take(step.step, step.tokens, trainer_->loss_curve());
      loss.add(step.loss);
      const bool last = step.step == training.rate.steps;
      stopped = options_.stop && options_.stop();
      const auto due = [&](std::uint64_t every) { return last || stopped || (every > 0 && step.step % every == 0); };
      if (due(options_.report_every)) {
        give({step.step,
              training.rate.steps,
              loss.total(),
              step.rate,
              folder_.progress().tokens,
              folder_.tokens_per_second(),
              {}});
        loss = {};
      }
      const bool evaluate = dev_ && (last || step.step % epoch_steps == 0);
      if (evaluate) stopped |= evaluate_dev(step.step, manifest);
      if (due(options_.save_every)) save(manifest);
    }
    result_.steps = trainer_->state().steps;
  }

  /// Takes the dev metrics of a run that goes on from its report.
  void recall(const std::string& line) {
    const Json json = parse_json(line, "metrics.jsonl");
    TaskMetrics metrics;
    std::uint64_t step = 0;
    for (const Json& member : json.members) {
      if (member.name == "step") member.to(step);
      if (double value = 0; member.name.starts_with("dev_") && member.to(value))
        metrics.emplace_back(member.name.substr(4), value);
    }
    if (!metrics.empty()) take(metrics, step);
  }
  /// Whether these are the best so far.
  bool take(const TaskMetrics& metrics, std::uint64_t step) {
    result_.last = metrics;
    const bool better = result_.best.empty() || metrics[0].second > result_.best[0].second;
    if (better) result_.best = metrics, result_.best_step = step;
    without_progress_ = better ? 0 : without_progress_ + 1;
    return better;
  }

  /// Whether the run has had enough.
  bool evaluate_dev(std::uint64_t step, const std::string& manifest) {
    const TaskMetrics metrics =
        dev_->evaluate([this](const TaskBatch& batch, const auto& look) { trainer_->predict(batch, look); });
    give({.step = step, .dev = metrics});
    if (take(metrics, step)) {
      save_run_files(options_.output / "best", config_text_, start_.files());
      save_model(options_.output / "best", model_->layout(), std::as_const(*model_).values(), folder_.progress(),
                 manifest);
    }
    return options_.patience > 0 && without_progress_ >= options_.patience;
  }

  void give(const FinetuneReport& report) {
    folder_.add_metrics(report_json(report));
    if (options_.report) options_.report(report);
  }
  void save(const std::string& manifest) {
    save_checkpoint(options_.output, model_->layout(), std::as_const(*model_).values(), trainer_->state(),
                    folder_.progress(), manifest);
    folder_.draw(concat("Fine-tuning: ", name_of(options_.task)));
  }

  const FinetuneOptions& options_;
  RunFolder folder_;
  Threads threads_;
  const KernelTable<float>* kernels_;
  RunStart start_;
  BertConfig config_;
  std::string train_text_, config_text_;
  std::optional<TaskExamples> train_, dev_;
  std::optional<TrainableBert<float>> model_;
  std::optional<Trainer<TaskPass<float>>> trainer_;
  std::vector<std::size_t> chosen_, order_;
  std::uint64_t order_epoch_ = 0;
  std::size_t without_progress_ = 0;
  FinetuneResult result_;
};
}  // namespace detail

BERT_INLINE FinetuneResult finetune(const FinetuneOptions& options) { return detail::FinetuneRun(options).run(); }

BERT_INLINE void options_of_run(const Json& manifest, FinetuneOptions& options) {
  read_training(manifest, options.training);
  if (const Json* const task = manifest.find("task")) options.task = task_by_name(task->text);
  read_number(manifest, "max_length", options.features.max_length);
  read_number(manifest, "stride", options.features.stride), read_number(manifest, "limit", options.limit);
}

BERT_INLINE TaskMetrics evaluate_task(Task task, const std::filesystem::path& data, const std::filesystem::path& model,
                                      FeatureOptions features, int threads, const KernelTable<float>& kernels) {
  const Checkpoint checkpoint = Checkpoint::open(model);
  const Tokenizer tokenizer = load_tokenizer(checkpoint);
  const BertConfig config = TrainableBert<float>::read_config(checkpoint.config());
  if (!config.id2label.empty()) features.labels.emplace(config.id2label);
  features.max_length = std::min(features.max_length, config.window());
  const TaskExamples examples(task, read_lines<TextReader>(data), data.string(), tokenizer, features);
  const BertHeads heads = examples.heads();
  const HeadNames& names = family_of(config).heads;
  const std::string needed = concat(heads.spans      ? names.spans
                                    : heads.tags > 0 ? names.tags
                                                     : names.classifier,
                                    ".weight");
  if (!heads.similarity && !checkpoint.find(needed))
    fail("\"", model.string(), "\" has no head for the task ", name_of(task), " (", needed, "): fine-tune it first");
  TrainableBert<float> trainable(checkpoint, heads, 0, config.initializer_range, kernels);
  Trainer<TaskPass<float>> trainer(trainable, {}, {}, Threads(threads));
  return examples.evaluate([&](const TaskBatch& batch, const auto& look) { trainer.predict(batch, look); });
}

BERT_INLINE std::string metrics_json(const TaskMetrics& metrics) {
  std::string text = "{";
  for (const auto& [name, value] : metrics) text += concat(text.size() > 1 ? "," : "", quote_json(name), ":", value);
  return text + "}";
}

BERT_INLINE std::string report_json(const FinetuneReport& report) {
  std::string text = concat("{\"step\":", report.step);
  for (const auto& [name, value] : report.dev) text += concat(",\"dev_", name, "\":", value);
  if (!report.dev.empty()) return text + "}";
  return text + concat(",\"loss\":", report.loss, ",\"lr\":", report.rate, ",\"tokens\":", report.tokens,
                       ",\"tokens_per_s\":", static_cast<std::uint64_t>(report.tokens_per_second), "}");
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

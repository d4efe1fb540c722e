// bert finetune: trains a model for a task on labelled data (bert/train/finetune_run.h); bert evaluate: how good it is.
#include <bert/io/temporary_folder.h>
#include <bert/train/decoder_parameters.h>
#include <bert/train/finetune_run.h>
#include <bert/train/pretraining_evaluation.h>

#include <charconv>
#include <cmath>

#include "training.h"

namespace bert::cli {
namespace {

struct FinetuneFlags {
  Common common;
  std::string task, train, dev, config, tokenizer, output;
  FinetuneOptions run;
};

/// {"step":10,"loss":0.5} as step 10  loss 0.5
std::string for_people(const std::string& line) {
  std::string text;
  for (const Json& member : parse_json(line, "a report").members) {
    char digits[32];
    double value = 0;
    member.to(value);
    const char* const end =
        std::to_chars(digits, digits + sizeof digits, value, std::chars_format::general, member.name == "step" ? 12 : 4)
            .ptr;
    text += concat(text.empty() ? "" : "  ", member.name, " ", std::string_view(digits, end));
  }
  return text;
}

void run_finetune(const FinetuneFlags& given) {
  FinetuneFlags flags = given;
  FinetuneOptions& options = flags.run;
  if (flags.common.model.empty() == (flags.config.empty() || flags.tokenizer.empty()))
    throw UsageError("say what to train: --model to start from one, or --config and --tokenizer for a new one");
  options.task = task_by_name(flags.task);
  options.train = flags.train, options.dev = flags.dev, options.output = flags.output;
  options.model = flags.common.model, options.config = flags.config, options.tokenizer = flags.tokenizer;
  options.threads = flags.common.threads;
  options.kernels = &cli::kernels(flags.common);
  options.training.precision = precision(flags.common).value_or(Precision::fp32);
  const TrainingBar bar(flags.common);
  options.report = [&](const FinetuneReport& report) {
    print(flags.common.json ? report_json(report) : for_people(report_json(report)));
    if (report.dev.empty()) bar.show(report, report.loss);
  };
  watch_interrupts();
  options.stop = interrupted;
  const FinetuneResult result = finetune(options);
  if (interrupted())
    throw Error(
        concat("interrupted after step ", result.steps, "; \"", flags.output, "\" holds it: go on with --resume"));
  if (result.best.empty() || flags.common.json) return;
  print(concat("best: step ", result.best_step, ", ", metrics_json(result.best), ", in ", flags.output, "/best"));
}

struct EvaluateFlags {
  Common common;
  std::string task, data;
  FeatureOptions features;
  PretrainingEvaluation pretraining;
};

/// Hidden words (mlm), next sentences (nsp) or next words (causal) of a text.
TaskMetrics evaluate_text(const EvaluateFlags& flags) {
  const bool causal = flags.task == "causal";
  const Checkpoint checkpoint = Checkpoint::open(model_path(flags.common));
  const Tokenizer tokenizer = load_tokenizer(checkpoint);
  const auto model = bert::open_model<float>(checkpoint, cli::kernels(flags.common), precision(flags.common),
                                             Threads(flags.common.threads));
  model->require(flags.task == "nsp" ? Head::next_sentence : Head::words);
  if (causal != model->continues())
    fail("--task ", flags.task, " is for ", causal ? "causal models" : "models that see a text from both sides",
         ", and \"", checkpoint.path().string(), "\" holds one of the type ", model->config().model_type);
  const TemporaryFolder folder;
  CorpusOptions options = CorpusOptions::for_training(causal);
  options.threads = flags.common.threads;
  const Corpus corpus = load_corpus<TextReader>({flags.data}, tokenizer, folder.path() / "corpus.cache", options);
  PretrainingEvaluation evaluation = flags.pretraining;
  evaluation.seq_len = flags.features.max_length, evaluation.threads = flags.common.threads;
  if (const DecoderFamily* const family = trainable_decoder(model->config().model_type)) {
    const DecoderConfig config = family->read_config(checkpoint.config());
    evaluation.bos = config.bos_token_id, evaluation.eos = config.eos_token_id;
  }
  const PretrainingScore score = evaluate_pretraining(*model, tokenizer, corpus, evaluation);
  if (flags.task == "nsp") return {{"accuracy", score.pairs_accuracy}};
  TaskMetrics metrics = {{"examples", static_cast<double>(score.words)}, {"loss", score.loss}};
  if (causal) metrics.push_back({"perplexity", std::exp(score.loss)});
  metrics.insert(metrics.end(), {{"accuracy", score.accuracy}, {"accuracy@5", score.accuracy_5}});
  return metrics;
}

void run_evaluate(const EvaluateFlags& flags) {
  const bool text = flags.task == "mlm" || flags.task == "nsp" || flags.task == "causal";
  if (flags.common.model.empty() && !text) throw UsageError("say what to evaluate: --model");
  if (!text && precision(flags.common).value_or(Precision::fp32) != Precision::fp32)
    throw UsageError(concat("--precision is for mlm, nsp and causal: --task ", flags.task, " is evaluated in float32"));
  const TaskMetrics metrics = text ? evaluate_text(flags)
                                   : evaluate_task(task_by_name(flags.task), flags.data, flags.common.model,
                                                   flags.features, flags.common.threads, cli::kernels(flags.common));
  if (flags.common.json) return print(metrics_json(metrics));
  Table table("lr");
  for (const auto& [name, value] : metrics) table.row({name, fixed(value, 4)});
  table.print();
}

}  // namespace

void add_finetune(CLI::App& app) {
  const auto flags = std::make_shared<FinetuneFlags>();
  FinetuneOptions& options = flags->run;
  CLI::App& command = add_command(app, "finetune", "train a model for a task on labelled data", flags, run_finetune);
  command.add_option("--task", flags->task, "classify, pair, tag, answer or similarity")->required();
  command.add_option("--train", flags->train, "data file: TSV, CSV, JSON lines, CoNLL or SQuAD; plain, .xz or .gz")
      ->required();
  command.add_option("--dev", flags->dev, "data to evaluate on after every epoch");
  command.add_option("--config", flags->config, "config.json of a new model");
  command.add_option("--tokenizer", flags->tokenizer, "folder with vocab.txt, for a new model");
  command.add_option("-o,--output", flags->output, "folder of the run; its subfolder best has the best model on --dev")
      ->required();
  command.add_option("--epochs", options.epochs, "times through the data (3)")->check(CLI::PositiveNumber);
  command.add_option("--batch", options.training.batch, "examples a step")->check(positive());
  command.add_option("--shard", options.training.shard, "examples whose gradients are computed at a time")
      ->check(positive());
  command.add_option("--lr", options.training.rate.peak, "highest learning rate");
  command.add_option("--warmup", options.warmup, "part of the steps until it is reached (0.1)")
      ->check(CLI::Range(0.0, 1.0));
  command.add_option("--weight-decay", options.training.adamw.weight_decay, "AdamW's, of matrices");
  command.add_option("--max-length", options.features.max_length, "most tokens of a sequence")->check(positive());
  command.add_option("--seed", options.training.seed, "of everything random")->check(whole_number(0));
  command.add_option("--limit", options.limit, "examples to train on, chosen by the seed; 0: all")
      ->check(whole_number(0));
  command.add_option("--patience", options.patience, "stop after so many epochs without a better metric; 0: never")
      ->check(whole_number(0));
  command.add_flag("--resume", options.resume, "go on with the run in the output folder");
}

void add_evaluate(CLI::App& app) {
  const auto flags = std::make_shared<EvaluateFlags>();
  CLI::App& command =
      add_command(app, "evaluate", "how good a model is on data that it has not seen", flags, run_evaluate);
  command
      .add_option("--task", flags->task,
                  "mlm, nsp or causal on a text; classify, pair, tag, answer or similarity on labelled data")
      ->required();
  command.add_option("--data", flags->data, "a text as for pretrain, or a data file as for finetune")->required();
  command.add_option("--seed", flags->pretraining.seed, "mlm, nsp, causal: of hidden words, pairs and places")
      ->check(whole_number(0));
  command
      .add_option("--limit", flags->pretraining.sequences,
                  "mlm, nsp, causal: sequences; 0: as many as fill the text once")
      ->check(whole_number(0));
  command.add_option("--max-length", flags->features.max_length, "most tokens of a sequence")->check(positive());
}

}  // namespace bert::cli

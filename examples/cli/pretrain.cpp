// bert pretrain: trains a model on a text (bert/train/pretrain_run.h).
#include <bert/train/pretrain_run.h>

#include "training.h"

namespace bert::cli {
namespace {

struct PretrainFlags {
  Common common;
  std::vector<std::string> corpus;
  std::string config, tokenizer, output, dev, objective, schedule = "linear";
  PretrainRunOptions run;
  std::map<std::string, CLI::Option*> given;  // flags that a run's manifest answers for where they are left out
};

void print_for_people(const RunReport& report) {
  const PretrainingLoss& loss = report.loss;
  std::string line = concat(
      "step ", report.step, report.dev ? "  dev loss " : "  loss ", fixed(loss.total(), 4),
      report.objective == PretrainingObjective::causal ? std::string() : concat("  mlm ", fixed(loss.mlm.mean(), 4)),
      " (", fixed(100 * loss.mlm.accuracy(), 1), " %)");
  if (loss.nsp.count > 0)
    line += concat("  nsp ", fixed(loss.nsp.mean(), 4), " (", fixed(100 * loss.nsp.accuracy(), 1), " %)");
  if (!report.dev) line += concat("  lr ", report.rate, "  ", fixed(report.tokens_per_second, 0), " tokens/s");
  print(line);
}

/// What a run's manifest says, but for the flags that were given: these stand, and must agree with it.
void take_from_manifest(PretrainFlags& flags) {
  RunProgress progress;
  const Json manifest = read_manifest(flags.output, progress);
  Json rest = *manifest.find("run");
  std::erase_if(rest.members, [&](const Json& member) {
    const auto at = flags.given.find(member.name);
    return at != flags.given.end() && at->second->count() > 0;
  });
  options_of_run(rest, flags.run);
}

void run(const PretrainFlags& given_flags) {
  PretrainFlags flags = given_flags;
  PretrainRunOptions& options = flags.run;
  if (flags.common.model.empty() == (flags.config.empty() && flags.tokenizer.empty()) ||
      (flags.common.model.empty() && (flags.config.empty() || flags.tokenizer.empty())))
    throw UsageError("say what to train: --config and --tokenizer for a new model, or --model to start from one");
  if (!flags.objective.empty()) options.objective = objective_by_name(flags.objective);
  options.training.rate.set_shape(flags.schedule);
  options.training.precision = precision(flags.common).value_or(Precision::fp32);
  options.output = flags.output;
  if (options.resume && has_checkpoint(options.output)) take_from_manifest(flags);
  options.corpus.assign(flags.corpus.begin(), flags.corpus.end());
  options.config = flags.config, options.tokenizer = flags.tokenizer, options.model = flags.common.model;
  options.dev = flags.dev, options.threads = flags.common.threads;
  options.kernels = &cli::kernels(flags.common);
  const TrainingBar bar(flags.common);
  options.report = [&](const RunReport& report) {
    flags.common.json ? print(report_json(report)) : print_for_people(report);
    if (!report.dev) bar.show(report, report.loss.total());
  };
  watch_interrupts();
  options.stop = interrupted;
  const std::uint64_t steps = pretrain(options);
  if (interrupted())
    throw Error(concat("interrupted after step ", steps, "; \"", flags.output, "\" holds it: go on with --resume"));
}

}  // namespace

void add_pretrain(CLI::App& app) {
  const auto flags = std::make_shared<PretrainFlags>();
  PretrainRunOptions& options = flags->run;
  options.training.rate = {5e-4, 100, 1000, LearningRate::Shape::linear};
  CLI::App& command = add_command(app, "pretrain", "train a model on a text", flags, run);
  command
      .add_option("--corpus", flags->corpus,
                  "text files, plain, .xz or .gz: a paragraph a line, a blank line between documents")
      ->required();
  command.add_option("--config", flags->config, "config.json of a new model");
  command.add_option("--tokenizer", flags->tokenizer, "folder with vocab.txt or the like, for a new model");
  command.add_option("-o,--output", flags->output, "folder of the run: the model and what training needs beside")
      ->required();
  command.add_option("--dev", flags->dev, "text to evaluate on");
  auto& given = flags->given;
  given["objective"] =
      command
          .add_option("--objective", flags->objective,
                      "bert (masked words and next sentences), mlm or causal (next words); default: the model family's")
          ->check(CLI::IsMember({"bert", "mlm", "causal"}));
  given["steps"] = command.add_option("--steps", options.training.rate.steps, "steps of the run")->check(positive());
  given["batch"] = command.add_option("--batch", options.training.batch, "sequences a step")->check(positive());
  given["shard"] =
      command.add_option("--shard", options.training.shard, "sequences whose gradients are computed at a time")
          ->check(positive());
  given["seq_len"] = command.add_option("--seq-len", options.seq_len, "most tokens of a sequence")->check(positive());
  given["mask_prob"] = command.add_option("--mask-prob", options.mask_prob, "part of the tokens to predict (0.15)")
                           ->check(CLI::Range(0.0, 1.0));
  given["short_seq_prob"] =
      command.add_option("--short-seq-prob", options.short_seq_prob, "part of the pairs with a random length (0.1)")
          ->check(CLI::Range(0.0, 1.0));
  given["lr"] = command.add_option("--lr", options.training.rate.peak, "highest learning rate");
  given["warmup"] =
      command.add_option("--warmup", options.training.rate.warmup, "steps until it is reached")->check(whole_number(0));
  given["schedule"] = command.add_option("--schedule", flags->schedule, "how it falls: linear, cosine or constant")
                          ->check(CLI::IsMember({"linear", "cosine", "constant"}));
  given["weight_decay"] =
      command.add_option("--weight-decay", options.training.adamw.weight_decay, "AdamW's, of matrices");
  given["clip"] = command.add_option("--clip", options.training.adamw.clip, "largest norm of the gradient; 0: any");
  given["precision"] = command.get_option("--precision");
  given["seed"] = command.add_option("--seed", options.training.seed, "of everything random")->check(whole_number(0));
  command.add_option("--report-every", options.report_every, "steps a report")->check(positive());
  command.add_option("--save-every", options.save_every, "steps a checkpoint")->check(positive());
  command.add_option("--eval-every", options.eval_every, "steps an evaluation on the dev text")->check(positive());
  command.add_flag("--resume", options.resume, "go on with the run in the output folder");
}

}  // namespace bert::cli

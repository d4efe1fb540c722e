// bert verify: replays a training run's first steps and says whether the bits agree (bert/train/verify.h).
#include <bert/train/verify.h>

#include "cli.h"

namespace bert::cli {
namespace {

struct VerifyFlags {
  Common common;
  std::string checkpoint, train;
  std::vector<std::string> corpus;
  VerifyOptions run;
};

void run(const VerifyFlags& flags) {
  VerifyOptions options = flags.run;
  options.checkpoint = flags.checkpoint, options.train = flags.train, options.model = flags.common.model;
  options.corpus.assign(flags.corpus.begin(), flags.corpus.end());
  options.threads = flags.common.threads, options.kernels = &cli::kernels(flags.common);
  const VerifyResult result = verify_run(options);
  const bool same = result.difference.empty();
  if (flags.common.json) {
    print(concat("{\"steps\":", result.replayed, ",\"compared\":", result.compared,
                 ",\"weights\":", result.weights ? "true" : "false", ",\"same_bits\":", same ? "true" : "false", "}"));
  } else if (same) {
    print(concat("same bits: ", result.replayed, " steps replayed, the losses of ", result.compared, " compared",
                 result.weights ? ", and the weights" : ""));
  }
  if (!same) throw Error(concat("different bits: ", result.difference));
}

}  // namespace

void add_verify(CLI::App& app) {
  const auto flags = std::make_shared<VerifyFlags>();
  CLI::App& command = add_command(
      app, "verify", "replay a training run's first steps and compare bits; --model: what the run started from", flags,
      run);
  command.add_option("checkpoint", flags->checkpoint, "folder that bert pretrain or finetune has written")->required();
  command.add_option("--steps", flags->run.steps, "steps to replay")->required()->check(positive());
  command.add_option("--corpus", flags->corpus, "the files that pretrain has read");
  command.add_option("--train", flags->train, "the file that finetune has read");
}

}  // namespace bert::cli

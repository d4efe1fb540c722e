// bert next-sentence: does the second text follow the first?
#include <bert/tasks/next_sentence.h>

#include "cli.h"

namespace bert::cli {
namespace {

struct NextSentenceFlags {
  Common common;
};

void run(const NextSentenceFlags& flags) {
  Inputs inputs(flags.common);
  const NextSentence next_sentence(open_model(flags.common));
  Session session(flags.common.threads);
  Progress progress(flags.common);
  while (const auto pair = inputs.next_pair()) {
    const NextSentenceScore score = inputs.explain([&] { return next_sentence(session, pair->first, pair->second); });
    progress.step();
    if (flags.common.json) {
      print(concat("{\"is_next\":", json(score.is_next), ",\"not_next\":", json(score.not_next),
                   ",\"logits\":", json_list(score.logits), "}"));
    } else {
      Table table("rl");
      table.row({fixed(score.is_next, 4), "the second follows the first"});
      table.row({fixed(score.not_next, 4), "it does not"});
      if (flags.common.texts.size() != 2) print(concat(pair->first, " | ", pair->second));
      table.print();
    }
  }
}

}  // namespace

void add_next_sentence(CLI::App& app) {
  const auto flags = std::make_shared<NextSentenceFlags>();
  CLI::App& command = add_command(app, "next-sentence", "does text B follow text A?", flags, run);
  add_texts(command, flags->common, "A B", "two texts; none: read pairs from stdin, one a line, with a tab between");
}

}  // namespace bert::cli

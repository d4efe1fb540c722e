// bert answer: where in a context a question is answered.
#include <bert/tasks/answer.h>

#include "cli.h"

namespace bert::cli {
namespace {

struct AnswerFlags {
  Common common;
  std::string question, context;
  AnswerOptions options;
};

std::string answer_json(const Answer& answer) {
  return concat("{\"score\":", json(answer.score), ",\"start\":", answer.start, ",\"end\":", answer.end,
                ",\"answer\":", json(answer.answer), "}");
}

void run(const AnswerFlags& flags) {
  const bool given = !flags.question.empty() || !flags.context.empty();
  if (given && (flags.question.empty() || flags.context.empty()))
    throw UsageError("--question and --context go together; many of them: lines with a tab between, by --input");
  if (given && !flags.common.input.empty()) throw UsageError("--question and --input exclude each other");
  AnswerOptions options = flags.options;
  options.stride = flags.common.stride;
  const Answerer answerer(open_model(flags.common));
  Session session(flags.common.threads);
  Progress progress(flags.common);
  const auto answer = [&](const std::string& question, const std::string& context) {
    const std::vector<Answer> answers = answerer(session, question, context, options);
    progress.step();
    if (flags.common.json)
      return print(options.top_k == 1 && answers.size() == 1 ? answer_json(answers[0])
                                                             : json_list(answers, answer_json));
    if (!given) print_heading(flags.common, question);
    Table table("rrrl");
    for (const Answer& each : answers)
      table.row({fixed(each.score, 4), concat(each.start), concat(each.end),
                 each.start == each.end ? "(no answer)" : each.answer});
    table.print();
  };
  if (given) return answer(flags.question, flags.context);
  Inputs inputs(flags.common);
  while (const auto pair = inputs.next_pair()) inputs.explain([&] { answer(pair->first, pair->second); });
}

}  // namespace

void add_answer(CLI::App& app) {
  const auto flags = std::make_shared<AnswerFlags>();
  CLI::App& command = add_command(app, "answer", "the words of a context that answer a question", flags, run);
  flags->common.takes_texts = true;
  command.add_option("--question", flags->question, "what to look for");
  command.add_option("--context", flags->context, "where to look; longer than the window: in parts (--stride)");
  command.add_option("--top-k", flags->options.top_k, "how many answers")->check(positive())->capture_default_str();
  command.add_option("--max-answer-len", flags->options.max_answer_length, "most tokens of an answer")
      ->check(positive())
      ->capture_default_str();
  command.add_flag("--handle-impossible-answer", flags->options.handle_impossible_answer,
                   "\"there is none\" competes with the other answers");
}

}  // namespace bert::cli

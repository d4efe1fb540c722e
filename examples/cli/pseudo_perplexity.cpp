// bert pseudo-perplexity: how surprised the model is by a text, each token masked in turn.
#include <bert/tasks/pseudo_perplexity.h>

#include "cli.h"

namespace bert::cli {
namespace {

struct PseudoPerplexityFlags {
  Common common;
};

void print_for_people(const TextModel& model, const std::string& text, const PseudoPerplexityScore& score) {
  const Encoding encoding = model.encode(text);
  Table table("rl");
  std::size_t scored = 0;
  for (std::size_t i = 0; i < encoding.ids.size(); ++i) {
    if (encoding.special_tokens_mask[i]) continue;
    table.row({fixed(score.token_logprobs[scored++], 4), std::string(model.tokenizer.id_to_token(encoding.ids[i]))});
  }
  table.row({fixed(score.pppl, 4), "(pseudo-perplexity)"});
  table.print();
}

void run(const PseudoPerplexityFlags& flags) {
  const auto model = open_model(flags.common);
  const PseudoPerplexity pseudo_perplexity(model);
  Session session(flags.common.threads);
  Progress progress(flags.common);
  for_each_text(flags.common, [&](const std::string& text) {
    const PseudoPerplexityScore score = pseudo_perplexity(session, text);
    progress.step();
    if (flags.common.json)
      return print(
          concat("{\"pppl\":", json(score.pppl), ",\"token_logprobs\":", json_list(score.token_logprobs), "}"));
    print_heading(flags.common, text);
    print_for_people(*model, text, score);
  });
}

}  // namespace

void add_pseudo_perplexity(CLI::App& app) {
  const auto flags = std::make_shared<PseudoPerplexityFlags>();
  add_texts(add_command(app, "pseudo-perplexity", "how surprised the model is by a text", flags, run), flags->common);
}

}  // namespace bert::cli

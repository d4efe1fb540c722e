// bert fill-mask: the likeliest tokens for each [MASK].
#include <bert/tasks/fill_mask.h>

#include "cli.h"

namespace bert::cli {
namespace {

struct FillMaskFlags {
  Common common;
  std::size_t top_k = 5;
  std::string targets;
};

std::vector<std::string> split(std::string_view list, char at) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0, end = 0; begin <= list.size(); begin = end + 1) {
    end = std::min(list.find(at, begin), list.size());
    if (end == begin) throw UsageError("--targets has an empty word: give words with commas between, as in a,b");
    parts.emplace_back(list.substr(begin, end - begin));
  }
  return parts;
}

std::string to_json(const std::vector<MaskGuess>& guesses) {
  return json_list(guesses, [](const MaskGuess& guess) {
    return concat("{\"score\":", json(guess.score), ",\"token\":", guess.token,
                  ",\"token_str\":", json(guess.token_str), ",\"sequence\":", json(guess.sequence), "}");
  });
}

void run(const FillMaskFlags& flags) {
  const auto model = open_model(flags.common);
  const FillMask fill_mask(model);
  const std::vector<std::string> targets =
      flags.targets.empty() ? std::vector<std::string>() : split(flags.targets, ',');
  Session session(flags.common.threads);
  Progress progress(flags.common);
  for_each_text(flags.common, [&](const std::string& text) {
    const auto masks = fill_mask.every_mask(session, text, flags.top_k, targets);
    progress.step();
    if (flags.common.json) return print(masks.size() == 1 ? to_json(masks[0]) : json_list(masks, to_json));
    print_heading(flags.common, text);
    for (std::size_t m = 0; m < masks.size(); ++m) {
      if (masks.size() > 1) print(concat("mask ", m + 1));
      Table table("lrl");
      for (const MaskGuess& guess : masks[m]) table.row({guess.token_str, fixed(guess.score, 4), guess.sequence});
      table.print();
    }
  });
}

}  // namespace

void add_fill_mask(CLI::App& app) {
  const auto flags = std::make_shared<FillMaskFlags>();
  CLI::App& command = add_command(app, "fill-mask", "the likeliest words for each [MASK]", flags, run);
  add_texts(command, flags->common);
  command.add_option("--top-k", flags->top_k, "how many for each mask")->check(positive())->capture_default_str();
  command.add_option("--targets", flags->targets, "score these words only, commas between: a,b");
}

}  // namespace bert::cli

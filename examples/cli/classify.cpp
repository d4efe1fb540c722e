// bert classify: labels of texts or pairs. bert rerank: texts by how well they answer a query.
#include <bert/tasks/classify.h>

#include "cli.h"

namespace bert::cli {
namespace {

struct ClassifyFlags {
  Common common;
  std::size_t top_k = 1;
  bool pairs = false;
};

void print_labels(const ClassifyFlags& flags, const std::string& text, const std::vector<ClassScore>& labels) {
  if (flags.common.json)
    return print(json_list(labels, [](const ClassScore& each) {
      return concat("{\"label\":", json(each.label), ",\"score\":", json(each.score), "}");
    }));
  print_heading(flags.common, text);
  Table table("lr");
  for (const ClassScore& each : labels) table.row({each.label, fixed(each.score, 4)});
  table.print();
}

void run_classify(const ClassifyFlags& flags) {
  Inputs inputs(flags.common);
  const Classifier classifier(open_model(flags.common));
  Session session(flags.common.threads);
  Progress progress(flags.common);
  std::vector<std::string> texts;  // those that wait for their batch
  std::size_t visited = 0;
  const auto next = [&]() -> std::optional<Encoding> {
    if (flags.pairs) {
      const auto pair = inputs.next_pair();
      if (!pair) return std::nullopt;
      texts.push_back(concat(pair->first, " | ", pair->second));
      return inputs.explain([&] { return classifier.model().encode(pair->first, pair->second); });
    }
    std::optional<std::string> text = inputs.next();
    if (!text) return std::nullopt;
    std::optional<Encoding> encoding(inputs.explain([&] { return classifier.model().encode(*text); }));
    texts.push_back(std::move(*text));
    return encoding;
  };
  classifier.stream(session, next, [&](std::span<const float> logits) {
    print_labels(flags, texts[visited], classifier.best(logits, flags.top_k));
    texts[visited++] = std::string();
    progress.step();
  });
}

struct RerankFlags {
  Common common;
  std::string query;
  bool raw_scores = false;
};

void run_rerank(const RerankFlags& flags) {
  std::vector<std::string> texts;
  for_each_text(flags.common, [&](const std::string& text) { texts.push_back(text); });
  const Reranker rerank(open_model(flags.common));
  Session session(flags.common.threads);
  const std::vector<RankedText> ranked = rerank(session, flags.query, texts, flags.raw_scores);
  if (flags.common.json)
    return print(json_list(ranked, [](const RankedText& each) {
      return concat("{\"index\":", each.index, ",\"score\":", json(each.score), "}");
    }));
  Table table("rrl");
  for (const RankedText& each : ranked) table.row({fixed(each.score, 4), concat(each.index), texts[each.index]});
  table.print();
}

}  // namespace

void add_classify(CLI::App& app) {
  const auto flags = std::make_shared<ClassifyFlags>();
  CLI::App& command = add_command(app, "classify", "labels of texts: sentiment, intents, …", flags, run_classify);
  add_texts(command, flags->common);
  command.add_option("--top-k", flags->top_k, "how many labels for each text")
      ->check(positive())
      ->capture_default_str();
  command.add_flag("--pairs", flags->pairs, "texts are pairs: two on the command line, or a tab between on each line");
}

void add_rerank(CLI::App& app) {
  const auto flags = std::make_shared<RerankFlags>();
  CLI::App& command = add_command(app, "rerank", "texts by how well they answer a query", flags, run_rerank);
  add_texts(command, flags->common);
  command.add_option("--query", flags->query, "what the texts are to answer")->required();
  command.add_flag("--raw-scores", flags->raw_scores, "logits in place of their sigmoid");
}

}  // namespace bert::cli

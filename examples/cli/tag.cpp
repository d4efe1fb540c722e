// bert tag: entities in texts, or a label for every token.
#include <bert/tasks/tag.h>

#include "cli.h"

namespace bert::cli {
namespace {

struct TagFlags {
  Common common;
  std::string aggregation = "simple";
};

std::string entity_json(const Entity& entity, bool tokens) {
  const std::string place =
      concat(",\"word\":", json(entity.word), ",\"start\":", entity.start, ",\"end\":", entity.end);
  const std::string score = concat(json(entity.label), ",\"score\":", json(entity.score));
  return tokens ? concat("{\"entity\":", score, ",\"index\":", entity.index, place, "}")
                : concat("{\"entity_group\":", score, place, "}");
}

void run(const TagFlags& flags) {
  const Aggregation aggregation = aggregation_by_name(flags.aggregation);
  const bool tokens = aggregation == Aggregation::none;
  if (tokens && flags.common.stride) throw UsageError("--stride needs an --aggregation other than none");
  const Tagger tagger(open_model(flags.common));
  Session session(flags.common.threads);
  Progress progress(flags.common);
  for_each_text(flags.common, [&](const std::string& text) {
    const std::vector<Entity> entities = tagger(session, text, aggregation, flags.common.stride);
    progress.step();
    if (flags.common.json)
      return print(json_list(entities, [&](const Entity& entity) { return entity_json(entity, tokens); }));
    print_heading(flags.common, text);
    Table table("lrrrl");
    for (const Entity& entity : entities)
      table.row({entity.label, fixed(entity.score, 4), concat(entity.start), concat(entity.end), entity.word});
    table.print();
  });
}

}  // namespace

void add_tag(CLI::App& app) {
  const auto flags = std::make_shared<TagFlags>();
  CLI::App& command = add_command(app, "tag", "names and other entities in texts", flags, run);
  add_texts(command, flags->common);
  command
      .add_option("--aggregation", flags->aggregation,
                  "how tokens become entities: none, simple, first, average or max")
      ->check(CLI::IsMember({"none", "simple", "first", "average", "max"}))
      ->capture_default_str();
}

}  // namespace bert::cli

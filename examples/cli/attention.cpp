// bert attention: a page that shows which token looks at which, in every head of every layer.
#include <bert/io/output_file.h>

#include "attention_page.h"
#include "cli.h"

namespace bert::cli {
namespace {

struct AttentionFlags {
  Common common;
  std::string pair, output;
};

void run(const AttentionFlags& flags) {
  const auto model = open_model(flags.common);
  Inputs inputs(flags.common);
  const auto text = inputs.next();
  if (!text) fail("the text is empty");
  if (inputs.next()) throw UsageError("attention takes one text, and a second with --pair");
  const Encoding encoding = flags.pair.empty() ? model->encode(*text) : model->encode(*text, flags.pair);
  Session session(flags.common.threads);
  Trace<float> trace;
  trace.want_attentions = true;
  model->model->forward(session, PackedBatch(encoding.ids, encoding.type_ids), {}, &trace);
  std::vector<std::string> tokens;
  for (std::int32_t id : encoding.ids) tokens.emplace_back(model->tokenizer.id_to_token(id));
  std::vector<TensorView<const float, 3>> layers;
  for (const AttentionProbabilities<float>& layer : trace.attentions) layers.push_back(layer[0]);
  const std::string page = attention_page(tokens, layers);
  OutputFile file(flags.output);
  file.write(std::as_bytes(std::span(page)));
  file.commit();
  const std::size_t heads = model->model->config().num_attention_heads;
  if (flags.common.json)
    print(concat("{\"output\":", json(flags.output), ",\"tokens\":", tokens.size(), ",\"layers\":", layers.size(),
                 ",\"heads\":", heads, "}"));
  else
    print(concat(flags.output, ": ", layers.size(), " layers of ", heads, " heads over ", tokens.size(), " tokens"));
}

}  // namespace

void add_attention(CLI::App& app) {
  const auto flags = std::make_shared<AttentionFlags>();
  CLI::App& command = add_command(app, "attention", "a page that shows every head of every layer", flags, run);
  add_texts(command, flags->common);
  command.add_option("--pair", flags->pair, "a second text");
  command.add_option("-o,--output", flags->output, "the .html file to write")->required();
}

}  // namespace bert::cli

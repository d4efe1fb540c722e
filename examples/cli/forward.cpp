// bert forward: one pass of the model, every layer's states and every head's logits, to look at or to compare.
#include <bert/io/safetensors_writer.h>

#include "cli.h"

#include <deque>

namespace bert::cli {
namespace {

struct ForwardFlags {
  Common common;
  std::string ids, type_ids, dump;
  bool attentions = false;
};

/// The one sequence of this run: from --ids, so that a folder without a tokenizer will do, or from the text.
PackedBatch read_batch(const ForwardFlags& flags, const Checkpoint& checkpoint, std::size_t window) {
  if (!flags.ids.empty()) {
    if (!flags.common.texts.empty() || !flags.common.input.empty())
      throw UsageError("--ids and a text exclude each other; several ids are one argument: --ids \"2 17 3\"");
    if (flags.common.truncate) throw UsageError("--truncate cuts a text, not --ids");
    const std::vector<std::int32_t> ids = parse_ids("--ids: ", flags.ids);
    if (ids.empty()) throw UsageError("--ids holds no token id");
    return PackedBatch(ids, parse_ids("--type-ids: ", flags.type_ids));
  }
  if (!flags.type_ids.empty()) throw UsageError("--type-ids goes with --ids");
  Inputs inputs(flags.common);
  const auto text = inputs.next();
  if (!text || text->empty()) fail("the text is empty");
  if (inputs.next()) throw UsageError("forward takes one text");
  const bool cut = flags.common.truncate;
  const Encoding encoding = load_tokenizer(checkpoint)
                                .encode(*text, {.max_length = cut ? window : 0,
                                                .truncation = cut ? Truncation::longest_first : Truncation::none});
  if (std::count(encoding.special_tokens_mask.begin(), encoding.special_tokens_mask.end(), 0) == 0)
    fail("the text is empty");
  if (encoding.ids.size() > window)
    fail("the text has ", encoding.ids.size(), " tokens, the model's window is ", window,
         ": cut it with --truncate (only tokenize, tag and answer take --stride)");
  return PackedBatch(encoding.ids, encoding.type_ids);
}

TensorRef tensor(std::string name, std::vector<std::size_t> shape, const float* data) {
  std::size_t count = 1;
  for (std::size_t extent : shape) count *= extent;
  return {std::move(name), DType::F32, std::move(shape), std::as_bytes(std::span(data, count))};
}

/// Column j of a matrix.
std::vector<float> column(TensorView<const float, 2> x, std::size_t j) {
  std::vector<float> numbers;
  for (std::size_t r = 0; r < x.rows(); ++r) numbers.push_back(x(r, j));
  return numbers;
}

/// Everything the pass left behind, under the names of Hugging Face's outputs and without a batch axis. `columns` holds
/// what is not in one piece.
std::vector<TensorRef> results(const Model<float>& model, const Trace<float>& trace, const ModelOutput<float>& output,
                               std::deque<std::vector<float>>& columns) {
  std::vector<TensorRef> all;
  const auto matrix = [&](const std::string& name, TensorView<const float, 2> view, bool one_row) {
    if (view.empty()) return;
    all.push_back(
        tensor(name, one_row ? std::vector{view.columns()} : std::vector{view.rows(), view.columns()}, view.data()));
  };
  for (std::size_t i = 0; i < trace.hidden_states.size(); ++i)
    matrix(concat("hidden_states.", i), trace.hidden_states[i], false);
  for (std::size_t i = 0; i < trace.attentions.size(); ++i) {
    const Tensor<float, 3>& p = trace.attentions[i][0];
    all.push_back(tensor(concat("attentions.", i), {p.shape().begin(), p.shape().end()}, p.data()));
  }
  matrix("last_hidden_state", output.last_hidden_state, false);
  matrix("pooler_output", output.pooler_output, true);
  const bool is_bert = model.config().model_type == "bert", pairs = model.has(Head::next_sentence);
  matrix(is_bert || pairs ? "prediction_logits" : "logits", output.prediction_logits, false);
  matrix(is_bert ? "seq_relationship_logits" : "sop_logits", output.seq_relationship_logits, true);
  matrix("logits", output.class_logits, true);
  if (model.has(Head::tags)) matrix("logits", output.token_logits, false);
  const auto one_column = [&](const char* name, std::size_t j) {
    columns.push_back(column(output.token_logits, j));
    all.push_back(tensor(name, {columns.back().size()}, columns.back().data()));
  };
  if (model.has(Head::replaced)) one_column("logits", 0);
  if (model.has(Head::spans)) one_column("start_logits", 0), one_column("end_logits", 1);
  return all;
}

void show(const Common& common, const std::vector<TensorRef>& tensors) {
  if (common.json)
    return print(json_list(tensors, [](const TensorRef& t) {
      return concat("{\"name\":", json(t.name),
                    ",\"shape\":", json_list(t.shape, [](std::size_t extent) { return concat(extent); }), "}");
    }));
  Table table("lll");
  table.row({"tensor", "shape", "first numbers"});
  for (const TensorRef& t : tensors) {
    std::string numbers;
    for (std::size_t i = 0; i < std::min<std::size_t>(4, t.elements()); ++i) {
      float x = 0;
      read_elements(t, i, 1, &x);
      numbers += fixed(x, 4) + " ";
    }
    table.row({t.name, shape_text(t.shape), numbers});
  }
  table.print();
}

void run(const ForwardFlags& flags) {
  const Checkpoint checkpoint = Checkpoint::open(model_path(flags.common));
  const auto model = bert::open_model<float>(checkpoint, cli::kernels(flags.common), precision(flags.common),
                                             Threads(flags.common.threads));
  const PackedBatch batch = read_batch(flags, checkpoint, model->config().window());
  std::vector<std::size_t> every_token(model->has(Head::words) ? batch.tokens() : 0);
  for (std::size_t i = 0; i < every_token.size(); ++i) every_token[i] = i;
  Session session(flags.common.threads);
  Trace<float> trace;
  trace.want_attentions = flags.attentions;
  const auto output = model->forward(session, batch, every_token, &trace);
  std::deque<std::vector<float>> columns;
  const std::vector<TensorRef> tensors = results(*model, trace, output, columns);
  if (!flags.dump.empty()) write_safetensors(flags.dump, {{"format", "pt"}}, tensors);
  if (flags.dump.empty() || flags.common.json) show(flags.common, tensors);
}

}  // namespace

void add_forward(CLI::App& app) {
  const auto flags = std::make_shared<ForwardFlags>();
  CLI::App& command = add_command(app, "forward", "one pass: every layer's states, every head's logits", flags, run);
  add_texts(command, flags->common);
  command.add_option("--ids", flags->ids, "token ids in place of a text: \"2 17 3\"");
  command.add_option("--type-ids", flags->type_ids, "token types that go with --ids: \"0 0 0\"");
  command.add_flag("--attentions", flags->attentions, "the attention probabilities too");
  command.add_option("--dump", flags->dump, "write all of it to this .safetensors file");
}

}  // namespace bert::cli

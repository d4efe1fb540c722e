// bert info: what a model file is, and how much memory a run will take.
#include "cli.h"

namespace bert::cli {
namespace {

struct InfoFlags {
  Common common;
  std::string lengths;
};

/// "128,64" -> {128, 64}
std::vector<std::size_t> parse_lengths(std::string_view text) {
  std::vector<std::size_t> lengths;
  for (std::size_t begin = 0, end = 0; begin <= text.size(); begin = end + 1) {
    end = std::min(text.find(',', begin), text.size());
    std::size_t length = 0;
    const auto [next, error] = std::from_chars(text.data() + begin, text.data() + end, length);
    if (error != std::errc() || next != text.data() + end || length == 0)
      throw UsageError(concat("--lengths is \"", text, "\": give token counts with commas between, as in 128,64"));
    lengths.push_back(length);
  }
  return lengths;
}

void run(const InfoFlags& flags) {
  std::vector<std::size_t> lengths;
  if (!flags.lengths.empty()) lengths = parse_lengths(flags.lengths);
  const Checkpoint checkpoint = Checkpoint::open(model_path(flags.common));
  const KernelTable<float>& kernels = cli::kernels(flags.common);
  const auto model =
      bert::open_model<float>(checkpoint, kernels, precision(flags.common), Threads(flags.common.threads));
  if (lengths.empty()) lengths.push_back(std::min<std::size_t>(128, model->config().window()));
  for (std::size_t length : lengths) check_window(length, model->config());
  std::size_t parameters = 0;
  for (const TensorRef& tensor : checkpoint.tensors())
    if (!tensor.name.ends_with(".weight_scale") && !tensor.name.ends_with(".input_scale"))
      parameters += tensor.elements();
  const std::ptrdiff_t weights = static_cast<std::ptrdiff_t>(parameters * sizeof(float)) - model->bytes_saved();
  const std::size_t workspace =
      model->plan(lengths, model->has(Head::words) ? lengths.size() : 0, Session(flags.common.threads).threads.count());
  const auto or_null = [](const std::string& text) { return text.empty() ? std::string("null") : text; };
  const std::string tokenizer = checkpoint.tokenizer_sha256();
  const auto window = checkpoint.pooling().max_seq_length;
  if (flags.common.json) {
    std::string config, provenance = checkpoint.provenance();
    for (char c : checkpoint.config_json())
      if (c != '\n' && c != '\r') config += c;  // strings in JSON hold no raw line breaks, so this is the same value
    return print(concat("{\"model_type\":", json(model->config().model_type), ",\"parameters\":", parameters,
                        ",\"bytes\":", checkpoint.tensor_bytes(), ",\"sha256\":", json(checkpoint.sha256()),
                        ",\"tokenizer_sha256\":", tokenizer.empty() ? "null" : json(tokenizer), ",\"config\":", config,
                        ",\"provenance\":", or_null(provenance), ",\"isa\":", json(kernels.name),
                        ",\"plan\":{\"weights_bytes\":", weights, ",\"workspace_bytes\":", workspace, "}",
                        window ? concat(",\"max_seq_length\":", *window) : "",
                        ",\"precision\":", json(name(model->precision())), "}"));
  }
  const ModelConfig& c = model->config();
  Table table("ll");
  table.row({"model", concat(c.model_type, ", ", c.num_hidden_layers, " layers of ", c.hidden_size, ", ",
                             c.num_attention_heads, " heads, vocabulary ", c.vocab_size)});
  table.row({"heads", model->heads_text()});
  table.row(
      {"window", concat(c.window(), " tokens", window ? concat(" (recommended for embedding: ", *window, ")") : "")});
  table.row({"parameters", concat(parameters, " in ", checkpoint.tensor_bytes(), " bytes")});
  table.row({"precision", std::string(name(model->precision()))});
  table.row({"sha256", checkpoint.sha256()});
  table.row({"tokenizer sha256", tokenizer.empty() ? "no tokenizer" : tokenizer});
  table.row({"instruction set", kernels.name});
  table.row({"memory", concat("weights ", weights, " bytes, working ", workspace, " bytes for ",
                              flags.lengths.empty() ? concat(lengths[0]) : flags.lengths, " tokens")});
  table.row({"provenance", or_null(checkpoint.provenance())});
  table.print();
}

}  // namespace

void add_info(CLI::App& app) {
  const auto flags = std::make_shared<InfoFlags>();
  CLI::App& command = add_command(app, "info", "what a model is, and the memory it needs", flags, run);
  command.add_option("--lengths", flags->lengths, "sequence lengths to plan for, as in 128,128 (default: 128)");
}

}  // namespace bert::cli

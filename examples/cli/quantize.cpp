// bert quantize: a model file of 8-bit weights, that of an encoder calibrated on a text.
#include <bert/quant/quantize_model.h>

#include "cli.h"

namespace bert::cli {
namespace {

struct QuantizeFlags {
  Common common;
  std::string output, calibrate;
  bool no_calibrate = false;
};

/// The texts of --calibrate, else for an encoder of the file that ships with the project, unless there shall be none.
std::vector<std::string> calibration_texts(const QuantizeFlags& flags, const Checkpoint& source) {
  std::vector<std::string> texts;
  if (flags.no_calibrate || (flags.calibrate.empty() && decoder_family_of(source))) return texts;
  Lines lines(flags.calibrate.empty() ? shipped_file("calibration.txt").string() : flags.calibrate);
  while (auto line = lines.next()) texts.push_back(std::move(*line));
  if (texts.empty()) fail("\"", flags.calibrate, "\" is empty: a text to calibrate on has one sentence a line");
  return texts;
}

void run(const QuantizeFlags& flags) {
  const Common& common = flags.common;
  if (!flags.calibrate.empty() && flags.no_calibrate)
    throw UsageError("--calibrate and --no-calibrate exclude each other");
  const Checkpoint source = Checkpoint::open(model_path(common));
  const std::vector<std::string> texts = calibration_texts(flags, source);
  QuantizeOptions options;
  options.threads = common.threads;
  const QuantizeReport report = quantize_model(source, flags.output, texts, options, cli::kernels(common));
  const auto cosine = [](double value) { return json(static_cast<float>(value)); };
  if (common.json)
    return print(concat(
        "{\"output\":", json(flags.output), ",\"bytes\":", report.bytes, ",\"source_bytes\":", source.tensor_bytes(),
        ",\"products\":", report.products, ",\"int8_products\":", report.int8_products, ",\"kept_float\":",
        json_list(report.kept_float, [](const std::string& name) { return json(name); }), ",\"calibration\":",
        texts.empty() ? "null"
                      : concat("{\"texts\":", report.texts, ",\"tokens\":", report.tokens, ",\"cosine_mean\":",
                               cosine(report.reached.mean), ",\"cosine_worst\":", cosine(report.reached.worst), "}"),
        "}"));
  Table table("ll");
  table.row({"written", flags.output});
  table.row({"bytes", concat(report.bytes, " of weights, the source has ", source.tensor_bytes())});
  table.row({"products", concat(report.int8_products, " of ", report.products, " on 8-bit integers")});
  for (const std::string& name : report.kept_float) table.row({"kept as it was", name});
  if (!texts.empty())
    table.row({"calibration", concat(report.texts, " texts, ", report.tokens, " tokens; cosine to fp32 on them: mean ",
                                     fixed(report.reached.mean, 5), ", worst ", fixed(report.reached.worst, 5))});
  table.print();
}

}  // namespace

void add_quantize(CLI::App& app) {
  const auto flags = std::make_shared<QuantizeFlags>();
  CLI::App& command = add_command(app, "quantize", "write a model file of 8-bit weights", flags, run);
  command.add_option("-o,--output", flags->output, "the .safetensors file to write")->required();
  command.add_option("--calibrate", flags->calibrate,
                     "text to calibrate an encoder on, one sentence a line (default: one that ships with the project)");
  command.add_flag("--no-calibrate", flags->no_calibrate, "as --precision int8 does when a model opens");
}

}  // namespace bert::cli

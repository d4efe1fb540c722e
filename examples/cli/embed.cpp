// bert embed: a vector for each text, or for each of its tokens, as JSON lines or a NumPy file.
#include <bert/io/output_file.h>

#include "embedding.h"

namespace bert::cli {
namespace {

struct EmbedFlags {
  Common common;
  EmbeddingFlags embedding;
  bool normalize = false, no_normalize = false;
  std::string output;
};

std::string preview(std::span<const float> numbers) {
  std::string out;
  for (float number : numbers.first(std::min<std::size_t>(6, numbers.size()))) {
    const std::string digits = fixed(number, 4);
    out += concat(out.empty() ? "" : " ", digits.starts_with('-') ? "" : " ", digits);
  }
  return concat(out, numbers.size() > 6 ? " …" : "");
}

/// Header of a NumPy file, version 1.0, of float32 [rows, columns] (numpy/lib/format.py).
std::string npy_header(std::size_t rows, std::size_t columns) {
  std::string text = concat("{'descr': '<f4', 'fortran_order': False, 'shape': (", rows, ", ", columns, "), }");
  text.append(63 - (10 + text.size()) % 64, ' ');  // the data begins at a multiple of 64
  text += '\n';
  std::string header("\x93NUMPY\x01\x00", 8);
  header += {static_cast<char>(text.size() & 255), static_cast<char>(text.size() >> 8)};
  return header + text;
}

/// Where results go: lines to stdout or a .jsonl, or rows gathered for a .npy.
class Sink {
 public:
  Sink(const EmbedFlags& flags, const TextModel& model) : flags_(flags), model_(model) {
    if (!flags.output.empty()) file_.emplace(flags.output);
  }

  /// Rows: one vector, or the states of each token.
  void add(const std::string& text, TensorView<const float, 2> rows, bool tokens) {
    ++texts_;
    if (npy()) {
      if (tokens && texts_ > 1)
        throw UsageError("--pooling none gives each text its own number of rows: write a .jsonl, or one text a .npy");
      rows_ += rows.rows(), columns_ = rows.columns();
      for (std::size_t r = 0; r < rows.rows(); ++r)
        for (float number : rows.row_span(r)) numbers_.push_back(finite(number));
    } else if (file_ || flags_.common.json) {
      std::vector<std::string> lines;
      for (std::size_t r = 0; r < rows.rows(); ++r) lines.push_back(json_list(rows.row_span(r)));
      const std::string line = tokens ? json_list(lines, [](const std::string& row) { return row; }) : lines[0];
      file_ ? file_->write(line + "\n") : print(line);
    } else {
      print_for_people(text, rows, tokens);
    }
  }

  /// Makes the file appear.
  void finish() {
    if (!file_) return;
    if (npy()) {
      file_->write(npy_header(rows_, columns_));
      file_->write(std::as_bytes(std::span(numbers_)));
    }
    file_->commit();
    if (!flags_.common.json) print(concat(texts_, texts_ == 1 ? " text" : " texts", " written to ", flags_.output));
  }

 private:
  bool npy() const { return flags_.output.ends_with(".npy"); }

  void print_for_people(const std::string& text, TensorView<const float, 2> rows, bool tokens) const {
    print_heading(flags_.common, text);
    if (!tokens) return print(concat(preview(rows.row_span(0)), "  (", rows.columns(), " numbers)"));
    const Encoding encoding = model_.encode(flags_.embedding.prompt + text);
    Table table("ll");
    for (std::size_t r = 0; r < rows.rows(); ++r)
      table.row({std::string(model_.tokenizer.id_to_token(encoding.ids[r])), preview(rows.row_span(r))});
    table.print();
  }

  const EmbedFlags& flags_;
  const TextModel& model_;
  std::optional<OutputFile> file_;
  std::vector<float> numbers_;
  std::size_t texts_ = 0, rows_ = 0, columns_ = 0;
};

void run(const EmbedFlags& flags) {
  const bool tokens = flags.embedding.pooling == "none";
  if (tokens && flags.normalize) throw UsageError("--normalize does not go with --pooling none");
  if (!flags.output.empty() && !flags.output.ends_with(".npy") && !flags.output.ends_with(".jsonl"))
    throw UsageError(concat("--output ", flags.output, ": the name must end in .npy or .jsonl"));
  Inputs inputs(flags.common);
  EmbedOptions options = flags.embedding.options();
  if (flags.normalize || flags.no_normalize) options.normalize = flags.normalize;
  const auto model = open_model(flags.common);
  const Embedder embedder(model, options);
  Sink sink(flags, *model);
  Session session(flags.common.threads);
  Progress progress(flags.common);
  embed_stream(embedder, session, inputs, [&](const std::string& text, TensorView<const float, 2> states) {
    if (tokens) {
      const std::size_t kept = options.truncate_dim ? options.truncate_dim : states.columns();
      sink.add(text, states.slice_columns(0, std::min(kept, states.columns())), true);
    } else {
      const std::vector<float> vector = embedder.pooled(states);
      sink.add(text, {vector.data(), {1, vector.size()}}, false);
    }
    progress.step();
  });
  sink.finish();
}

}  // namespace

void add_embed(CLI::App& app) {
  const auto flags = std::make_shared<EmbedFlags>();
  CLI::App& command = add_command(app, "embed", "a vector for each text", flags, run);
  add_texts(command, flags->common);
  add_embedding_flags(command, flags->embedding, true);
  CLI::Option* yes =
      command.add_flag("--normalize", flags->normalize, "to unit length (default: as the model says, or yes)");
  command.add_flag("--no-normalize", flags->no_normalize, "as it is pooled")->excludes(yes);
  command.add_option("--output", flags->output, "write here in place of stdout: FILE.npy or FILE.jsonl");
}

}  // namespace bert::cli

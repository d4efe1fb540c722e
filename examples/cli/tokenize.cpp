// bert tokenize: texts to ids. bert detokenize: ids to text. Both need only the tokenizer's files.
#include <bert/io/tokenizer_files.h>

#include "cli.h"

namespace bert::cli {
namespace {

struct TokenizeFlags {
  Common common;
  std::optional<std::string> pair;
  std::string lowercase;
};

std::optional<bool> yes_or_no(const std::string& answer) {
  return answer.empty() ? std::nullopt : std::optional(answer == "yes");
}

/// max_position_embeddings where a configuration is at hand, else nothing.
std::optional<std::size_t> window_of(const std::filesystem::path& path) {
  std::string config;
  if (std::filesystem::is_directory(path)) {
    Folder folder(path);
    for (const char* name : {"0_Transformer/config.json", "config.json"})
      if (folder.has(name)) config = folder.text(name);
  } else if (path.extension() == ".safetensors") {
    config = std::string(SafetensorsFile(path).metadata("bert.config").value_or(""));
  }
  if (config.empty()) return std::nullopt;
  const ConfigReader reader(config, concat('"', path.string(), "\" (configuration)"));
  if (!reader.has("max_position_embeddings")) return std::nullopt;
  return reader.get_size("max_position_embeddings", 1);
}

EncodeOptions encode_options(const Common& common, std::optional<std::size_t> window) {
  if (!common.truncate && !common.stride) return {};
  if (!window)
    fail(
        "--truncate and --stride need the model's window, and there is no config.json with max_position_embeddings in "
        "\"",
        model_path(common).string(), "\"");
  return {.max_length = *window, .truncation = Truncation::longest_first, .stride = common.stride.value_or(0)};
}

std::string to_json(const Tokenizer& tokenizer, const Encoding& encoding) {
  const auto number = [](auto value) { return json(std::int64_t{value}); };
  return concat(
      "{\"ids\":", json_list(encoding.ids, number),
      ",\"tokens\":", json_list(encoding.ids, [&](std::int32_t id) { return json(tokenizer.id_to_token(id)); }),
      ",\"type_ids\":", json_list(encoding.type_ids, number), ",\"offsets\":",
      json_list(encoding.offsets, [](const Span& span) { return concat("[", span.start, ",", span.end, "]"); }),
      ",\"special_tokens_mask\":", json_list(encoding.special_tokens_mask, number), "}");
}

void print_table(const Tokenizer& tokenizer, const Encoding& encoding) {
  Table table("rlrr");
  for (std::size_t i = 0; i < encoding.ids.size(); ++i) {
    const Span span = encoding.offsets[i];
    table.row({concat(encoding.ids[i]), std::string(tokenizer.id_to_token(encoding.ids[i])),
               concat(encoding.type_ids[i]), encoding.special_tokens_mask[i] ? "" : concat(span.start, "-", span.end)});
  }
  table.print();
}

void run_tokenize(const TokenizeFlags& flags) {
  const std::filesystem::path path = model_path(flags.common);
  const Tokenizer tokenizer = load_tokenizer(read_tokenizer_files(path), yes_or_no(flags.lowercase));
  const std::optional<std::size_t> window = window_of(path);
  const EncodeOptions options = encode_options(flags.common, window);
  Progress progress(flags.common);
  for_each_text(flags.common, [&](const std::string& text) {
    Encoding first = flags.pair ? tokenizer.encode(text, *flags.pair, options) : tokenizer.encode(text, options);
    if (window && first.ids.size() > *window)
      fail("the text has ", first.ids.size(), " tokens, the model's window is ", *window,
           ": cut it with --truncate, or slide over it with --stride N");
    std::vector<Encoding> windows = std::move(first.overflowing);
    if (!flags.common.stride) windows.clear();
    windows.insert(windows.begin(), std::move(first));
    progress.step();
    if (flags.common.json) {
      const auto each = [&](const Encoding& encoding) { return to_json(tokenizer, encoding); };
      return print(flags.common.stride ? json_list(windows, each) : each(windows[0]));
    }
    print_heading(flags.common, text);
    for (std::size_t i = 0; i < windows.size(); ++i) {
      if (windows.size() > 1) print(concat("window ", i + 1));
      print_table(tokenizer, windows[i]);
    }
  });
}

struct DetokenizeFlags {
  Common common;
  std::string lowercase;
  bool keep_special = false;
};

void run_detokenize(const DetokenizeFlags& flags) {
  const Tokenizer tokenizer =
      load_tokenizer(read_tokenizer_files(model_path(flags.common)), yes_or_no(flags.lowercase));
  Common one = flags.common;  // all ids of the command line are one sequence
  if (one.texts.size() > 1) {
    std::string joined;
    for (const std::string& ids : one.texts) joined += ids + " ";
    one.texts = {joined};
  }
  for_each_text(one, [&](const std::string& ids) {
    const std::string text = tokenizer.decode(parse_ids("", ids), !flags.keep_special);
    print(flags.common.json ? json(text) : text);
  });
}

template <class Flags>
void add_lowercase(CLI::App& command, Flags& flags) {
  command.add_option("--lowercase", flags.lowercase, "yes or no, where the model's files do not say")
      ->check(CLI::IsMember({"yes", "no"}));
}

}  // namespace

void add_tokenize(CLI::App& app) {
  const auto flags = std::make_shared<TokenizeFlags>();
  CLI::App& command = add_command(app, "tokenize", "texts to token ids", flags, run_tokenize);
  add_texts(command, flags->common);
  command.add_option("--pair", flags->pair, "a second text, after each")->check(may_be_empty());
  add_lowercase(command, *flags);
}

void add_detokenize(CLI::App& app) {
  const auto flags = std::make_shared<DetokenizeFlags>();
  CLI::App& command = add_command(app, "detokenize", "token ids to text", flags, run_detokenize);
  add_texts(command, flags->common, "IDS", "token ids; none or -: read them from stdin, a line for each text");
  command.add_flag("--keep-special", flags->keep_special, "keep special tokens such as [CLS]");
  add_lowercase(command, *flags);
}

}  // namespace bert::cli

// The `bert` program: one line per command below; cli.h says how to add one.
#include "cli.h"

namespace bert::cli {

using Register = void (*)(CLI::App&);

void add_fill_mask(CLI::App& app);
void add_next_sentence(CLI::App& app);
void add_pseudo_perplexity(CLI::App& app);
void add_embed(CLI::App& app);
void add_similarity(CLI::App& app);
void add_search(CLI::App& app);
void add_classify(CLI::App& app);
void add_rerank(CLI::App& app);
void add_tag(CLI::App& app);
void add_answer(CLI::App& app);
void add_generate(CLI::App& app);
void add_tokenize(CLI::App& app);
void add_detokenize(CLI::App& app);
void add_forward(CLI::App& app);
void add_attention(CLI::App& app);
void add_info(CLI::App& app);
void add_bench(CLI::App& app);
void add_quantize(CLI::App& app);
void add_pretrain(CLI::App& app);
void add_finetune(CLI::App& app);
void add_evaluate(CLI::App& app);
void add_train_tokenizer(CLI::App& app);
void add_verify(CLI::App& app);

constexpr Register kCommands[] = {
    add_fill_mask,
    add_next_sentence,
    add_pseudo_perplexity,
    add_embed,
    add_similarity,
    add_search,
    add_classify,
    add_rerank,
    add_tag,
    add_answer,
    add_generate,
    add_tokenize,
    add_detokenize,
    add_forward,
    add_attention,
    add_info,
    add_bench,
    add_quantize,
    add_train_tokenizer,
    add_pretrain,
    add_finetune,
    add_evaluate,
    add_verify,
};

/// CLI11 takes a value "[...]" apart as a list, and the argument after "--flag=" for its value. Such arguments get a
/// mark behind them before parsing, which every option takes off again: "[MASK]" stays a text, and "--flag=" has no
/// value.
constexpr char kMark = '\x1f';

std::vector<std::string> marked(int argc, char** argv) {
  std::vector<std::string> arguments;
  for (int i = argc - 1; i > 0; --i) {  // CLI11 wants them last first
    std::string& argument = arguments.emplace_back(argv[i]);
    const bool list = argument.ends_with(']'), no_value = argument.starts_with("--") && argument.ends_with('=');
    if (list || no_value || argument.ends_with(kMark)) argument += kMark;
  }
  return arguments;
}

/// Takes the marks off again, and refuses an empty value where it means nothing.
void mend_values(CLI::App& app) {
  for (CLI::App* command : app.get_subcommands({}))
    for (CLI::Option* option : command->get_options()) {
      const bool refuses_empty = !option->get_positional() && !is_may_be_empty(*option);
      option->transform(CLI::Validator(
          [refuses_empty](std::string& value) {
            if (value.ends_with(kMark)) value.pop_back();
            return refuses_empty && value.empty() ? std::string("its value is empty") : std::string();
          },
          ""));
    }
}

/// One line, whatever the message holds; of a long text in it, the beginning and the end.
int report(std::string message, int status) {
  constexpr std::size_t longest = 1000, end = 200;
  if (message.size() > longest) {
    const auto boundary = [&](std::size_t at) {  // not inside a character
      while (at > 0 && (static_cast<unsigned char>(message[at]) & 0xc0) == 0x80) --at;
      return at;
    };
    const std::size_t first = boundary(longest - end), last = boundary(message.size() - end);
    message = concat(message.substr(0, first), " … ", message.substr(last));
  }
  for (char& c : message)
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  std::fprintf(stderr, "error: %s\n", message.c_str());
  return status;
}

int run(int argc, char** argv) {
  CLI::App app("BERT in C++: words for [MASK], next sentences, embeddings, and a look inside.", "bert");
  app.set_version_flag("--version", "bert " BERT_VERSION);
  app.require_subcommand(1);
  app.footer("Every command: bert COMMAND --help");
  for (const Register add : kCommands) add(app);
  mend_values(app);
  try {
    app.parse(marked(argc, argv));
    return 0;
  } catch (const CLI::CallForHelp&) {
    print(app.help());
    return 0;
  } catch (const CLI::Success& version) {
    print(version.what());
    return 0;
  } catch (const CLI::ParseError& error) {
    if (!app.get_subcommands().empty()) {
      const std::vector<std::string> early = app.remaining();
      if (early.empty()) return report(error.what(), 2);
      return report(concat(early[0], " stands before the command: flags follow it, as in bert ",
                           app.get_subcommands()[0]->get_name(), " ", early[0]),
                    2);
    }
    const std::vector<std::string> unknown = app.remaining();
    return report(concat(unknown.empty() ? "a command is missing" : concat("unknown command ", unknown[0]),
                         ": bert --help lists them"),
                  2);
  }
}

}  // namespace bert::cli

int main(int argc, char** argv) {
  using bert::cli::report;
  try {
    return bert::cli::run(argc, argv);
  } catch (const bert::UsageError& error) {
    return report(error.what(), 2);
  } catch (const std::bad_alloc&) {
    return report("out of memory", 1);
  } catch (const std::exception& error) {
    return report(error.what(), 1);
  }
}

// What all commands of the `bert` program share: the common flags, texts to work on, the model, and printing.
//
// To add a command: a file NAME.cpp here with `void add_NAME(CLI::App& app)`, and its line in main.cpp. add_NAME adds a
// subcommand with add_command(), its flags, and a callback that reads inputs, calls the library and print()s. Errors
// are thrown: UsageError makes exit status 2, anything else 1; main() prints the one line.
#pragma once
#include <bert/tasks/text_model.h>

#include <CLI/CLI.hpp>
#include <cstdio>

namespace bert::cli {

/// The flags every command takes (their names: add_common) and its texts.
struct Common {
  std::string model, isa, input, receipt, precision, progress = "auto";
  int threads = 0;
  std::size_t max_tokens = TaskOptions{}.max_tokens;
  bool truncate = false, json = false, takes_texts = false;
  std::optional<std::size_t> stride;
  std::vector<std::string> texts;
};

/// Adds the common flags to a command; add_texts adds its positional texts, described by `help`.
void add_common(CLI::App& command, Common& common);
void add_texts(CLI::App& command, Common& common, const std::string& name = "TEXT",
               const std::string& help = "texts; none or -: read them from stdin, one a line");

/// Checks for options: a whole number from `low` to `high`, and one above 0. Without them CLI11 takes -1 for a very
/// large size and a number beyond the type for its largest; 010, which it takes for 8, is refused too.
CLI::Validator whole_number(std::size_t low, std::size_t high = std::size_t(-1));
CLI::Validator positive();

/// A mark for options of which an empty value means something (a prompt, a second text). main() makes all others refuse
/// one: `--model ""` is a variable that somebody's script forgot to set, not a flag left out.
CLI::Validator may_be_empty();
bool is_may_be_empty(CLI::Option& option);

/// UsageError or Error for common flags that do not go with the command or do not exist yet.
void check_common(const Common& common, const std::string& command);

/// A subcommand with the common flags. `run(options)` is called with the Options once they are parsed and checked;
/// Options has a member `Common common`.
template <class Options>
CLI::App& add_command(CLI::App& app, const std::string& name, const std::string& help, std::shared_ptr<Options> options,
                      void (*run)(const Options&)) {
  CLI::App& command = *app.add_subcommand(name, help);
  add_common(command, options->common);
  command.callback([=] {
    check_common(options->common, name);
    run(*options);
  });
  return command;
}

/// --model, else BERT_MODEL from the environment, else the model that ships with the project.
std::filesystem::path model_path(const Common& common);
/// A file of examples/model, or of an installation's share/bert.
std::filesystem::path shipped_file(const std::string& name);
/// What --precision says; empty: as the model's file says.
std::optional<Precision> precision(const Common& common);
/// The kernels that --isa names, else the default ones.
const KernelTable<float>& kernels(const Common& common);
/// From now on Ctrl-C and SIGTERM do not end the program: interrupted() says that one came.
void watch_interrupts();
bool interrupted();
TaskOptions task_options(const Common& common);
std::shared_ptr<const TextModel> open_model(const Common& common);

/// The lines of a file, or of stdin where the name is "-". Errors: it cannot be read, `line 7 of FILE is empty`.
class Lines {
 public:
  explicit Lines(std::string name);
  Lines(const Lines&) = delete;
  Lines& operator=(const Lines&) = delete;
  ~Lines();
  /// The next line without its end; nothing at the end of the file.
  std::optional<std::string> next();
  /// "line 7 of FILE"
  std::string place() const { return concat("line ", number_, " of ", name_ == "-" ? "standard input" : name_); }

 private:
  std::string name_;
  std::FILE* file_;
  char* line_ = nullptr;
  std::size_t capacity_ = 0, number_ = 0;
};

/// stdout cannot be written.
struct PrintError : Error {
  using Error::Error;
};

/// The texts of a run, in order: the positional ones, or the lines of --input or stdin.
class Inputs {
 public:
  explicit Inputs(const Common& common);
  std::optional<std::string> next();
  /// Two positional texts, or lines of two texts with a tab between.
  std::optional<std::pair<std::string, std::string>> next_pair();
  /// Whether all inputs are on the command line, and how many.
  std::optional<std::size_t> count() const;

  /// Calls work(), adding `line 7 of FILE: ` to an error met while working on that line; not to one of writing.
  template <class Work>
  auto explain(const Work& work) const {
    const auto place = [&](const Error& error) { return concat(place_(), error.what()); };
    try {
      return work();
    } catch (const PrintError&) {
      throw;
    } catch (const UsageError& error) {
      throw UsageError(place(error));
    } catch (const Error& error) {
      throw Error(place(error));
    }
  }

 private:
  std::string place_() const { return lines_ && at_line_ ? lines_->place() + ": " : ""; }

  const std::vector<std::string>& texts_;
  std::size_t used_ = 0;
  std::unique_ptr<Lines> lines_;
  bool at_line_ = false;  // an error now belongs to the line read last
};

/// Calls work(text) for each input in order.
template <class Work>
void for_each_text(const Common& common, const Work& work) {
  Inputs inputs(common);
  while (const auto text = inputs.next()) inputs.explain([&] { work(*text); });
}

/// Token ids with spaces or commas between; brackets may stand around them. UsageError names `what`.
std::vector<std::int32_t> parse_ids(std::string_view what, std::string_view text);

/// An Error when a sequence of `length` tokens is more than the model takes.
void check_window(std::size_t length, const ModelConfig& config);

/// A line to stdout, at once.
void print(std::string_view line);
/// A part of a line to stdout, at once.
void print_part(std::string_view part);
/// For people, when there are several inputs: the text above its result.
void print_heading(const Common& common, std::string_view text);

/// The number itself; throws Error for NaN and infinities, which JSON cannot hold.
float finite(float number);
/// JSON: a string; the shortest decimal that reads back to the same finite float32; lists.
std::string json(std::string_view text);
std::string json(float number);
std::string json(std::int64_t number);
template <class Range, class Each>
std::string json_list(const Range& range, const Each& each) {
  std::string out = "[";
  for (const auto& element : range) out += concat(out.size() > 1 ? "," : "", each(element));
  return out + "]";
}
inline std::string json_list(std::span<const float> numbers) {
  return json_list(numbers, [](float number) { return json(number); });
}

/// A number for people, with so many decimals.
std::string fixed(double number, int decimals);

/// Columns of text for people. `columns` says how each is aligned: 'l' or 'r'.
class Table {
 public:
  explicit Table(std::string columns) : columns_(std::move(columns)) {}
  void row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  void print() const;

 private:
  std::string columns_;
  std::vector<std::vector<std::string>> rows_;
};

/// A line on stderr for work over a second, on a terminal or with --progress always: how many inputs are done, or what
/// show() is given. One thread at a time.
class Progress {
 public:
  explicit Progress(const Common& common);
  ~Progress();
  void step();
  /// Shows the text that text() makes, when it is time to.
  template <class Text>
  void show(const Text& text) {
    if (is_due()) write(text());
  }

 private:
  bool is_due();
  void write(const std::string& text);

  bool wanted_, shown_ = false;
  std::size_t done_ = 0;
  std::int64_t started_, last_;
};

}  // namespace bert::cli

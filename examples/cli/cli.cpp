// The shared part of the commands; cli.h says what each function is for.
#include "cli.h"

#include <bert/io/safetensors_writer.h>
#include <bert/tokenizers/unicode.h>
#include <utf8proc.h>

#include <chrono>
#include <cmath>
#include <csignal>
#include <cstring>

namespace bert::cli {

// --- flags ----------------------------------------------------------------------------------------------------------

void add_common(CLI::App& command, Common& common) {
  const auto add = [&](const char* name, auto& value, const char* help) {
    return command.add_option(name, value, help)->group("Common flags");
  };
  add("--model", common.model,
      "converted .safetensors or Hugging Face folder (default: BERT_MODEL, or the shipped one)");
  add("--threads", common.threads, "threads; 0: all there are")->check(whole_number(0, 1024));
  add("--precision", common.precision,
      "fp32, bf16 (where the CPU has it) or int8; default: int8 for a file of 8-bit weights, else fp32")
      ->check(CLI::IsMember({"fp32", "bf16", "int8"}));
  add("--isa", common.isa, "instruction set to use: " BERT_ISA_NAMES);
  add("--max-tokens", common.max_tokens, "tokens per packed batch")->check(positive());
  add("--stride", common.stride, "tokenize: read long texts in windows that overlap by so many tokens")
      ->check(whole_number(0));
  add("--input", common.input, "file of texts, one a line; -: stdin");
  add("--receipt", common.receipt, "write what was run, with hashes, to this file (not available yet)");
  add("--progress", common.progress, "auto, always or never")->check(CLI::IsMember({"auto", "always", "never"}));
  command.add_flag("--truncate", common.truncate, "cut texts that are longer than the window")->group("Common flags");
  command.add_flag("--json", common.json, "one JSON value per input on its own line")->group("Common flags");
}

CLI::Validator whole_number(std::size_t low, std::size_t high) {
  return CLI::Validator(
      [=](std::string& value) {
        std::size_t number = 0;
        const char* const end = value.data() + value.size();
        const auto [rest, error] = std::from_chars(value.data(), end, number);
        const bool whole = error == std::errc() && rest == end && (value[0] != '0' || value.size() == 1);
        if (whole && number >= low && number <= high) return std::string();
        const std::string upwards = low == 1 ? "above 0" : concat("from ", low, " on");
        return concat("\"", value, "\" is not a whole number ",
                      high == std::size_t(-1) ? upwards : concat("from ", low, " to ", high));
      },
      "");
}

CLI::Validator positive() { return whole_number(1); }

constexpr const char* kMayBeEmpty = "MAY_BE_EMPTY";

CLI::Validator may_be_empty() {
  return CLI::Validator([](std::string&) { return std::string(); }, "", kMayBeEmpty);
}

bool is_may_be_empty(CLI::Option& option) {
  try {
    return option.get_validator(kMayBeEmpty) != nullptr;
  } catch (const CLI::OptionNotFound&) {
    return false;
  }
}

void add_texts(CLI::App& command, Common& common, const std::string& name, const std::string& help) {
  command.add_option(name, common.texts, help);
  common.takes_texts = true;
}

void check_common(const Common& common, const std::string& command) {
  if (common.stride && command != "tokenize" && command != "tag" && command != "answer")
    throw UsageError(
        concat("--stride does not go with ", command, ", only with tokenize, tag and answer: use --truncate"));
  if (common.stride && common.truncate) throw UsageError("--truncate and --stride exclude each other");
  if (!common.input.empty() && !common.takes_texts)
    throw UsageError(concat("--input does not go with ", command, ", which reads no texts"));
  if (!common.input.empty() && !common.texts.empty())
    throw UsageError("--input and texts on the command line exclude each other");
  if (common.texts.size() > 1)
    for (const std::string& text : common.texts)
      if (text == "-") throw UsageError("- (stdin) cannot stand among other texts");
  if (!common.isa.empty()) kernels_for(common.isa);
  if (!common.receipt.empty()) fail("--receipt is not available yet");
}

// --- the model ------------------------------------------------------------------------------------------------------

std::filesystem::path model_path(const Common& common) {
  if (!common.model.empty()) return common.model;
  if (const char* named = std::getenv("BERT_MODEL"); named && *named) return named;
  return shipped_file("bert.safetensors");
}

std::filesystem::path shipped_file(const std::string& name) {
  std::error_code ignored;
  const std::filesystem::path folder = std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path();
  const std::filesystem::path places[] = {
      folder / "../../examples/model" / name,                           // build/release/bert
      folder / "../share/bert" / name,                                  // an installation's bin/bert
      std::filesystem::path(BERT_SOURCE_DIR "/examples/model") / name,  // a build folder elsewhere
  };
  for (const std::filesystem::path& place : places)
    if (std::filesystem::exists(place, ignored)) return std::filesystem::weakly_canonical(place, ignored);
  fail("the ", name, " that ships with the project is not where this program looks: ",
       name == "bert.safetensors" ? "give a model with --model or BERT_MODEL" : "give another");
}

std::optional<Precision> precision(const Common& common) {
  return common.precision.empty() ? std::nullopt : std::optional(precision_by_name(common.precision));
}

const KernelTable<float>& kernels(const Common& common) {
  return common.isa.empty() ? default_kernels<float>() : kernels_for(common.isa);
}

static volatile std::sig_atomic_t interrupt = 0;
void watch_interrupts() {
  for (int signal : {SIGINT, SIGTERM}) std::signal(signal, [](int) { interrupt = 1; });
}
bool interrupted() { return interrupt != 0; }

TaskOptions task_options(const Common& common) {
  return {.threads = common.threads,
          .isa = common.isa,
          .precision = precision(common),
          .truncate = common.truncate,
          .max_tokens = common.max_tokens};
}

std::shared_ptr<const TextModel> open_model(const Common& common) {
  return TextModel::open(model_path(common), task_options(common));
}

// --- inputs ---------------------------------------------------------------------------------------------------------

Lines::Lines(std::string name) : name_(std::move(name)), file_(name_ == "-" ? stdin : std::fopen(name_.c_str(), "r")) {
  if (!file_) fail("cannot read \"", name_, "\": ", std::strerror(errno));
}

Lines::~Lines() {
  if (file_ != stdin) std::fclose(file_);
  std::free(line_);
}

std::optional<std::string> Lines::next() {
  errno = 0;
  const ssize_t length = ::getline(&line_, &capacity_, file_);
  if (length < 0) {
    if (std::ferror(file_) || errno == ENOMEM) fail("cannot read \"", name_, "\": ", std::strerror(errno));
    if (number_ == 0) fail(name_ == "-" ? "standard input" : name_, " is empty: it should hold one input a line");
    return std::nullopt;
  }
  ++number_;
  std::string_view line(line_, static_cast<std::size_t>(length));
  if (line.ends_with('\n')) line.remove_suffix(1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (line.empty()) fail(place(), " is empty");
  return std::string(line);
}

Inputs::Inputs(const Common& common) : texts_(common.texts) {
  const bool from_stdin = texts_.empty() || (texts_.size() == 1 && texts_[0] == "-");
  if (!common.input.empty()) lines_ = std::make_unique<Lines>(common.input);
  if (common.input.empty() && from_stdin) lines_ = std::make_unique<Lines>("-");
}

std::optional<std::string> Inputs::next() {
  at_line_ = false;
  if (!lines_) {
    if (used_ == texts_.size()) return std::nullopt;
    if (texts_[used_].empty()) fail("the text is empty");
    return texts_[used_++];
  }
  std::optional<std::string> line = lines_->next();
  at_line_ = line.has_value();
  return line;
}

std::optional<std::pair<std::string, std::string>> Inputs::next_pair() {
  const auto whole = [](std::string first, std::string second) {
    for (const std::string* text : {&first, &second})
      if (text->find_first_not_of(" \t\r\n") == text->npos) fail("the text is empty");
    return std::pair(std::move(first), std::move(second));
  };
  if (!lines_) {
    if (texts_.size() != 2) throw UsageError(concat("two texts are needed, ", texts_.size(), " given"));
    if (used_ == 2) return std::nullopt;
    std::string first = *next();  // not in one expression: its order would be the compiler's
    return whole(std::move(first), *next());
  }
  const std::optional<std::string> line = next();
  if (!line) return std::nullopt;
  const std::size_t tab = line->find('\t');
  if (tab == line->npos || line->find('\t', tab + 1) != line->npos)
    explain([] { fail("expected two texts with a tab between"); });
  return explain([&] { return whole(line->substr(0, tab), line->substr(tab + 1)); });
}

std::optional<std::size_t> Inputs::count() const { return lines_ ? std::nullopt : std::optional(texts_.size()); }

std::vector<std::int32_t> parse_ids(std::string_view what, std::string_view text) {
  constexpr std::string_view between = " \t,[]";
  std::vector<std::int32_t> ids;
  while (true) {
    text.remove_prefix(std::min(text.find_first_not_of(between), text.size()));
    if (text.empty()) return ids;
    const std::string_view number = text.substr(0, text.find_first_of(between));
    const auto [rest, error] = std::from_chars(number.data(), number.data() + number.size(), ids.emplace_back());
    if (error != std::errc() || rest != number.data() + number.size())
      throw UsageError(concat(what, "\"", number, "\" is not a token id: give whole numbers with spaces between"));
    text.remove_prefix(number.size());
  }
}

void check_window(std::size_t length, const ModelConfig& config) {
  if (length > config.window())
    fail("a sequence of ", length, " tokens is longer than the model's window of ", config.window());
}

// --- printing -------------------------------------------------------------------------------------------------------

void print(std::string_view line) {
  const bool written = std::fwrite(line.data(), 1, line.size(), stdout) == line.size() &&
                       (line.ends_with('\n') || std::putc('\n', stdout) != EOF) && std::fflush(stdout) == 0;
  if (!written) throw PrintError(concat("cannot write to standard output: ", std::strerror(errno)));
}

void print_part(std::string_view part) {
  if (std::fwrite(part.data(), 1, part.size(), stdout) != part.size() || std::fflush(stdout) != 0)
    throw PrintError(concat("cannot write to standard output: ", std::strerror(errno)));
}

void print_heading(const Common& common, std::string_view text) {
  if (common.texts.size() != 1 || common.texts[0] == "-") print(text);
}

std::string json(std::string_view text) {
  std::string repaired;
  return quote_json(detail::repair_utf8(text, repaired));
}

float finite(float number) {
  if (!std::isfinite(number)) fail("a result is ", number, ", which JSON cannot hold: is the model damaged?");
  return number;
}

std::string json(float number) { return concat(finite(number)); }

std::string json(std::int64_t number) { return concat(number); }

std::string fixed(double number, int decimals) {
  char digits[400];
  return {digits, std::to_chars(digits, digits + sizeof digits, number, std::chars_format::fixed, decimals).ptr};
}

/// Columns a text takes on a terminal.
static std::size_t width(std::string_view text) {
  std::string repaired;
  text = detail::repair_utf8(text, repaired);
  std::size_t columns = 0;
  while (!text.empty()) {
    utf8proc_int32_t c = 0;
    const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
    text.remove_prefix(
        static_cast<std::size_t>(utf8proc_iterate(bytes, static_cast<utf8proc_ssize_t>(text.size()), &c)));
    columns += static_cast<std::size_t>(utf8proc_charwidth(c));
  }
  return columns;
}

void Table::print() const {
  std::vector<std::size_t> widths(columns_.size());
  for (const auto& cells : rows_)
    for (std::size_t c = 0; c < cells.size(); ++c) widths[c] = std::max(widths[c], width(cells[c]));
  for (const auto& cells : rows_) {
    std::string line;
    for (std::size_t c = 0; c < cells.size(); ++c) {
      const std::string space(widths[c] - width(cells[c]), ' ');
      line += concat(c ? "  " : "", columns_[c] == 'r' ? space + cells[c] : cells[c] + space);
    }
    cli::print(std::string_view(line).substr(0, line.find_last_not_of(' ') + 1));
  }
}

static std::int64_t now_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(steady_clock::now().time_since_epoch()).count();
}

Progress::Progress(const Common& common)
    : wanted_(common.progress == "always" || (common.progress == "auto" && ::isatty(2) && !::isatty(1))),
      started_(now_ms()),
      last_(started_) {}

Progress::~Progress() {
  if (shown_) std::fputs("\r\033[K", stderr);
}

void Progress::step() {
  ++done_;
  show([&] {
    const double rate = 1000.0 * static_cast<double>(done_) / static_cast<double>(now_ms() - started_);
    return concat(done_, " done, ", fixed(rate, 1), " a second");
  });
}

bool Progress::is_due() {
  if (!wanted_) return false;
  const std::int64_t now = now_ms();
  if (now - started_ < 1000 || now - last_ < 100) return false;
  last_ = now;
  return true;
}

void Progress::write(const std::string& text) {
  shown_ = true;
  std::fputs(concat("\r", text, "\033[K").c_str(), stderr);
}

}  // namespace bert::cli

// bert train-tokenizer: a WordPiece vocabulary from text.
#include <bert/io/text_file.h>
#include <bert/train/wordpiece_trainer.h>

#include "cli.h"

namespace bert::cli {
namespace {

struct TrainTokenizerFlags {
  Common common;
  WordPieceTrainerOptions trainer;
  std::vector<std::string> corpus;
  std::string output, lowercase = "yes";
};

/// An Error now rather than after the training when the folder cannot be made or written to.
void check_can_write(const std::filesystem::path& folder) {
  std::error_code ignored;
  std::filesystem::path existing = std::filesystem::absolute(folder, ignored);
  while (!std::filesystem::exists(existing, ignored) && existing.has_relative_path()) existing = existing.parent_path();
  if (!std::filesystem::is_directory(existing, ignored))
    fail("cannot write to \"", folder.string(), "\": \"", existing.string(), "\" is not a folder");
  if (::access(existing.c_str(), W_OK | X_OK) != 0)
    fail("cannot write to \"", folder.string(), "\": \"", existing.string(), "\": ", std::strerror(errno));
}

/// Counts the words of all files.
WordCounts count_words(const TrainTokenizerFlags& flags, const NormalizerOptions& options, Progress& progress) {
  for (const std::string& file : flags.corpus) TextReader{file};  // what cannot be opened is an error at once
  WordCounts counts;
  for (const std::string& file : flags.corpus) {
    TextReader reader(file);
    const auto shown = [&] {
      const double read = static_cast<double>(reader.bytes_read()), all = static_cast<double>(reader.file_size());
      return concat("reading ", file, ": ", all > 0 ? fixed(100 * read / all, 0) + " %" : fixed(read / 1e6, 1) + " MB");
    };
    count_words(
        [&](std::string_view& line) {
          progress.show(shown);
          return reader.next_line(line);
        },
        options, Threads(flags.common.threads), counts);
  }
  return counts;
}

void run(const TrainTokenizerFlags& flags) {
  if (!flags.common.model.empty())
    throw UsageError(
        "--model does not go with train-tokenizer, which makes a tokenizer from text: name its folder with -o");
  check_can_write(flags.output);
  const NormalizerOptions options{.lowercase = flags.lowercase == "yes"};
  Progress progress(flags.common);
  const WordCounts counts = count_words(flags, options, progress);
  if (counts.empty())
    fail("\"", flags.corpus[0], flags.corpus.size() > 1 ? "\" and the other files have no words" : "\" has no words");
  progress.show([&] { return concat("counting the pairs of letters in ", counts.size(), " words"); });
  const std::vector<std::string> vocabulary = train_wordpiece(counts, flags.trainer, [&](std::size_t size) {
    progress.show([&] { return concat("merging: ", size, " of ", flags.trainer.vocab_size, " tokens"); });
  });
  save_tokenizer(flags.output, vocabulary, options);
  std::uint64_t words = 0;
  for (const auto& [word, count] : counts) words += count;
  if (flags.common.json)
    return print(concat("{\"output\":", json(flags.output), ",\"vocab_size\":", vocabulary.size(), ",\"words\":", words,
                        ",\"distinct_words\":", counts.size(), "}"));
  Table table("ll");
  table.row({"written", flags.output});
  table.row(
      {"tokens", vocabulary.size() == flags.trainer.vocab_size
                     ? concat(vocabulary.size())
                     : concat(vocabulary.size(), ": no more pairs occur ", flags.trainer.min_frequency, " times")});
  table.row({"words", concat(words, ", ", counts.size(), " distinct ones")});
  table.print();
}

}  // namespace

void add_train_tokenizer(CLI::App& app) {
  const auto flags = std::make_shared<TrainTokenizerFlags>();
  CLI::App& command = add_command(app, "train-tokenizer", "make a WordPiece vocabulary from text", flags, run);
  command.add_option("--corpus", flags->corpus, "text files, plain, .xz or .gz")->required();
  command.add_option("--vocab-size", flags->trainer.vocab_size, "tokens, special ones included")
      ->required()
      ->check(whole_number(1, std::size_t{1} << 30));
  command.add_option("-o,--output", flags->output, "folder for vocab.txt and tokenizer_config.json")->required();
  command.add_option("--lowercase", flags->lowercase, "yes (default) or no: whether the model sees small letters only")
      ->check(CLI::IsMember({"yes", "no"}));
  command.add_option("--min-frequency", flags->trainer.min_frequency, "how often a pair occurs to become a token (2)")
      ->check(positive());
  command.add_option("--limit-alphabet", flags->trainer.limit_alphabet, "characters that are kept at most (1000)")
      ->check(positive());
}

}  // namespace bert::cli

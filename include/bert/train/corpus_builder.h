// CorpusBuilder: lines of text to the cache file that corpus.h maps. load_corpus: the cache of these files, made when
// there is none.
//
// Lines are gathered to batches of 4 MB, cut into pieces that the threads tokenise, and written in order: neither the
// number of threads nor the batches change a byte. Memory: the batch, its ids, and 8 bytes a segment.
#pragma once
#include <bert/core/team.h>
#include <bert/io/output_file.h>
#include <bert/tokenizers/tokenizer.h>
#include <bert/train/corpus.h>

#include <functional>

namespace bert::inline BERT_ABI {

/// How far a builder is.
struct CorpusCounts {
  std::uint64_t bytes = 0, documents = 0, segments = 0, tokens = 0;  // bytes: of text read, without line ends
};

struct CorpusOptions {
  bool split_sentences = true;  ///< cut every line into sentences; false: a line is a segment
  bool line_ends = false;       ///< a document is one segment, a "\n" behind every line: for models that write text
  int threads = 0;              ///< 0: all
  /// Called after every batch on the calling thread. An exception it throws ends the work and leaves no file.
  std::function<void(const CorpusCounts&)> progress = {};

  /// How pre-training reads a text: models that write it learn line ends, others see sentences.
  static CorpusOptions for_training(bool causal) { return {.split_sentences = !causal, .line_ends = causal}; }
};

class CorpusBuilder {
 public:
  /// The tokenizer must outlive the builder. Errors: `cannot write "FILE": …`.
  CorpusBuilder(const std::filesystem::path& cache, const CorpusIdentity& identity, const Tokenizer& tokenizer,
                const CorpusOptions& options = {});

  /// A line without its end; one of white space alone ends the document, lines without tokens are left out.
  void add_line(std::string_view line);
  void end_document() { add_line({}); }

  /// Writes the rest and makes the file appear. Error when there was no text. Call it once, last.
  void finish();

 private:
  struct Piece {  // some lines, as tokens
    std::size_t begin, end;
    std::vector<std::int32_t> ids;
    std::vector<std::size_t> lengths;  // of segments; 0: the document ends
  };
  void tokenize(Piece& piece) const;
  void tokenize_batch();
  void append(const Piece& piece);
  void write_header();
  template <class Number>
  void write(const std::vector<Number>& numbers) {
    file_.write(std::as_bytes(std::span(numbers)));
  }

  OutputFile file_;
  CorpusIdentity identity_;
  const Tokenizer& tokenizer_;
  CorpusOptions options_;
  Threads threads_;
  std::size_t special_before_ = 0, special_behind_ = 0;  // ids that encode_ids puts around a text
  std::string text_;
  std::vector<std::size_t> line_ends_;  // in text_
  std::vector<std::uint64_t> first_token_{0}, first_segment_{0};
  CorpusCounts counts_;
};

/// The corpus of these files, from the cache when it belongs to them and to this tokenizer, else tokenised into it.
/// Reader reads a text file: Reader(path), bool next_line(std::string_view& line), which is good until the next call.
/// `identity`: theirs, for who has it already.
template <class Reader>
Corpus load_corpus(const std::vector<std::filesystem::path>& files, const Tokenizer& tokenizer,
                   const std::filesystem::path& cache, const CorpusOptions& options, const CorpusIdentity& identity) {
  if (std::optional<Corpus> found = Corpus::open(cache, identity)) return std::move(*found);
  CorpusBuilder builder(cache, identity, tokenizer, options);
  for (const std::filesystem::path& file : files) {
    Reader reader(file);
    for (std::string_view line; reader.next_line(line);) builder.add_line(line);
    builder.end_document();
  }
  builder.finish();
  return Corpus(cache);
}
template <class Reader>
Corpus load_corpus(const std::vector<std::filesystem::path>& files, const Tokenizer& tokenizer,
                   const std::filesystem::path& cache, const CorpusOptions& options = {}) {
  const CorpusIdentity identity = corpus_identity(files, tokenizer, options.split_sentences, options.line_ends);
  return load_corpus<Reader>(files, tokenizer, cache, options, identity);
}

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <bert/train/sentences.h>

#include <atomic>

namespace bert::inline BERT_ABI {

namespace detail {
inline constexpr std::size_t kCorpusBatchBytes = std::size_t{4} << 20, kCorpusPieceBytes = std::size_t{64} << 10;
}

BERT_INLINE CorpusBuilder::CorpusBuilder(const std::filesystem::path& cache, const CorpusIdentity& identity,
                                         const Tokenizer& tokenizer, const CorpusOptions& options)
    : file_(cache), identity_(identity), tokenizer_(tokenizer), options_(options), threads_(options.threads) {
  bool behind = false;
  for (const TemplatePart& part : tokenizer.spec().single) {
    behind |= part.special.empty();
    (behind ? special_behind_ : special_before_) += part.ids.size();
  }
  write_header();
}

BERT_INLINE void CorpusBuilder::write_header() {
  const std::uint32_t id_bytes = tokenizer_.vocab_size() <= 65536 ? 2 : 4;
  const std::uint32_t hashes = static_cast<std::uint32_t>(identity_.files_sha256.size()) + 1;
  file_.write(detail::kCorpusMagic);
  write(std::vector<std::uint32_t>{detail::kCorpusVersion, id_bytes,
                                   static_cast<std::uint32_t>(tokenizer_.vocab_size()),
                                   (identity_.split_sentences ? 1u : 0u) | (identity_.line_ends ? 2u : 0u), hashes, 0});
  file_.write(identity_.tokenizer_sha256);
  for (const std::string& hash : identity_.files_sha256) file_.write(hash);
}

BERT_INLINE void CorpusBuilder::add_line(std::string_view line) {
  const bool blank = line.find_first_not_of(" \t\r\n\v\f") == std::string_view::npos;
  if (!blank) text_ += line;
  counts_.bytes += line.size();
  if (options_.line_ends) {  // what is gathered is cut behind documents alone
    if (!blank) text_ += '\n';
    if (!blank) return;
    if (text_.size() > (line_ends_.empty() ? 0 : line_ends_.back())) line_ends_.push_back(text_.size());
  }
  line_ends_.push_back(text_.size());
  if (text_.size() >= detail::kCorpusBatchBytes) tokenize_batch();
}

/// Lines [piece.begin, piece.end) to ids.
BERT_INLINE void CorpusBuilder::tokenize(Piece& piece) const {
  const auto add = [&](std::string_view segment) {
    const std::size_t before = piece.ids.size();
    tokenizer_.encode_ids(segment, piece.ids);
    piece.ids.resize(piece.ids.size() - special_behind_);
    const auto first = piece.ids.begin() + static_cast<std::ptrdiff_t>(before);
    piece.ids.erase(first, first + static_cast<std::ptrdiff_t>(special_before_));
    if (piece.ids.size() > before) piece.lengths.push_back(piece.ids.size() - before);
  };
  for (std::size_t i = piece.begin; i < piece.end; ++i) {
    const std::size_t begin = i == 0 ? 0 : line_ends_[i - 1];
    const std::string_view line = std::string_view(text_).substr(begin, line_ends_[i] - begin);
    if (line.empty())
      piece.lengths.push_back(0);
    else if (options_.split_sentences)
      split_sentences(line, add);
    else
      add(line);
  }
}

BERT_INLINE void CorpusBuilder::tokenize_batch() {
  std::vector<Piece> pieces;
  for (std::size_t i = 0, begin = 0; i < line_ends_.size(); ++i) {
    const std::size_t text_begin = begin == 0 ? 0 : line_ends_[begin - 1];
    if (line_ends_[i] - text_begin < detail::kCorpusPieceBytes && i + 1 < line_ends_.size()) continue;
    pieces.push_back({begin, i + 1, {}, {}});
    begin = i + 1;
  }
  std::atomic<std::size_t> next{0};
  threads_.run([&](const Team&) {
    for (std::size_t i; (i = next.fetch_add(1)) < pieces.size();) tokenize(pieces[i]);
  });
  for (const Piece& piece : pieces) append(piece);
  text_.clear();
  line_ends_.clear();
  counts_.documents = first_segment_.size() - 1;
  counts_.segments = first_token_.size() - 1;
  counts_.tokens = first_token_.back();
  if (options_.progress) options_.progress(counts_);
}

BERT_INLINE void CorpusBuilder::append(const Piece& piece) {
  for (const std::size_t length : piece.lengths) {
    if (length > 0)
      first_token_.push_back(first_token_.back() + length);
    else if (first_token_.size() - 1 > first_segment_.back())
      first_segment_.push_back(first_token_.size() - 1);
  }
  if (tokenizer_.vocab_size() <= 65536)
    write(std::vector<std::uint16_t>(piece.ids.begin(), piece.ids.end()));
  else
    write(piece.ids);
}

BERT_INLINE void CorpusBuilder::finish() {
  end_document();
  tokenize_batch();
  if (first_segment_.size() == 1) fail("the corpus holds no text: none of its lines has a token");
  const std::size_t id_bytes = first_token_.back() * (tokenizer_.vocab_size() <= 65536 ? 2 : 4);
  file_.write(std::string((8 - id_bytes % 8) % 8, '\0'));
  write(first_token_);
  write(first_segment_);
  write(std::vector<std::uint64_t>{first_token_.back(), first_token_.size() - 1, first_segment_.size() - 1});
  file_.write(detail::kCorpusEnd);
  file_.commit();
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

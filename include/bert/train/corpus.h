// Corpus: a text for pre-training, tokenised once and mapped: documents of segments of token ids.
//
// The text has a paragraph or a sentence a line and a blank line between documents. corpus_builder.h makes the cache
// file; a Corpus maps it, so that it costs no memory of its own and opens at once. The file, little-endian:
//
//   "bertcorp", u32 version, u32 bytes per id (2 or 4), u32 vocabulary size, u32 1 when lines were cut into sentences,
//   2 when documents were tokenised whole, u32 number of hashes, u32 0
//
//   the hashes, 64 hexadecimal digits each: of the tokenizer, of every corpus file
//
//   ids [T], padded with zeros to 8 bytes; u64 first token of every segment [S + 1]; u64 first segment of every
//   document [D + 1]; u64 T, S, D; "corp end"
#pragma once
#include <bert/io/mapped_file.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace bert::inline BERT_ABI {

class Tokenizer;

/// What a cache was made from. A cache with another identity does not belong to these inputs.
struct CorpusIdentity {
  std::string tokenizer_sha256;           // of Tokenizer::to_json()
  std::vector<std::string> files_sha256;  // of the corpus files as they lie on disk, in the order they were given
  bool split_sentences = true;            // lines were cut into sentences (sentences.h)
  bool line_ends = false;                 // documents were tokenised whole, a "\n" behind every line
  bool operator==(const CorpusIdentity&) const = default;
};

/// Hashes the files (about 250 MB/s) and the tokenizer.
CorpusIdentity corpus_identity(const std::vector<std::filesystem::path>& files, const Tokenizer& tokenizer,
                               bool split_sentences = true, bool line_ends = false);

/// A mapped cache. Move-only, immutable: any thread may read. No document and no segment is empty.
class Corpus {
 public:
  /// Maps and checks the whole file, ids included. Errors: `cannot use the corpus cache "FILE": …`.
  explicit Corpus(const std::filesystem::path& cache);

  /// The cache when it belongs to `identity`; nothing when there is none, or an old or damaged one that may be
  /// replaced. Error when the file there is something else.
  static std::optional<Corpus> open(const std::filesystem::path& cache, const CorpusIdentity& identity);

  const CorpusIdentity& identity() const { return identity_; }
  std::size_t vocab_size() const { return vocab_size_; }
  std::size_t documents() const { return documents_; }
  std::size_t segments() const { return segments_; }
  std::uint64_t tokens() const { return first_token_[segments_]; }

  /// The number of the document's first segment; of documents(): segments().
  std::size_t first_segment(std::size_t document) const { return first_segment_[document]; }
  /// The number of the segment's first token; of segments(): tokens().
  std::uint64_t first_token(std::size_t segment) const { return first_token_[segment]; }
  /// The segment that holds a token, the document that holds a segment. Logarithmic.
  std::size_t segment_of(std::uint64_t token) const;
  std::size_t document_of(std::size_t segment) const;

  /// Appends the ids of tokens [begin, end).
  void append(std::uint64_t begin, std::uint64_t end, std::vector<std::int32_t>& ids) const;

 private:
  void check_header();
  void check_offsets(const std::uint64_t* offsets, std::size_t count, std::uint64_t last, std::string_view what) const;
  template <class Id>
  void check_ids() const;
  [[noreturn]] void damaged(std::string_view what) const;

  MappedFile file_;
  CorpusIdentity identity_;
  std::size_t vocab_size_ = 0, id_bytes_ = 0, documents_ = 0, segments_ = 0;
  const std::byte* ids_ = nullptr;
  const std::uint64_t *first_token_ = nullptr, *first_segment_ = nullptr;
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <bert/io/provenance.h>
#include <bert/tokenizers/tokenizer.h>

#include <algorithm>
#include <cstring>

namespace bert::inline BERT_ABI {

namespace detail {
inline constexpr std::string_view kCorpusMagic = "bertcorp", kCorpusEnd = "corp end";
inline constexpr std::uint32_t kCorpusVersion = 1;
inline constexpr std::size_t kCorpusHeader = 32, kCorpusTrailer = 32, kHashDigits = 64;

template <class Number>
Number number_at(const std::byte* data) {
  Number number;
  std::memcpy(&number, data, sizeof number);
  return number;
}
}  // namespace detail

BERT_INLINE CorpusIdentity corpus_identity(const std::vector<std::filesystem::path>& files, const Tokenizer& tokenizer,
                                           bool split_sentences, bool line_ends) {
  CorpusIdentity identity{sha256_hex(tokenizer.to_json()), {}, split_sentences, line_ends};
  for (const std::filesystem::path& file : files) {
    if (!std::filesystem::is_regular_file(file))
      fail("cannot read the corpus \"", file.string(),
           "\": ", std::filesystem::exists(file) ? "it is not a regular file" : "there is no such file");
    identity.files_sha256.push_back(file_sha256(file));
  }
  return identity;
}

BERT_INLINE void Corpus::damaged(std::string_view what) const {
  fail("cannot use the corpus cache \"", file_.path().string(), "\": ", what, "; delete it and it is made again");
}

BERT_INLINE Corpus::Corpus(const std::filesystem::path& cache) : file_(cache) {
  check_header();
  const std::size_t size = file_.bytes().size(), hashes = 1 + identity_.files_sha256.size();
  const std::size_t begin = detail::kCorpusHeader + hashes * detail::kHashDigits;
  if (size < begin + detail::kCorpusTrailer) damaged("it ends too early");
  const std::byte* const trailer = file_.bytes().data() + size - detail::kCorpusTrailer;
  const auto tokens = detail::number_at<std::uint64_t>(trailer);
  const auto segments = detail::number_at<std::uint64_t>(trailer + 8);
  const auto documents = detail::number_at<std::uint64_t>(trailer + 16);
  const std::string_view end(reinterpret_cast<const char*>(trailer) + 24, 8);
  if (end != detail::kCorpusEnd || tokens > size || segments > tokens || documents > segments || documents == 0)
    damaged("its end is damaged");
  const std::size_t id_bytes = (tokens * id_bytes_ + 7) / 8 * 8;
  if (size != begin + id_bytes + 8 * (segments + 1) + 8 * (documents + 1) + detail::kCorpusTrailer)
    damaged("its size is not that of what it holds");
  segments_ = segments;
  documents_ = documents;
  ids_ = file_.bytes().data() + begin;
  first_token_ = reinterpret_cast<const std::uint64_t*>(ids_ + id_bytes);
  first_segment_ = first_token_ + segments + 1;
  check_offsets(first_token_, segments, tokens, "segments");
  check_offsets(first_segment_, documents, segments, "documents");
  id_bytes_ == 2 ? check_ids<std::uint16_t>() : check_ids<std::int32_t>();
}

BERT_INLINE void Corpus::check_header() {
  const std::string_view text = file_.text();
  if (!text.starts_with(detail::kCorpusMagic)) damaged("it is no corpus cache");
  if (text.size() < detail::kCorpusHeader) damaged("it ends too early");
  const auto word = [&](std::size_t at) { return detail::number_at<std::uint32_t>(file_.bytes().data() + at); };
  if (word(8) != detail::kCorpusVersion) damaged(concat("its version is ", word(8), ", not ", detail::kCorpusVersion));
  id_bytes_ = word(12);
  vocab_size_ = word(16);
  identity_.split_sentences = (word(20) & 1) != 0, identity_.line_ends = (word(20) & 2) != 0;
  const std::size_t hashes = word(24);
  if ((id_bytes_ != 2 && id_bytes_ != 4) || word(20) > 3 || hashes == 0 ||
      hashes > (text.size() - detail::kCorpusHeader) / detail::kHashDigits)
    damaged("its header is damaged");
  for (std::size_t i = 0; i < hashes; ++i) {
    const std::string_view hash = text.substr(detail::kCorpusHeader + i * detail::kHashDigits, detail::kHashDigits);
    if (i == 0)
      identity_.tokenizer_sha256 = hash;
    else
      identity_.files_sha256.emplace_back(hash);
  }
}

BERT_INLINE void Corpus::check_offsets(const std::uint64_t* offsets, std::size_t count, std::uint64_t last,
                                       std::string_view what) const {
  bool good = offsets[0] == 0 && offsets[count] == last;
  for (std::size_t i = 0; i < count; ++i) good &= offsets[i] < offsets[i + 1];
  if (!good) damaged(concat("the offsets of its ", what, " are damaged"));
}

template <class Id>
void Corpus::check_ids() const {
  bool good = true;
  const auto* const ids = reinterpret_cast<const Id*>(ids_);
  for (std::uint64_t i = 0, count = tokens(); i < count; ++i) good &= static_cast<std::uint32_t>(ids[i]) < vocab_size_;
  if (!good) damaged(concat("it has ids outside its vocabulary of ", vocab_size_));
}

BERT_INLINE std::optional<Corpus> Corpus::open(const std::filesystem::path& cache, const CorpusIdentity& identity) {
  std::error_code ignored;
  if (!std::filesystem::exists(cache, ignored)) return std::nullopt;
  if (std::filesystem::is_regular_file(cache, ignored) && std::filesystem::file_size(cache) == 0) return std::nullopt;
  if (!MappedFile(cache).text().starts_with(detail::kCorpusMagic))
    fail("cannot keep the corpus cache in \"", cache.string(),
         "\": what is there is no corpus cache; name another file or take it away");
  try {
    Corpus corpus(cache);
    if (corpus.identity() == identity) return corpus;
  } catch (const Error&) {  // damaged, or of another version: to be made again
  }
  return std::nullopt;
}

BERT_INLINE std::size_t Corpus::segment_of(std::uint64_t token) const {
  return static_cast<std::size_t>(std::upper_bound(first_token_, first_token_ + segments_, token) - first_token_) - 1;
}

BERT_INLINE std::size_t Corpus::document_of(std::size_t segment) const {
  const std::uint64_t* const end = first_segment_ + documents_;
  return static_cast<std::size_t>(std::upper_bound(first_segment_, end, std::uint64_t{segment}) - first_segment_) - 1;
}

BERT_INLINE void Corpus::append(std::uint64_t begin, std::uint64_t end, std::vector<std::int32_t>& ids) const {
  const auto append_from = [&](const auto* all) { ids.insert(ids.end(), all + begin, all + end); };
  if (id_bytes_ == 2)
    append_from(reinterpret_cast<const std::uint16_t*>(ids_));
  else
    append_from(reinterpret_cast<const std::int32_t*>(ids_));
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

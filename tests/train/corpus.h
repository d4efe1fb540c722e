// Corpora for tests of train/: text in, a mapped corpus out, read by a stand-in for the library's reader of lines.
#pragma once
#include <bert/train/corpus_builder.h>

#include <fstream>
#include <string>
#include <vector>

#include "io/files.h"

namespace tests {

/// Reads a plain file by lines and counts how many were opened.
class LineReader {
 public:
  explicit LineReader(const std::filesystem::path& path) : file_(path, std::ios::binary) { ++opened; }
  bool next_line(std::string_view& line) {
    const bool found = static_cast<bool>(std::getline(file_, line_));
    line = line_;
    return found;
  }
  static inline int opened = 0;

 private:
  std::ifstream file_;
  std::string line_;
};

inline constexpr int special_tokens = 5;  // ids 0 to 4

/// A tokenizer of whole words: w0, w1 … have the ids 5, 6 …
inline bert::Tokenizer word_tokenizer(std::size_t words) {
  std::string vocab = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
  for (std::size_t i = 0; i < words; ++i) vocab += "w" + std::to_string(i) + "\n";
  return bert::Tokenizer::from_vocab(vocab);
}

/// Documents of segments of so many tokens; token i of the whole corpus is the word wi.
struct CountedText {
  std::vector<std::size_t> first_token{0};    // of every segment, then the number of tokens
  std::vector<std::size_t> first_segment{0};  // of every document, then the number of segments
  std::string text;

  void add_document(const std::vector<std::size_t>& lengths) {
    for (const std::size_t length : lengths) {
      for (std::size_t i = 0; i < length; ++i)
        text += "w" + std::to_string(first_token.back() + i) + (i + 1 < length ? " " : "\n");
      first_token.push_back(first_token.back() + length);
    }
    text += "\n";
    first_segment.push_back(first_token.size() - 1);
  }
  std::size_t tokens() const { return first_token.back(); }
};

/// A corpus of one text and the folder it lies in.
struct TextCorpus {
  TemporaryFolder folder;
  bert::Tokenizer tokenizer;
  bert::Corpus corpus;

  TextCorpus(const std::string& text, bert::Tokenizer with)
      : tokenizer(std::move(with)), corpus((write_file(folder / "text", text), load())) {}
  explicit TextCorpus(const CountedText& text) : TextCorpus(text.text, word_tokenizer(text.tokens())) {}

 private:
  bert::Corpus load() { return bert::load_corpus<LineReader>({folder / "text"}, tokenizer, folder / "cache"); }
};

}  // namespace tests

// WordPiece: cuts one word into the longest pieces of the vocabulary, from left to right.
//
// Every piece after the first is looked up with the continuing prefix ("##"). A word of more than 100 code points, or
// one with a part that no piece matches, is the unknown token as a whole. Wu et al. 2016, "Google's Neural Machine
// Translation System", section 4.1; BERT's tokenization.py.
#pragma once
#include <bert/tokenizers/vocabulary.h>

namespace bert::inline BERT_ABI {

class WordPiece {
 public:
  /// Memory for split(), to be kept from word to word; one for each thread.
  struct Scratch {
    std::vector<Piece> pieces;
    std::vector<std::uint64_t> hashes;
  };

  WordPiece(const Vocabulary& vocabulary, std::int32_t unk_id, std::string prefix,
            std::size_t max_input_chars_per_word);

  /// Fills scratch.pieces with the pieces of `word` (valid UTF-8, not empty).
  void split(const Vocabulary& vocabulary, std::string_view word, Scratch& scratch) const;

 private:
  bool append_longest(const Vocabulary& vocabulary, std::string_view word, std::uint32_t begin, Scratch& scratch) const;

  std::int32_t unk_id_;
  std::string prefix_;
  std::uint64_t prefix_hash_;
  std::size_t max_chars_, longest_;
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <bert/tokenizers/unicode.h>

#include <algorithm>

namespace bert::inline BERT_ABI {

BERT_INLINE WordPiece::WordPiece(const Vocabulary& vocabulary, std::int32_t unk_id, std::string prefix,
                                 std::size_t max_input_chars_per_word)
    : unk_id_(unk_id),
      prefix_(std::move(prefix)),
      prefix_hash_(Vocabulary::hash_of(prefix_)),
      max_chars_(max_input_chars_per_word),
      longest_(vocabulary.longest_token()) {}

BERT_INLINE void WordPiece::split(const Vocabulary& vocabulary, std::string_view word, Scratch& scratch) const {
  const auto size = static_cast<std::uint32_t>(word.size());
  scratch.pieces.clear();
  scratch.hashes.resize(longest_);
  bool known = word.size() <= max_chars_ || detail::count_code_points(word) <= max_chars_;
  for (std::uint32_t begin = 0; known && begin < size;) {
    known = append_longest(vocabulary, word, begin, scratch);
    if (known) begin = scratch.pieces.back().end;
  }
  if (!known) scratch.pieces.assign(1, {unk_id_, 0, size});
}

BERT_INLINE bool WordPiece::append_longest(const Vocabulary& vocabulary, std::string_view word, std::uint32_t begin,
                                           Scratch& scratch) const {
  const std::string_view prefix = begin == 0 ? std::string_view() : std::string_view(prefix_);
  std::uint64_t hash = begin == 0 ? Vocabulary::kHashSeed : prefix_hash_;
  std::size_t length = std::min(word.size() - begin, longest_);
  for (std::size_t i = 0; i < length; ++i) scratch.hashes[i] = hash = Vocabulary::hash_byte(hash, word[begin + i]);
  for (; length > 0; --length) {
    const std::int32_t id = vocabulary.find(scratch.hashes[length - 1], prefix, word.substr(begin, length));
    if (id < 0) continue;
    scratch.pieces.push_back({id, begin, begin + static_cast<std::uint32_t>(length)});
    return true;
  }
  return false;
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

// Bpe: byte-pair encoding of bytes, GPT-2's and RoBERTa's. A word begins as single bytes and is merged as merges.h
// says.
//
// Nearly all words of real text are tokens themselves: those that merging makes of their own bytes are found when the
// tokenizer is built, and later cost one look-up.
#pragma once
#include <bert/tokenizers/merges.h>
#include <bert/tokenizers/vocabulary.h>

#include <array>
#include <utility>

namespace bert::inline BERT_ABI {

class Bpe {
 public:
  /// Memory for split(), to be kept from word to word; one for each thread.
  struct Scratch {
    std::vector<Piece> pieces;
    MergeTable::Scratch merges;
  };
  using Merges = std::vector<std::pair<std::string, std::string>>;

  /// `tokens` are strings of bytes, one for each id; `merges` pairs of them, the one learnt first first. Throws Error
  /// when a pair's parts, or what they make, are no tokens. With ignore_merges a word that is a token stays whole.
  Bpe(const std::vector<std::string>& tokens, const Merges& merges, bool ignore_merges = false);

  /// Fills scratch.pieces with the pieces of `word`. Bytes that are no token are left out, as Hugging Face does.
  void split(std::string_view word, Scratch& scratch) const;

  std::string_view bytes(std::int32_t id) const { return tokens_.token(id); }

 private:
  void merge(std::string_view word, Scratch& scratch) const;

  Vocabulary tokens_;
  MergeTable merges_;
  std::array<std::int32_t, 256> of_byte_;
  std::vector<char> is_whole_;  // merging makes this token of its own bytes
};

/// Enters `merges`, pairs of tokens of the vocabulary, by their order. Throws Error as Bpe's constructor says.
void fill_merges(const Vocabulary& tokens, const Bpe::Merges& merges, MergeTable& table);

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
namespace bert::inline BERT_ABI {

BERT_INLINE void fill_merges(const Vocabulary& tokens, const Bpe::Merges& merges, MergeTable& table) {
  table.reset(merges.size());
  std::int32_t rank = 0;
  for (const auto& [left, right] : merges) {
    const auto a = tokens.find(left), b = tokens.find(right), both = tokens.find(left + right);
    if (!a || !b || !both)
      fail("merge ", rank + 1, ", \"", left, "\" and \"", right, "\": ", !a || !b ? "one of them" : "what they make",
           " is no token");
    table.add(*a, *b, rank++, *both);
  }
}

BERT_INLINE Bpe::Bpe(const std::vector<std::string>& tokens, const Merges& merges, bool ignore_merges)
    : tokens_(tokens) {
  for (std::size_t byte = 0; byte < 256; ++byte) {
    const char text = static_cast<char>(byte);
    of_byte_[byte] = tokens_.find({&text, 1}).value_or(-1);
  }
  fill_merges(tokens_, merges, merges_);
  is_whole_.resize(tokens.size(), ignore_merges);
  Scratch scratch;
  for (std::size_t id = 0; id < tokens.size() && !ignore_merges; ++id) {
    merge(tokens[id], scratch);
    is_whole_[id] = scratch.pieces.size() == 1 && scratch.pieces[0].id == static_cast<std::int32_t>(id);
  }
}

BERT_INLINE void Bpe::split(std::string_view word, Scratch& scratch) const {
  if (const auto id = tokens_.find(word); id && is_whole_[static_cast<std::size_t>(*id)])
    scratch.pieces.assign(1, {*id, 0, static_cast<std::uint32_t>(word.size())});
  else
    merge(word, scratch);
}

BERT_INLINE void Bpe::merge(std::string_view word, Scratch& scratch) const {
  scratch.pieces.clear(), scratch.merges.clear();
  for (std::size_t i = 0; i < word.size(); ++i) {
    const std::int32_t id = of_byte_[static_cast<unsigned char>(word[i])];
    if (id >= 0) scratch.merges.append(id, static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(i + 1));
  }
  merges_.run(scratch.merges);
  for (const MergeTable::Symbol& symbol : scratch.merges.symbols)
    if (symbol.id >= 0) scratch.pieces.push_back({symbol.id, symbol.begin, symbol.end});
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

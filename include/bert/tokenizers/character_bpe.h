// CharacterBpe: byte-pair encoding of characters, as SentencePiece trains it and Llama 2 uses it. A character that is
// no token becomes its bytes' tokens (byte fallback) or the unknown one.
//
// Two rules for what is merged first: in a tokenizer.json the order of its merges, in a SentencePiece model the score
// of what two neighbours make. Where no merge crosses from another character to the space symbol ▁, each word is merged
// by itself; the result is the same.
#pragma once
#include <bert/tokenizers/bpe.h>
#include <bert/tokenizers/unigram.h>

namespace bert::inline BERT_ABI {

struct CharacterBpeOptions {
  std::int32_t unk_id = -1;    ///< -1: unknown characters are left out
  bool fuse_unk = false;       ///< one unknown token for neighbours
  bool byte_fallback = false;  ///< the bytes' tokens, <0x00> to <0xFF>, for an unknown character
  bool ignore_merges = false;  ///< a whole text that is a token stays whole
};

class CharacterBpe {
 public:
  struct Scratch {
    std::vector<Piece> pieces;
    MergeTable::Scratch merges;
  };

  /// A tokenizer.json's. Throws Error when a merge's parts, or what they make, are no tokens.
  CharacterBpe(const Vocabulary& tokens, const Bpe::Merges& merges, const CharacterBpeOptions& options);
  /// A SentencePiece model's: `uses` as for Unigram. Unknown characters are pieces of id Unigram::kUnknown.
  CharacterBpe(const Vocabulary& tokens, const std::vector<double>& scores, const std::vector<Unigram::Use>& uses);

  /// Fills scratch.pieces with the pieces of `text` (valid UTF-8). Where a tokenizer.json's unknown characters are left
  /// out the pieces behind move up, as in Hugging Face.
  void split(const Vocabulary& tokens, std::string_view text, Scratch& scratch) const;

 private:
  static constexpr std::int32_t kStranger = INT32_MAX;  // the symbol of a character that no piece has
  void add_characters(const Vocabulary& tokens, std::string_view word, std::uint32_t& at, Scratch& scratch) const;
  void add_pieces(const Vocabulary& tokens, std::string_view word, std::uint32_t at, Scratch& scratch) const;
  /// The symbol of a SentencePiece model's character: a piece, another character, or one that no piece has.
  std::int32_t symbol_of(const Vocabulary& tokens, std::string_view character) const;
  void split_words(const Vocabulary& tokens, std::string_view text, std::uint32_t at, Scratch& scratch) const;
  void find_whole(const Vocabulary& tokens);

  CharacterBpeOptions options_;
  MergeTable merges_;
  bool cuts_ = true;
  std::array<std::int32_t, 128> ascii_;  // symbol of each character; -1 or kStranger: none
  std::vector<char> is_whole_;           // merging makes this token of its own characters
  std::array<std::int32_t, 256> bytes_;  // tokens of the bytes; -1: none
  // Of a SentencePiece model:
  std::optional<Vocabulary> others_;  // characters of pieces that are none themselves; their ids follow the tokens'
  std::vector<Unigram::Use> uses_;
  std::optional<Trie> frozen_;  // user-defined pieces: found first, never merged
};

namespace detail {
/// "<0x0A>", the token of a byte.
inline std::string byte_token(unsigned char byte) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  return {'<', '0', 'x', kDigits[byte >> 4], kDigits[byte & 15], '>'};
}
/// The tokens of all bytes; -1 where there is none.
inline std::array<std::int32_t, 256> byte_ids(const Vocabulary& tokens) {
  std::array<std::int32_t, 256> ids;
  for (std::size_t byte = 0; byte < 256; ++byte)
    ids[byte] = tokens.find(byte_token(static_cast<unsigned char>(byte))).value_or(-1);
  return ids;
}
}  // namespace detail

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <algorithm>

namespace bert::inline BERT_ABI {

BERT_INLINE CharacterBpe::CharacterBpe(const Vocabulary& tokens, const Bpe::Merges& merges,
                                       const CharacterBpeOptions& options)
    : options_(options) {
  fill_merges(tokens, merges, merges_);
  for (const auto& [left, right] : merges) cuts_ = cuts_ && !detail::spans_words(left + right);
  cuts_ = cuts_ && tokens.find(detail::kSpaceSymbol);
  bytes_.fill(-1);
  if (options.byte_fallback) bytes_ = detail::byte_ids(tokens);
  find_whole(tokens);
}

namespace detail {
/// Calls use(left, right) for all ways to cut a token between two characters.
template <class Use>
void for_each_cut(std::string_view token, Use&& use) {
  for (std::size_t i = 1; i < token.size(); ++i)
    if ((token[i] & 0xC0) != 0x80) use(token.substr(0, i), token.substr(i));
}
}  // namespace detail

BERT_INLINE CharacterBpe::CharacterBpe(const Vocabulary& tokens, const std::vector<double>& scores,
                                       const std::vector<Unigram::Use>& uses)
    : uses_(uses) {
  bytes_.fill(-1);
  const auto size = static_cast<std::int32_t>(tokens.size());
  const auto is_piece = [&](std::int32_t id) {
    return id >= 0 && uses[static_cast<std::size_t>(id)] != Unigram::Use::none;
  };
  std::vector<std::string> others;
  std::vector<double> order;
  std::vector<std::pair<std::string_view, std::int32_t>> frozen;
  for (std::int32_t id = 0; id < size; ++id) {
    const std::string_view token = tokens.token(id);
    if (!is_piece(id)) continue;
    order.push_back(scores[static_cast<std::size_t>(id)]);
    if (uses[static_cast<std::size_t>(id)] == Unigram::Use::fixed) frozen.emplace_back(token, id);
    cuts_ = cuts_ && !detail::spans_words(token);
    for (std::size_t at = 0, length; at < token.size(); at += length) {
      length = std::min(detail::character_length(token[at]), token.size() - at);
      if (!is_piece(tokens.find(token.substr(at, length)).value_or(-1))) others.emplace_back(token.substr(at, length));
    }
  }
  std::sort(others.begin(), others.end());
  others.erase(std::unique(others.begin(), others.end()), others.end());
  if (!others.empty()) others_.emplace(others);
  if (!frozen.empty()) frozen_.emplace(std::move(frozen));
  std::sort(order.begin(), order.end(), std::greater<>());
  std::vector<std::array<std::int32_t, 4>> merges;
  for (std::int32_t id = 0; id < size; ++id) {
    if (!is_piece(id)) continue;
    const auto rank =
        std::lower_bound(order.begin(), order.end(), scores[static_cast<std::size_t>(id)], std::greater<>());
    detail::for_each_cut(tokens.token(id), [&](std::string_view left, std::string_view right) {
      const std::int32_t a = symbol_of(tokens, left), b = symbol_of(tokens, right);
      if (a != kStranger && b != kStranger)
        merges.push_back({a, b, static_cast<std::int32_t>(rank - order.begin()), id});
    });
  }
  merges_.reset(merges.size());
  for (const auto& [left, right, rank, made] : merges) merges_.add(left, right, rank, made);
  find_whole(tokens);
}

BERT_INLINE void CharacterBpe::find_whole(const Vocabulary& tokens) {
  for (unsigned char byte = 0; byte < 128; ++byte) {
    const char character = static_cast<char>(byte);
    ascii_[byte] = uses_.empty() ? tokens.find_id({&character, 1}) : symbol_of(tokens, {&character, 1});
  }
  is_whole_.resize(tokens.size());
  Scratch scratch;
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    const std::string_view token = tokens.token(static_cast<std::int32_t>(id));
    if (token.size() > 256 || token.empty() || detail::first_word(token) != token.size()) continue;
    scratch.pieces.clear();
    add_pieces(tokens, token, 0, scratch);
    is_whole_[id] = scratch.pieces.size() == 1 && scratch.pieces[0].id == static_cast<std::int32_t>(id);
  }
}

BERT_INLINE std::int32_t CharacterBpe::symbol_of(const Vocabulary& tokens, std::string_view text) const {
  const std::int32_t id = tokens.find_id(text);
  if (id >= 0 && uses_[static_cast<std::size_t>(id)] != Unigram::Use::none) return id;
  const auto other = others_ ? others_->find(text) : std::nullopt;
  return other ? static_cast<std::int32_t>(tokens.size()) + *other : kStranger;
}

BERT_INLINE void CharacterBpe::split(const Vocabulary& tokens, std::string_view text, Scratch& scratch) const {
  scratch.pieces.clear();
  if (const auto whole = options_.ignore_merges ? tokens.find(text) : std::nullopt)
    return scratch.pieces.assign(1, {*whole, 0, static_cast<std::uint32_t>(text.size())});
  if (!frozen_) return split_words(tokens, text, 0, scratch);
  frozen_->split(text, [&](std::string_view part, std::int32_t id) {
    const auto at = static_cast<std::uint32_t>(part.data() - text.data());
    if (id < 0) return split_words(tokens, part, at, scratch);
    scratch.pieces.push_back({id, at, at + static_cast<std::uint32_t>(part.size())});
  });
}

BERT_INLINE void CharacterBpe::split_words(const Vocabulary& tokens, std::string_view text, std::uint32_t at,
                                           Scratch& scratch) const {
  while (!text.empty()) {
    const std::string_view word = text.substr(0, cuts_ ? detail::first_word(text) : text.npos);
    const std::int32_t whole = tokens.find_id(word);
    const auto end = at + static_cast<std::uint32_t>(word.size());
    text.remove_prefix(word.size());
    if (whole >= 0 && is_whole_[static_cast<std::size_t>(whole)]) {
      scratch.pieces.push_back({whole, at, end});
      at = end;
      continue;
    }
    const std::size_t before = scratch.pieces.size();
    add_pieces(tokens, word, at, scratch);
    if (scratch.pieces.size() > before) at = scratch.pieces.back().end;  // what was left out does not count
  }
}

BERT_INLINE void CharacterBpe::add_characters(const Vocabulary& tokens, std::string_view word, std::uint32_t& at,
                                              Scratch& scratch) const {
  std::uint32_t unknown = 0;  // bytes of an unknown token that is still to be written
  const auto flush = [&] {
    if (unknown > 0) scratch.merges.append(options_.unk_id, at, at + unknown), at += unknown, unknown = 0;
  };
  while (!word.empty()) {
    const std::string_view character = word.substr(0, detail::character_length(word[0]));
    const auto size = static_cast<std::uint32_t>(character.size());
    word.remove_prefix(size);
    const auto lead = static_cast<unsigned char>(character[0]);
    if (const std::int32_t id = lead < 128 ? ascii_[lead] : tokens.find_id(character); id >= 0) {
      flush();
      scratch.merges.append(id, at, at + size);
      at += size;
      continue;
    }
    const auto id_of = [&](char byte) { return bytes_[static_cast<unsigned char>(byte)]; };
    if (options_.byte_fallback &&
        std::all_of(character.begin(), character.end(), [&](char c) { return id_of(c) >= 0; })) {
      for (const char byte : character) scratch.merges.append(id_of(byte), at, at + 1), ++at;  // as there: no flush
    } else if (options_.unk_id >= 0) {
      if (!options_.fuse_unk) flush();
      unknown += size;
    }
  }
  flush();
}

BERT_INLINE void CharacterBpe::add_pieces(const Vocabulary& tokens, std::string_view word, std::uint32_t at,
                                          Scratch& scratch) const {
  scratch.merges.clear();
  if (uses_.empty()) add_characters(tokens, word, at, scratch);
  for (std::size_t i = 0, length; !uses_.empty() && i < word.size(); i += length) {
    length = std::min(detail::character_length(word[i]), word.size() - i);
    const auto begin = at + static_cast<std::uint32_t>(i);
    const auto byte = static_cast<unsigned char>(word[i]);
    scratch.merges.append(byte < 128 ? ascii_[byte] : symbol_of(tokens, word.substr(i, length)), begin,
                          begin + static_cast<std::uint32_t>(length));
  }
  merges_.run(scratch.merges);
  const auto size = static_cast<std::int32_t>(tokens.size());
  for (const MergeTable::Symbol& symbol : scratch.merges.symbols)
    if (symbol.id >= 0)
      scratch.pieces.push_back({symbol.id < size ? symbol.id : Unigram::kUnknown, symbol.begin, symbol.end});
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

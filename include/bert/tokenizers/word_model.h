// WordModel: the model of a tokenizer, whichever it is: words to pieces.
//
// Another model is a class with the same split(), a member and a branch here.
#pragma once
#include <bert/tokenizers/character_bpe.h>
#include <bert/tokenizers/spec.h>
#include <bert/tokenizers/unigram.h>
#include <bert/tokenizers/wordpiece.h>

namespace bert::inline BERT_ABI {

class WordModel {
 public:
  struct Scratch {
    WordPiece::Scratch wordpiece;
    Bpe::Scratch bpe;
    CharacterBpe::Scratch characters;
    Unigram::Scratch unigram;
  };

  /// Errors: as the models' constructors. `unk_id` -1: there is none.
  WordModel(const TokenizerSpec& spec, std::int32_t unk_id);

  bool is_byte_level() const { return bpe_.has_value(); }

  /// Calls use(id, begin, end) for the pieces of `word`, not empty, valid UTF-8; begin and end are bytes of it. Of a
  /// SentencePiece model unknown characters come one by one, as Unigram::kUnknown.
  template <class Use>
  void split(const Vocabulary& tokens, std::string_view word, Scratch& scratch, Use&& use) const {
    const std::vector<Piece>& pieces = pieces_of(tokens, word, scratch);
    if (fuses_) return fuse(tokens, word, pieces, use);
    for (const auto& [id, begin, end] : pieces) use(id, begin, end);
  }

 private:
  const std::vector<Piece>& pieces_of(const Vocabulary& tokens, std::string_view word, Scratch& scratch) const;

  /// Pieces of Unigram as Hugging Face has them: unknown neighbours, the unknown token's own text among them, are one.
  template <class Use>
  void fuse(const Vocabulary& tokens, std::string_view word, const std::vector<Piece>& pieces, Use&& use) const {
    const auto is_unknown = [&](std::size_t i) {
      return i < pieces.size() && (pieces[i].id == Unigram::kUnknown || pieces[i].id == unk_id_);
    };
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      auto [id, begin, end] = pieces[i];
      if (!is_unknown(i)) {
        use(id, begin, end);
        continue;
      }
      while (is_unknown(i + 1)) end = pieces[++i].end;
      unknown(tokens, word, begin, end, use);
    }
  }

  /// What was fused is a token after all, its bytes' tokens or the unknown one.
  template <class Use>
  void unknown(const Vocabulary& tokens, std::string_view word, std::uint32_t begin, std::uint32_t end,
               Use&& use) const {
    const std::string_view text = word.substr(begin, end - begin);
    if (const auto id = tokens.find(text)) return use(*id, begin, end);
    bool known = byte_fallback_;
    for (const char byte : text) known = known && bytes_[static_cast<unsigned char>(byte)] >= 0;
    if (!known) {
      if (unk_id_ < 0) fail("\"", text, "\" is no token, and the Unigram model has no unk_id");
      return use(unk_id_, begin, end);
    }
    for (const char byte : text) use(bytes_[static_cast<unsigned char>(byte)], begin, end);
  }

  std::optional<WordPiece> wordpiece_;
  std::optional<Bpe> bpe_;
  std::optional<CharacterBpe> characters_;
  std::optional<Unigram> unigram_;
  bool fuses_ = false, byte_fallback_ = false;
  std::int32_t unk_id_;
  std::array<std::int32_t, 256> bytes_{};
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <bert/tokenizers/byte_level.h>

namespace bert::inline BERT_ABI {

namespace detail {
/// The bytes of every token of a byte-level vocabulary. A token that no bytes make, an added one that is listed among
/// the others, becomes what no text holds.
inline std::vector<std::string> byte_tokens(const Vocabulary& vocabulary) {
  std::vector<std::string> tokens;
  for (std::size_t id = 0; id < vocabulary.size(); ++id) {
    const std::string_view token = vocabulary.token(static_cast<std::int32_t>(id));
    tokens.push_back(from_byte_characters(token).value_or(concat("\xFF\xFF", token)));
  }
  return tokens;
}

inline Bpe::Merges byte_merges(const Bpe::Merges& merges) {
  Bpe::Merges out;
  for (const auto& [left, right] : merges) {
    const auto a = from_byte_characters(left), b = from_byte_characters(right);
    if (!a || !b) fail("the merge of \"", left, "\" and \"", right, "\" is not of bytes");
    out.emplace_back(*a, *b);
  }
  return out;
}

inline std::vector<Unigram::Use> uses_of(const std::vector<PieceType>& types) {
  std::vector<Unigram::Use> uses;
  for (const PieceType type : types)
    uses.push_back(type == PieceType::normal         ? Unigram::Use::normal
                   : type == PieceType::user_defined ? Unigram::Use::fixed
                   : type == PieceType::unused       ? Unigram::Use::unused
                                                     : Unigram::Use::none);
  return uses;
}
}  // namespace detail

BERT_INLINE WordModel::WordModel(const TokenizerSpec& spec, std::int32_t unk_id) : unk_id_(unk_id) {
  const CharacterBpeOptions& options = spec.character_bpe;
  switch (spec.kind) {
    case TokenizerKind::wordpiece:
      wordpiece_.emplace(spec.vocabulary, unk_id, spec.options.continuing_subword_prefix,
                         spec.options.max_input_chars_per_word);
      break;
    case TokenizerKind::byte_level_bpe:
      bpe_.emplace(detail::byte_tokens(spec.vocabulary), detail::byte_merges(spec.merges), options.ignore_merges);
      break;
    case TokenizerKind::bpe:
      if (spec.sentencepiece)
        characters_.emplace(spec.vocabulary, spec.scores, detail::uses_of(spec.sentencepiece->types));
      else
        characters_.emplace(
            spec.vocabulary, spec.merges,
            CharacterBpeOptions{unk_id, options.fuse_unk, options.byte_fallback, options.ignore_merges});
      break;
    case TokenizerKind::unigram:
      fuses_ = !spec.sentencepiece;
      byte_fallback_ = options.byte_fallback;
      bytes_ = detail::byte_ids(spec.vocabulary);
      unigram_.emplace(spec.vocabulary, spec.scores,
                       spec.sentencepiece ? detail::uses_of(spec.sentencepiece->types) : std::vector<Unigram::Use>(),
                       spec.sentencepiece.has_value());
  }
}

BERT_INLINE const std::vector<Piece>& WordModel::pieces_of(const Vocabulary& tokens, std::string_view word,
                                                           Scratch& scratch) const {
  if (wordpiece_) return wordpiece_->split(tokens, word, scratch.wordpiece), scratch.wordpiece.pieces;
  if (bpe_) return bpe_->split(word, scratch.bpe), scratch.bpe.pieces;
  if (characters_) return characters_->split(tokens, word, scratch.characters), scratch.characters.pieces;
  return unigram_->split(tokens, word, scratch.unigram), scratch.unigram.pieces;
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

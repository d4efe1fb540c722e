// SentencePiece's .model files (its sentencepiece_model.proto), read without its library.
//
// What a model means by itself is tokenizers/sentencepiece.h; in a family's folder,
// tokenizers/sentencepiece_families.h.
#pragma once
#include <bert/tokenizers/sentencepiece.h>

namespace bert::inline BERT_ABI {

struct SentencePieceModel {
  std::vector<std::string> pieces;
  std::vector<float> scores;
  SentencePieceOptions options;
  bool is_bpe = false;  // else Unigram
  std::int32_t unk_id = -1;
  std::string bos_piece = "<s>", eos_piece = "</s>";
};

/// Reads the bytes of a .model. Error when they are damaged, when pieces are empty, double or no UTF-8, when there is
/// no unknown piece or, with byte fallback, not a piece for each byte; and for a kind of model that is not known here.
SentencePieceModel read_sentencepiece_model(std::string_view bytes);

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <bert/io/protobuf.h>
#include <bert/tokenizers/decoder_steps.h>
#include <bert/tokenizers/unicode.h>

#include <cmath>

namespace bert::inline BERT_ABI {

namespace detail {
inline constexpr std::string_view kModelFile = "the SentencePiece model ";

inline void read_piece(std::string_view bytes, SentencePieceModel& model) {
  const auto id = static_cast<std::int32_t>(model.pieces.size());
  ProtobufReader fields(bytes, concat(kModelFile, "(piece ", id, ")"));
  std::string& piece = model.pieces.emplace_back();
  float& score = model.scores.emplace_back(0.0F);
  PieceType& type = model.options.types.emplace_back(PieceType::normal);
  while (fields.next()) {
    if (fields.number() == 1) piece = fields.bytes();
    if (fields.number() == 2) score = fields.real();
    if (fields.number() != 3) continue;
    const std::int32_t number = fields.integer();
    if (number < 1 || number > 6) fail(kModelFile, "has piece ", id, " of type ", number, ", which is not known");
    type = static_cast<PieceType>(number);
  }
  std::string repaired;
  if (piece.empty()) fail(kModelFile, "has an empty piece, ", id);
  if (repair_utf8(piece, repaired).data() != piece.data()) fail(kModelFile, "has a piece that is not UTF-8, ", id);
  if (!std::isfinite(score)) fail(kModelFile, "has a score that is no number, of piece ", id);
  if (type == PieceType::unknown) {
    if (model.unk_id >= 0) fail(kModelFile, "has two unknown pieces, ", model.unk_id, " and ", id);
    model.unk_id = id;
  }
}

inline void read_trainer_spec(std::string_view bytes, SentencePieceModel& model) {
  ProtobufReader fields(bytes, concat(kModelFile, "(trainer_spec)"));
  std::int32_t type = 1;
  while (fields.next()) {
    if (fields.number() == 3) type = fields.integer();
    if (fields.number() == 24) model.options.treat_whitespace_as_suffix = fields.truth();
    if (fields.number() == 35) model.options.byte_fallback = fields.truth();
    if (fields.number() == 44) model.options.unk_surface = fields.bytes();
    if (fields.number() == 46) model.bos_piece = fields.bytes();
    if (fields.number() == 47) model.eos_piece = fields.bytes();
  }
  if (type != 1 && type != 2)
    fail(kModelFile, "is of model_type ",
         type == 3   ? "word"
         : type == 4 ? "char"
                     : "that is not known",
         ", only unigram and bpe are supported");
  model.is_bpe = type == 2;
}

inline void read_normalizer_spec(std::string_view bytes, SentencePieceOptions& options) {
  ProtobufReader fields(bytes, concat(kModelFile, "(normalizer_spec)"));
  while (fields.next()) {
    if (fields.number() == 2) options.precompiled_charsmap = fields.bytes();
    if (fields.number() == 3) options.add_dummy_prefix = fields.truth();
    if (fields.number() == 4) options.remove_extra_whitespaces = fields.truth();
    if (fields.number() == 5) options.escape_whitespaces = fields.truth();
  }
}

inline void check_pieces(const SentencePieceModel& model) {
  if (model.pieces.empty()) fail(kModelFile, "has no pieces; is it one?");
  if (model.unk_id < 0) fail(kModelFile, "has no unknown piece");
  std::size_t bytes = 0;
  for (std::size_t id = 0; id < model.pieces.size(); ++id) {
    const PieceType type = model.options.types[id];
    if (type == PieceType::unused && model.is_bpe)
      fail(kModelFile, "has unused pieces (", id, "), which is not supported with bpe");
    if (type != PieceType::byte) continue;
    if (byte_of_token(model.pieces[id]) < 0 || !model.options.byte_fallback)
      fail(kModelFile, "has a byte piece, ", id, ", \"", model.pieces[id], "\", ",
           model.options.byte_fallback ? "which is none" : "and no byte_fallback");
    ++bytes;
  }
  if (model.options.byte_fallback && bytes != 256)
    fail(kModelFile, "has byte_fallback and pieces for ", bytes, " of the 256 bytes");
}
}  // namespace detail

BERT_INLINE SentencePieceModel read_sentencepiece_model(std::string_view bytes) {
  SentencePieceModel model;
  ProtobufReader fields(bytes, detail::kModelFile.substr(0, detail::kModelFile.size() - 1));
  while (fields.next()) {
    if (fields.number() == 1) detail::read_piece(fields.bytes(), model);
    if (fields.number() == 2) detail::read_trainer_spec(fields.bytes(), model);
    if (fields.number() == 3) detail::read_normalizer_spec(fields.bytes(), model.options);
    if (fields.number() != 5) continue;
    SentencePieceOptions denormalizer;
    detail::read_normalizer_spec(fields.bytes(), denormalizer);
    if (!denormalizer.precompiled_charsmap.empty())
      fail(detail::kModelFile, "has a denormalizer_spec, which is not supported");
  }
  detail::check_pieces(model);
  return model;
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

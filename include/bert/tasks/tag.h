// Tagger: a label for every token of a text (Devlin et al. 2019, section 5.3), and entities made of them: names of
// people, places, organisations.
//
// Words, groups and scores are those of Hugging Face's token-classification pipeline
// (pipelines/token_classification.py). Label schemes: IOB1, IOB2, BIOES, or plain labels. Another way to bring a word's
// tokens together is a value of Aggregation and a case in word_entity().
#pragma once
#include <bert/tasks/text_model.h>

namespace bert::inline BERT_ABI {

/// How tokens become entities. none: each token is one. simple: neighbours with the same label are one. first, average,
/// max: as simple, but the tokens of a word have one label: that of its first token, of the mean of their scores, of
/// the token with the highest score.
enum class Aggregation { none, simple, first, average, max };

/// "none", "simple", …; UsageError for another name.
Aggregation aggregation_by_name(std::string_view name);

struct Entity {
  std::string label;         ///< without B-, I- and so on, unless the aggregation is none
  float score;               ///< probability; of several tokens the mean
  std::size_t index;         ///< of the token in the text; 0 for entities of several tokens
  std::string word;          ///< the token, or its tokens as text
  std::uint32_t start, end;  ///< code points of the text
};

class Tagger {
 public:
  explicit Tagger(const std::filesystem::path& model, const TaskOptions& options = {});
  /// Throws Error when the model has no token-classification head.
  explicit Tagger(std::shared_ptr<const TextModel> model);

  /// Entities in the order of the text, without those of label "O". With a stride a text beyond the window is read in
  /// windows with so many tokens in common, and of entities that overlap the longest is kept, or the likelier. Throws
  /// Error when the text is empty or, without a stride, beyond the window; UsageError for a stride without aggregation.
  std::vector<Entity> operator()(std::string_view text, Aggregation aggregation = Aggregation::simple,
                                 std::optional<std::size_t> stride = {}) const;
  std::vector<Entity> operator()(Session& session, std::string_view text, Aggregation aggregation,
                                 std::optional<std::size_t> stride) const;

 private:
  /// A token, or a word: its text and place, and the probabilities of all labels.
  struct Piece {
    std::string word;
    std::uint32_t start, end;
    std::size_t index;
    bool continues;  // the word before
    std::vector<float> scores;
  };
  std::vector<Piece> pieces(const CodePoints& text, const Encoding& encoding, TensorView<const float, 2> logits) const;
  std::vector<Entity> entities(const std::vector<Piece>& pieces, Aggregation aggregation) const;
  Entity labelled(const Piece& piece) const;
  Entity word_entity(std::span<const Piece> pieces, Aggregation aggregation) const;
  std::vector<Entity> grouped(std::span<const Entity> entities) const;
  Entity group(std::span<const Entity> entities) const;
  std::string text_of(std::span<const std::string> tokens) const { return model_->tokenizer.join(tokens); }

  std::shared_ptr<const TextModel> model_;
  std::vector<std::string> labels_;
  bool has_ends_ = false;  // a label scheme with S- and E-
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <bert/tokenizers/unicode.h>

#include <algorithm>

namespace bert::inline BERT_ABI {

namespace detail {

/// Whether an entity begins with this label whatever stands before, and what kind of entity it is of.
struct LabelParts {
  bool begins;
  std::string_view kind;
};
inline LabelParts label_parts(std::string_view label, bool has_ends) {
  const bool begins = label.starts_with("B-") || (has_ends && label.starts_with("S-"));
  const bool goes_on = label.starts_with("I-") || (has_ends && label.starts_with("E-"));
  return {begins, begins || goes_on ? label.substr(2) : label};
}

/// Of entities that overlap, from several windows, the longest, of equally long ones the likeliest.
inline std::vector<Entity> without_overlaps(std::vector<Entity> entities) {
  std::stable_sort(entities.begin(), entities.end(),
                   [](const Entity& a, const Entity& b) { return a.start < b.start; });
  std::vector<Entity> kept;
  for (Entity& entity : entities) {
    if (kept.empty() || entity.start >= kept.back().end) {
      kept.push_back(std::move(entity));
      continue;
    }
    const std::uint32_t length = entity.end - entity.start, before = kept.back().end - kept.back().start;
    if (length > before || (length == before && entity.score > kept.back().score)) kept.back() = std::move(entity);
  }
  return kept;
}

inline std::size_t best_of(std::span<const float> scores) {
  return static_cast<std::size_t>(std::max_element(scores.begin(), scores.end()) - scores.begin());
}

}  // namespace detail

BERT_INLINE Aggregation aggregation_by_name(std::string_view name) {
  constexpr std::string_view names[] = {"none", "simple", "first", "average", "max"};
  for (std::size_t i = 0; i < std::size(names); ++i)
    if (names[i] == name) return static_cast<Aggregation>(i);
  throw UsageError(concat("unknown aggregation \"", name, "\": one of none, simple, first, average, max"));
}

BERT_INLINE Tagger::Tagger(const std::filesystem::path& model, const TaskOptions& options)
    : Tagger(TextModel::open(model, options)) {}

BERT_INLINE Tagger::Tagger(std::shared_ptr<const TextModel> model) : model_(std::move(model)) {
  model_->require(Head::tags);
  labels_ = model_->labels();
  for (const std::string& label : labels_) has_ends_ = has_ends_ || label.starts_with("S-") || label.starts_with("E-");
}

BERT_INLINE std::vector<Entity> Tagger::operator()(std::string_view text, Aggregation aggregation,
                                                   std::optional<std::size_t> stride) const {
  Session session(model_->options.threads);
  return (*this)(session, text, aggregation, stride);
}

BERT_INLINE std::vector<Entity> Tagger::operator()(Session& session, std::string_view text, Aggregation aggregation,
                                                   std::optional<std::size_t> stride) const {
  const FloatEnvironment environment;
  if (stride && aggregation == Aggregation::none)
    throw UsageError("a stride reads a text in windows, whose tokens overlap: choose an aggregation other than none");
  const std::vector<Encoding> windows =
      stride ? model_->encode_windows(text, *stride) : std::vector<Encoding>(1, model_->encode(text));
  const CodePoints characters(text);
  std::vector<Entity> all;
  std::size_t done = 0;
  run_packed(model_->options.max_tokens, std::span(windows), [&](const PackedBatch& batch) {
    const auto logits = model_->model->forward(session, batch).token_logits;
    for (std::size_t b = 0; b < batch.sequences(); ++b, ++done) {
      const auto rows = logits.slice_rows(batch.offsets[b], batch.length(b));
      for (Entity& entity : entities(pieces(characters, windows[done], rows), aggregation))
        if (entity.label != "O") all.push_back(std::move(entity));
    }
  });
  return windows.size() > 1 ? detail::without_overlaps(std::move(all)) : all;
}

BERT_INLINE std::vector<Tagger::Piece> Tagger::pieces(const CodePoints& text, const Encoding& encoding,
                                                      TensorView<const float, 2> logits) const {
  std::vector<Piece> all;
  for (std::size_t t = 0; t < encoding.ids.size(); ++t) {
    if (encoding.special_tokens_mask[t]) continue;
    const auto [start, end] = encoding.offsets[t];
    Piece& piece =
        all.emplace_back(Piece{std::string(model_->tokenizer.id_to_token(encoding.ids[t])), start, end, t, false, {}});
    piece.continues = model_->tokenizer.continues_word(text, encoding, t);
    if (encoding.ids[t] == model_->tokenizer.unk_id()) piece.word = text.text(start, end);
    piece.scores.assign(logits.row(t), logits.row(t) + logits.columns());
    model_->kernels().softmax({piece.scores.data(), piece.scores.size(), nullptr});
  }
  return all;
}

BERT_INLINE Entity Tagger::labelled(const Piece& piece) const {
  const std::size_t best = detail::best_of(piece.scores);
  return {labels_[best], piece.scores[best], piece.index, piece.word, piece.start, piece.end};
}

BERT_INLINE std::vector<Entity> Tagger::entities(const std::vector<Piece>& pieces, Aggregation aggregation) const {
  std::vector<Entity> each;
  if (aggregation == Aggregation::none || aggregation == Aggregation::simple) {
    for (const Piece& piece : pieces) each.push_back(labelled(piece));
  } else {
    for (std::size_t begin = 0, end = 0; begin < pieces.size(); begin = end) {
      end = begin + 1;
      while (end < pieces.size() && pieces[end].continues) ++end;
      each.push_back(word_entity(std::span(pieces).subspan(begin, end - begin), aggregation));
    }
  }
  return aggregation == Aggregation::none ? each : grouped(each);
}

BERT_INLINE Entity Tagger::word_entity(std::span<const Piece> pieces, Aggregation aggregation) const {
  const Piece* likeliest = &pieces[0];
  if (aggregation == Aggregation::max)
    for (const Piece& piece : pieces)
      if (piece.scores[detail::best_of(piece.scores)] > likeliest->scores[detail::best_of(likeliest->scores)])
        likeliest = &piece;
  Piece word = *likeliest;
  if (aggregation == Aggregation::average)
    for (std::size_t i = 0; i < word.scores.size(); ++i) {
      word.scores[i] = 0;
      for (const Piece& piece : pieces) word.scores[i] += piece.scores[i];
      word.scores[i] /= static_cast<float>(pieces.size());
    }
  std::vector<std::string> tokens;
  for (const Piece& piece : pieces) tokens.push_back(piece.word);
  word.word = text_of(tokens), word.index = 0;
  word.start = pieces.front().start, word.end = pieces.back().end;
  return labelled(word);
}

BERT_INLINE std::vector<Entity> Tagger::grouped(std::span<const Entity> entities) const {
  std::vector<Entity> groups;
  for (std::size_t begin = 0, end = 0; begin < entities.size(); begin = end) {
    end = begin + 1;
    const std::string_view kind = detail::label_parts(entities[begin].label, has_ends_).kind;
    const auto goes_on = [&](const Entity& entity) {
      const auto [begins, same] = detail::label_parts(entity.label, has_ends_);
      return !begins && same == kind;
    };
    while (end < entities.size() && goes_on(entities[end])) ++end;
    groups.push_back(group(entities.subspan(begin, end - begin)));
  }
  return groups;
}

BERT_INLINE Entity Tagger::group(std::span<const Entity> entities) const {
  const std::string& label = entities[0].label;  // what it is called begins after the first -, whatever stands before
  Entity all{label.substr(label.find('-') + 1), 0, 0, {}, entities.front().start, entities.back().end};
  std::vector<std::string> words;
  for (const Entity& entity : entities) all.score += entity.score, words.push_back(entity.word);
  all.score /= static_cast<float>(entities.size());
  all.word = text_of(words);
  return all;
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

// MaskedText: what tasks share that write with a masked language model: a prompt's ids, rows of logits for places in
// several sequences, which tokens may be written, and text again.
#pragma once
#include <bert/tasks/text_model.h>

namespace bert::inline BERT_ABI {

class MaskedText {
 public:
  /// Throws Error when the model has no language-model head or its tokenizer no mask token.
  explicit MaskedText(std::shared_ptr<const TextModel> model);

  const TextModel& model() const { return *model_; }
  std::int32_t mask() const { return mask_; }
  /// False for special tokens, unused ones and ids that the tokenizer does not have: those are never written.
  bool may_write(std::int32_t id) const { return !banned_[static_cast<std::size_t>(id)]; }
  /// Ids [V] of a vocabulary, which may be larger than the tokenizer's.
  std::size_t vocab_size() const { return banned_.size(); }

  /// Ids of a text without special tokens, which leave room for `room` more in the window. With options.truncate the
  /// beginning of a longer text is cut off. Throws Error for an empty text, one that holds a mask, one that is too
  /// long.
  std::vector<std::int32_t> prompt(std::string_view text, std::size_t room) const;
  /// The ids between the special tokens that the model wants around a text.
  std::vector<std::int32_t> wrapped(std::span<const std::int32_t> ids) const;
  std::size_t before() const { return before_.size(); }  ///< special tokens in front

  /// Sequences and the places in them whose logits are wanted.
  struct Query {
    std::vector<std::int32_t> ids;  ///< with special tokens
    std::vector<std::size_t> places;
  };
  /// Runs queries, several in a batch, and calls row(query, n, logits [V]) for the n-th place of each, in order;
  /// tokens that are never written have minus infinity.
  template <class Row>
  void run(Session& session, std::span<const Query> queries, const Row& row) const;

 private:
  std::size_t batch_end(std::span<const Query> queries, std::size_t first) const;
  TensorView<float, 2> forward(Session& session, std::span<const Query> queries) const;
  void ban(std::span<float> logits) const;

  std::shared_ptr<const TextModel> model_;
  std::int32_t mask_;
  std::vector<std::int32_t> before_, after_;  // special tokens around a text
  std::vector<std::uint8_t> banned_;          // by id
};

template <class Row>
void MaskedText::run(Session& session, std::span<const Query> queries, const Row& row) const {
  for (std::size_t first = 0, end = 0; first < queries.size(); first = end) {
    end = batch_end(queries, first);
    const TensorView<float, 2> logits = forward(session, queries.subspan(first, end - first));
    for (std::size_t q = first, r = 0; q < end; ++q)
      for (std::size_t n = 0; n < queries[q].places.size(); ++n, ++r) {
        const std::span<float> scores = logits.row_span(r);
        ban(scores);
        row(q, n, scores);
      }
  }
}

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <algorithm>
#include <limits>

namespace bert::inline BERT_ABI {

BERT_INLINE MaskedText::MaskedText(std::shared_ptr<const TextModel> model) : model_(std::move(model)) {
  const Tokenizer& tokenizer = model_->tokenizer;
  mask_ = model_->mask_to_fill();
  const Encoding mask = tokenizer.encode(tokenizer.id_to_token(mask_));  // a text of one token
  const auto at = std::find(mask.ids.begin(), mask.ids.end(), mask_);
  if (at == mask.ids.end()) fail("the tokenizer does not know its mask token ", tokenizer.id_to_token(mask_));
  before_.assign(mask.ids.begin(), at);
  after_.assign(at + 1, mask.ids.end());
  banned_.assign(model_->model->config().vocab_size, 1);
  for (std::size_t id = 0; id < tokenizer.vocab_size(); ++id)
    banned_[id] = tokenizer.id_to_token(static_cast<std::int32_t>(id)).starts_with("[unused");
  for (const AddedToken& added : tokenizer.spec().added_tokens)
    if (added.special) banned_[static_cast<std::size_t>(added.id)] = 1;
  for (const auto& ids : {before_, after_, {mask_, tokenizer.unk_id()}})
    for (const std::int32_t id : ids)
      if (id >= 0) banned_[static_cast<std::size_t>(id)] = 1;
}

BERT_INLINE std::vector<std::int32_t> MaskedText::prompt(std::string_view text, std::size_t room) const {
  std::vector<std::int32_t> ids = model_->tokenizer.encode(text, {.add_special_tokens = false}).ids;
  if (ids.empty()) fail("the text is empty");
  if (std::find(ids.begin(), ids.end(), mask_) != ids.end())
    fail("the text holds a ", model_->tokenizer.id_to_token(mask_), ": fill-mask fills it, here a text is continued");
  const std::size_t window = model_->model->config().window(), taken = room + before_.size() + after_.size();
  if (taken >= window)
    fail(room, " tokens more leave no room for a text in the model's window of ", window, ": ask for fewer");
  const std::size_t most = window - taken;
  if (ids.size() <= most) return ids;
  if (!model_->options.truncate)
    fail("the text has ", ids.size(), " tokens and ", room, " more are wanted, the model's window is ", window,
         ": cut the text's beginning with --truncate, or ask for fewer");
  ids.erase(ids.begin(), ids.end() - static_cast<std::ptrdiff_t>(most));
  return ids;
}

BERT_INLINE std::vector<std::int32_t> MaskedText::wrapped(std::span<const std::int32_t> ids) const {
  std::vector<std::int32_t> all = before_;
  all.insert(all.end(), ids.begin(), ids.end());
  all.insert(all.end(), after_.begin(), after_.end());
  return all;
}

/// Batches have at most max_tokens tokens, or one query, and as many rows of logits as 64 MiB hold, or those of one.
BERT_INLINE std::size_t MaskedText::batch_end(std::span<const Query> queries, std::size_t first) const {
  const std::size_t most_rows = (std::size_t{16} << 20) / banned_.size();
  std::size_t tokens = 0, rows = 0, end = first;
  for (; end < queries.size(); ++end) {
    tokens += queries[end].ids.size(), rows += queries[end].places.size();
    if (end > first && (tokens > model_->options.max_tokens || rows > most_rows)) break;
  }
  return end;
}

BERT_INLINE TensorView<float, 2> MaskedText::forward(Session& session, std::span<const Query> queries) const {
  PackedBatch batch;
  std::vector<std::size_t> rows;
  for (const Query& query : queries) {
    for (const std::size_t place : query.places) rows.push_back(batch.tokens() + place);
    batch.add(query.ids);
  }
  return model_->model->forward(session, batch, rows).prediction_logits;
}

BERT_INLINE void MaskedText::ban(std::span<float> logits) const {
  for (std::size_t id = 0; id < logits.size(); ++id)
    if (banned_[id]) logits[id] = -std::numeric_limits<float>::infinity();
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

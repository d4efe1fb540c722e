// BertForPreTraining: BertModel with the masked-language-model and next-sentence heads (Devlin et al. 2019,
// section 3.1).
#pragma once
#include <bert/models/bert.h>

namespace bert::inline BERT_ABI {

/// Checkpoints may lack either head (BertForMaskedLM, BertForNextSentencePrediction): ask has_mlm() and has_nsp().
template <class T>
class BertForPreTraining {
 public:
  /// Throws Error naming the tensor that is missing, extra, or of another shape or type than the config says.
  explicit BertForPreTraining(const Checkpoint& checkpoint, const KernelTable<T>& kernels = default_kernels<T>());

  const BertModel<T>& bert() const { return bert_; }
  const BertConfig& config() const { return bert_.config(); }
  bool has_mlm() const { return !transform_.weight().empty(); }
  bool has_nsp() const { return !seq_relationship_.weight().empty() && bert_.has_pooler(); }

  /// The views live in the session until its next call.
  struct Output {
    TensorView<const T, 2> last_hidden_state;        // [T, H]
    TensorView<const T, 2> pooler_output;            // [B, H], empty without a pooler
    TensorView<T, 2> prediction_logits;              // [M, V], one row per entry of `masked`
    TensorView<const T, 2> seq_relationship_logits;  // [B, 2], label 0: the second text follows; empty without the head
  };
  /// Logits only for the tokens `masked` [M] (indices into the batch): the decoder's V columns are the dearest of all.
  Output forward(Session& session, const PackedBatch& batch, std::span<const std::size_t> masked,
                 Trace<T>* trace = nullptr) const;
  /// Exact bytes of working memory for a batch of these lengths with M masked tokens.
  std::size_t plan(std::span<const std::size_t> lengths, std::size_t masked, int threads) const;

 private:
  struct Activations {
    typename BertModel<T>::Activations bert;
    TensorView<T, 2> states, transformed;  // [M, H]
    TensorView<T, 2> logits, nsp;          // [M, V], [B, 2]
    Activations(Arena& arena, const BertForPreTraining& model, const PackedBatch& batch, std::size_t masked,
                const Schedule& schedule);
  };
  const PackedMatrix<T>& decoder() const { return untied_.empty() ? bert_.embeddings().word : untied_; }

  BertForPreTraining(WeightReader reader, const KernelTable<T>& kernels);

  BertModel<T> bert_;
  Linear<T> transform_;  // [H, H], Hugging Face: cls.predictions.transform.dense
  LayerNorm<T> transform_norm_;
  PackedMatrix<T> untied_;  // [V, H], when the decoder has weights of its own
  std::vector<T> decoder_bias_;
  Linear<T> seq_relationship_;  // [2, H]
};

template <class T>
typename BertForPreTraining<T>::Output BertForPreTraining<T>::forward(Session& session, const PackedBatch& batch,
                                                                      std::span<const std::size_t> masked,
                                                                      Trace<T>* trace) const {
  bert_.check(batch);
  if (!masked.empty() && !has_mlm()) fail("this model has no masked-language-model head");
  for (std::size_t index : masked)
    if (index >= batch.tokens()) fail("masked token ", index, " is outside a batch of ", batch.tokens());
  if (trace) bert_.prepare(*trace, batch);
  const Schedule schedule(batch.offsets, static_cast<std::size_t>(session.threads.count()));
  Arena counting;
  Activations(counting, *this, batch, masked.size(), schedule);
  Arena arena(session.workspace.reserve(counting.bytes()));
  const Activations a(arena, *this, batch, masked.size(), schedule);

  session.threads.run([&](const Team& team) {
    bert_.forward(team, batch, schedule, a.bert, trace);
    if (!masked.empty()) {  // logits = LayerNorm(act(h W + b)) E^T + c   [M, V], E the word embeddings
      gather_rows<T>(team, a.bert.hidden, masked, a.states);
      transform_.forward(team, a.states, a.transformed, activation_by_name(config().hidden_act));
      transform_norm_.forward(team, a.transformed, a.transformed);
      decoder().multiply(team, a.transformed, decoder_bias_.data(), a.logits);
    }
    if (has_nsp()) seq_relationship_.forward(team, a.bert.pooled, a.nsp);
  });
  return {a.bert.hidden, a.bert.pooled, a.logits, a.nsp};
}

template <class T>
BertForPreTraining<T>::Activations::Activations(Arena& arena, const BertForPreTraining& model, const PackedBatch& batch,
                                                std::size_t masked, const Schedule& schedule)
    : bert(arena, model.bert_, batch, schedule) {
  states = arena.matrix<T>(masked, model.config().hidden_size);
  transformed = arena.matrix<T>(masked, model.config().hidden_size);
  logits = arena.matrix<T>(masked, model.config().vocab_size);
  if (model.has_nsp()) nsp = arena.matrix<T>(batch.sequences(), 2);
}

template <class T>
std::size_t BertForPreTraining<T>::plan(std::span<const std::size_t> lengths, std::size_t masked, int threads) const {
  const PackedBatch batch = blank_batch(lengths);
  bert_.check(batch);
  Arena counting;
  Activations(counting, *this, batch, masked, Schedule(batch.offsets, static_cast<std::size_t>(threads)));
  return counting.bytes();
}

template <class T>
BertForPreTraining<T>::BertForPreTraining(const Checkpoint& checkpoint, const KernelTable<T>& kernels)
    : BertForPreTraining(WeightReader(checkpoint), kernels) {}

template <class T>
BertForPreTraining<T>::BertForPreTraining(WeightReader reader, const KernelTable<T>& kernels)
    : bert_(reader, kernels,
            reader.has("cls.predictions.transform.dense.weight") && !reader.has("cls.predictions.decoder.weight")) {
  const std::size_t hidden = config().hidden_size, vocabulary = config().vocab_size;
  const std::string predictions = "cls.predictions.", transform = predictions + "transform.";
  if (reader.has(transform + "dense.weight")) {
    transform_ = load_linear(reader, transform + "dense", hidden, hidden, kernels);
    transform_norm_ = load_layer_norm(reader, transform + "LayerNorm", hidden, config().layer_norm_eps, kernels);
    decoder_bias_.resize(vocabulary);
    const bool own_bias = reader.has(predictions + "decoder.bias");
    reader.read(predictions + (own_bias ? "decoder.bias" : "bias"), {vocabulary}, decoder_bias_.data());
    if (own_bias) reader.ignore(predictions + "bias");
    if (reader.has(predictions + "decoder.weight")) {
      untied_ = PackedMatrix<T>(vocabulary, hidden, kernels);
      load_rows(reader, predictions + "decoder.weight", untied_, 0, vocabulary);
    }
  }
  if (reader.has("cls.seq_relationship.weight"))
    seq_relationship_ = load_linear(reader, "cls.seq_relationship", 2, hidden, kernels);
  for (const char* head : {"classifier.", "qa_outputs."}) reader.ignore(head);
  reader.finish();
}

}  // namespace bert::inline BERT_ABI

// WithHeads: an architecture and the heads of its family as one Model.
//
// A Trunk (EncoderModel, …) has: Scalar; Interface, Model or CausalModel; Family, whose `heads` are HeadNames; a
// constructor (reader, family, kernels, precision, whether the word table is packed for a decoder); Activations with
// `hidden` [T, H] and `pooled` [B, H]; check() and forward() as EncoderModel's; config(), kernels(), precision(),
// bytes_saved(), words(), has_pooler(), has_targets(). What a pass of a causal trunk continues, caches, comes last in
// Activations and check().
#pragma once
#include <bert/models/heads.h>
#include <bert/nn/schedule.h>

namespace bert::inline BERT_ABI {

template <class Trunk>
class WithHeads : public Trunk::Interface {
 public:
  using Trunk::Interface::forward;  // a causal one has two
  using T = typename Trunk::Scalar;
  using Output = ModelOutput<T>;

  /// Throws Error naming the tensor that is missing, extra, or of another shape or type than the config says.
  /// Without a precision: int8 for a file that holds 8-bit weights, else fp32; int8 for another file quantises its
  /// weights now. Only models of float run as int8 or bf16; the heads are of type T in every precision.
  /// `threads` pack the weights; they change no bit.
  WithHeads(const Checkpoint& checkpoint, const typename Trunk::Family& family,
            const KernelTable<T>& kernels = default_kernels<T>(), std::optional<Precision> precision = {},
            const Threads& threads = Threads())
      : WithHeads(WeightReader(checkpoint, threads), family, kernels, precision) {}

  const Trunk& trunk() const { return trunk_; }
  const typename Trunk::Config& config() const override { return trunk_.config(); }
  const KernelTable<T>& kernels() const override { return trunk_.kernels(); }
  Precision precision() const override { return trunk_.precision(); }
  std::ptrdiff_t bytes_saved() const override { return trunk_.bytes_saved(); }
  bool has(Head head) const override { return heads_.has(head); }
  std::size_t outputs() const override { return heads_.outputs(); }
  bool has_targets() const override { return trunk_.has_targets(); }

  Output forward(Session& session, const PackedBatch& batch, std::span<const std::size_t> rows = {},
                 Trace<T>* trace = nullptr) const override {
    return run(session, batch, rows, trace);
  }

  std::size_t plan(std::span<const std::size_t> lengths, std::size_t rows, int threads) const override {
    const PackedBatch batch = blank_batch(lengths);
    trunk_.check(batch);
    Arena counting;
    Activations(counting, *this, batch, rows, Schedule(batch.offsets, static_cast<std::size_t>(threads)));
    return counting.bytes();
  }

 protected:
  /// `continued`: nothing, or the caches that a causal pass goes on with.
  template <class... Continued>
  Output run(Session& session, const PackedBatch& batch, std::span<const std::size_t> rows, Trace<T>* trace,
             const Continued&... continued) const {
    trunk_.check(batch, continued...);
    if (!rows.empty()) this->require(Head::words);
    for (std::size_t row : rows)
      if (row >= batch.tokens()) fail("token ", row, " is outside a batch of ", batch.tokens());
    if (trace) trace->prepare(config(), batch);
    const Schedule schedule(batch.offsets, static_cast<std::size_t>(session.threads.count()));
    Arena counting;
    Activations(counting, *this, batch, rows.size(), schedule, continued...);
    Arena arena(session.workspace.reserve(counting.bytes()));
    const Activations a(arena, *this, batch, rows.size(), schedule, continued...);
    session.threads.run([&](const Team& team) {
      trunk_.forward(team, batch, schedule, a.trunk, trace);
      heads_.forward(team, a.trunk.hidden, a.trunk.pooled, trunk_.words(), rows, a.heads);
    });
    return {a.trunk.hidden, a.trunk.pooled, a.heads.words, a.heads.pair, a.heads.classes, a.heads.tags};
  }

 private:
  struct Activations {
    typename Trunk::Activations trunk;
    typename Heads<T>::Activations heads;
    template <class... Continued>
    Activations(Arena& arena, const WithHeads& model, const PackedBatch& batch, std::size_t rows,
                const Schedule& schedule, const Continued&... continued)
        : trunk(arena, model.trunk_, batch, schedule, continued...),
          heads(arena, model.heads_, model.config(), model.trunk_.words().k(), batch, rows) {}
  };

  WithHeads(WeightReader reader, const typename Trunk::Family& family, const KernelTable<T>& kernels,
            std::optional<Precision> precision)
      : trunk_(reader, family, kernels, precision, Heads<T>::ties_words(reader, family.heads)),
        heads_(reader, family.heads, trunk_.config(), trunk_.words().k(), trunk_.has_pooler(), kernels) {
    reader.finish();
  }

  Trunk trunk_;
  Heads<T> heads_;
};

/// The same for trunks whose passes can go on from caches.
template <class Trunk>
class CausalWithHeads : public WithHeads<Trunk> {
 public:
  using WithHeads<Trunk>::WithHeads;
  using WithHeads<Trunk>::forward;
  using T = typename Trunk::Scalar;

  KeyValueCache<T> make_cache(std::size_t capacity) const override { return this->trunk().make_cache(capacity); }
  ModelOutput<T> forward(Session& session, const PackedBatch& batch, std::span<KeyValueCache<T>* const> caches,
                         std::span<const std::size_t> rows = {}) const override {
    const ModelOutput<T> output = this->run(session, batch, rows, nullptr, caches);
    for (std::size_t b = 0; b < caches.size(); ++b) caches[b]->advance(batch.length(b));
    return output;
  }
};

}  // namespace bert::inline BERT_ABI

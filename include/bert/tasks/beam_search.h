// Beam search: the likeliest continuation that keeping the best few at every step finds
// (transformers/generation/utils.py, _beam_search, with early_stopping off).
#pragma once
#include <bert/tasks/causal_steps.h>

#include <optional>

namespace bert::inline BERT_ABI {

struct BeamOptions {
  std::size_t beams = 4;  // B
  std::size_t max_new_tokens = 40;
  float length_penalty = 1;  // a text's log probability is divided by (its new tokens)^penalty: 0, 0.5, 1 or 2
  std::vector<std::int32_t> ends = {};  // ids that end a text
  std::size_t vocabulary = 0;           // ids from here on are not taken: the tokenizer has no such; 0: all are
};

/// The new ids after `prompt`, an ending one included, and their log probability over length^penalty. Of equal scores
/// the beam that came first and the smaller id win. At most to the model's window.
struct BeamResult {
  std::vector<std::int32_t> ids;
  float score;
};
BeamResult beam_search(CausalSteps& steps, const ModelConfig& config, const KernelTable<float>& kernels,
                       std::span<const std::int32_t> prompt, const BeamOptions& options);

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <algorithm>
#include <cmath>

namespace bert::inline BERT_ABI {
namespace detail {

struct Beam {
  GrowingSequence sequence;
  float sum = 0;  // of log probabilities
};
struct BeamStep {
  std::size_t beam;
  std::int32_t id;
  float sum;
};

/// length^penalty without the library's pow.
inline float length_factor(std::size_t length, float penalty) {
  const float n = static_cast<float>(length);
  if (penalty == 0) return 1;
  if (penalty == 0.5f) return std::sqrt(n);
  if (penalty == 1) return n;
  if (penalty == 2) return n * n;
  fail("length_penalty is ", penalty, ": give 0, 0.5, 1 or 2");
}

/// The `count` best ways on from all beams, by ids below `ids`.
inline std::vector<BeamStep> best_steps(const KernelTable<float>& kernels, std::span<const Beam> beams,
                                        TensorView<const float, 2> logits, std::size_t ids, std::size_t count) {
  std::vector<BeamStep> all;
  const auto better = [](const BeamStep& a, const BeamStep& b) {
    return a.sum != b.sum ? a.sum > b.sum : a.beam != b.beam ? a.beam < b.beam : a.id < b.id;
  };
  for (std::size_t b = 0; b < beams.size(); ++b) {
    std::vector<float> row(logits.row(b), logits.row(b) + logits.columns());
    float log_sum = 0;
    kernels.softmax({row.data(), row.size(), &log_sum});
    const std::size_t first = all.size();
    for (std::size_t id = 0; id < std::min(ids, row.size()); ++id)
      all.push_back({b, static_cast<std::int32_t>(id), beams[b].sum + (logits(b, id) - log_sum)});
    const std::size_t most = std::min(count, all.size() - first);
    const auto begin = all.begin() + static_cast<std::ptrdiff_t>(first);
    std::partial_sort(begin, begin + static_cast<std::ptrdiff_t>(most), all.end(), better);
    all.resize(first + most);
  }
  std::sort(all.begin(), all.end(), better);
  all.resize(std::min(count, all.size()));
  return all;
}

}  // namespace detail

BERT_INLINE BeamResult beam_search(CausalSteps& steps, const ModelConfig& config, const KernelTable<float>& kernels,
                                   std::span<const std::int32_t> prompt, const BeamOptions& options) {
  if (options.beams < 1) fail("a beam search needs at least one beam");
  const std::size_t most = std::min(options.max_new_tokens, config.window() - std::min(prompt.size(), config.window()));
  const std::size_t capacity = prompt.size() + most;
  std::vector<detail::Beam> beams, grown;
  beams.push_back({steps.start(prompt, capacity)});
  std::vector<BeamResult> ended;  // best first, at most B
  const auto end = [&](const detail::Beam& beam, std::optional<std::int32_t> id, float sum) {
    BeamResult result{{beam.sequence.ids.begin() + static_cast<std::ptrdiff_t>(prompt.size()), beam.sequence.ids.end()},
                      0};
    if (id) result.ids.push_back(*id);
    result.score = sum / detail::length_factor(result.ids.size(), options.length_penalty);
    const auto behind =
        std::find_if(ended.begin(), ended.end(), [&](const BeamResult& other) { return other.score < result.score; });
    ended.insert(behind, std::move(result));
    if (ended.size() > options.beams) ended.pop_back();
  };
  const auto is_end = [&](std::int32_t id) {
    return std::find(options.ends.begin(), options.ends.end(), id) != options.ends.end();
  };
  for (std::size_t step = 1; step <= most; ++step) {
    std::vector<GrowingSequence*> sequences;
    for (detail::Beam& beam : beams) sequences.push_back(&beam.sequence);
    const auto best = detail::best_steps(kernels, beams, steps.next(sequences),
                                         options.vocabulary ? options.vocabulary : config.vocab_size,
                                         options.beams * std::max<std::size_t>(2, 1 + options.ends.size()));
    std::vector<detail::BeamStep> kept;
    for (std::size_t rank = 0; rank < best.size() && kept.size() < options.beams; ++rank) {
      if (!is_end(best[rank].id))
        kept.push_back(best[rank]);
      else if (rank < options.beams)
        end(beams[best[rank].beam], best[rank].id, best[rank].sum);
    }
    grown.clear();
    for (std::size_t i = 0; i < kept.size(); ++i) {  // the last that goes on from a beam takes its cache
      GrowingSequence& from = beams[kept[i].beam].sequence;
      const auto same = [&](const detail::BeamStep& later) { return later.beam == kept[i].beam; };
      const bool last = std::none_of(kept.begin() + static_cast<std::ptrdiff_t>(i) + 1, kept.end(), same);
      grown.push_back({last ? std::move(from) : steps.fork(from), kept[i].sum});
      grown.back().sequence.ids.push_back(kept[i].id);
    }
    beams.swap(grown);
    if (beams.empty()) break;
    // No beam can still come before the worst that has ended: its sum only falls.
    if (ended.size() == options.beams &&
        beams[0].sum / detail::length_factor(step, options.length_penalty) <= ended.back().score)
      return ended[0];
  }
  for (const detail::Beam& beam : beams) end(beam, {}, beam.sum);
  return ended[0];
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

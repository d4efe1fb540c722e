// Sampler: the next token out of a row of logits, as Hugging Face's generate() chooses it with do_sample.
//
// In its order (transformers/generation/logits_process.py): repetition penalty, no repeated n-grams, temperature,
// top-k, top-p, min-p; each works on what the one before left, with probabilities that add up to 1 again. Sums run in
// the order of ids and exponentials are the library's own, so a choice depends on logits, options and random numbers
// only. To add a filter: a field of SamplingOptions, its line in check_sampling() and a step of distribution().
#pragma once
#include <bert/core/rng.h>
#include <bert/core/team.h>
#include <bert/kernels.h>

#include <span>
#include <vector>

namespace bert::inline BERT_ABI {

/// Defaults leave every token its probability.
struct SamplingOptions {
  float temperature =
      1;  ///< logits are divided by it; 0: the likeliest token, whatever the other filters but penalties
  std::size_t top_k = 0;  ///< the k likeliest, and those as likely as the k-th (Fan et al. 2018); 0: all
  float top_p = 1;        ///< the likeliest that together reach p, equal ones by id (Holtzman et al. 2020); 1: all
  float min_p = 0;        ///< those with at least min_p times the likeliest's probability (Nguyen et al. 2024)
  float repetition_penalty =
      1;  ///< logits of previous ids: divided by it when positive, else multiplied (Keskar et al.)
  std::size_t no_repeat_ngram_size = 0;  ///< no n previous ids in a row come twice; 0: they may
};

/// Throws Error that names the option for one that is out of range.
void check_sampling(const SamplingOptions& options);

/// The two filters that look at what is there already, on a row of logits [V]. Previous ids beyond V are passed over.
void penalize_repetition(std::span<float> logits, std::span<const std::int32_t> previous, float penalty);
/// Minus infinity for every token that would end an n-gram that `previous` holds already.
void ban_repeated_ngrams(std::span<float> logits, std::span<const std::int32_t> previous, std::size_t n);

/// The largest logit's id, of equal ones the smallest. Throws Error where none is above minus infinity, or one is NaN.
std::int32_t likeliest(std::span<const float> logits);

struct TokenProbability {
  std::int32_t id;
  float logit;  ///< less the row's largest, divided by the temperature
  float probability;
};

/// Holds working memory: one call at a time.
class Sampler {
 public:
  /// Throws Error for options out of range.
  explicit Sampler(const SamplingOptions& options = {}, const KernelTable<float>& kernels = default_kernels<float>());

  /// One id for logits [V] that follow the ids `previous`; a logit of minus infinity bans its token. Draws one number
  /// from `random`, none at temperature 0. Throws Error where no token is left, or a logit is NaN or plus infinity.
  std::int32_t pick(std::span<const float> logits, std::span<const std::int32_t> previous, RandomStream& random);

  /// The tokens that pick() chooses from, by id, and how likely each is. Valid until the next call.
  std::span<const TokenProbability> distribution(std::span<const float> logits, std::span<const std::int32_t> previous);

  const SamplingOptions& options() const { return options_; }

 private:
  std::span<const float> penalized(std::span<const float> logits, std::span<const std::int32_t> previous);
  void keep_top_k();
  void keep_top_p();
  void keep_min_p();
  void normalize();

  SamplingOptions options_;
  const KernelTable<float>* kernels_;
  std::vector<float> logits_;                    // [V], penalised
  std::vector<TokenProbability> kept_, ranked_;  // by id; the likeliest first, as far as a filter needs
  std::vector<float> probabilities_;
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <algorithm>
#include <limits>

namespace bert::inline BERT_ABI {

BERT_INLINE void check_sampling(const SamplingOptions& options) {
  const auto within = [](float value, float low, float high) { return value >= low && value <= high; };  // not NaN
  constexpr float most = std::numeric_limits<float>::max();
  if (!within(options.temperature, 0, most)) fail("temperature is ", options.temperature, ": give 0 or more");
  if (!within(options.top_p, 0, 1)) fail("top_p is ", options.top_p, ": give a number from 0 to 1");
  if (!within(options.min_p, 0, 1)) fail("min_p is ", options.min_p, ": give a number from 0 to 1");
  if (!within(options.repetition_penalty, std::numeric_limits<float>::min(), most))
    fail("repetition_penalty is ", options.repetition_penalty, ": give a number above 0; 1 changes nothing");
}

BERT_INLINE void penalize_repetition(std::span<float> logits, std::span<const std::int32_t> previous, float penalty) {
  if (penalty == 1) return;
  std::vector<std::int32_t> ids(previous.begin(), previous.end());
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  for (const std::int32_t id : ids) {
    if (id < 0 || static_cast<std::size_t>(id) >= logits.size()) continue;
    float& logit = logits[static_cast<std::size_t>(id)];
    logit = logit < 0 ? logit * penalty : logit / penalty;
  }
}

BERT_INLINE void ban_repeated_ngrams(std::span<float> logits, std::span<const std::int32_t> previous, std::size_t n) {
  if (n == 0 || previous.size() + 1 < n) return;
  const std::span<const std::int32_t> last = previous.last(n - 1);
  for (std::size_t end = n - 1; end < previous.size(); ++end) {
    const std::span<const std::int32_t> before = previous.subspan(end - (n - 1), n - 1);
    const std::int32_t id = previous[end];
    if (id < 0 || static_cast<std::size_t>(id) >= logits.size()) continue;
    if (std::equal(before.begin(), before.end(), last.begin()))
      logits[static_cast<std::size_t>(id)] = -std::numeric_limits<float>::infinity();
  }
}

BERT_INLINE std::int32_t likeliest(std::span<const float> logits) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  float most = -infinity;
  std::size_t best = logits.size();
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] > most) most = logits[i], best = i;
    if (!(logits[i] < infinity)) fail("the logit of token ", i, " is ", logits[i], ": is the model damaged?");
  }
  if (best == logits.size()) fail("all ", logits.size(), " tokens are banned: allow some n-grams to come twice");
  return static_cast<std::int32_t>(best);
}

BERT_INLINE Sampler::Sampler(const SamplingOptions& options, const KernelTable<float>& kernels)
    : options_(options), kernels_(&kernels) {
  check_sampling(options);
}

BERT_INLINE std::int32_t Sampler::pick(std::span<const float> logits, std::span<const std::int32_t> previous,
                                       RandomStream& random) {
  const FloatEnvironment environment;
  if (options_.temperature == 0) return likeliest(penalized(logits, previous));
  const std::span<const TokenProbability> tokens = distribution(logits, previous);
  double total = 0, below = 0;
  for (const TokenProbability& token : tokens) total += token.probability;
  const double at = random.uniform() * total;
  for (const TokenProbability& token : tokens)
    if ((below += token.probability) > at) return token.id;
  fail("the probabilities of ", tokens.size(), " tokens do not add up");
}

BERT_INLINE std::span<const TokenProbability> Sampler::distribution(std::span<const float> logits,
                                                                    std::span<const std::int32_t> previous) {
  const FloatEnvironment environment;
  logits = penalized(logits, previous);
  const std::int32_t best = likeliest(logits);  // also refuses what is not a number
  kept_.clear();
  if (options_.temperature == 0) {
    kept_.push_back({best, 0, 1});
    return kept_;
  }
  // Less the largest logit first: differences that are at most 0 cannot overflow at a small temperature.
  const float most = logits[static_cast<std::size_t>(best)];
  for (std::size_t i = 0; i < logits.size(); ++i)
    if (logits[i] > -std::numeric_limits<float>::infinity())
      kept_.push_back({static_cast<std::int32_t>(i), (logits[i] - most) / options_.temperature, 0});
  keep_top_k();
  keep_top_p();
  keep_min_p();
  normalize();
  return kept_;
}

BERT_INLINE std::span<const float> Sampler::penalized(std::span<const float> logits,
                                                      std::span<const std::int32_t> previous) {
  if (options_.repetition_penalty == 1 && options_.no_repeat_ngram_size == 0) return logits;
  logits_.assign(logits.begin(), logits.end());
  penalize_repetition(logits_, previous, options_.repetition_penalty);
  ban_repeated_ngrams(logits_, previous, options_.no_repeat_ngram_size);
  return logits_;
}

BERT_INLINE void Sampler::keep_top_k() {
  if (options_.top_k == 0 || options_.top_k >= kept_.size()) return;
  ranked_ = kept_;
  const auto kth = ranked_.begin() + static_cast<std::ptrdiff_t>(options_.top_k - 1);
  std::nth_element(ranked_.begin(), kth, ranked_.end(), [](const auto& a, const auto& b) { return a.logit > b.logit; });
  std::erase_if(kept_, [least = kth->logit](const TokenProbability& token) { return token.logit < least; });
}

/// A token stays when those above it have less than p together: Hugging Face's rule, seen from the other end.
BERT_INLINE void Sampler::keep_top_p() {
  if (options_.top_p >= 1) return;
  normalize();
  ranked_ = kept_;
  const auto below = [](const TokenProbability& a, const TokenProbability& b) {
    return a.logit != b.logit ? a.logit < b.logit : a.id > b.id;
  };
  std::make_heap(ranked_.begin(), ranked_.end(), below);  // a few of many tokens are needed in order
  double above = 0;
  TokenProbability last{};
  for (auto end = ranked_.end(); end != ranked_.begin() && (end == ranked_.end() || above < options_.top_p); --end) {
    std::pop_heap(ranked_.begin(), end, below);
    last = end[-1];
    above += last.probability;
  }
  std::erase_if(kept_, [&](const TokenProbability& token) { return below(token, last); });
}

BERT_INLINE void Sampler::keep_min_p() {
  if (options_.min_p <= 0) return;
  normalize();
  float most = 0;
  for (const TokenProbability& token : kept_) most = std::max(most, token.probability);
  const float least = options_.min_p * most;
  std::erase_if(kept_, [&](const TokenProbability& token) { return token.probability < least; });
}

BERT_INLINE void Sampler::normalize() {
  probabilities_.clear();
  for (const TokenProbability& token : kept_) probabilities_.push_back(token.logit);
  kernels_->softmax({probabilities_.data(), probabilities_.size(), nullptr});
  for (std::size_t i = 0; i < kept_.size(); ++i) kept_[i].probability = probabilities_[i];
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

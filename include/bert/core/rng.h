// Philox: random numbers as a function of where they are used, not of what was drawn before (numerics rule 7).
//
// Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"): ten rounds turn a counter of four
// words and a key of two into four words. The key is the seed; the counter is (element / 4, sequence, site, step). So
// any thread can make any number, in any order, and a resumed run makes the same ones.
#pragma once
#include <bert/core/error.h>

#include <array>
#include <cstdint>

namespace bert::inline BERT_ABI {

/// What a random number is for: one stream each. To add one, a name here; the values are part of every checkpoint's
/// meaning and never change.
enum class RandomSite : std::uint32_t {
  initial_weights = 0,
  order = 1,  // of documents or examples
  sentence_pairs = 2,
  masking = 3,
  embeddings_dropout = 4,
  classifier_dropout = 5,
  sampling = 6,
  classifier_input_dropout = 7,
  layer_dropout = 1024,  // + 4 * layer + 0 attention probabilities, 1 attention output, 2 feed-forward output
};

class Philox {
 public:
  using Words = std::array<std::uint32_t, 4>;

  explicit Philox(std::uint64_t seed)
      : key_{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)} {}

  /// The four words of elements 4 * block … 4 * block + 3.
  Words block(std::uint32_t step, std::uint32_t site, std::uint32_t sequence, std::uint32_t block) const {
    Words c{block, sequence, site, step};
    std::uint32_t k0 = key_[0], k1 = key_[1];
    for (int round = 0; round < 10; ++round, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
      const std::uint64_t a = std::uint64_t{0xD2511F53u} * c[0], b = std::uint64_t{0xCD9E8D57u} * c[2];
      c = {static_cast<std::uint32_t>(b >> 32) ^ c[1] ^ k0, static_cast<std::uint32_t>(b),
           static_cast<std::uint32_t>(a >> 32) ^ c[3] ^ k1, static_cast<std::uint32_t>(a)};
    }
    return c;
  }
  const std::array<std::uint32_t, 2>& key() const { return key_; }

 private:
  std::array<std::uint32_t, 2> key_;
};

/// The numbers of one (step, site, sequence) in order: a cursor over Philox, for code that draws as it goes.
class RandomStream {
 public:
  RandomStream(const Philox& philox, std::uint32_t step, RandomSite site, std::uint32_t sequence)
      : philox_(philox), step_(step), site_(static_cast<std::uint32_t>(site)), sequence_(sequence) {}

  std::uint32_t word() {
    if (element_ % 4 == 0) words_ = philox_.block(step_, site_, sequence_, element_ / 4);
    return words_[element_++ % 4];
  }
  /// In [0, 1), a multiple of 2^-24.
  float uniform() { return static_cast<float>(word() >> 8) * 0x1p-24f; }
  /// In [0, bound), bound > 0. The product of a word and the bound, its upper half: biased by less than bound / 2^32.
  std::uint32_t below(std::uint32_t bound) { return static_cast<std::uint32_t>(std::uint64_t{word()} * bound >> 32); }

 private:
  Philox philox_;
  std::uint32_t step_, site_, sequence_, element_ = 0;
  Philox::Words words_{};
};

/// Shuffles [first, first + count) by Fisher and Yates.
template <class Iterator>
void shuffle(Iterator first, std::size_t count, RandomStream& random) {
  for (std::size_t i = count; i > 1; --i) {
    using std::swap;
    swap(first[i - 1], first[random.below(static_cast<std::uint32_t>(i))]);
  }
}

}  // namespace bert::inline BERT_ABI

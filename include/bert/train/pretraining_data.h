// PretrainingData: what step n of pre-training reads, as a pure function of (seed, number of the sequence).
//
// Devlin et al. 2019, section 3.1 and appendix A.2; Google's create_pretraining_data.py is the model for the details
// that the paper leaves out. Here nothing is written to disk: sequence i is built when it is asked for, from random
// numbers that depend on the seed and i alone, so any thread can build any of them, steps resume without a replay, and
// no pair and no mask comes twice.
//
// An epoch has as many sequences as fill the corpus once, whose starting points come in a random order (Permutation),
// each at a random place in its own part of a document.
//
// bert (pairs): a run of segments from the starting point, as long as the sequence; A is its beginning, B the rest
// (label 0) or, half of the time, a run from a random place of another document (label 1). One sequence in ten aims at
// a random shorter length. What is too long loses tokens at random ends of the longer text. [CLS] A [SEP] B [SEP].
// mlm (Liu et al. 2019, "full sentences"): segments that fit, a [SEP] between documents: [CLS] … [SEP].
//
// causal: tokens from the starting point on, the end of a text and the beginning of the next between documents:
// [bos] …; every token but the first is to be predicted from those before it.
//
// The others: of the tokens that are not special 15 % are to be predicted; of these 80 % become [MASK], 10 % a random
// token, 10 % stay.
#pragma once
#include <bert/core/rng.h>
#include <bert/train/batch.h>
#include <bert/train/corpus.h>

namespace bert::inline BERT_ABI {

enum class PretrainingObjective {
  bert,    ///< masked tokens and next sentences
  mlm,     ///< masked tokens alone
  causal,  ///< the next token
};

/// "bert", "mlm", "causal", and back. Error for another name.
std::string_view name(PretrainingObjective objective);
PretrainingObjective objective_by_name(std::string_view name);

struct PretrainingOptions {
  PretrainingObjective objective = PretrainingObjective::bert;
  std::size_t seq_len = 128;                      ///< most tokens of a sequence, special ones included
  std::size_t batch_size = 16;                    ///< sequences a step
  std::uint64_t seed = 0;                         ///< of order, pairs and masks
  double short_seq_prob = 0.1;                    ///< bert: of sequences that aim at a random shorter length
  double mask_prob = 0.15;                        ///< of tokens to predict, rounded, at least 1 …
  std::size_t max_predictions = std::size_t(-1);  ///< … and at most this many a sequence
  std::int32_t bos = -1, eos = -1;                ///< causal: ids before and behind a document
};

/// A permutation of [0, size) that is computed, not stored: a Feistel network over the next power of four whose round
/// function is Philox, walked until it falls below size (Black and Rogaway 2002, "cycle walking").
class Permutation {
 public:
  Permutation(std::uint64_t seed, std::uint32_t epoch, std::uint64_t size);
  std::uint64_t operator()(std::uint64_t index) const;

 private:
  Philox philox_;
  std::uint32_t epoch_;
  std::uint64_t size_;
  int half_bits_ = 1;
};

/// Immutable; any thread may ask for any step.
class PretrainingData {
 public:
  /// The corpus must outlive the data; the tokenizer is only read here. Errors: a tokenizer that is not the corpus's or
  /// lacks [CLS], [SEP] or [MASK]; options out of range; for pairs: a corpus with a single document, or one where no
  /// document has two segments.
  PretrainingData(const Corpus& corpus, const Tokenizer& tokenizer, const PretrainingOptions& options);

  /// Sequences [step * batch_size, (step + 1) * batch_size).
  PretrainingBatch batch(std::uint64_t step) const {
    return sequences(step * options_.batch_size, options_.batch_size);
  }
  /// Sequences [first, first + count). Error above 2^32, the numbers that random numbers can tell apart.
  PretrainingBatch sequences(std::uint64_t first, std::size_t count) const;

  /// Sequences that go through the corpus once.
  std::uint64_t sequences_per_epoch() const { return first_start_.back(); }
  const PretrainingOptions& options() const { return options_; }

 private:
  /// Tokens [begin, end) of the corpus.
  struct Run {
    std::uint64_t begin, end;
    std::uint64_t size() const { return end - begin; }
  };
  struct Start {
    std::size_t document, segment;
    std::uint64_t token;  // that was drawn; the segment holds it, or is before it
  };
  bool pairs() const { return options_.objective == PretrainingObjective::bert; }
  bool causal() const { return options_.objective == PretrainingObjective::causal; }
  void find_special_ids(const Tokenizer& tokenizer);
  void check_options() const;
  void count_starts();
  Start start_of(std::uint32_t index, RandomStream& random) const;
  Run run_from(std::size_t segment, std::size_t document, std::uint64_t target, std::size_t least) const;
  void add_pair(std::uint32_t index, PretrainingBatch& batch) const;
  void add_full_sentences(std::uint32_t index, PretrainingBatch& batch) const;
  void add_stream(std::uint32_t index, PretrainingBatch& batch) const;
  void mask(std::uint32_t index, PretrainingBatch& batch) const;

  const Corpus& corpus_;
  PretrainingOptions options_;
  Philox philox_;
  std::int32_t cls_ = 0, sep_ = 0, mask_ = 0;
  std::vector<std::int32_t> special_ids_;  // ascending: never masked, never put in place of a masked one
  std::vector<std::uint64_t>
      first_start_;  // pairs: [D + 1] of every document among an epoch's starting points; else [2]
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <bert/io/sha256.h>
#include <bert/tokenizers/tokenizer.h>

#include <algorithm>
#include <bit>
#include <cmath>

namespace bert::inline BERT_ABI {

namespace detail {
inline constexpr std::string_view objective_names[] = {"bert", "mlm", "causal"};
}

BERT_INLINE std::string_view name(PretrainingObjective objective) {
  return detail::objective_names[static_cast<int>(objective)];
}
BERT_INLINE PretrainingObjective objective_by_name(std::string_view name) {
  for (int i = 0; i < 3; ++i)
    if (detail::objective_names[i] == name) return static_cast<PretrainingObjective>(i);
  fail("the objective \"", name, "\" is not known; there are bert, mlm and causal");
}

BERT_INLINE Permutation::Permutation(std::uint64_t seed, std::uint32_t epoch, std::uint64_t size)
    : philox_(seed), epoch_(epoch), size_(size) {
  while (half_bits_ < 31 && std::uint64_t{1} << (2 * half_bits_) < size) ++half_bits_;
}

BERT_INLINE std::uint64_t Permutation::operator()(std::uint64_t index) const {
  const std::uint32_t half = (std::uint32_t{1} << half_bits_) - 1;
  do {
    std::uint32_t left = static_cast<std::uint32_t>(index >> half_bits_),
                  right = static_cast<std::uint32_t>(index) & half;
    for (std::uint32_t round = 0; round < 6; ++round) {
      const auto words = philox_.block(epoch_, static_cast<std::uint32_t>(RandomSite::order), round, right);
      const std::uint32_t mixed = left ^ (words[0] & half);
      left = right;
      right = mixed;
    }
    index = std::uint64_t{left} << half_bits_ | right;
  } while (index >= size_);
  return index;
}

BERT_INLINE PretrainingData::PretrainingData(const Corpus& corpus, const Tokenizer& tokenizer,
                                             const PretrainingOptions& options)
    : corpus_(corpus), options_(options), philox_(options.seed) {
  if (sha256_hex(tokenizer.to_json()) != corpus.identity().tokenizer_sha256)
    fail("the corpus was tokenised with another tokenizer, of ", corpus.vocab_size(), " tokens; this one has ",
         tokenizer.vocab_size());
  check_options();
  if (!causal()) find_special_ids(tokenizer);
  count_starts();
}

BERT_INLINE void PretrainingData::check_options() const {
  const auto is_probability = [](double p) { return p >= 0 && p <= 1; };
  if (options_.seq_len < (pairs() ? 5 : 3))
    fail("sequences of ", options_.seq_len, " tokens have no room for text: seq_len is at least ", pairs() ? 5 : 3);
  if (options_.seq_len > 1u << 24) fail("seq_len ", options_.seq_len, " is above 16777216");
  if (options_.batch_size == 0) fail("a step needs at least one sequence: batch_size is 0");
  if (!is_probability(options_.short_seq_prob)) fail("short_seq_prob ", options_.short_seq_prob, " is not in [0, 1]");
  if (!is_probability(options_.mask_prob)) fail("mask_prob ", options_.mask_prob, " is not in [0, 1]");
  for (const auto& [key, id] : {std::pair("bos_token_id", options_.bos), std::pair("eos_token_id", options_.eos)})
    if (causal() && (id < 0 || static_cast<std::size_t>(id) >= corpus_.vocab_size()))
      fail("the config's ", key, " is the number of none of the tokenizer's ", corpus_.vocab_size(),
           " tokens; such a token stands between texts");
  if (options_.max_predictions == 0) fail("max_predictions is 0: there would be nothing to learn");
}

BERT_INLINE void PretrainingData::find_special_ids(const Tokenizer& tokenizer) {
  const auto require = [](std::optional<std::int32_t> id, std::string_view name) {
    if (!id) fail("the tokenizer has no ", name, " token, which pre-training needs");
    return *id;
  };
  cls_ = require(tokenizer.cls_id(), "[CLS]");
  sep_ = require(tokenizer.sep_id(), "[SEP]");
  mask_ = require(tokenizer.mask_id(), "[MASK]");
  special_ids_ = {cls_, sep_, mask_, tokenizer.unk_id()};
  if (const auto pad = tokenizer.pad_id()) special_ids_.push_back(*pad);
  for (const AddedToken& token : tokenizer.spec().added_tokens)
    if (token.special) special_ids_.push_back(token.id);
  std::sort(special_ids_.begin(), special_ids_.end());
  special_ids_.erase(std::unique(special_ids_.begin(), special_ids_.end()), special_ids_.end());
  if (special_ids_.size() >= tokenizer.vocab_size()) fail("the vocabulary has special tokens only");
}

/// For pairs, a document gets as many starting points as sequences fill it, one of a single segment none: nothing
/// follows there, it can only be a second text. Else the whole corpus is read as one document.
BERT_INLINE void PretrainingData::count_starts() {
  if (pairs() && corpus_.documents() < 2)
    fail(
        "the corpus is a single document: next-sentence pairs need others to draw from; put a blank line between "
        "documents, or train with the objective mlm");
  const std::uint64_t room = options_.seq_len - (pairs() ? 3 : causal() ? 1 : 2);
  first_start_.assign(1, 0);
  if (!pairs()) return first_start_.push_back((corpus_.tokens() + room - 1) / room);
  for (std::size_t d = 0; d < corpus_.documents(); ++d) {
    const std::size_t first = corpus_.first_segment(d), end = corpus_.first_segment(d + 1);
    const std::uint64_t tokens = corpus_.first_token(end) - corpus_.first_token(first);
    first_start_.push_back(first_start_.back() + (end - first < 2 ? 0 : (tokens + room - 1) / room));
  }
  if (first_start_.back() == 0)
    fail(
        "no document of the corpus has two segments, so that no text follows another: put a sentence a line, or train "
        "with the objective mlm");
}

BERT_INLINE PretrainingBatch PretrainingData::sequences(std::uint64_t first, std::size_t count) const {
  if (first > 0xFFFFFFFFu || count > 0x100000000u - first)
    fail("sequences ", first, " to ", first + count, " are beyond the 4294967296 that a seed has");
  PretrainingBatch batch;
  for (std::size_t i = 0; i < count; ++i) {
    const auto index = static_cast<std::uint32_t>(first + i);
    if (causal()) {
      add_stream(index, batch);
    } else {
      pairs() ? add_pair(index, batch) : add_full_sentences(index, batch);
      mask(index, batch);
    }
    batch.sequence_index.push_back(index);
  }
  return batch;
}

/// Starting point k of n is drawn from the k-th of n equal parts of [-room, tokens) and moved to [0, tokens - room], so
/// that every token of a document is read about as often as any other; without pairs, of [0, tokens), and reading goes
/// on at the corpus's beginning. Then a sequence starts with the segment that holds the token; one that was moved from
/// behind, with the next, to reach the document's end.
BERT_INLINE PretrainingData::Start PretrainingData::start_of(std::uint32_t index, RandomStream& random) const {
  const std::uint64_t epoch = index / sequences_per_epoch(), position = index % sequences_per_epoch();
  const Permutation order(options_.seed, static_cast<std::uint32_t>(epoch), sequences_per_epoch());
  const std::uint64_t start = order(position);
  const auto behind = std::upper_bound(first_start_.begin(), first_start_.end(), start);
  const auto document = static_cast<std::size_t>(behind - first_start_.begin()) - 1;
  const std::uint64_t k = start - first_start_[document], n = first_start_[document + 1] - first_start_[document];
  const std::size_t first = corpus_.first_segment(document);
  const std::size_t end = pairs() ? corpus_.first_segment(document + 1) : corpus_.segments();
  const std::uint64_t begin = corpus_.first_token(first), tokens = corpus_.first_token(end) - begin;
  const std::uint64_t room = pairs() ? options_.seq_len - 3 : 0, length = tokens + room;
  const std::uint64_t low = length * k / n, high = length * (k + 1) / n;
  const std::uint64_t drawn = low + random.below(static_cast<std::uint32_t>(high - low));
  const std::uint64_t last = std::max(tokens, room) - room;
  const std::uint64_t token = begin + std::min(std::max(drawn, room) - room, last);
  std::size_t segment = corpus_.segment_of(token);
  if (drawn > last + room && corpus_.first_token(segment) < token) ++segment;
  segment = std::min(segment, end - (pairs() ? 2 : 1));
  return {pairs() ? document : corpus_.document_of(segment), segment, token};
}

/// Segments of the document until there are `target` tokens and `least` segments, or no more.
BERT_INLINE PretrainingData::Run PretrainingData::run_from(std::size_t segment, std::size_t document,
                                                           std::uint64_t target, std::size_t least) const {
  const std::uint64_t begin = corpus_.first_token(segment);
  const std::size_t last = corpus_.first_segment(document + 1) - 1;
  const std::size_t enough = corpus_.segment_of(begin + target - 1);
  return {begin, corpus_.first_token(std::min(std::max(enough, segment + least - 1), last) + 1)};
}

namespace detail {
/// How many of `count` coins show heads.
inline std::uint64_t coins(std::uint64_t count, RandomStream& random) {
  std::uint64_t heads = 0;
  for (; count >= 32; count -= 32) heads += static_cast<std::uint64_t>(std::popcount(random.word()));
  return heads + static_cast<std::uint64_t>(std::popcount(count > 0 ? random.word() >> (32 - count) : 0));
}
}  // namespace detail

BERT_INLINE void PretrainingData::add_pair(std::uint32_t index, PretrainingBatch& batch) const {
  RandomStream random(philox_, 0, RandomSite::sentence_pairs, index);
  const auto room = static_cast<std::uint32_t>(options_.seq_len - 3);
  const Start start = start_of(index, random);
  const std::size_t document = start.document, segment = start.segment;
  const bool is_random = random.word() >> 31 != 0;
  const bool is_short = static_cast<double>(random.uniform()) < options_.short_seq_prob;
  const std::uint32_t target = is_short ? 2 + random.below(room - 1) : room;

  const Run run = run_from(segment, document, target, 2);
  const std::size_t segments = corpus_.segment_of(run.end - 1) + 1 - segment;
  const std::size_t of_a = 1 + random.below(static_cast<std::uint32_t>(segments) - 1);
  Run a{run.begin, corpus_.first_token(segment + of_a)}, b{a.end, run.end};
  if (is_random) {
    std::size_t other = random.below(static_cast<std::uint32_t>(corpus_.documents()) - 1);
    other += other >= document;
    const std::size_t first = corpus_.first_segment(other);
    const auto count = static_cast<std::uint32_t>(corpus_.first_segment(other + 1) - first);
    b = run_from(first + random.below(count), other, target > a.size() ? target - a.size() : 1, 1);
  }
  if (a.size() + b.size() > room) {  // the longer text loses tokens one by one, of two equal ones B
    const std::uint64_t excess = a.size() + b.size() - room;
    Run &longer = a.size() > b.size() ? a : b, &shorter = a.size() > b.size() ? b : a;
    const std::uint64_t uneven = std::min(excess, longer.size() - shorter.size()), rest = excess - uneven;
    const std::uint64_t lost_by_b = (&longer == &b ? uneven : 0) + (rest + 1) / 2;
    const auto shorten = [&](Run& text, std::uint64_t lost) {  // each token from a random end
      const std::uint64_t from_front = detail::coins(lost, random);
      text.begin += from_front;
      text.end -= lost - from_front;
    };
    shorten(a, excess - lost_by_b);
    shorten(b, lost_by_b);
  }

  std::vector<std::int32_t> ids{cls_};
  corpus_.append(a.begin, a.end, ids);
  ids.push_back(sep_);
  std::vector<std::int32_t> types(ids.size(), 0);
  corpus_.append(b.begin, b.end, ids);
  ids.push_back(sep_);
  types.resize(ids.size(), 1);
  batch.tokens.add(ids, types);
  batch.next_sentence.push_back(is_random);
}

BERT_INLINE void PretrainingData::add_full_sentences(std::uint32_t index, PretrainingBatch& batch) const {
  RandomStream random(philox_, 0, RandomSite::sentence_pairs, index);
  const std::size_t most = options_.seq_len - 1;  // before the last [SEP]
  auto [document, segment, token] = start_of(index, random);
  std::vector<std::int32_t> ids{cls_};
  for (std::size_t left = corpus_.segments(); left > 0 && ids.size() < most; --left) {
    std::uint64_t begin = corpus_.first_token(segment);
    const std::uint64_t end = corpus_.first_token(segment + 1), room = most - ids.size();
    if (end - begin > room) {
      if (ids.size() > 1) break;
      begin = std::min(token, end - room);  // of a first one that is too long, a part
    }
    corpus_.append(begin, std::min(end, begin + room), ids);
    if (++segment < corpus_.first_segment(document + 1)) continue;
    if (++document == corpus_.documents()) document = segment = 0;
    if (ids.size() + 1 >= most) break;  // no room for a [SEP] and a token
    ids.push_back(sep_);
  }
  if (ids.back() != sep_) ids.push_back(sep_);
  batch.tokens.add(ids);
}

BERT_INLINE void PretrainingData::add_stream(std::uint32_t index, PretrainingBatch& batch) const {
  RandomStream random(philox_, 0, RandomSite::sentence_pairs, index);
  const Start start = start_of(index, random);
  std::size_t document = start.document;
  std::uint64_t token = start.token;
  std::vector<std::int32_t> ids{options_.bos};
  const auto add = [&](std::int32_t id) {
    if (ids.size() < options_.seq_len) ids.push_back(id);
  };
  while (ids.size() < options_.seq_len) {
    const std::uint64_t end = corpus_.first_token(corpus_.first_segment(document + 1));
    const std::uint64_t stop = std::min<std::uint64_t>(end, token + options_.seq_len - ids.size());
    corpus_.append(token, stop, ids);
    token = stop;
    if (token < end) break;
    add(options_.eos);
    if (options_.bos != options_.eos) add(options_.bos);
    document = document + 1 < corpus_.documents() ? document + 1 : 0;
    token = corpus_.first_token(corpus_.first_segment(document));
  }
  const std::size_t first = batch.tokens.tokens();
  batch.tokens.add(ids);
  for (std::size_t i = 1; i < ids.size(); ++i)
    batch.masked.push_back(first + i - 1), batch.masked_ids.push_back(ids[i]);
}

/// Hides tokens of the batch's last sequence.
BERT_INLINE void PretrainingData::mask(std::uint32_t index, PretrainingBatch& batch) const {
  RandomStream random(philox_, 0, RandomSite::masking, index);
  std::vector<std::int32_t>& ids = batch.tokens.ids;
  std::vector<std::size_t> candidates;
  for (std::size_t i = batch.tokens.offsets.end()[-2]; i < ids.size(); ++i)
    if (!std::binary_search(special_ids_.begin(), special_ids_.end(), ids[i])) candidates.push_back(i);
  // fma: the same rounding whether or not the compiler would have fused it
  const auto wanted =
      static_cast<std::size_t>(std::fma(options_.mask_prob, static_cast<double>(candidates.size()), 0.5));
  const std::size_t count = std::min({std::max<std::size_t>(wanted, 1), options_.max_predictions, candidates.size()});
  for (std::size_t i = 0; i < count; ++i)  // the first `count` of a Fisher-Yates shuffle
    std::swap(candidates[i], candidates[i + random.below(static_cast<std::uint32_t>(candidates.size() - i))]);
  candidates.resize(count);
  std::sort(candidates.begin(), candidates.end());
  for (const std::size_t i : candidates) {
    batch.masked.push_back(i);
    batch.masked_ids.push_back(ids[i]);
    const std::uint32_t choice = random.below(10);
    if (choice < 8) {
      ids[i] = mask_;
    } else if (choice == 8) {
      auto id = static_cast<std::int32_t>(
          random.below(static_cast<std::uint32_t>(corpus_.vocab_size() - special_ids_.size())));
      for (const std::int32_t special : special_ids_) id += special <= id;  // the id-th that is not special
      ids[i] = id;
    }
  }
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

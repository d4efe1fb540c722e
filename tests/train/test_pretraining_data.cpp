// Pairs and masks: their statistics, their labels against the corpus, and that a sequence depends on its number alone.
//
// In these corpora token i is the word wi, so that ids say where in the corpus a text comes from.
#include <bert/train/pretraining_data.h>

#include <cmath>
#include <map>
#include <set>
#include <thread>

#include "support/catch.h"
#include "support/matrix.h"
#include "train/corpus.h"

namespace {

using bert::PretrainingBatch;
using bert::PretrainingData;
using bert::PretrainingObjective;
using bert::PretrainingOptions;
using Catch::Matchers::Contains;

constexpr std::int32_t cls = 2, sep = 3, mask_id = 4;

/// One sequence, as places in the corpus, its masks taken off.
struct Sequence {
  std::vector<std::int32_t> ids, types;
  std::vector<std::size_t> a, b;  // the tokens' places
  std::size_t masked = 0;
};

Sequence sequence(const PretrainingBatch& batch, std::size_t number) {
  Sequence out;
  for (std::size_t i = batch.tokens.offsets[number]; i < batch.tokens.offsets[number + 1]; ++i) {
    const auto masked = std::lower_bound(batch.masked.begin(), batch.masked.end(), i);
    const bool is_masked = masked != batch.masked.end() && *masked == i;
    const std::int32_t id = is_masked ? batch.masked_ids[masked - batch.masked.begin()] : batch.tokens.ids[i];
    out.ids.push_back(id);
    out.types.push_back(batch.tokens.type_ids[i]);
    out.masked += is_masked;
    if (id >= tests::special_tokens)
      (out.types.back() == 0 ? out.a : out.b).push_back(static_cast<std::size_t>(id) - tests::special_tokens);
  }
  return out;
}

bool is_run(const std::vector<std::size_t>& places) {
  for (std::size_t i = 1; i < places.size(); ++i)
    if (places[i] != places[i - 1] + 1) return false;
  return !places.empty();
}

/// Index of the part of `edges` (first_token or first_segment) that holds `place`.
std::size_t part_of(const std::vector<std::size_t>& edges, std::size_t place) {
  return static_cast<std::size_t>(std::upper_bound(edges.begin(), edges.end(), place) - edges.begin()) - 1;
}

/// Forty documents of 150 to 3 000 tokens in segments of 1 to 40, and some of a single segment.
tests::CountedText mixed_text() {
  tests::CountedText text;
  tests::Random random(7);
  for (int d = 0; d < 40; ++d) {
    std::vector<std::size_t> lengths(d % 5 == 4 ? 1 : 15 + random.below(100));
    for (std::size_t& length : lengths) length = 1 + random.below(40);
    text.add_document(lengths);
  }
  return text;
}

/// |count - trials p| in standard deviations of a binomial count.
double deviations(std::size_t count, std::size_t trials, double p) {
  const double n = static_cast<double>(trials);
  return std::fabs(static_cast<double>(count) - n * p) / std::sqrt(n * p * (1 - p));
}

bool equal(const PretrainingBatch& a, const PretrainingBatch& b) {
  return a.tokens.ids == b.tokens.ids && a.tokens.type_ids == b.tokens.type_ids &&
         a.tokens.offsets == b.tokens.offsets && a.tokens.positions == b.tokens.positions && a.masked == b.masked &&
         a.masked_ids == b.masked_ids && a.next_sentence == b.next_sentence && a.sequence_index == b.sequence_index;
}

}  // namespace

TEST_CASE("a permutation is one, whatever its size, and another one every epoch", "[train][pretraining]") {
  for (std::uint64_t size = 1; size <= 70; ++size) {
    std::set<std::uint64_t> seen;
    const bert::Permutation permutation(3, 0, size);
    for (std::uint64_t i = 0; i < size; ++i) seen.insert(permutation(i));
    CHECK((seen.size() == size && *seen.rbegin() == size - 1));
  }
  const std::uint64_t size = 10007;
  std::set<std::uint64_t> seen;
  std::size_t same = 0, fixed = 0;
  const bert::Permutation first(3, 0, size), second(3, 1, size), other_seed(4, 0, size);
  for (std::uint64_t i = 0; i < size; ++i) {
    seen.insert(first(i));
    same += (first(i) == second(i)) + (first(i) == other_seed(i));
    fixed += first(i) == i;
  }
  CHECK(seen.size() == size);
  CHECK(*seen.rbegin() == size - 1);
  CHECK(same < 14);  // two expected
  CHECK(fixed < 9);  // one expected
}

TEST_CASE("every pair is what its label says", "[train][pretraining]") {
  const tests::CountedText text = mixed_text();
  const tests::TextCorpus made(text);
  for (std::size_t seq_len : {5u, 16u, 64u, 128u}) {
    INFO("seq_len " << seq_len);
    const PretrainingData data(made.corpus, made.tokenizer, {.seq_len = seq_len, .seed = 11});
    const std::size_t count = 4000;
    const PretrainingBatch batch = data.sequences(0, count);
    REQUIRE(batch.tokens.sequences() == count);
    REQUIRE(batch.next_sentence.size() == count);
    std::size_t wrong = 0, random = 0, cut = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const Sequence s = sequence(batch, i);
      const bool framed = s.ids.front() == cls && s.ids.back() == sep && s.types.front() == 0 && s.types.back() == 1 &&
                          std::count(s.ids.begin(), s.ids.end(), sep) == 2 && s.ids[s.a.size() + 1] == sep &&
                          s.types[s.a.size() + 1] == 0 && s.ids.size() == s.a.size() + s.b.size() + 3;
      REQUIRE((framed && is_run(s.a) && is_run(s.b) && s.ids.size() <= seq_len));
      const auto document = [&](std::size_t token) {
        return part_of(text.first_segment, part_of(text.first_token, token));
      };
      const auto is_edge = [&](std::size_t token) {  // a segment begins there
        return std::binary_search(text.first_token.begin(), text.first_token.end(), token);
      };
      wrong += document(s.a.front()) != document(s.a.back()) || document(s.b.front()) != document(s.b.back());
      const bool whole = s.ids.size() < seq_len;  // nothing was cut off
      cut += !whole;
      if (whole)
        wrong += !is_edge(s.a.front()) || !is_edge(s.a.back() + 1) || !is_edge(s.b.front()) || !is_edge(s.b.back() + 1);
      if (batch.next_sentence[i] == 0) {
        const auto edge = std::upper_bound(text.first_token.begin(), text.first_token.end(), s.a.back());
        wrong += document(s.a.front()) != document(s.b.front()) || *edge > s.b.front();  // an edge between them
        if (whole) wrong += s.b.front() != s.a.back() + 1;
      } else {
        wrong += batch.next_sentence[i] != 1 || document(s.a.front()) == document(s.b.front());
        ++random;
      }
    }
    CHECK(wrong == 0);
    CHECK(cut > count / 4);
    CHECK(deviations(random, count, 0.5) < 4);
  }
}

TEST_CASE("half of the pairs follow, one in ten aims at a shorter length", "[train][pretraining]") {
  tests::CountedText text;
  for (int d = 0; d < 20; ++d) text.add_document(std::vector<std::size_t>(200, 5));
  const tests::TextCorpus made(text);
  const PretrainingData data(made.corpus, made.tokenizer, {.seed = 5});
  const std::size_t count = 20000;
  const PretrainingBatch batch = data.sequences(1000, count);
  std::size_t follows = 0, short_ones = 0, shorter = 0, lengths[2] = {};
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t length = batch.tokens.length(i);
    lengths[batch.next_sentence[i]] += length;
    if (batch.next_sentence[i] != 0) continue;
    ++follows;
    short_ones += length < 128;
    shorter += length <= 63;
  }
  CHECK(deviations(follows, count, 0.5) < 4);
  // Segments of 5: a target of 2 to 120 gives fewer than the 125 tokens there is room for, 121 to 125 do not.
  CHECK(deviations(short_ones, follows, 0.1 * 119 / 124) < 4);
  CHECK(deviations(shorter, short_ones, 59.0 / 119) < 4);  // targets of 2 to 60
  // Lengths must not give the label away: means within 2 %.
  const double mean_follows = static_cast<double>(lengths[0]) / static_cast<double>(follows);
  CHECK(static_cast<double>(lengths[1]) / static_cast<double>(count - follows) == Approx(mean_follows).epsilon(0.02));

  const PretrainingData never(made.corpus, made.tokenizer, {.seed = 5, .short_seq_prob = 0});
  const PretrainingBatch full = never.sequences(0, 500);
  for (std::size_t i = 0; i < 500; ++i)
    if (full.next_sentence[i] == 0) CHECK(full.tokens.length(i) == 128);
}

TEST_CASE("15 % are masked, of these 80 % as [MASK], 10 % at random, 10 % not at all", "[train][pretraining]") {
  const tests::CountedText text = mixed_text();
  const tests::TextCorpus made(text);
  const PretrainingData data(made.corpus, made.tokenizer, {.seed = 9});
  const PretrainingBatch batch = data.sequences(0, 8000);
  std::size_t masks = 0, kept = 0, random = 0, wrong = 0, upper_half = 0, first_quarter = 0;
  double tokens = 0;
  REQUIRE(std::is_sorted(batch.masked.begin(), batch.masked.end()));
  REQUIRE(std::adjacent_find(batch.masked.begin(), batch.masked.end()) == batch.masked.end());
  for (std::size_t i = 0, at = 0; i < batch.tokens.sequences(); ++i) {
    const std::size_t begin = batch.tokens.offsets[i], end = batch.tokens.offsets[i + 1], text_tokens = end - begin - 3;
    tokens += static_cast<double>(text_tokens);
    const std::size_t first = at;
    for (; at < batch.masked.size() && batch.masked[at] < end; ++at) {
      const std::int32_t now = batch.tokens.ids[batch.masked[at]], was = batch.masked_ids[at];
      wrong += batch.masked[at] < begin || was < tests::special_tokens;
      wrong += now < tests::special_tokens && now != mask_id;
      masks += now == mask_id;
      kept += now == was;
      random += now != mask_id && now != was;
      upper_half += now != mask_id && now != was && static_cast<std::size_t>(now) >= 5 + text.tokens() / 2;
      first_quarter += (batch.masked[at] - begin) * 4 < end - begin;
    }
    wrong += at - first != std::max<std::size_t>(1, (text_tokens * 15 + 50) / 100);
  }
  const std::size_t count = batch.masked.size();
  CHECK(wrong == 0);
  CHECK(static_cast<double>(count) / tokens == Approx(0.15).epsilon(0.02));  // rounding, for each sequence
  CHECK(deviations(masks, count, 0.8) < 4);
  CHECK(deviations(kept, count, 0.1) < 4);
  CHECK(deviations(random, count, 0.1) < 4);
  CHECK(deviations(upper_half, random, 0.5) < 4);
  CHECK(std::fabs(static_cast<double>(first_quarter) / static_cast<double>(count) - 0.25) < 0.02);  // anywhere

  const PretrainingData capped(made.corpus, made.tokenizer, {.seed = 9, .max_predictions = 7});
  const PretrainingBatch few = capped.batch(3);
  for (std::size_t i = 0; i < few.tokens.sequences(); ++i) CHECK(sequence(few, i).masked <= 7);
  CHECK(few.masked.size() > 16 * 5);
  const PretrainingData least(made.corpus, made.tokenizer, {.seed = 9, .mask_prob = 0});
  CHECK(least.batch(0).masked.size() == 16);
}

TEST_CASE("special tokens in the text are never masked", "[train][pretraining]") {
  const tests::TextCorpus made("[UNK] w1 [SEP]\n[PAD] unknown w2\n\nw3 [MASK]\nw0 [CLS]\n", tests::word_tokenizer(4));
  const PretrainingData data(made.corpus, made.tokenizer, {.seq_len = 16, .mask_prob = 1});
  const PretrainingBatch batch = data.sequences(0, 300);
  CHECK(batch.masked.size() >= 300);
  for (std::size_t i = 0; i < batch.masked.size(); ++i) {
    const std::int32_t now = batch.tokens.ids[batch.masked[i]];
    CHECK(batch.masked_ids[i] >= tests::special_tokens);
    CHECK((now == mask_id || now >= tests::special_tokens));  // nor put in place of a word
  }
}

TEST_CASE("a sequence depends on seed and number alone", "[train][pretraining]") {
  const tests::CountedText text = mixed_text();
  const tests::TextCorpus made(text);
  for (const auto objective : {PretrainingObjective::bert, PretrainingObjective::mlm}) {
    const PretrainingOptions options{.objective = objective, .seq_len = 48, .batch_size = 6, .seed = 1};
    const PretrainingData data(made.corpus, made.tokenizer, options), again(made.corpus, made.tokenizer, options);
    std::vector<PretrainingBatch> backwards(20), threaded(20);
    for (std::size_t step = 20; step-- > 0;) backwards[step] = again.batch(step);
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < 3; ++t)
      threads.emplace_back([&, t] {
        for (std::size_t step = t; step < 20; step += 3) threaded[step] = data.batch(step);
      });
    for (std::thread& thread : threads) thread.join();
    auto other_options = options;
    other_options.seed = 2;
    const PretrainingData other(made.corpus, made.tokenizer, other_options);
    for (std::size_t step = 0; step < 20; ++step) {
      const PretrainingBatch batch = data.batch(step);
      CHECK(equal(batch, backwards[step]));
      CHECK(equal(batch, threaded[step]));
      CHECK_FALSE(equal(batch, other.batch(step)));
      for (std::size_t i = 0; i < 6; ++i) {
        const PretrainingBatch one = data.sequences(step * 6 + i, 1);
        CHECK(one.sequence_index == std::vector<std::uint32_t>{static_cast<std::uint32_t>(step * 6 + i)});
        CHECK(sequence(one, 0).ids == sequence(batch, i).ids);
        CHECK(std::equal(one.tokens.ids.begin(), one.tokens.ids.end(),
                         batch.tokens.ids.begin() + static_cast<std::ptrdiff_t>(batch.tokens.offsets[i])));
      }
    }
    CHECK(data.sequences((std::uint64_t{1} << 32) - 2, 2).tokens.sequences() == 2);
    CHECK_THROWS_WITH(data.sequences((std::uint64_t{1} << 32) - 2, 3), Contains("4294967296"));
  }
}

TEST_CASE("an epoch goes through the corpus, the next one otherwise", "[train][pretraining]") {
  const tests::CountedText text = mixed_text();
  const tests::TextCorpus made(text);
  for (const auto objective : {PretrainingObjective::bert, PretrainingObjective::mlm}) {
    const PretrainingData data(made.corpus, made.tokenizer, {.objective = objective, .seq_len = 64, .seed = 3});
    const std::size_t epoch = data.sequences_per_epoch(), epochs = 40;
    CHECK(static_cast<double>(epoch) == Approx(static_cast<double>(text.tokens()) / 61.5).epsilon(0.05));
    std::vector<std::size_t> seen(text.tokens());
    std::map<std::vector<std::int32_t>, std::size_t> texts;
    std::set<std::vector<std::int32_t>> masked;
    for (std::size_t e = 0; e < epochs; ++e) {
      const PretrainingBatch batch = data.sequences(e * epoch, epoch);
      std::size_t documents = 0;
      std::vector<bool> met(text.first_segment.size());
      for (std::size_t i = 0; i < epoch; ++i) {
        const Sequence s = sequence(batch, i);
        for (const std::size_t place : s.a) ++seen[place];
        for (const std::size_t place : s.b) ++seen[place];
        const std::size_t document = part_of(text.first_segment, part_of(text.first_token, s.a.front()));
        documents += !met[document];
        met[document] = true;
        ++texts[s.ids];
        masked.emplace(batch.tokens.ids.begin() + static_cast<std::ptrdiff_t>(batch.tokens.offsets[i]),
                       batch.tokens.ids.begin() + static_cast<std::ptrdiff_t>(batch.tokens.offsets[i + 1]));
      }
      if (objective == PretrainingObjective::bert) CHECK(documents == 32);  // all of more than one segment
    }
    std::size_t rare = 0, most = 0, all = 0;
    for (const std::size_t count : seen) rare += count < epochs / 8, most = std::max(most, count), all += count;
    // Without pairs, a segment that no longer fits is left to another sequence; with them, short documents are drawn
    // as second texts as often as long ones.
    const bool is_mlm = objective == PretrainingObjective::mlm;
    const double mean = static_cast<double>(all) / static_cast<double>(text.tokens() * epochs);
    CHECK(rare < text.tokens() / 100);  // ends of long segments, which truncation takes away
    CHECK(most <= (is_mlm ? 3 : 20) * epochs);
    CHECK(mean == Approx(is_mlm ? 0.8 : 1).epsilon(0.15));
    CHECK(masked.size() > epochs * epoch * 999 / 1000);  // hardly any sequence came twice with the same masks
    if (objective == PretrainingObjective::bert) CHECK(texts.size() > epochs * epoch * 3 / 4);
  }
}

TEST_CASE("without pairs a sequence is a run of whole segments with a [SEP] between documents",
          "[train][pretraining]") {
  tests::CountedText text = mixed_text();
  text.add_document({300, 2, 150});  // segments longer than a sequence
  const tests::TextCorpus made(text);
  const std::size_t seq_len = 64, count = 4000;
  const PretrainingData data(made.corpus, made.tokenizer, {.objective = PretrainingObjective::mlm, .seq_len = seq_len});
  const PretrainingBatch batch = data.sequences(0, count);
  CHECK(batch.next_sentence.empty());
  std::size_t wrong = 0, crossing = 0, parts = 0, total = 0;
  std::set<std::size_t> of_long_segment;
  for (std::size_t i = 0; i < count; ++i) {
    const Sequence s = sequence(batch, i);
    total += s.ids.size();
    REQUIRE((s.ids.front() == cls && s.ids.back() == sep && s.ids.size() <= seq_len && s.b.empty() && !s.a.empty()));
    const auto edge = [&](std::size_t place) {
      return std::binary_search(text.first_token.begin(), text.first_token.end(), place);
    };
    const bool part = part_of(text.first_token, s.a.front()) == part_of(text.first_token, s.a.back()) &&
                      s.ids.size() == seq_len && !(edge(s.a.front()) && edge(s.a.back() + 1));
    parts += part;
    if (part) of_long_segment.insert(s.a.front());
    if (!part) wrong += !edge(s.a.front()) || !edge(s.a.back() + 1);
    for (std::size_t j = 2, place = s.a.front(); j + 1 < s.ids.size(); ++j) {
      const auto next = (place + 1) % text.tokens();
      const std::size_t segment = part_of(text.first_token, next);
      if (std::binary_search(text.first_segment.begin(), text.first_segment.end(), segment) && edge(next)) {
        wrong += s.ids[j] != sep;
        ++crossing;
        if (++j + 1 >= s.ids.size()) break;
      }
      wrong += static_cast<std::size_t>(s.ids[j]) != next + tests::special_tokens;
      place = next;
    }
  }
  CHECK(wrong == 0);
  CHECK(crossing > 50);
  CHECK(parts > 10);
  CHECK(of_long_segment.size() > 10);  // any part of it, not its beginning alone
  CHECK(static_cast<double>(total) / count > 45);
}

TEST_CASE("small and strange corpora", "[train][pretraining]") {
  const auto data_of = [](const std::vector<std::vector<std::size_t>>& documents, const PretrainingOptions& options) {
    tests::CountedText text;
    for (const auto& lengths : documents) text.add_document(lengths);
    const tests::TextCorpus made(text);
    return PretrainingData(made.corpus, made.tokenizer, options).sequences(0, 200);
  };
  const PretrainingOptions mlm{.objective = PretrainingObjective::mlm};
  CHECK_THROWS_WITH(data_of({{3, 4}}, {}), Contains("single document") && Contains("mlm"));
  CHECK_THROWS_WITH(data_of({{3}, {4}, {1}}, {}), Contains("no document of the corpus has two segments"));
  CHECK(data_of({{1}}, mlm).tokens.lengths() == std::vector<std::size_t>(200, 3));
  CHECK(data_of({{3, 4}}, mlm).tokens.length(0) > 7);
  CHECK(data_of({{1000}}, mlm).tokens.length(0) == 128);

  const PretrainingBatch tiny = data_of({{1, 1}, {1}}, {});
  std::size_t random = 0;
  for (std::size_t i = 0; i < 200; ++i) {
    const Sequence s = sequence(tiny, i);
    CHECK(s.a == std::vector<std::size_t>{0});
    CHECK(s.b == std::vector<std::size_t>{tiny.next_sentence[i] ? 2u : 1u});
    CHECK(s.masked == 1);
    random += tiny.next_sentence[i];
  }
  CHECK(deviations(random, 200, 0.5) < 4);
  // Segments far longer than a sequence still give pairs of two texts that follow each other.
  const PretrainingBatch wide = data_of({{5000, 3000}, {4000}}, {.seq_len = 20});
  for (std::size_t i = 0; i < 200; ++i) {
    const Sequence s = sequence(wide, i);
    CHECK(s.a.size() + s.b.size() == 17);
    CHECK(s.b.front() >= (wide.next_sentence[i] ? 8000u : 5000u));
  }

  CHECK_THROWS_WITH(data_of({{3, 4}, {1}}, {.seq_len = 4}), Contains("at least 5"));
  CHECK_THROWS_WITH(data_of({{3, 4}, {1}}, {.batch_size = 0}), Contains("batch_size"));
  CHECK_THROWS_WITH(data_of({{3, 4}, {1}}, {.short_seq_prob = 1.5}), Contains("short_seq_prob 1.5"));
  CHECK_THROWS_WITH(data_of({{3, 4}, {1}}, {.mask_prob = -1}), Contains("mask_prob -1"));
  CHECK_THROWS_WITH(data_of({{3, 4}, {1}}, {.max_predictions = 0}), Contains("max_predictions"));
  const tests::TextCorpus made("w0\nw1\n\nw2\n", tests::word_tokenizer(3));
  CHECK_THROWS_WITH(PretrainingData(made.corpus, tests::word_tokenizer(4), {}), Contains("another tokenizer"));
  const tests::TextCorpus no_mask("a\na\n\na\n", bert::Tokenizer::from_vocab("[UNK]\n[CLS]\n[SEP]\na\n"));
  CHECK_THROWS_WITH(PretrainingData(no_mask.corpus, no_mask.tokenizer, {}), Contains("no [MASK] token"));
}

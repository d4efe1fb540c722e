// The nearest vectors: against cosines in double, with ties, and the same bits however they are asked for.
#include "io/files.h"
#include "support/catch.h"
#include "support/matrix.h"

#include <bert/tasks/search.h>

#include <algorithm>
#include <limits>

using namespace bert;
using namespace tests;

namespace {

constexpr std::size_t size = 24;

std::vector<std::vector<float>> vectors(std::size_t count, std::uint64_t seed) {
  std::vector<std::vector<float>> all;
  for (std::size_t i = 0; i < count; ++i) all.push_back(random_values<float>(size, seed + i));
  return all;
}

double exact_cosine(const std::vector<float>& a, const std::vector<float>& b) {
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double x = static_cast<double>(a[i]), y = static_cast<double>(b[i]);
    ab += x * y, aa += x * x, bb += y * y;
  }
  return ab / std::sqrt(aa * bb);
}

SearchIndex index_of(const std::vector<std::vector<float>>& corpus,
                     const KernelTable<float>& kernels = default_kernels<float>()) {
  SearchIndex index(size, kernels);
  for (const auto& vector : corpus) index.add(vector);
  return index;
}

bool same(const std::vector<SearchHit>& a, const std::vector<SearchHit>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const SearchHit& x, const SearchHit& y) {
    return x.corpus_id == y.corpus_id && x.score == y.score;
  });
}

}  // namespace

TEST_CASE("the nearest vectors are those with the largest cosines", "[tasks][search]") {
  for (std::size_t count : {1, 3, 255, 256, 257, 700}) {
    const auto corpus = vectors(count, 100);
    const SearchIndex index = index_of(corpus);
    CHECK(index.size() == count);
    for (const auto& query : vectors(5, 9000)) {
      std::vector<double> cosines;
      for (const auto& vector : corpus) cosines.push_back(exact_cosine(query, vector));
      const std::vector<SearchHit> hits = index(query, 10);
      INFO(count << " vectors");
      REQUIRE(hits.size() == std::min<std::size_t>(10, count));
      std::vector<double> sorted = cosines;
      std::sort(sorted.rbegin(), sorted.rend());
      for (std::size_t i = 0; i < hits.size(); ++i) {
        CHECK(std::fabs(static_cast<double>(hits[i].score) - sorted[i]) < 1e-6);
        CHECK(std::fabs(cosines[hits[i].corpus_id] - sorted[i]) < 1e-6);
      }
    }
    CHECK(index(corpus[count / 2], 1)[0].corpus_id == count / 2);
    CHECK(index(corpus[0], count + 5).size() == count);
    CHECK(index(corpus[0], 0).empty());
  }
}

TEST_CASE("of equal vectors the first comes first, and zeros are near to nothing", "[tasks][search]") {
  auto corpus = vectors(600, 7);
  corpus[20] = corpus[300] = corpus[599] = corpus[10];
  corpus[40].assign(size, 0.0f);
  const SearchIndex index = index_of(corpus);
  const std::vector<SearchHit> hits = index(corpus[300], 600);
  for (std::size_t i = 0; i < 4; ++i) CHECK(hits[i].corpus_id == std::vector<std::size_t>{10, 20, 300, 599}[i]);
  for (const SearchHit& hit : hits) CHECK((hit.corpus_id != 40 || hit.score == 0));
  for (const SearchHit& hit : index(std::vector<float>(size), 3)) CHECK(hit.score == 0);
}

TEST_CASE("a query's hits are the same alone, among others, on every ISA and any number of threads",
          "[tasks][search][bits]") {
  const auto corpus = vectors(1000, 50), queries = vectors(70, 5000);
  const SearchIndex scalar = index_of(corpus, *all_kernels()[0]);
  for (const KernelTable<float>* kernels : all_kernels()) {
    const SearchIndex index = index_of(corpus, *kernels);
    for (int threads : {1, 2, 3, 5}) {
      Session session(threads);
      const auto together = index(session, queries, 12);
      REQUIRE(together.size() == queries.size());
      for (std::size_t q = 0; q < queries.size(); ++q) REQUIRE(same(together[q], scalar(queries[q], 12)));
    }
  }
}

TEST_CASE("vectors of another size are errors; an empty index has nothing", "[tasks][search]") {
  SearchIndex index(size);
  CHECK(index(std::vector<float>(size, 1.0f)).empty());
  CHECK(error_of([&] { index.add(std::vector<float>(size + 1)); }) ==
        "a vector of 25 numbers, in an index of vectors of 24");
  CHECK(error_of([&] { index(std::vector<float>(3)); }) == "a vector of 3 numbers, in an index of vectors of 24");
  const float nan = std::numeric_limits<float>::quiet_NaN();
  CHECK(error_of([&] { index.add(std::vector<float>(size, nan)); }).find("not finite") != std::string::npos);
  CHECK(error_of([&] { index(std::vector<float>(size, nan)); }).find("not finite") != std::string::npos);
  CHECK(index.size() == 0);
  Session session(2);
  CHECK(index(session, {}).empty());
}

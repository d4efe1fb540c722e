// Metrics against what the tools that define them say: seqeval 1.2.2, SciPy 1.17.1, and SQuAD's two evaluation scripts.
//
// The expected numbers were printed by those tools (SQuAD: by Python's str.lower, re and collections.Counter, which the
// scripts are made of), never by this code.
#include <bert/train/metrics.h>

#include <sstream>

#include "support/catch.h"

namespace {

using Catch::Matchers::Contains;

/// "a b|c": sentences of tags.
std::vector<std::vector<std::string>> sentences(const std::string& text) {
  std::vector<std::vector<std::string>> out;
  std::istringstream all(text);
  for (std::string line; std::getline(all, line, '|');) {
    std::istringstream words(line);
    out.emplace_back();
    for (std::string word; words >> word;) out.back().push_back(word);
  }
  return out;
}

}  // namespace

TEST_CASE("entities are counted as seqeval counts them", "[train][metrics]") {
  struct Case {
    const char *predicted, *gold;
    double precision, recall, f1;
  };
  const Case cases[] = {
      // clang-format off
      {"I-LOC O I-PER B-PER|B-PER B-PER I-PER|I-LOC O B-LOC I-ORG I-LOC I-PER B-PER", "I-LOC B-PER O O|B-PER B-PER O|I-LOC O B-LOC I-ORG I-LOC I-PER B-PER", 0.7272727272727273, 0.8, 0.761904761904762},
      {"I-LOC O I-LOC I-LOC B-LOC O O I-LOC O|I-ORG B-LOC I-LOC O O B-PER O O|O I-PER I-PER O B-PER", "I-LOC O I-LOC I-LOC B-LOC O O I-LOC O|I-PER B-LOC I-LOC I-LOC O B-PER O O|O I-ORG I-PER B-LOC B-PER", 0.6666666666666666, 0.5454545454545454, 0.6},
      {"I-PER O I-PER I-LOC B-LOC B-LOC|O I-LOC O I-PER I-ORG|I-ORG", "I-PER O B-PER I-LOC B-LOC O|I-PER I-LOC O I-PER I-ORG|I-ORG", 0.8888888888888888, 0.8888888888888888, 0.8888888888888888},
      {"O|I-ORG O B-PER I-LOC|B-LOC O B-LOC B-LOC O B-PER O", "O|I-ORG O B-PER I-LOC|B-LOC O B-LOC B-LOC O O O", 0.8571428571428571, 1.0, 0.923076923076923},
      {"B-PER O I-PER O O B-PER|B-LOC I-PER I-ORG B-PER B-PER O O|B-LOC I-LOC B-LOC I-LOC O B-PER I-LOC B-LOC B-LOC", "B-PER O O O O B-PER|B-LOC I-PER I-ORG I-LOC O I-ORG O|B-LOC I-LOC I-ORG O O B-PER I-LOC B-LOC O", 0.6428571428571429, 0.75, 0.6923076923076924},
      {"I-PER I-PER I-LOC", "B-PER I-PER B-LOC", 1.0, 1.0, 1.0},
      {"S-A E-A B-A E-A I-A", "S-A B-A I-A E-A O", 0.25, 0.5, 0.3333333333333333},
      {"B I O I", "B I O B", 1.0, 1.0, 1.0},
      {"O O", "B-A O", 0.0, 0.0, 0.0},
      {"B-A B-A I-B-C I-C", "B-A I-A I-B-C I-B-C", 0.0, 0.0, 0.0},
      // clang-format on
  };
  for (const Case& c : cases) {
    INFO(c.predicted << " / " << c.gold);
    bert::EntityCounts counts;
    const auto predicted = sentences(c.predicted), gold = sentences(c.gold);
    for (std::size_t i = 0; i < gold.size(); ++i) counts.add(predicted[i], gold[i]);
    CHECK(counts.precision() == Approx(c.precision).margin(1e-12));
    CHECK(counts.recall() == Approx(c.recall).margin(1e-12));
    CHECK(counts.f1() == Approx(c.f1).margin(1e-12));
  }
  using Entities = std::vector<bert::EntitySpan>;
  CHECK(bert::entities(sentences("O B-A I-A I-B O B I")[0]) == Entities{{"A", 1, 3}, {"B", 3, 4}, {"_", 5, 7}});
  bert::EntityCounts counts;
  CHECK_THROWS_WITH(counts.add(sentences("O O")[0], sentences("O")[0]), Contains("1 words has 2"));
}

TEST_CASE("answers are scored as SQuAD scores them", "[train][metrics]") {
  struct Case {
    const char* prediction;
    std::vector<std::string> gold;
    double exact1, f1_1, exact2, f1_2;  // v1.1 (-1: no gold answer, an error), v2.0
    const char* normal;
  };
  const Case cases[] = {
      // clang-format off
      {"The Eiffel Tower!", {"eiffel tower", "tower of Eiffel"}, 1.0, 1.0, 1.0, 1.0, "eiffel tower"},
      {"in the year 1999", {"1999", "year 1999."}, 0.0, 0.8, 0.0, 0.8, "in year 1999"},
      {"a", {"the"}, 1.0, 0.0, 1.0, 1.0, ""},
      {"", {"x"}, 0.0, 0.0, 0.0, 0.0, ""},
      {"x", {}, -1, -1, 0.0, 0.0, "x"},
      {"", {}, -1, -1, 1.0, 1.0, ""},
      {"the", {"an"}, 1.0, 0.0, 1.0, 1.0, ""},
      {"theatre a an", {"Theatre"}, 1.0, 1.0, 1.0, 1.0, "theatre"},
      {"a–b the–b", {"b"}, 0.0, 0.0, 0.0, 0.0, "–b –b"},
      {"École  des Beaux-Arts", {"école des BeauxArts"}, 1.0, 1.0, 1.0, 1.0, "école des beauxarts"},
      {"áb", {"b"}, 0.0, 0.0, 0.0, 0.0, "́b"},
      {"red red blue", {"red blue blue", "blue red"}, 0.0, 0.8, 0.0, 0.8, "red red blue"},
      {"x_a", {"xa"}, 1.0, 1.0, 1.0, 1.0, "xa"},
      {"(a) cat's", {"cats"}, 1.0, 1.0, 1.0, 1.0, "cats"},
      {"half½a", {"half½"}, 0.0, 0.0, 0.0, 0.0, "half½a"},
      {"10 000", {"10,000", "10000 000"}, 0.0, 0.5, 0.0, 0.5, "10 000"},
      // clang-format on
  };
  for (const Case& c : cases) {
    INFO(c.prediction);
    CHECK(bert::normalize_answer(c.prediction) == c.normal);
    const bert::AnswerScore second = bert::answer_score(c.prediction, c.gold, bert::SquadVersion::v2_0);
    CHECK(second.exact == c.exact2);
    CHECK(second.f1 == Approx(c.f1_2).margin(1e-12));
    if (c.exact1 < 0) {
      CHECK_THROWS_WITH(bert::answer_score(c.prediction, c.gold), Contains("no gold answer"));
      continue;
    }
    const bert::AnswerScore first = bert::answer_score(c.prediction, c.gold);
    CHECK(first.exact == c.exact1);
    CHECK(first.f1 == Approx(c.f1_1).margin(1e-12));
  }
}

TEST_CASE("correlations are SciPy's", "[train][metrics]") {
  struct Case {
    std::vector<double> a, b;
    double pearson, spearman;
  };
  const Case cases[] = {
      // clang-format off
      {{2.491, -0.362}, {0.403, 0.21}, 1.0, 0.9999999999999999},
      {{0.0, 3.0}, {0.1, 1.0}, 1.0, 0.9999999999999999},
      {{1.645, -2.752, -2.522, 2.274, 2.43}, {0.416, -1.682, -2.112, 2.057, 1.123}, 0.9588975949009115, 0.7999999999999999},
      {{1.0, 2.0, 3.0, 1.0, 3.0}, {1.2, 0.8, 0.7, 1.3, 2.1}, 0.1353605391908313, -0.15811388300841897},
      {{-0.805, 2.998, -0.505, 1.267, -0.335, 0.772, 2.644, 0.822, 2.578, -0.128, -2.291, 0.35}, {-0.659, 0.825, 0.161, 0.287, 0.552, -0.097, 2.27, -0.579, 0.626, 0.232, -1.904, -0.603}, 0.7715165919110445, 0.7552447552447553},
      {{4.0, 3.0, 4.0, 0.0, 4.0, 1.0, 3.0, 2.0, 2.0, 1.0, 1.0, 0.0}, {2.4, 1.7, 1.6, 0.8, 1.9, 1.3, 1.1, 1.7, 1.6, 0.7, 0.4, -0.7}, 0.7931831880076474, 0.8140590036721337},
      {{1, 2, 2, 3}, {1, 1, 1, 9}, 0.816496580927726, 0.8164965809277261},
      // clang-format on
  };
  for (const Case& c : cases) {
    CHECK(bert::pearson(c.a, c.b) == Approx(c.pearson).margin(1e-12));
    CHECK(bert::spearman(c.a, c.b) == Approx(c.spearman).margin(1e-12));
  }
  const std::vector<double> constant{0.1, 0.1, 0.1}, other{1, 2, 3}, one{1}, nan{1, std::nan(""), 2};
  CHECK(bert::pearson(constant, other) == 0);
  CHECK(bert::spearman(other, constant) == 0);
  CHECK_THROWS_WITH(bert::pearson(one, one), Contains("two numbers"));
  CHECK_THROWS_WITH(bert::pearson(other, one), Contains("3 and 1"));
  CHECK_THROWS_WITH(bert::spearman(other, nan), Contains("NaN"));
}

TEST_CASE("accuracy is the part that is right", "[train][metrics]") {
  const std::vector<std::int32_t> gold{1, 2, 0, 1}, predicted{1, 0, 0, 2};
  CHECK(bert::accuracy(predicted, gold) == 0.5);
  CHECK(bert::accuracy(gold, gold) == 1);
  CHECK_THROWS_WITH(bert::accuracy({}, {}), Contains("0 predictions"));
  CHECK_THROWS_WITH(bert::accuracy(std::span(predicted).first(2), gold), Contains("2 predictions for 4"));
}

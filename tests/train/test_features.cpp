// Features: what a trainer sees of an example, with a vocabulary small enough to write the ids down.
#include <bert/train/features.h>
#include <bert/train/metrics.h>

#include "support/catch.h"
#include "support/paths.h"
#include "train/corpus.h"

namespace {

using Catch::Matchers::Contains;
using Ids = std::vector<std::int32_t>;

// [PAD] 0, [UNK] 1, [CLS] 2, [SEP] 3, [MASK] 4
const bert::Tokenizer& tokenizer() {
  static const auto it =
      bert::Tokenizer::from_vocab("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\nc\nd\n##x\n##y\nwho\n?\n");
  return it;
}
const bert::LabelSet& labels() {
  static const bert::LabelSet it({"O", "B-P", "I-P"});
  return it;
}

bert::Question question(const std::string& context, const std::string& answer, std::uint32_t start) {
  return {"q1", "who?", context, {{answer, start}}, false};
}

/// Code points [begin, end) of a UTF-8 text.
std::string code_points(const std::string& text, std::uint32_t begin, std::uint32_t end) {
  std::string out;
  std::uint32_t at = 0;
  for (const char c : text) {
    at += (c & 0xC0) != 0x80;
    if (at > begin && at <= end) out += c;
  }
  return out;
}

}  // namespace

TEST_CASE("texts and pairs are encoded, cut, and labelled", "[train][features]") {
  const auto features = [](const bert::LabelledText& example, std::size_t max_length) {
    return bert::classification_features(tokenizer(), example, labels(), max_length, "f");
  };
  const auto single = features({"I-P", "a bx d", "", 1}, 10);
  CHECK((single.ids == Ids{2, 5, 6, 9, 8, 3} && single.type_ids == Ids{0, 0, 0, 0, 0, 0} && single.label == 2));
  CHECK(features({"O", "a bx d", "", 1}, 4).ids == Ids{2, 5, 6, 3});
  const auto pair = features({"O", "a b c d", "b", 1}, 7);
  CHECK((pair.ids == Ids{2, 5, 6, 7, 3, 6, 3} && pair.type_ids == Ids{0, 0, 0, 0, 0, 1, 1}));
  CHECK_THROWS_WITH(features({"X", "a", "", 7}, 9), Contains("line 7 of \"f\": the label \"X\""));
  CHECK_THROWS_WITH(features({"O", "\u200d", "", 7}, 9), Contains("line 7 of \"f\": no token is left"));
  CHECK_THROWS_WITH(features({"O", "a", "", 7}, 2), Contains("no token is left"));
  CHECK_THROWS_WITH(features({"O", "a", "", 7}, 1), Contains("no room"));

  const auto scored = bert::similarity_features(tokenizer(), {2.5, "a b c d", "d", 1}, 5, "f");
  CHECK((scored.a == Ids{2, 5, 6, 7, 3} && scored.b == Ids{2, 8, 3} && scored.score == 2.5));
  CHECK_THROWS_WITH(bert::similarity_features(tokenizer(), {1, "a", "\u200d", 4}, 5, "f"), Contains("line 4"));
}

TEST_CASE("the first token of a word carries its tag", "[train][features]") {
  const bert::TaggedSentence sentence{{"axy", "\u200d", "b", "zzz", "cx"}, {"B-P", "O", "I-P", "O", "B-P"}, 3};
  const auto whole = bert::tag_features(tokenizer(), sentence, labels(), 20, "f");
  CHECK(whole.ids == Ids{2, 5, 9, 10, 6, 1, 7, 9, 3});
  CHECK(whole.labels == Ids{-100, 1, -100, -100, 2, 0, 1, -100, -100});
  CHECK(whole.first_token == Ids{1, -1, 4, 5, 6});
  const auto cut = bert::tag_features(tokenizer(), sentence, labels(), 6, "f");
  CHECK(cut.ids == Ids{2, 5, 9, 10, 6, 3});
  CHECK(cut.labels == Ids{-100, 1, -100, -100, 2, -100});
  CHECK(cut.first_token == Ids{1, -1, 4, -1, -1});
  CHECK_THROWS_WITH(bert::tag_features(tokenizer(), {{"a", "b"}, {"O", "X"}, 3}, labels(), 9, "f"),
                    Contains("line 4 of \"f\": the label \"X\""));
  CHECK_THROWS_WITH(bert::tag_features(tokenizer(), {{"\u200d"}, {"O"}, 3}, labels(), 9, "f"), Contains("no word"));
  CHECK_THROWS_WITH(bert::tag_features(tokenizer(), sentence, labels(), 2, "f"), Contains("no room"));
}

TEST_CASE("an answer is found in the windows that hold all of it", "[train][features]") {
  // [CLS] who ? [SEP] and four tokens of the context, two of which the window before had, [SEP]
  const auto windows = bert::answer_features(tokenizer(), question("a b c d a bx", "d a", 6), 5, 9, 2);
  REQUIRE(windows.size() == 3);
  CHECK(windows[0].ids == Ids{2, 11, 12, 3, 5, 6, 7, 8, 3});
  CHECK(windows[0].type_ids == Ids{0, 0, 0, 0, 1, 1, 1, 1, 1});
  CHECK(windows[1].ids == Ids{2, 11, 12, 3, 7, 8, 5, 6, 3});
  CHECK(windows[2].ids == Ids{2, 11, 12, 3, 5, 6, 9, 3});
  CHECK((windows[0].start == 0 && windows[0].end == 0));  // its end is outside
  CHECK((windows[1].start == 5 && windows[1].end == 6));
  CHECK((windows[2].start == 0 && windows[2].end == 0));  // its beginning is outside
  for (const auto& window : windows) {
    CHECK((window.question == 5 && window.context_begin == 4 && window.context_end == window.ids.size() - 1));
    CHECK(window.offsets.size() == window.ids.size());
  }
  CHECK((windows[2].offsets[5] == bert::Span{10, 11} && windows[2].offsets[6] == bert::Span{11, 12}));

  const auto part_of_word = bert::answer_features(tokenizer(), question("a bx c", "b", 2), 0, 20, 2);
  CHECK((part_of_word.size() == 1 && part_of_word[0].start == 5 && part_of_word[0].end == 5));
  const auto inside_token = bert::answer_features(tokenizer(), question("a who c", "ho c", 3), 0, 20, 2);
  CHECK((inside_token[0].start == 5 && inside_token[0].end == 6));
  bert::Question none = question("a b", "", 0);
  none.answers.clear();
  CHECK(bert::answer_features(tokenizer(), none, 0, 20, 2)[0].start == 0);

  const auto error = [](const bert::Question& asked, std::size_t max_length, std::size_t stride) {
    return tests::error_of([&] { bert::answer_features(tokenizer(), asked, 0, max_length, stride); });
  };
  CHECK_THAT(error(question("a b c d", "b", 2), 5, 0), Contains("question \"q1\": its 2 tokens and a window of 5"));
  CHECK_THAT(error(question("a b c d", "b", 2), 7, 2), Contains("stride"));
  CHECK_THAT(error(question("\u200d", "b", 0), 7, 2), Contains("its context has no token"));
}

TEST_CASE("SQuAD's answers come back from their tokens", "[train][features]") {
  SKIP_WITHOUT_SHARED();
  const std::string vocab = tests::read_file(tests::shared_dir() / "data/vocab/bert-base-uncased/vocab.txt");
  const bert::Tokenizer uncased = bert::Tokenizer::from_vocab(vocab);
  const auto text = bert::read_lines<tests::LineReader>(tests::shared_dir() / "data/tasks/squad.dev.json");
  const bert::QuestionData data = bert::read_squad(text, "squad.dev.json");
  std::size_t found = 0, exact = 0, contained = 0, asked = 0;
  for (std::size_t i = 0; i < data.questions.size(); i += 7, ++asked) {
    const bert::Question& question = data.questions[i];
    bool is_found = false;
    for (const auto& window : bert::answer_features(uncased, question, i, 96, 32)) {
      CHECK(window.ids.size() <= 96);
      if (window.start == 0) continue;
      const std::string& gold = question.answers.front().text;
      const auto token = [&](std::int32_t at) { return window.offsets[static_cast<std::size_t>(at)]; };
      const std::string answer = code_points(question.context, token(window.start).start, token(window.end).end);
      if (!is_found) exact += bert::answer_score(answer, std::span(&gold, 1)).exact > 0;
      contained += window.offsets[static_cast<std::size_t>(window.start)].start <= question.answers.front().start;
      is_found = true;
    }
    found += is_found;
  }
  CHECK(found > asked * 97 / 100);  // an answer longer than what two windows share may be in none
  CHECK(contained >= found);
  CHECK(exact >= found * 99 / 100);  // an answer may begin or end inside a word piece
}

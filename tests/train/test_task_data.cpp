// Data files of fine-tuning: what is read from good ones, and what is said about bad ones.
#include <bert/train/task_data.h>

#include "support/catch.h"
#include "support/paths.h"
#include "train/corpus.h"

namespace {

using Catch::Matchers::Contains;
using Texts = std::vector<std::string>;

Texts flat(const std::vector<bert::LabelledText>& examples) {
  Texts out;
  for (const auto& example : examples) {
    out.push_back(example.label);
    out.push_back(example.a);
    if (!example.b.empty()) out.push_back(example.b);
  }
  return out;
}

std::string squad(const std::string& qas, const std::string& context = "the caf\u00e9 is open") {
  return "{\"version\": \"x\", \"data\": [{\"title\": \"t\", \"paragraphs\": [{\"context\": \"" + context +
         "\", \"qas\": [" + qas + "]}]}]}";
}

}  // namespace

TEST_CASE("labelled texts are read from TSV, CSV and JSON lines", "[train][data]") {
  const auto read = bert::read_classification;
  const Texts expected{"pos", "good , \"really\"", "neg", "bad"};
  CHECK(flat(read("pos\tgood , \"really\"\nneg\tbad\n", "f.tsv")) == expected);
  CHECK(flat(read("\xEF\xBB\xBFpos\tgood , \"really\"\r\nneg\tbad\r\n\r\n\n", "f")) == expected);
  CHECK(flat(read("label\ttext\npos\tgood , \"really\"\nneg\tbad", "f")) == expected);
  CHECK(flat(read("Sentence\tLabel\ngood , \"really\"\tpos\nbad\tneg", "f")) == expected);
  CHECK(flat(read("text,category\r\n\"good , \"\"really\"\"\",pos\r\nbad,neg\r\n", "f.csv.xz")) == expected);
  CHECK(flat(read("\"good , \"\"really\"\"\",pos\nbad,neg", "f.csv")) == expected);
  CHECK(flat(read("category,text\npos,\"good , \"\"really\"\"\"\n\nneg,\"bad\"", "f.csv.gz")) == expected);
  CHECK(flat(read("\"two\nlines\r\n\",a\nx,b\n", "f.csv")) == Texts{"a", "two\nlines\r\n", "b", "x"});
  CHECK(flat(read(
            "{\"label\": \"pos\", \"text\": \"good , \\\"really\\\"\"}\n\n{\"text\": \"bad\", \"category\": \"neg\"}",
            "f.jsonl")) == expected);
  CHECK(flat(read("{\"label\": 1, \"text\": \"x\"}", "f.jsonl")) == Texts{"1", "x"});
}

TEST_CASE("pairs and scores are read", "[train][data]") {
  const Texts expected{"yes", "p q", "r", "no", "s", "t"};
  CHECK(flat(bert::read_pairs("yes\tp q\tr\nno\ts\tt\n", "f")) == expected);
  CHECK(flat(bert::read_pairs("label\ta\tb\nyes\tp q\tr\nno\ts\tt\n", "f")) == expected);
  CHECK(flat(bert::read_pairs("sentence1\tsentence2\tlabel\np q\tr\tyes\ns\tt\tno\n", "f")) == expected);
  CHECK(flat(bert::read_pairs("{\"label\": \"yes\", \"sentence1\": \"p q\", \"sentence2\": \"r\"}\n"
                              "{\"premise\": \"s\", \"hypothesis\": \"t\", \"label\": \"no\"}",
                              "f.jsonl")) == expected);
  const auto scored = bert::read_similarity("score\ta\tb\n0.60\tp\tq\n-1e2\tr\ts\n", "f");
  REQUIRE(scored.size() == 2);
  CHECK((scored[0].score == 0.6 && scored[0].a == "p" && scored[0].b == "q" && scored[0].line == 2));
  CHECK((scored[1].score == -100 && scored[1].line == 3));
}

TEST_CASE("bad rows are named by file and line", "[train][data]") {
  const auto error = [](std::string_view text, std::string_view name, auto read) {
    return tests::error_of([&] { read(text, name); });
  };
  const auto classify = bert::read_classification;
  const auto pairs = bert::read_pairs;
  const auto similarity = bert::read_similarity;
  CHECK(error("pos\tx\nneg y\n", "d/f.tsv", classify) ==
        "line 2 of \"d/f.tsv\": 1 columns, expected 2 (label<TAB>text): \"neg y\"");
  CHECK(error("a\tb\tc\n", "f", classify) == "line 1 of \"f\": 3 columns, expected 2 (label<TAB>text): \"a\"");
  CHECK(error("x,a\ny,b,c\n", "f.csv", classify) == "line 2 of \"f.csv\": 3 columns, expected 2 (text,label): \"y\"");
  CHECK(error("\"x\n\",a\ny\n", "f.csv", classify) == "line 3 of \"f.csv\": 1 columns, expected 2 (text,label): \"y\"");
  CHECK(error("x,a\n\"y,b\nz,c\n", "f.csv", classify) == "line 2 of \"f.csv\": a quote is opened and never closed");
  CHECK(error("\"y\" z,b\n", "f.csv", classify) == "line 1 of \"f.csv\": text stands behind a closing quote: \" z\"");
  CHECK(error("pos\tx\n\nneg\ty\n", "f", classify) == "line 2 of \"f\": it is empty");
  CHECK(error("\tx\n", "f", classify) == "line 1 of \"f\": the label is empty");
  CHECK(error("pos\t \nneg\ty\n", "f", classify) == "line 1 of \"f\": the text is empty");
  for (const char* nothing : {"", "\n \n", "label\ttext\n"})
    CHECK(error(nothing, "f", classify) == "\"f\" holds no examples");
  CHECK(error("yes\tx\n", "f", pairs) == "line 1 of \"f\": 2 columns, expected 3 (label<TAB>text<TAB>text): \"yes\"");
  CHECK(error("1\tx\ty\nhigh\tx\ty\n", "f", similarity) == "line 2 of \"f\": the score is not a number: \"high\"");
  for (const char* number : {"nan", "inf", "1e999", "1x", "+1"})
    CHECK_THAT(error(std::string(number) + "\tx\ty\n", "f", similarity), Contains("not a number"));
  CHECK_THAT(error("{\"text\": \"x\"}", "f.jsonl", classify), Contains("line 1 of \"f.jsonl\": there is no label"));
  CHECK_THAT(error("{\"label\": \"a\", \"text\": \"x\"}\n{", "f.jsonl", classify),
             Contains("line 2 of \"f.jsonl\" is not valid JSON"));
}

TEST_CASE("CoNLL sentences are read", "[train][data]") {
  const auto sentences =
      bert::read_conll("-DOCSTART- -X- O\n\nEU NNP B-ORG\nrejects\tVBZ\tO \r\n\n \n\nhe O\n-DOCSTART- O\nshe O", "f");
  REQUIRE(sentences.size() == 3);
  CHECK((sentences[0].words == Texts{"EU", "rejects"} && sentences[0].tags == Texts{"B-ORG", "O"} &&
         sentences[0].line == 3));
  CHECK((sentences[1].words == Texts{"he"} && sentences[1].line == 8));
  CHECK((sentences[2].words == Texts{"she"} && sentences[2].line == 10));
  CHECK_THROWS_WITH(bert::read_conll("a O\nword\n", "f"), Contains("line 2 of \"f\"") && Contains("\"word\""));
  CHECK_THROWS_WITH(bert::read_conll("\n-DOCSTART- O\n", "f"), Contains("holds no sentences"));
}

TEST_CASE("SQuAD questions are read, both versions", "[train][data]") {
  const bert::QuestionData one = bert::read_squad(
      squad("{\"id\": \"1\", \"question\": \"what?\", \"answers\": [{\"text\": \"is\", \"answer_start\": 9},"
            "{\"text\": \"caf\u00e9\", \"answer_start\": 4}]}"),
      "f");
  REQUIRE(one.questions.size() == 1);
  CHECK_FALSE(one.has_impossible);
  CHECK((one.questions[0].id == "1" && one.questions[0].question == "what?" && one.questions[0].answers.size() == 2));
  CHECK((one.questions[0].answers[0].start == 9 && one.questions[0].answers[1].text == "caf\u00e9"));
  const bert::QuestionData two = bert::read_squad(
      squad("{\"id\": \"1\", \"question\": \"q\", \"is_impossible\": true, \"answers\": [], \"plausible_answers\": []},"
            "{\"id\": \"2\", \"question\": \"q\", \"is_impossible\": false, \"answers\": [{\"text\": \"open\", "
            "\"answer_start\": 12}]}"),
      "f");
  CHECK(two.has_impossible);
  CHECK((two.questions[0].is_impossible && two.questions[0].answers.empty() && two.questions[1].answers.size() == 1));

  const auto error = [](const std::string& text) { return tests::error_of([&] { bert::read_squad(text, "f"); }); };
  CHECK_THAT(
      error(squad("{\"id\": \"1\", \"question\": \"q\", \"answers\": [{\"text\": \"is\", \"answer_start\": 10}]}")),
      Contains("question \"1\" of \"f\": the answer \"is\" does not stand at code point 10"));
  CHECK_THAT(
      error(squad("{\"id\": \"1\", \"question\": \"q\", \"answers\": [{\"text\": \"is\", \"answer_start\": 999}]}")),
      Contains("code point 999"));
  CHECK_THAT(
      error(squad("{\"id\": \"1\", \"question\": \"q\", \"answers\": [{\"text\": \"is\", \"answer_start\": -1}]}")),
      Contains("answer_start"));
  CHECK_THAT(error(squad("{\"id\": \"1\", \"answers\": []}")), Contains("\"question\" is missing"));
  CHECK_THAT(error("{\"data\": 3}"), Contains("\"data\" is missing or not a list"));
  CHECK_THAT(error("{\"data\": []}"), Contains("holds no questions"));
  CHECK_THAT(error("{"), Contains("\"f\" is not valid JSON"));
}

TEST_CASE("labels are sorted, or the model's; an unknown one is an error", "[train][data]") {
  const bert::LabelSet labels = bert::LabelSet::of(bert::read_classification("b\tx\na\ty\nc\tz\na\tz\n", "f"));
  CHECK(labels.names() == Texts{"a", "b", "c"});
  CHECK(labels.id("c", 1, "f") == 2);
  CHECK_THROWS_WITH(labels.id("d", 7, "dev.tsv"),
                    Contains("line 7 of \"dev.tsv\": the label \"d\" is not one of the 3 known: a, b, c"));
  const bert::LabelSet model({"z", "a"});
  CHECK((model.id("z", 1, "f") == 0 && model.id("a", 1, "f") == 1));
  CHECK(bert::LabelSet::of(bert::read_conll("x O\ny B-A\n\nz O\n", "f")).names() == Texts{"B-A", "O"});
  CHECK_THROWS_WITH(bert::LabelSet({"a", "b", "a"}), Contains("\"a\" is there twice"));
  CHECK_THROWS_WITH(bert::LabelSet({}), Contains("empty"));
  CHECK_THROWS_WITH(bert::LabelSet({"a", ""}), Contains("no name"));
}

TEST_CASE("the shared data files are read whole", "[train][data]") {
  SKIP_WITHOUT_SHARED();
  const auto text = [](const std::string& name) {
    return bert::read_lines<tests::LineReader>(tests::shared_dir() / "data/tasks" / name);
  };
  // Numbers of examples as Python's csv, json and str.split count them.
  CHECK(bert::read_classification(text("sentiment.train.tsv"), "s.tsv").size() == 8600);
  const auto intents = bert::read_classification(text("banking77.train.csv"), "b.csv");
  CHECK(intents.size() == 10003);
  CHECK(bert::LabelSet::of(intents).size() == 77);
  CHECK(bert::read_similarity(text("sts.tsv"), "sts.tsv").size() == 1838);
  std::size_t words = 0;
  for (const auto& sentence : bert::read_conll(text("wnut17.train.conll"), "w")) words += sentence.words.size();
  CHECK(words == 62730);
  CHECK(bert::read_squad(text("squad.dev.json"), "squad").questions.size() == 806);
  CHECK(bert::read_squad(text("squad.train.json"), "squad").questions.size() > 5000);
}

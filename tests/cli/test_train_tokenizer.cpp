// bert train-tokenizer, from outside: the files it writes, what other commands make of them, and bad input.
#include "cli/program.h"
#include "support/archives.h"

using namespace tests;

namespace {

const std::string text = "The cat the cats The\n\ncat's\n";
// Small letters by code point, then those inside words. Then merges: four pairs stand together 3 times, and of equal
// ones that with smaller ids comes first: c + ##a, t + ##h, ca + ##t, th + ##e.
const std::vector<std::string> expected = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "'",   "a",   "c",  "e",
                                           "h",     "s",     "t",     "##a",   "##e",    "##h", "##s", "##t"};

Arguments train(const std::filesystem::path& corpus, const std::filesystem::path& output, const Arguments& more = {}) {
  Arguments all = {"train-tokenizer", "--corpus", corpus.string(), "-o", output.string()};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

}  // namespace

TEST_CASE("bert train-tokenizer writes a folder that bert tokenize reads", "[cli][train-tokenizer]") {
  const ScratchFolder scratch;
  write_text(scratch / "text", text);
  const Json result = one_json(train(scratch / "text", scratch / "made/here", {"--json", "--vocab-size", "100"}));
  CHECK(keys(result) == std::vector<std::string>{"output", "vocab_size", "words", "distinct_words"});
  CHECK(result["words"] == 8);
  CHECK(result["distinct_words"] == 5);  // the, cat, cats, ' and s
  CHECK(files_in(scratch / "made/here") == 2);
  const std::vector<std::string> vocabulary = lines(read_text(scratch / "made/here/vocab.txt"));
  CHECK(result["vocab_size"] == vocabulary.size());
  std::vector<std::string> whole = expected;
  whole.insert(whole.end(), {"ca", "th", "cat", "the"});
  CHECK(vocabulary == whole);
  CHECK(Json::parse(read_text(scratch / "made/here/tokenizer_config.json"))["do_lower_case"] == true);
  const Json tokens = one_json({"tokenize", "--json", "--model", (scratch / "made/here").string(), "THE cats!"});
  CHECK(tokens["tokens"] == Json({"[CLS]", "the", "cat", "##s", "[UNK]", "[SEP]"}));
}

TEST_CASE("bert train-tokenizer's flags do what they say", "[cli][train-tokenizer]") {
  const ScratchFolder scratch;
  write_text(scratch / "text", text);
  const auto vocabulary = [&](const Arguments& flags) {
    const RunResult result = run_bert(train(scratch / "text", scratch / "out", flags));
    INFO(result.err);
    CHECK(result.status == 0);
    return lines(read_text(scratch / "out/vocab.txt"));
  };
  CHECK(vocabulary({"--vocab-size", "17"}) == expected);
  CHECK(vocabulary({"--vocab-size", "19"}).back() == "th");
  CHECK(vocabulary({"--vocab-size", "100", "--min-frequency", "4"}) == expected);
  CHECK(vocabulary({"--vocab-size", "100", "--limit-alphabet", "1"}).size() == 7);  // t, ##t
  const std::vector<std::string> cased = vocabulary({"--vocab-size", "100", "--lowercase", "no"});
  CHECK(std::count(cased.begin(), cased.end(), "T") == 1);
  CHECK(one_json({"tokenize", "--json", "--model", (scratch / "out").string(), "T"})["tokens"][1] == "T");
  for (const char* threads : {"1", "3"})
    CHECK(vocabulary({"--vocab-size", "100", "--lowercase", "no", "--threads", threads}) == cased);
  CHECK(run_bert(train(scratch / "text", scratch / "out", {"--vocab-size", "30", "--progress", "always"})).err == "");
}

TEST_CASE("bert train-tokenizer reads several files, packed ones too", "[cli][train-tokenizer]") {
  const ScratchFolder scratch;
  const auto a = xz("The cat the "), b = gz("cats\n");
  if (!a || !b) return std::puts("skipped: the tests were built without liblzma or zlib"), void();
  write_text(scratch / "a", *a);
  write_text(scratch / "b", *b);
  write_text(scratch / "c", "The\ncat's");
  const RunResult result = run_bert({"train-tokenizer", "--corpus", (scratch / "a").string(), (scratch / "b").string(),
                                     (scratch / "c").string(), "--vocab-size", "17", "-o", (scratch / "out").string()});
  CHECK(result.err == "");
  CHECK(lines(read_text(scratch / "out/vocab.txt")) == expected);
  write_text(scratch / "a", a->substr(0, a->size() - 3));
  check_error(train(scratch / "a", scratch / "new", {"--vocab-size", "50"}), 1, {"cannot read", "cut off"});
  CHECK_FALSE(std::filesystem::exists(scratch / "new"));
}

TEST_CASE("bert train-tokenizer fails with a word and without a folder", "[cli][train-tokenizer]") {
  const ScratchFolder scratch;
  write_text(scratch / "text", text);
  write_text(scratch / "blank", " \n\n");
  const auto out = scratch / "out";
  const Arguments size = {"--vocab-size", "50"};
  check_error(train(scratch / "absent", out, size), 1, {"cannot read", "absent"});
  check_error(train(scratch.path(), out, size), 1, {"cannot read", "directory"});
  check_error(train(scratch / "blank", out, size), 1, {"blank", "no words"});
  check_error(train(scratch / "text", out, {"--vocab-size", "16"}), 1, {"16", "17", "alphabet"});
  check_error(train(scratch / "text", scratch / "text/out", size), 1, {"not a folder"});
  check_error({"train-tokenizer", "--vocab-size", "50", "-o", out.string()}, 2, {"--corpus"});
  check_error(train(scratch / "text", out), 2, {"--vocab-size"});
  check_error({"train-tokenizer", "--corpus", (scratch / "text").string(), "--vocab-size", "50"}, 2, {"--output"});
  for (const char* value : {"0", "-1", "1.5", "many", ""}) {
    check_error(train(scratch / "text", out, {"--vocab-size", value}), 2, {"--vocab-size"});
    check_error(train(scratch / "text", out, {"--vocab-size", "50", "--min-frequency", value}), 2, {"--min-frequency"});
    check_error(train(scratch / "text", out, {"--vocab-size", "50", "--limit-alphabet", value}), 2,
                {"--limit-alphabet"});
  }
  check_error(train(scratch / "text", out, {"--vocab-size", "50", "--lowercase", "maybe"}), 2, {"maybe"});
  check_error(train(scratch / "text", out, {"--vocab-size", "50", "--model", "folder"}), 2, {"--model"});
  CHECK_FALSE(std::filesystem::exists(out));
  write_text(out / "tokenizer.json", "{}");
  check_error(train(scratch / "text", out, size), 1, {"tokenizer.json"});
  CHECK(files_in(out) == 1);
}

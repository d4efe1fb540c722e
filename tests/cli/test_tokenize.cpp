// bert tokenize and detokenize: results that BERT's rules (google-research/bert tokenization.py, Hugging Face
// BertTokenizerFast) are known to give with tiny_vocabulary(). The folder holds nothing but vocab.txt.
#include "cli/program.h"
#include "io/files.h"

#include <array>

using namespace tests;

namespace {

class Vocabulary {
 public:
  Vocabulary() { write_text(folder_ / "vocab.txt", vocab_txt(tiny_vocabulary())); }
  std::filesystem::path operator/(const std::string& name) const { return folder_ / name; }
  std::string path() const { return folder_.path().string(); }
  /// --lowercase because a bare vocab.txt does not say whether its model keeps capitals.
  Json tokenize(const Arguments& arguments) const {
    Arguments all = {"tokenize", "--json", "--model", path(), "--lowercase", "yes"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return one_json(all);
  }

 private:
  ScratchFolder folder_;
};

struct Known {
  std::string text;
  std::vector<std::string> tokens;          ///< without [CLS] and [SEP]
  std::vector<std::array<int, 2>> offsets;  ///< code points of the text
};

const std::vector<Known> known = {
    {"UNwant\u00e9d,running",  // from google-research/bert's own test
     {"un", "##want", "##ed", ",", "runn", "##ing"},
     {{0, 2}, {2, 6}, {6, 8}, {8, 9}, {9, 13}, {13, 16}}},
    {" \tHeLLo!how  \n Are yoU?  ",
     {"hello", "!", "how", "are", "you", "?"},
     {{2, 7}, {7, 8}, {8, 11}, {15, 18}, {19, 22}, {22, 23}}},
    {"the中国cat", {"the", "中", "国", "cat"}, {{0, 3}, {3, 4}, {4, 5}, {5, 8}}},
    {"un☃ the", {"[UNK]", "the"}, {{0, 3}, {4, 7}}},  // one unknown character makes the word unknown
    {"the\u200dcat a\u200db",                         // U+200D, a format character, is dropped
     {"the", "##c", "##a", "##t", "a", "##b"},
     {{0, 3}, {4, 5}, {5, 6}, {6, 7}, {8, 9}, {10, 11}}},
    {"the [MASK]cat", {"the", "[MASK]", "cat"}, {{0, 3}, {4, 10}, {10, 13}}},
    {"😀 you're", {"[UNK]", "you", "'", "r", "##e"}, {{0, 1}, {2, 5}, {5, 6}, {6, 7}, {7, 8}}},
};

}  // namespace

TEST_CASE("bert tokenize gives what BERT's rules give, from a folder with vocab.txt alone", "[cli][tokenize]") {
  const Vocabulary vocabulary;
  for (const Known& each : known) {
    INFO(each.text);
    const Json result = vocabulary.tokenize({each.text});
    REQUIRE(keys(result) == std::vector<std::string>{"ids", "tokens", "type_ids", "offsets", "special_tokens_mask"});
    const std::size_t count = each.tokens.size();
    Json ids = {2}, tokens = {"[CLS]"}, offsets = Json::array({Json::array({0, 0})}), special = {1};
    for (std::size_t i = 0; i < count; ++i) {
      tokens.push_back(each.tokens[i]);
      ids.push_back(id_of(each.tokens[i]));
      offsets.push_back(each.offsets[i]);
      special.push_back(0);
    }
    ids.push_back(3), tokens.push_back("[SEP]"), offsets.push_back({0, 0}), special.push_back(1);
    CHECK(result["tokens"] == tokens);
    CHECK(result["ids"] == ids);
    CHECK(result["offsets"] == offsets);
    CHECK(result["special_tokens_mask"] == special);
    CHECK(result["type_ids"] == Json(std::vector<int>(count + 2)));
  }
}

TEST_CASE("bert tokenize splits words of up to 100 characters and no longer ones", "[cli][tokenize]") {
  const Vocabulary vocabulary;
  const Json longest = vocabulary.tokenize({std::string(100, 'a')});
  CHECK(longest["ids"].size() == 102);
  const Json longer = vocabulary.tokenize({std::string(101, 'a')});
  CHECK(longer["tokens"] == Json({"[CLS]", "[UNK]", "[SEP]"}));
  CHECK(longer["offsets"][1] == Json({0, 101}));
}

TEST_CASE("bert tokenize counts one code point for each maximal invalid part of UTF-8", "[cli][tokenize]") {
  const Vocabulary vocabulary;
  // 0xff; the first three bytes of a four-byte character: one part; a byte that cannot follow: two parts. BERT then
  // drops U+FFFD.
  for (const auto& [bytes, parts] : {std::pair{"\xff", 1}, {"\xf0\x9f\x98", 1}, {"\xe4\xff", 2}}) {
    const Json result = vocabulary.tokenize({"the " + std::string(bytes) + " cat"});
    CHECK(result["tokens"] == Json({"[CLS]", "the", "cat", "[SEP]"}));
    CHECK(result["offsets"][2] == Json({5 + parts, 8 + parts}));
  }
}

TEST_CASE("bert tokenize --pair puts a second text behind", "[cli][tokenize]") {
  const Vocabulary vocabulary;
  const Json result = vocabulary.tokenize({"the cat", "--pair", "hello!"});
  CHECK(result["tokens"] == Json({"[CLS]", "the", "cat", "[SEP]", "hello", "!", "[SEP]"}));
  CHECK(result["type_ids"] == Json({0, 0, 0, 0, 1, 1, 1}));
  CHECK(result["special_tokens_mask"] == Json({1, 0, 0, 1, 0, 0, 1}));
  CHECK(result["offsets"][4] == Json({0, 5}));  // of the second text
  CHECK(result["offsets"][5] == Json({5, 6}));
}

TEST_CASE("bert tokenize keeps capitals where the folder or --lowercase says so", "[cli][tokenize]") {
  const Vocabulary vocabulary;
  const auto tokens = [&](Arguments arguments) {
    arguments.insert(arguments.begin(), {"tokenize", "--json", "--model", vocabulary.path()});
    return one_json(arguments)["tokens"];
  };
  const Json small = {"[CLS]", "the", "cat", "[SEP]"}, kept = {"[CLS]", "[UNK]", "cat", "[SEP]"};
  CHECK(tokens({"--lowercase", "yes", "The cat"}) == small);
  CHECK(tokens({"--lowercase", "no", "The cat"}) == kept);  // the vocabulary has no capitals
  check_error({"tokenize", "--model", vocabulary.path(), "The cat"}, 2, {"--lowercase"});
  check_error({"tokenize", "--lowercase", "perhaps", "The cat"}, 2, {"perhaps"});
  for (const auto& [said, expected] : {std::pair{"true", small}, {"false", kept}}) {
    write_text(vocabulary / "tokenizer_config.json", std::string("{\"do_lower_case\": ") + said + "}");
    CHECK(tokens({"The cat"}) == expected);
  }
}

TEST_CASE("bert tokenize reads a folder with tokenizer.json alone", "[cli][tokenize]") {
  const ScratchFolder scratch;
  Json vocab = Json::object();
  for (const std::string& piece : tiny_vocabulary()) vocab[piece] = id_of(piece);
  Json added = Json::array();
  for (const char* token : {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"})
    added.push_back({{"id", id_of(token)},
                     {"content", token},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", true}});
  const Json whole = {
      {"version", "1.0"},
      {"truncation", {{"direction", "Right"}, {"max_length", 4}, {"strategy", "LongestFirst"}, {"stride", 0}}},
      {"padding", nullptr},
      {"added_tokens", added},
      {"normalizer",
       {{"type", "BertNormalizer"},
        {"clean_text", true},
        {"handle_chinese_chars", true},
        {"strip_accents", nullptr},
        {"lowercase", true}}},
      {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
      {"post_processor", {{"type", "BertProcessing"}, {"sep", {"[SEP]", 3}}, {"cls", {"[CLS]", 2}}}},
      {"decoder", {{"type", "WordPiece"}, {"prefix", "##"}, {"cleanup", true}}},
      {"model",
       {{"type", "WordPiece"},
        {"unk_token", "[UNK]"},
        {"continuing_subword_prefix", "##"},
        {"max_input_chars_per_word", 100},
        {"vocab", vocab}}}};
  write_text(scratch / "tokenizer.json", whole.dump());
  const Json result = one_json({"tokenize", "--json", "--model", scratch.path().string(), known[0].text});
  CHECK(result["tokens"].size() == known[0].tokens.size() + 2);  // the file's truncation to 4 is not for us
  for (std::size_t i = 0; i < known[0].tokens.size(); ++i) CHECK(result["tokens"][i + 1] == known[0].tokens[i]);
}

TEST_CASE("bert tokenize says what to do with a text beyond the window, and --truncate and --stride do it",
          "[cli][tokenize]") {
  const TinyModel tiny;  // a window of 96
  check_error(tiny.with("tokenize", {"--json", words(95)}), 1, {"--truncate", "--stride", "97", "96"});
  const Json whole = one_json(tiny.with("tokenize", {"--json", words(94)}));
  CHECK(whole["ids"].size() == 96);
  CHECK(one_json(tiny.with("tokenize", {"--json", "--truncate", words(200)})) == whole);

  // Windows of 94 tokens that overlap by 14: the first begins at word 0, the second at 80, the third at 160.
  const Json windows = one_json(tiny.with("tokenize", {"--json", "--stride", "14", words(200)}));
  REQUIRE(windows.size() == 3);
  for (std::size_t w = 0; w < 3; ++w) {
    CHECK(windows[w]["offsets"][1] == Json({80 * 4 * w, 80 * 4 * w + 3}));
    CHECK(windows[w]["ids"].size() == (w < 2 ? 96 : 42));
  }
}

TEST_CASE("bert detokenize joins pieces as Hugging Face's WordPiece decoder", "[cli][detokenize]") {
  const Vocabulary vocabulary;
  Arguments arguments = {"detokenize", "--lowercase", "yes", "--model", vocabulary.path()};
  for (const std::string& token : known[0].tokens) arguments.push_back(std::to_string(id_of(token)));
  const RunResult result = run_bert(arguments);
  CHECK(result.status == 0);
  CHECK(result.out == "unwanted, running\n");
  check_error({"detokenize", "--lowercase", "yes", "--model", vocabulary.path(), "5", "300"}, 1, {"300"});
  check_error({"detokenize", "--lowercase", "yes", "--model", vocabulary.path(), "5", "x"}, 2, {"x"});
}

TEST_CASE("tokenize and detokenize take folders of SentencePiece models", "[cli][tokenize]") {
  const std::filesystem::path golden = source_dir() / "tests/golden/sentencepiece";
  const std::array<std::string, 2> files = {"spiece.model", "tokenizer.model"};
  std::size_t compared = 0;
  for (const Json& row : Json::parse(read_file(golden / "families.json"))) {
    const std::string family = row["family"], model = row["model"];
    if (!row["config"].empty() || family == "xlnet") continue;
    const ScratchFolder folder;
    std::filesystem::copy_file(golden / (model + ".model"), folder / files[family == "llama"]);
    write_text(folder / "config.json", R"({"model_type":")" + family + "\"}");
    if (family == "llama") write_text(folder / "tokenizer_config.json", R"({"add_bos_token":false})");
    for (std::size_t i = 2; i < 5; ++i) {
      const Json& each = row["cases"][i];
      const Json seen = one_json({"tokenize", "--json", "--model", folder.path().string(), each["text"]});
      Arguments ids = {"detokenize", "--json", "--model", folder.path().string()};
      for (std::size_t t = 0; t < each["tokens"].size(); ++t) {
        const Json& token = each["tokens"][t];
        CHECK(seen["ids"][t] == token[0]);
        if (seen["special_tokens_mask"][t] == 0) CHECK(seen["offsets"][t] == Json({token[2], token[3]}));
        ids.push_back(token[0].dump());
        ++compared;
      }
      CHECK(seen["ids"].size() == each["tokens"].size());
      CHECK(one_json(ids) == each["decoded"][0]);
    }
  }
  CHECK(compared > 60);
}

#include <bert/io/safetensors_writer.h>
#include <bert/io/tokenizer_files.h>

#include "files.h"
#include "support/catch.h"

using tests::error_of;

namespace {
const std::string kVocab = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nA\n##b\n";
using Ids = std::vector<std::int32_t>;
Ids ids_of(const std::filesystem::path& path, const std::string& text, std::optional<bool> lowercase = std::nullopt) {
  return bert::load_tokenizer(bert::read_tokenizer_files(path), lowercase).encode(text).ids;
}
std::string error(const std::filesystem::path& path, std::optional<bool> lowercase = std::nullopt) {
  return error_of([&] { ids_of(path, "a", lowercase); });
}
}  // namespace

TEST_CASE("a tokenizer needs no model beside it", "[io][tokenizer]") {
  const tests::TemporaryFolder folder;
  tests::write_file(folder / "vocab.txt", kVocab);
  CHECK(ids_of(folder.path(), "Ab", true) == Ids{2, 5, 7, 3});
  CHECK(ids_of(folder.path(), "Ab", false) == Ids{2, 6, 7, 3});
  CHECK(ids_of(folder / "vocab.txt", "Ab", true) == Ids{2, 5, 7, 3});
  tests::write_file(folder / "tokenizer_config.json", R"({"do_lower_case":true,"strip_accents":null,"x":[]})");
  CHECK(ids_of(folder.path(), "Ab") == Ids{2, 5, 7, 3});
  CHECK(ids_of(folder.path(), "\xC3\x81") == Ids{2, 5, 3});  // A with an acute accent
  tests::write_file(folder / "tokenizer_config.json", R"({"do_lower_case":true,"strip_accents":false})");
  CHECK(ids_of(folder.path(), "\xC3\x81") == Ids{2, 1, 3});

  const std::string json = bert::load_tokenizer(bert::read_tokenizer_files(folder.path())).to_json();
  tests::write_file(folder / "only/tokenizer.json", json);
  CHECK(ids_of(folder / "only", "Ab") == Ids{2, 5, 7, 3});
  CHECK(ids_of(folder / "only/tokenizer.json", "Ab") == Ids{2, 5, 7, 3});
  bert::write_safetensors(folder / "m.safetensors", {{"bert.tokenizer", json}}, {});
  CHECK(ids_of(folder / "m.safetensors", "Ab") == Ids{2, 5, 7, 3});
}

TEST_CASE("what is no tokenizer is refused, with the file's name and the way out", "[io][tokenizer][bad]") {
  const tests::TemporaryFolder folder;
  CHECK(error(folder.path()).find("has neither tokenizer.json nor vocab.txt") != std::string::npos);
  CHECK(error(folder / "none").find("No such file") != std::string::npos);
  tests::write_file(folder / "vocab.txt", kVocab);
  CHECK(error(folder.path())
            .find("vocab.txt\": no tokenizer_config.json beside it says do_lower_case: pass --lowercase") !=
        std::string::npos);
  tests::write_file(folder / "tokenizer_config.json", R"({"do_lower_case":true})");
  CHECK(error(folder.path(), false).find("says do_lower_case otherwise") != std::string::npos);
  CHECK(error(folder.path(), true) == "nothing was thrown");
  tests::write_file(folder / "tokenizer_config.json", R"({"do_lower_case":"yes"})");
  CHECK(error(folder.path()).find("do_lower_case is yes, which is not true or false") != std::string::npos);
  tests::write_file(folder / "tokenizer_config.json", "garbage");
  CHECK(error(folder.path()).find("tokenizer_config.json is not valid JSON") != std::string::npos);
  tests::write_file(folder / "tokenizer_config.json", R"({"do_lower_case":true})");
  tests::write_file(folder / "vocab.txt", "a\nb\n");
  CHECK(error(folder.path()).find("cannot load the tokenizer \"" + (folder / "vocab.txt").string()) == 0);
  tests::write_file(folder / "vocab.txt", "");
  CHECK(error(folder.path()).find("has neither tokenizer.json nor vocab.txt") != std::string::npos);
  tests::write_file(folder / "tokenizer.json", "{");
  CHECK(error(folder.path()).find("tokenizer.json is not valid JSON") != std::string::npos);
  bert::write_safetensors(folder / "m.safetensors", {}, {});
  CHECK(error(folder / "m.safetensors").find("holds no tokenizer") != std::string::npos);
}

TEST_CASE("a model without a tokenizer opens, and says so when asked for one", "[io][tokenizer][bad]") {
  const tests::TemporaryFolder folder;
  bert::write_safetensors(folder / "m.safetensors", {{"bert.format", "1"}, {"bert.config", "{}"}}, {});
  const auto checkpoint = bert::Checkpoint::open(folder / "m.safetensors");
  CHECK_FALSE(checkpoint.has_tokenizer());
  CHECK(error_of([&] { bert::load_tokenizer(checkpoint); }).find("holds no tokenizer") != std::string::npos);
}

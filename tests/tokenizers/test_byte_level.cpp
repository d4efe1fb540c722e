// Byte-level BPE beyond the golden texts: vocab.json and merges.txt, files that are damaged, long words.
#include <bert/io/safetensors_writer.h>
#include <bert/io/tokenizer_files.h>
#include <bert/tokenizers/byte_level.h>

#include "io/files.h"
#include "support/catch.h"
#include "support/paths.h"

using namespace bert;
using namespace tests;

namespace {

std::string golden(const std::string& name) { return read_file(source_dir() / "tests/golden/tokenizer" / name); }

/// The vocab.json and merges.txt that a tokenizer.json holds.
struct Files {
  std::string vocab, merges = "#version: 0.2\n";
  explicit Files(const std::string& tokenizer_json) {
    const Json root = parse_json(tokenizer_json, "golden");
    const Json& model = *root.find("model");
    for (const Json& token : model.find("vocab")->members)
      vocab += concat(vocab.empty() ? "{" : ",", quote_json(token.name), ":", token.text);
    vocab += "}";
    for (const Json& merge : model.find("merges")->members) {
      const auto& [left, right] = merge.members.size() == 2 ? std::pair(merge.members[0].text, merge.members[1].text)
                                                            : std::pair(merge.text.substr(0, merge.text.find(' ')),
                                                                        merge.text.substr(merge.text.find(' ') + 1));
      merges += left + " " + right + "\n";
    }
  }
};

const char* const texts[] = {"Hello world", " it's  <mask> caf\u00e9\n\n 2024", "\u65e5\u672c <s>x</s>", "",
                             "a\xff\xfe b"};

bool same(const Tokenizer& a, const Tokenizer& b) {
  for (const char* text : texts) {
    const Encoding x = a.encode(text, "b c"), y = b.encode(text, "b c");
    if (x.ids != y.ids || x.offsets != y.offsets || x.type_ids != y.type_ids || x.words != y.words) return false;
    if (a.decode(x.ids, false) != b.decode(y.ids, false)) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("vocab.json and merges.txt give the tokenizer that transformers makes of them", "[tokenizer][bpe]") {
  const TemporaryFolder folder;
  for (const std::string name : {"roberta", "roberta_prefix", "gpt2"}) {
    INFO(name);
    std::string json = golden(name + ".json");
    if (name == "gpt2") {  // it has added tokens that no vocab.json tells of
      const std::size_t begin = json.find("\"added_tokens\":["), end = json.find("],\"normalizer\"");
      std::string first = json.substr(begin, end - begin);
      first = first.substr(0, first.find(",{\"id\":420"));
      json.replace(begin, end - begin, first);
    }
    const Files files(json);
    const Tokenizer expected = Tokenizer::from_json(json);
    const Tokenizer seen = Tokenizer::from_bpe(files.vocab, files.merges, name == "roberta_prefix");
    CHECK(same(Tokenizer::from_json(seen.to_json()), seen));
    if (name != "gpt2") CHECK(same(seen, expected));  // that vocabulary has <s>, and is RoBERTa's for from_bpe
    write_file(folder / "vocab.json", files.vocab);
    write_file(folder / "merges.txt", files.merges);
    write_file(folder / "tokenizer_config.json",
               name == "roberta_prefix" ? R"({"add_prefix_space":true})" : R"({"add_prefix_space":false})");
    CHECK(same(load_tokenizer(read_tokenizer_files(folder.path())), seen));
    if (name == "roberta") CHECK(same(load_tokenizer(read_tokenizer_files(folder / "vocab.json")), seen));
  }
}

TEST_CASE("a vocabulary without <s> is GPT-2's: nothing is added, spaces count in offsets", "[tokenizer][bpe]") {
  std::string vocab = "{";
  for (int byte = 0; byte < 256; ++byte)
    vocab +=
        concat(byte ? "," : "", quote_json(to_byte_characters(std::string(1, static_cast<char>(byte)))), ":", byte);
  vocab += concat(",", quote_json("\u0120a"), ":256,\"<|endoftext|>\":257}");
  const Tokenizer tokenizer = Tokenizer::from_bpe(vocab, "\u0120 a\n");
  const Encoding encoding = tokenizer.encode("b a<|endoftext|>");
  CHECK(encoding.ids == std::vector<std::int32_t>{'b', 256, 257});
  CHECK(encoding.offsets == std::vector<Span>{{0, 1}, {1, 3}, {3, 16}});
  CHECK(tokenizer.decode(encoding.ids) == "b a");
  CHECK(tokenizer.unk_id() == -1);
  CHECK_FALSE(tokenizer.mask_id());
  CHECK(same(Tokenizer::from_json(tokenizer.to_json()), tokenizer));
}

TEST_CASE("of equal pairs the leftmost is merged first, and what was learnt first before all others",
          "[tokenizer][bpe]") {
  const Bpe bpe({"a", "b", "aa", "ab", "aab"}, {{"a", "b"}, {"a", "a"}, {"a", "ab"}});
  Bpe::Scratch scratch;
  const auto ids = [&](std::string_view word) {
    bpe.split(word, scratch);
    std::vector<std::int32_t> all;
    for (const Piece& piece : scratch.pieces) all.push_back(piece.id);
    return all;
  };
  CHECK(ids("aaa") == std::vector<std::int32_t>{2, 0});
  CHECK(ids("aab") == std::vector<std::int32_t>{4});      // a ab, then aab
  CHECK(ids("aaab") == std::vector<std::int32_t>{2, 3});  // a a ab: "a a" was learnt before "a ab"
  CHECK(ids("ba") == std::vector<std::int32_t>{1, 0});
  CHECK(ids("").empty());
}

TEST_CASE("every byte has a character, and every character its byte", "[tokenizer][bpe]") {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string one(1, static_cast<char>(byte));
    CHECK(from_byte_characters(to_byte_characters(one)) == one);
  }
  CHECK(byte_character(' ') == 0x120);  // as GPT-2's vocabulary writes it
  CHECK(byte_character('\n') == 0x10A);
  CHECK(byte_character('a') == 'a');
  CHECK_FALSE(from_byte_characters("\u65e5"));
}

TEST_CASE("a word of a hundred thousand letters takes no longer than its share", "[tokenizer][bpe]") {
  const Tokenizer tokenizer = Tokenizer::from_json(golden("roberta.json"));
  const std::string word(100'000, 'e');
  const Encoding encoding = tokenizer.encode(word);
  std::uint32_t covered = 0;
  for (const Span& span : encoding.offsets) covered += span.end - span.start;
  CHECK(covered == 100'000);
  CHECK(tokenizer.decode(encoding.ids) == word);
}

TEST_CASE("damaged vocabularies and merges are errors that say where", "[tokenizer][bpe][bad]") {
  const Files files(golden("roberta.json"));
  const auto said = [&](const std::string& vocab, const std::string& merges) {
    return error_of([&] { Tokenizer::from_bpe(vocab, merges); });
  };
  const auto holds = [](const std::string& text, const char* part) { return text.find(part) != text.npos; };
  CHECK(holds(said(files.vocab, "a b c\n"), "merges.txt: line 1 is not two tokens"));
  CHECK(holds(said(files.vocab, "#version: 0.2\nqq zz\n"), "merge 1, \"qq\" and \"zz\": one of them is no token"));
  CHECK(holds(said(files.vocab, "q z\n"), "what they make is no token"));
  CHECK(holds(said("{}", ""), "the vocabulary is empty"));
  CHECK(holds(said("{\"a\":0,\"b\":2}", ""), "ids must run from 0"));
  CHECK(holds(said("[", ""), "vocab.json"));
  const std::string json = golden("roberta.json");
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string text = json;
    text.replace(text.find(from), from.size(), to);
    return error_of([&] { Tokenizer::from_json(text); });
  };
  CHECK(holds(changed("\"dropout\":null", "\"dropout\":0.5"), "BPE with dropout is not supported"));
  CHECK(holds(changed("\"byte_fallback\":false", "\"byte_fallback\":true"), "BPE of bytes with byte_fallback"));
  CHECK(holds(changed("\"type\":\"BPE\"", "\"type\":\"Unigram\""), "entry 0 of the vocabulary is not [token, score]"));
  CHECK(holds(changed("\"normalizer\":null", "\"normalizer\":{\"type\":\"BertNormalizer\"}"),
              "normalizer BertNormalizer is not supported"));
}

// The WordPiece trainer: vocabularies worked out by hand from the rule (the most frequent pair; of equal ones the one
// with smaller ids), and those that Hugging Face's trainer gives (tools/compare_tokenizer_trainer.py).
#include <bert/io/sha256.h>
#include <bert/io/text_file.h>
#include <bert/io/tokenizer_files.h>
#include <bert/train/wordpiece_trainer.h>

#include "io/files.h"
#include "support/catch.h"
#include "support/paths.h"

using namespace tests;

namespace {

using Tokens = std::vector<std::string>;

bert::WordCounts counts_of(const Tokens& lines, const bert::NormalizerOptions& options = {}, int threads = 1) {
  std::size_t next = 0;
  bert::WordCounts counts;
  bert::count_words(
      [&](std::string_view& line) {
        if (next == lines.size()) return false;
        line = lines[next++];
        return true;
      },
      options, bert::Threads(threads), counts);
  return counts;
}

/// The vocabulary without the special tokens in front of it.
Tokens trained(const bert::WordCounts& counts, const bert::WordPieceTrainerOptions& options = {}) {
  const Tokens all = bert::train_wordpiece(counts, options);
  const Tokens special = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
  REQUIRE(all.size() >= 5);
  CHECK(Tokens(all.begin(), all.begin() + 5) == special);
  return Tokens(all.begin() + 5, all.end());
}

/// Words with much in common, so that pairs are merged in more than one way; always the same ones.
Tokens many_lines() {
  Tokens lines;
  std::uint32_t state = 1;
  const auto draw = [&](std::uint32_t count) {
    state = state * 1664525u + 1013904223u;
    return (state >> 16) % count;
  };
  for (int i = 0; i < 20000; ++i) {
    std::string line;
    for (int word = 0; word < 10; ++word) {
      line += word ? " " : "";
      for (std::uint32_t length = 1 + draw(9); length > 0; --length) line += static_cast<char>('a' + draw(1 + draw(8)));
    }
    lines.push_back(line);
  }
  return lines;
}

}  // namespace

TEST_CASE("the most frequent pair is merged first, and rare ones are not", "[train][tokenizer]") {
  const bert::WordCounts counts = counts_of({"ab abc ab", "abc ab"});
  CHECK(counts == bert::WordCounts{{"ab", 3}, {"abc", 2}});
  CHECK(trained(counts) == Tokens{"a", "b", "c", "##b", "##c", "ab", "abc"});  // 5 times, then ab + ##c 2 times
  CHECK(trained(counts, {.vocab_size = 11}) == Tokens{"a", "b", "c", "##b", "##c", "ab"});
  CHECK(trained(counts, {.vocab_size = 10}) == Tokens{"a", "b", "c", "##b", "##c"});
  CHECK(trained(counts, {.min_frequency = 3}) == Tokens{"a", "b", "c", "##b", "##c", "ab"});
}

TEST_CASE("of pairs that are as frequent the one with smaller ids is merged first", "[train][tokenizer]") {
  CHECK(trained(counts_of({"zw xy", "zw xy"})) == Tokens{"w", "x", "y", "z", "##w", "##y", "xy", "zw"});
  CHECK(trained(counts_of({"az ab", "az ab"})) == Tokens{"a", "b", "z", "##b", "##z", "ab", "az"});
}

TEST_CASE("a piece that overlaps itself is merged from left to right", "[train][tokenizer]") {
  // a ##a ##a ##a: ##a + ##a twice in each word. Then a ##aa ##a, where both pairs occur twice: ids of a are smaller.
  CHECK(trained(counts_of({"aaaa aaaa"})) == Tokens{"a", "##a", "##aa", "aaa", "aaaa"});
}

TEST_CASE("the alphabet keeps the most frequent characters, and words go on without the others", "[train][tokenizer]") {
  const bert::WordCounts counts = counts_of({"a☃b ab ab"});
  CHECK(trained(counts) == Tokens{"a", "b", "☃", "##b", "##☃", "ab"});
  CHECK(trained(counts, {.min_frequency = 3, .limit_alphabet = 2}) == Tokens{"a", "b", "##b", "ab"});
  CHECK(trained(counts_of({"c b a"}), {.limit_alphabet = 2}) == Tokens{"a", "b"});  // as frequent: by code point
}

TEST_CASE("words are those of BERT's normaliser and pre-tokeniser, whatever the bytes", "[train][tokenizer]") {
  CHECK(counts_of({"Don't PANIC!"}) == bert::WordCounts{{"don", 1}, {"'", 1}, {"t", 1}, {"panic", 1}, {"!", 1}});
  CHECK(counts_of({"École 中国"}) == bert::WordCounts{{"ecole", 1}, {"中", 1}, {"国", 1}});
  CHECK(counts_of({"École"}, {.lowercase = false}) == bert::WordCounts{{"École", 1}});
  CHECK(counts_of({"[MASK]"}) == bert::WordCounts{{"[", 1}, {"mask", 1}, {"]", 1}});  // a text's own, no special token
  const std::string nul_and_invalid("a\0b\xff_\xf0\x9f", 7);
  CHECK(counts_of({nul_and_invalid, "d"}) == bert::WordCounts{{"ab", 1}, {"_", 1}, {"d", 1}});
}

TEST_CASE("vocabularies do not depend on the number of threads", "[train][tokenizer]") {
  const Tokens lines = many_lines();
  const bert::WordCounts counts = counts_of(lines);
  const Tokens vocabulary = trained(counts, {.vocab_size = 2000});
  CHECK(vocabulary.size() == 1995);
  for (const int threads : {2, 3, 7}) {
    const bert::WordCounts others = counts_of(lines, {}, threads);
    CHECK((others == counts));
    CHECK((trained(others, {.vocab_size = 2000}) == vocabulary));
  }
}

TEST_CASE("what cannot be trained is an error", "[train][tokenizer]") {
  CHECK(error_of([] { bert::train_wordpiece(counts_of({"", " \n"})); }).find("no words") != std::string::npos);
  const std::string error = error_of([] { bert::train_wordpiece(counts_of({"abc"}), {.vocab_size = 9}); });
  CHECK(error.find("a vocabulary of 9 does not hold the 10 special tokens and characters") == 0);
  for (const int threads : {1, 3}) {
    int lines = 0;
    bert::WordCounts counts;
    const bert::LineSource source = [&](std::string_view& line) {
      line = "a line";
      return ++lines < 100000 ? true : throw bert::Error("the file broke");
    };
    CHECK(error_of([&] { bert::count_words(source, {}, bert::Threads(threads), counts); }) == "the file broke");
    CHECK(lines == 100000);  // no other thread asked again
  }
}

TEST_CASE("a tokenizer is saved as its loader reads it", "[train][tokenizer]") {
  const TemporaryFolder scratch;
  const auto folder = scratch / "new/tokenizer";
  for (const bool lowercase : {true, false}) {
    const bert::NormalizerOptions options{.lowercase = lowercase};
    const Tokens vocabulary = bert::train_wordpiece(counts_of({"The cat the cats The"}, options));
    bert::save_tokenizer(folder, vocabulary, options);
    CHECK(std::distance(std::filesystem::directory_iterator(folder), {}) == 2);
    const bert::Tokenizer tokenizer = bert::load_tokenizer(bert::read_tokenizer_files(folder));
    CHECK(tokenizer.vocab_size() == vocabulary.size());
    CHECK(tokenizer.pad_id() == 0);
    CHECK(tokenizer.mask_id() == 4);
    const bert::Encoding encoding = tokenizer.encode("The cats");
    Tokens tokens;
    for (const std::int32_t id : encoding.ids) tokens.emplace_back(tokenizer.id_to_token(id));
    CHECK(tokens == Tokens{"[CLS]", lowercase ? "the" : "The", "cat", "##s", "[SEP]"});
  }
  write_file(folder / "tokenizer.json", "{}");
  CHECK(error_of([&] { bert::save_tokenizer(folder, {"[PAD]"}, {}); }).find("tokenizer.json") != std::string::npos);
  write_file(scratch / "file", "");
  CHECK(error_of([&] { bert::save_tokenizer(scratch / "file", {"[PAD]"}, {}); }).find("cannot make the folder") == 0);
}

TEST_CASE("a vocabulary whose pieces come about in several ways is Hugging Face's", "[train][tokenizer]") {
  std::string text;
  for (const std::string& token : bert::train_wordpiece(counts_of(many_lines()), {.vocab_size = 2000}))
    text += token + "\n";
  CHECK(bert::sha256_hex(text) ==
        "68eea7ab54e4da534add8025e46ab70769e91f6ba1aa3797d3d285b86869e2e3");  // tokenizers 0.23.3
}

TEST_CASE("the vocabulary of a real text is Hugging Face's", "[train][tokenizer]") {
  SKIP_WITHOUT_SHARED();
  bert::TextReader reader(shared_dir() / "data/corpus/dev.txt");
  bert::WordCounts counts;
  bert::count_words([&](std::string_view& line) { return reader.next_line(line); }, {}, bert::Threads(2), counts);
  std::string text;
  for (const std::string& token : bert::train_wordpiece(counts, {.vocab_size = 12000})) text += token + "\n";
  CHECK(bert::sha256_hex(text) ==
        "1e571f4305751c903ca361b312cdbc4dd7a0adaafeec6c5dc1e28bc7b01c11d7");  // tokenizers 0.23.3
}

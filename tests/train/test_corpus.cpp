// A corpus is tokenised once: what its cache holds, when it is made again, and that a damaged one is found out.
#include <bert/io/tokenizer_files.h>
#include <bert/train/sentences.h>

#include "support/catch.h"
#include "support/paths.h"
#include "train/corpus.h"

namespace {

using Catch::Matchers::Contains;
using tests::LineReader;
using Segments = std::vector<std::vector<std::int32_t>>;

std::vector<std::string> sentences(std::string_view line) {
  std::vector<std::string> found;
  bert::split_sentences(line, [&](std::string_view sentence) { found.emplace_back(sentence); });
  return found;
}

std::vector<Segments> documents_of(const bert::Corpus& corpus) {
  std::vector<Segments> documents(corpus.documents());
  for (std::size_t d = 0; d < corpus.documents(); ++d)
    for (std::size_t s = corpus.first_segment(d); s < corpus.first_segment(d + 1); ++s) {
      corpus.append(corpus.first_token(s), corpus.first_token(s + 1), documents[d].emplace_back());
      CHECK(corpus.document_of(s) == d);
      CHECK(corpus.segment_of(corpus.first_token(s)) == s);
      CHECK(corpus.segment_of(corpus.first_token(s + 1) - 1) == s);
    }
  return documents;
}

std::vector<Segments> documents_of(const std::string& text, const bert::Tokenizer& tokenizer) {
  tests::TemporaryFolder folder;
  tests::write_file(folder / "text", text);
  return documents_of(bert::load_corpus<LineReader>({folder / "text"}, tokenizer, folder / "cache"));
}

bert::Tokenizer letters() { return bert::Tokenizer::from_vocab("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\nc\n.\n"); }

}  // namespace

TEST_CASE("paragraphs are cut into sentences", "[train][sentences]") {
  using Texts = std::vector<std::string>;
  CHECK(sentences("One two. Three four! Five? Six") == Texts{"One two.", "Three four!", "Five?", "Six"});
  CHECK(sentences("\"Go away!\" she said. \"Now.\" (He went.) Silence...  Then") ==
        Texts{"\"Go away!\" she said.", "\"Now.\"", "(He went.)", "Silence...", "Then"});
  CHECK(sentences("“Où?” Été. Évident") == Texts{"“Où?”", "Été.", "Évident"});
  CHECK(sentences("Mr. Barry met J. R. Smith of the U.S. Navy. It rained.") ==
        Texts{"Mr. Barry met J. R. Smith of the U.S. Navy.", "It rained."});
  CHECK(sentences("It cost 3.50 dollars. and e.g. more, i.e.this.That") ==
        Texts{"It cost 3.50 dollars. and e.g. more, i.e.this.That"});
  CHECK(sentences("Who? I! No. Yes") == Texts{"Who?", "I!", "No. Yes"});
  CHECK(sentences("  A b .  \t C d .  ") == Texts{"A b .", "C d ."});
  CHECK(sentences("Café. Next") == Texts{"Café.", "Next"});
  CHECK(sentences("broken \xff. \xffX. Y") == Texts{"broken \xff. \xffX.", "Y"});
  for (const char* nothing : {"", " ", " \t\r"}) CHECK(sentences(nothing).empty());
  for (const char* whole : {".", "...", "? ", "\"", ". \"", "A.", "a\". ", "A. \xe2"})
    CHECK(sentences(whole).size() == 1);
}

TEST_CASE("blank lines part documents, sentences are segments, what has no token is left out", "[train][corpus]") {
  const Segments abc = {{5, 8}, {6, 7}};
  CHECK(documents_of("A. B c", letters()) == std::vector<Segments>{{{5, 8, 6, 7}}});  // "A." is an initial
  CHECK(documents_of("Aa. B c\n", letters()) == std::vector<Segments>{{{1, 8}, {6, 7}}});
  CHECK(documents_of("a .\nb c\r\n", letters()) == std::vector<Segments>{abc});
  CHECK(documents_of("\n\n \t\r\na .\n\u200d\nb c\n  \n\n\x01\n\nc\n\n\n", letters()) ==
        std::vector<Segments>{abc, {{7}}});
  CHECK(documents_of("[SEP] a\n\nb [MASK]", letters()) == std::vector<Segments>{{{3, 5}}, {{6, 4}}});
}

TEST_CASE("a line is a segment when sentences are not asked for", "[train][corpus]") {
  tests::TemporaryFolder folder;
  tests::write_file(folder / "text", "a b. C. B\nc\n");
  const bert::Corpus whole =
      bert::load_corpus<LineReader>({folder / "text"}, letters(), folder / "cache", {.split_sentences = false});
  CHECK(documents_of(whole) == std::vector<Segments>{{{5, 6, 8, 7, 8, 6}, {7}}});
}

TEST_CASE("with line ends a document is tokenised whole", "[train][corpus]") {
  bert::TokenizerFiles files =
      bert::read_tokenizer_files(tests::source_dir() / "tests/golden/sentencepiece/bpe_llama.model");
  files.model_type = "llama";
  const bert::Tokenizer tokenizer = bert::load_tokenizer(files);
  tests::TemporaryFolder folder;
  std::vector<std::string> documents{"the cat sat\nthe dog  ran\n", "hello\n", "a b\n c\n\td\n"};
  std::string long_document;  // longer than a piece
  for (int i = 0; i < 30000; ++i) long_document += "line " + std::to_string(i) + "\n";
  documents.push_back(long_document);
  std::string text = "\n\n";
  for (const std::string& document : documents) text += document + "\n \n";
  tests::write_file(folder / "text", text);
  bert::CorpusOptions options;
  options.split_sentences = false, options.line_ends = true;
  const bert::Corpus corpus = bert::load_corpus<LineReader>({folder / "text"}, tokenizer, folder / "cache", options);
  const std::vector<Segments> found = documents_of(corpus);
  REQUIRE(found.size() == documents.size());
  for (std::size_t d = 0; d < documents.size(); ++d) {
    REQUIRE(found[d].size() == 1);
    std::vector<std::int32_t> expected = tokenizer.encode(documents[d]).ids;
    if (expected.front() == tokenizer.encode("").ids.front()) expected.erase(expected.begin());  // <s>
    CHECK(found[d][0] == expected);
  }
  CHECK(corpus.identity() == bert::corpus_identity({folder / "text"}, tokenizer, false, true));
  CHECK(!bert::Corpus::open(folder / "cache", bert::corpus_identity({folder / "text"}, tokenizer, false)));
}

TEST_CASE("a cache is the same whatever the threads, and agrees with the tokenizer", "[train][corpus]") {
  // Over 4 MB, so that there are several batches of many pieces, in lines of any length; one word in eight is unknown.
  const bert::Tokenizer tokenizer = tests::word_tokenizer(70000);
  std::string text;
  std::vector<std::string> lines;
  std::uint64_t state = 1;
  while (text.size() < 4'300'000) {
    std::string line;
    for (std::size_t word = (state >> 33) % 90; word > 0; --word) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      line += "w" + std::to_string((state >> 33) % 80000) + " ";
    }
    state = state * 6364136223846793005u + 1442695040888963407u;
    lines.push_back(line);
    text += line + "\n";
  }
  tests::TemporaryFolder folder;
  tests::write_file(folder / "text", text);
  std::string first;
  for (int threads : {1, 3}) {
    std::uint64_t bytes = 0;
    const std::filesystem::path cache = folder / std::to_string(threads);
    const bert::Corpus corpus = bert::load_corpus<LineReader>(
        {folder / "text"}, tokenizer, cache,
        {.threads = threads, .progress = [&](const auto& counts) { bytes = counts.bytes; }});
    CHECK(bytes == text.size() - lines.size());
    if (threads == 1) first = tests::read_file(cache);
    CHECK(tests::read_file(cache) == first);
  }
  const bert::Corpus corpus(folder / "1");
  std::size_t segment = 0;
  bool same = true;
  for (const std::string& line : lines) {
    const auto expected = tokenizer.encode(line, {.add_special_tokens = false}).ids;
    if (expected.empty()) continue;
    std::vector<std::int32_t> ids;
    corpus.append(corpus.first_token(segment), corpus.first_token(segment + 1), ids);
    same &= ids == expected;
    ++segment;
  }
  CHECK(same);
  CHECK(segment == corpus.segments());
}

TEST_CASE("ids take two bytes while they fit", "[train][corpus]") {
  for (std::size_t words : {65531u, 65532u}) {  // and five special tokens
    tests::TemporaryFolder folder;
    tests::write_file(folder / "text", "w0 w65530 w" + std::to_string(words - 1) + "\n");
    const bert::Tokenizer tokenizer = tests::word_tokenizer(words);
    const bert::Corpus corpus = bert::load_corpus<LineReader>({folder / "text"}, tokenizer, folder / "cache");
    CHECK(documents_of(corpus) == std::vector<Segments>{{{5, 65535, static_cast<int>(words) + 4}}});
    CHECK(tests::read_file(folder / "cache").size() == 32 + 128 + (words == 65531 ? 8 : 16) + 32 + 32);
  }
}

TEST_CASE("a cache is used while it belongs to its inputs, and made again when not", "[train][corpus]") {
  tests::TemporaryFolder folder;
  tests::write_file(folder / "one", "a b\n");
  tests::write_file(folder / "two", "c\n");
  const std::filesystem::path one = folder / "one", two = folder / "two", cache = folder / "cache";
  const auto opened = [&](const std::vector<std::filesystem::path>& files, const bert::Tokenizer& tokenizer,
                          const bert::CorpusOptions& options = {}) {
    const int before = LineReader::opened;
    const bert::Corpus corpus = bert::load_corpus<LineReader>(files, tokenizer, cache, options);
    CHECK(corpus.documents() == files.size());
    return LineReader::opened - before;
  };
  const bert::Tokenizer other = bert::Tokenizer::from_vocab("[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\nc\n");
  CHECK(opened({one, two}, letters()) == 2);
  CHECK(opened({one, two}, letters()) == 0);
  CHECK(opened({two, one}, letters()) == 2);
  CHECK(opened({two}, letters()) == 1);
  CHECK(opened({two}, other) == 1);
  CHECK(opened({two}, other, {.split_sentences = false}) == 1);
  CHECK(opened({two}, other, {.split_sentences = false}) == 0);
  tests::write_file(two, "b\n");
  CHECK(opened({two}, other) == 1);
  tests::write_file(cache, "");
  CHECK(opened({two}, other) == 1);
  tests::write_file(cache, tests::read_file(cache).substr(0, 200));  // damaged
  CHECK(opened({two}, other) == 1);
  CHECK(opened({two}, other) == 0);
  CHECK(folder.names() == std::vector<std::string>{"cache", "one", "two"});
}

TEST_CASE("what cannot be cached is refused and leaves nothing", "[train][corpus]") {
  tests::TemporaryFolder folder;
  tests::write_file(folder / "text", "a b\n");
  tests::write_file(folder / "empty", "");
  tests::write_file(folder / "blank", "\n \n\u200d\n");
  const auto load = [&](const std::string& text, const std::string& cache, const bert::CorpusOptions& options = {}) {
    bert::load_corpus<LineReader>({folder / text}, letters(), folder / cache, options);
  };
  for (const char* nothing : {"empty", "blank"})
    CHECK_THROWS_WITH(load(nothing, "cache"), Contains("the corpus holds no text"));
  CHECK_THROWS_WITH(load("absent", "cache"), Contains("cannot read the corpus") && Contains("no such file"));
  CHECK_THROWS_WITH(load(".", "cache"), Contains("not a regular file"));
  CHECK_THROWS_WITH(load("text", "blank"), Contains("is no corpus cache"));
  CHECK(tests::read_file(folder / "blank") == "\n \n\u200d\n");
  CHECK_THROWS_WITH(load("text", "absent/cache"), Contains("cannot write"));
  CHECK_THROWS_WITH(load("text", "cache", {.progress = [](const auto&) { throw bert::Error("stopped"); }}),
                    Contains("stopped"));
  CHECK(folder.names() == std::vector<std::string>{"blank", "empty", "text"});
}

TEST_CASE("a damaged cache is found out", "[train][corpus]") {
  tests::CountedText text;
  text.add_document({3, 4});
  text.add_document({2, 1, 1});
  const tests::TextCorpus made(text);
  const std::string good = tests::read_file(made.folder / "cache");
  const std::filesystem::path bad = made.folder / "bad";
  const auto opens = [&](const std::string& bytes) {
    tests::write_file(bad, bytes);
    try {
      const bert::Corpus corpus(bad);
      return true;
    } catch (const bert::Error& error) {
      CHECK_THAT(error.what(), Contains("cannot "));
      return false;
    }
  };
  CHECK(opens(good));
  for (std::size_t size = 0; size < good.size(); ++size) CHECK_FALSE(opens(good.substr(0, size)));
  CHECK_FALSE(opens(good + std::string(8, '\0')));
  const std::size_t hashes = 32, ids = hashes + 128, offsets = ids + 24;  // 11 ids of two bytes and two of padding
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string bytes = good;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x80);
    const bool unseen = (at >= hashes && at < ids) || at / 4 == 7 || at / 4 == 4 || (at >= ids + 22 && at < offsets);
    INFO("byte " << at);
    if (at >= ids && at < ids + 22 && (at - ids) % 2 == 0) continue;  // low bytes: 128 more may or may not be an id
    CHECK((opens(bytes) || !unseen || at / 4 == 4));
    if (!unseen) CHECK_FALSE(opens(bytes));
  }
}

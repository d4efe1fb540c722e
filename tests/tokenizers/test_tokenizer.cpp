// What a tokenizer promises beyond Hugging Face's answers: its errors, its own choices, invalid UTF-8, sharing.
#include <thread>

#include "support/catch.h"
#include "tokenizers/golden.h"

namespace {

using Catch::Matchers::Contains;
using Ids = std::vector<std::int32_t>;

constexpr std::string_view kVocab = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nhello\nworld\n##ly\n.\n,\nab\n##c\nabc\n";

bert::Tokenizer small(const bert::WordPieceOptions& options = {}) {
  return bert::Tokenizer::from_vocab(kVocab, options);
}

/// small().to_json() with `from` replaced by `to`, which must change it.
std::string changed_json(std::string_view from, std::string_view to) {
  std::string json = small().to_json();
  const std::size_t at = json.find(from);
  REQUIRE(at != std::string::npos);
  return json.replace(at, from.size(), to);
}

void check_json_error(std::string_view from, std::string_view to, const char* message) {
  INFO(from << " -> " << to);
  CHECK_THROWS_WITH(bert::Tokenizer::from_json(changed_json(from, to)), Contains(message));
}

void check_vocab_error(std::string_view vocab, const char* message) {
  CHECK_THROWS_WITH(bert::Tokenizer::from_vocab(vocab), Contains(message));
}

}  // namespace

TEST_CASE("a vocab.txt gives ids, special tokens and roles", "[tokenizers]") {
  const bert::Tokenizer tokenizer = small();
  CHECK(tokenizer.encode("Hello, WORLDly abc abcc.").ids == Ids{2, 5, 9, 6, 7, 12, 12, 11, 8, 3});
  CHECK(tokenizer.encode("nothing").ids == Ids{2, 1, 3});
  CHECK(tokenizer.encode("hello", {.add_special_tokens = false}).ids == Ids{5});
  CHECK(tokenizer.vocab_size() == 13);
  CHECK(tokenizer.token_to_id("##ly") == 7);
  CHECK_FALSE(tokenizer.token_to_id("ly"));
  CHECK(tokenizer.id_to_token(12) == "abc");
  CHECK(tokenizer.unk_id() == 1);
  CHECK(tokenizer.cls_id() == 2);
  CHECK(tokenizer.sep_id() == 3);
  CHECK(tokenizer.mask_id() == 4);
  CHECK(tokenizer.pad_id() == 0);
  CHECK_FALSE(bert::Tokenizer::from_vocab("[UNK]\n[CLS]\n[SEP]\n").mask_id());
}

TEST_CASE("line ends of vocab.txt do not matter", "[tokenizers]") {
  std::string windows(kVocab);
  for (std::size_t at = 0; (at = windows.find('\n', at)) != std::string::npos; at += 2) windows.insert(at, "\r");
  CHECK(bert::Tokenizer::from_vocab(windows).to_json() == small().to_json());
  CHECK(bert::Tokenizer::from_vocab(kVocab.substr(0, kVocab.size() - 1)).to_json() == small().to_json());
}

TEST_CASE("vocab.txt and the tokenizer.json made of it are the same tokenizer", "[tokenizers]") {
  bert::WordPieceOptions options;
  options.lowercase = false;
  options.strip_accents = true;
  const bert::Tokenizer vocab = small(options), json = bert::Tokenizer::from_json(vocab.to_json());
  CHECK(json.to_json() == vocab.to_json());
  for (const char* text : {"hello h\xc3\xa9llo", "Hello", "[MASK] \xe6\x97\xa5 ab.c"}) {
    CHECK(tests::windows_of(json.encode(text, text)) == tests::windows_of(vocab.encode(text, text)));
  }
  CHECK(json.mask_id() == vocab.mask_id());
  const std::string golden = tests::tokenizer_golden("vocab.txt");  // Hugging Face's file of the same vocabulary
  CHECK(bert::Tokenizer::from_vocab(golden).to_json() ==
        bert::Tokenizer::from_json(tests::tokenizer_golden("uncased.json")).to_json());
}

TEST_CASE("truncation and padding in a tokenizer.json are ignored", "[tokenizers]") {
  const std::string json = changed_json(R"("truncation":null,"padding":null)",
                                        R"("truncation":{"max_length":3,"strategy":"LongestFirst","stride":0},)"
                                        R"("padding":{"strategy":{"Fixed":9},"pad_id":0})");
  CHECK(bert::Tokenizer::from_json(json).encode("hello world hello").ids == Ids{2, 5, 6, 5, 3});
}

TEST_CASE("nothing is cut off unless asked for", "[tokenizers][truncation]") {
  std::string text;
  for (int i = 0; i < 2000; ++i) text += "hello ";
  const bert::Tokenizer tokenizer = small();
  CHECK(tokenizer.encode(text, {.max_length = 8}).ids.size() == 2002);
  const bert::Encoding cut = tokenizer.encode(text, {.max_length = 8, .truncation = bert::Truncation::only_first});
  CHECK(cut.ids.size() == 8);
  REQUIRE(cut.overflowing.size() == 333);  // ceil(2000 / 6) windows
  CHECK(cut.overflowing.back().ids == Ids{2, 5, 5, 3});
  CHECK(cut.overflowing.back().offsets.at(2).end == 6 * 2000 - 1);
}

TEST_CASE("every window of a pair has the template's type ids", "[tokenizers][truncation]") {
  bert::TokenizerSpec spec = small().spec();
  for (bert::TemplatePart& part : spec.pair) part.type_id = 0;  // as RoBERTa, which has one type only
  const bert::Encoding encoding = bert::Tokenizer(spec).encode(
      "ab", "hello world hello", {.max_length = 5, .truncation = bert::Truncation::only_second});
  REQUIRE(encoding.overflowing.size() == 2);
  CHECK(encoding.type_ids == Ids(5, 0));
  for (const bert::Encoding& window : encoding.overflowing) CHECK(window.type_ids == Ids(5, 0));
}

TEST_CASE("impossible truncation is an error that says why", "[tokenizers][truncation]") {
  const bert::Tokenizer tokenizer = small();
  using bert::Truncation;
  CHECK_THROWS_WITH(tokenizer.encode("hello world", {.max_length = 1, .truncation = Truncation::longest_first}),
                    Contains("max_length 1 has no room for the 2 special tokens"));
  CHECK_THROWS_WITH(tokenizer.encode("hello world", {.max_length = 3, .truncation = Truncation::only_second}),
                    Contains("only_second needs a pair"));
  CHECK_THROWS_WITH(
      tokenizer.encode("hello", "world world world", {.max_length = 5, .truncation = Truncation::only_first}),
      Contains("the text to truncate has 1 tokens, 2 too many"));
  CHECK_THROWS_WITH(
      tokenizer.encode("hello world ab", {.max_length = 4, .truncation = Truncation::longest_first, .stride = 2}),
      Contains("the stride, 2 tokens, must be less than the 2"));
}

TEST_CASE("invalid UTF-8 counts one code point for every maximal invalid part", "[tokenizers][unicode]") {
  const bert::Tokenizer tokenizer = small();
  const std::pair<std::string, std::uint32_t> cases[] = {
      // bytes before "ab", code points they are (Unicode 15, section 3.9, tables 3-8 to 3-11)
      {"\xC0\xAF ", 3},
      {"\xE0\x80\xBF ", 4},
      {"\xED\xA0\x80 ", 4},
      {"\xF4\x91\x92\x93 ", 5},
      {"\xE1\x80\xE2\xF0\x91\x92\xF1\xBF ", 5},
      {"\xF0\x80\x80\x41 ", 5},
      {"\xFF ", 2},
      {"\xC3\xA9\xC3 ", 3},
      {"\xEF\xBF\xBD ", 2},
      {"\x80\xEF\xBF\xBD\x80 ", 4},
      {"\xF0\x9F\x98 ", 2},
      {"", 0},
  };
  for (const auto& [bytes, count] : cases) {
    const bert::Encoding encoding = tokenizer.encode(bytes + "ab\xF0\x9F");
    INFO("offset expected " << count);
    CHECK(encoding.offsets.at(encoding.offsets.size() - 2) == bert::Span{count, count + 2});
    CHECK(encoding.ids.at(encoding.ids.size() - 2) == 10);
  }
}

TEST_CASE("decode leaves no space before punctuation and refuses strange ids", "[tokenizers]") {
  const bert::Tokenizer tokenizer = small();
  CHECK(tokenizer.decode(Ids{2, 5, 7, 9, 6, 8, 3}) == "helloly, world.");
  CHECK(tokenizer.decode(Ids{2, 5, 4, 3}, false) == "[CLS] hello [MASK] [SEP]");
  CHECK(tokenizer.decode(Ids{7, 7}) == "##lyly");
  CHECK(tokenizer.decode(Ids{}).empty());
  CHECK_THROWS_WITH(tokenizer.decode(Ids{5, 13}), Contains("id 13 is outside the vocabulary: ids run from 0 to 12"));
  CHECK_THROWS_WITH(tokenizer.id_to_token(-1), Contains("id -1 is outside"));
}

TEST_CASE("a bad vocab.txt is an error that says what and where", "[tokenizers][errors]") {
  check_vocab_error("", "the vocabulary is empty");
  check_vocab_error("[UNK]\n[CLS]\n[SEP]\na\nb\na\n", "\"a\" twice, as ids 3 and 5");
  check_vocab_error("[UNK]\n[CLS]\n[SEP]\na\n\nb\n", "line 5 is empty");
  check_vocab_error("[UNK]\n[CLS]\n[SEP]\na\xff\n", "line 4 is not UTF-8");
  check_vocab_error("[CLS]\n[SEP]\na\n", "unknown token [UNK]");
  check_vocab_error("[UNK]\n[SEP]\na\n", "[CLS] is missing");
  check_vocab_error("{\"version\": \"1.0\"}\n", "is this a BERT vocabulary?");
}

TEST_CASE("a bad tokenizer.json is an error that names what is wrong", "[tokenizers][errors]") {
  CHECK_THROWS_WITH(bert::Tokenizer::from_json(""), Contains("tokenizer.json is not valid JSON"));
  CHECK_THROWS_WITH(bert::Tokenizer::from_json("\x7f"
                                               "ELF"),
                    Contains("tokenizer.json is not valid JSON"));
  CHECK_THROWS_WITH(bert::Tokenizer::from_json(small().to_json().substr(0, 900)), Contains("not valid JSON"));
  CHECK_THROWS_WITH(bert::Tokenizer::from_json("[1]"), Contains("\"model\" is missing"));
  CHECK_THROWS_WITH(bert::Tokenizer::from_json("{}"), Contains("\"model\" is missing"));
  check_json_error(R"("type":"WordPiece","unk)", R"("type":"WordLevel","unk)",
                   "model WordLevel is not supported, only WordPiece");
  check_json_error("BertNormalizer", "NFKC", "normalizer NFKC is not supported, only BertNormalizer");
  check_json_error("BertPreTokenizer", "ByteLevel", "pre_tokenizer ByteLevel is not supported");
  check_json_error(R"({"type":"BertPreTokenizer"})", "null", "pre_tokenizer null is not supported");
  check_json_error("TemplateProcessing", "PairProcessing", "post_processor PairProcessing is not supported");
  check_json_error(R"("decoder":{"type":"WordPiece")", R"("decoder":{"type":"Metaspace")", "decoder Metaspace");
  check_json_error(R"("hello":5)", R"("hello":6)", "\"world\" has id 6, as another has");
  check_json_error(R"("hello":5)", R"("hello":50)", "\"hello\" has id 50; ids must run from 0 without a gap");
  check_json_error(R"("hello":5)", R"("world":5)", "\"world\" twice");
  check_json_error(R"("hello":5)", R"("hello":-5)", "not a whole number");
  check_json_error(R"("hello":5)", R"("hello":"5")", "not a whole number");
  check_json_error(R"("unk_token":"[UNK]")", R"("unk_token":"<unk>")", "no unknown token <unk> among its 13");
  check_json_error(R"("unk_token":"[UNK]",)", "", "\"unk_token\" is missing");
  check_json_error(R"("unk_token":"[UNK]")", R"("unk_token":null)", "\"unk_token\" is not a string");
  check_json_error(R"("lowercase":true)", R"("lowercase":1)", "\"lowercase\" is not true or false");
  check_json_error(R"({"id":4,"content":"[MASK]")", R"({"id":9,"content":"[MASK]")",
                   "has id 9, the vocabulary asks for 4");
  check_json_error(R"({"id":4,"content":"[MASK]")", R"({"id":4,"content":"<new>")",
                   "has id 4, the vocabulary asks for 13");
  check_json_error(R"({"id":4,"content":"[MASK]")", R"({"id":13,"content":"")", "an added token is empty");
  check_json_error(R"("ids":[2])", R"("ids":[])", "special token \"[CLS]\" has no name or no ids");
  check_json_error(R"("ids":[2])", R"("ids":[77])", "id 77 is outside the vocabulary");
  check_json_error(R"([{"SpecialToken":{"id":"[CLS]")", R"([{"SpecialToken":{"id":"<s>")", "\"<s>\" is missing");
  check_json_error(R"({"Sequence":{"id":"A","type_id":0}})", R"({"Sequence":{"id":"B","type_id":0}})", "asks for B");
  check_json_error(R"({"Sequence":{"id":"A","type_id":0}})", R"({"Other":{"id":"A"}})", "\"Sequence\" is missing");
}

TEST_CASE("added tokens beyond the vocabulary get the ids that follow", "[tokenizers][added]") {
  const std::string json = changed_json(
      R"("added_tokens":[)",
      R"("added_tokens":[{"id":13,"content":"<e1>","single_word":false,"lstrip":true,"rstrip":false,"normalized":false,"special":true},)"
      R"({"id":14,"content":"Two","single_word":false,"lstrip":false,"rstrip":false,"normalized":true,"special":false},)");
  const bert::Tokenizer tokenizer = bert::Tokenizer::from_json(json);
  CHECK(tokenizer.vocab_size() == 15);
  const bert::Encoding encoding = tokenizer.encode("hello \t<e1> TWO");
  CHECK(encoding.ids == Ids{2, 5, 13, 14, 3});
  CHECK(encoding.offsets.at(2) == bert::Span{5, 11});
  CHECK(tokenizer.token_to_id("<e1>") == 13);
  CHECK(tokenizer.id_to_token(13) == "<e1>");
  CHECK(tokenizer.decode(Ids{5, 13, 14}) == "hello two");
  CHECK(bert::Tokenizer::from_json(tokenizer.to_json()).to_json() == tokenizer.to_json());
}

TEST_CASE("long and hostile texts end in reasonable time", "[tokenizers]") {
  const bert::Tokenizer tokenizer = small();
  std::string marks;
  for (int i = 0; i < 100'000; ++i) marks += i % 2 ? "\xCC\x81" : "\xCC\x96";  // U+0301, U+0316: to be sorted
  CHECK(tokenizer.encode("ab" + marks).ids == Ids{2, 10, 3});
  CHECK(tokenizer.encode(std::string(1'000'000, 'x')).ids == Ids{2, 1, 3});
  CHECK(tokenizer.encode(std::string(1'000'000, '[')).ids.size() == 1'000'002);
  CHECK(tokenizer.encode(std::string(1'000'000, ' ')).ids.size() == 2);
}

TEST_CASE("threads may share a tokenizer, and it may be moved and copied", "[tokenizers]") {
  bert::Tokenizer first = small();
  const bert::Tokenizer copy = first, moved = std::move(first);
  const Ids expected{2, 5, 7, 12, 8, 3};
  std::vector<Ids> got(4);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < got.size(); ++i) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < 200; ++round) got[i] = (i % 2 ? copy : moved).encode("Helloly ABC.").ids;
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const Ids& ids : got) CHECK(ids == expected);
}

// SentencePiece models and the components of tokenizer.json: expected values by tools/make_golden.py sentencepiece.
#include <bert/io/safetensors_writer.h>
#include <bert/io/tokenizer_files.h>
#include <bert/tokenizers/stream_decoder.h>
#include <bert/tokenizers/unicode.h>

#include "support/catch.h"
#include "tokenizers/golden.h"

using namespace bert;
using namespace tests;

namespace {

using Catch::Matchers::Contains;
using Ids = std::vector<std::int32_t>;

std::string golden(const std::string& name) { return read_file(source_dir() / "tests/golden/sentencepiece" / name); }
Json golden_json(const std::string& name) { return parse_json(golden(name), name); }

TokenizerFiles model_files(std::string bytes, const std::string& family = "", const std::string& config = "") {
  TokenizerFiles files;
  files.sentencepiece = std::move(bytes), files.model_type = family;
  files.tokenizer_config_json = config, files.source = "spiece.model";
  return files;
}

Ids ids_of(const Json& list) {
  Ids ids;
  for (const Json& value : list.members) ids.push_back(to_int(value));
  return ids;
}

/// [id, type id where there is one, start, end] of every token.
std::vector<Ids> tokens_of(const Encoding& encoding, bool with_type) {
  std::vector<Ids> rows;
  for (std::size_t t = 0; t < encoding.ids.size(); ++t) {
    Ids& row = rows.emplace_back(Ids{encoding.ids[t]});
    if (with_type) row.push_back(encoding.type_ids[t]);
    row.push_back(static_cast<int>(encoding.offsets[t].start)),
        row.push_back(static_cast<int>(encoding.offsets[t].end));
  }
  return rows;
}
std::vector<Ids> tokens_of(const Json& list) {
  std::vector<Ids> rows;
  for (const Json& row : list.members) rows.push_back(ids_of(row));
  return rows;
}

std::string streamed(const Tokenizer& tokenizer, const Ids& ids, bool skip) {
  StreamDecoder stream(tokenizer, skip);
  std::string text;
  for (const std::int32_t id : ids) {
    text += stream.push(id);
    std::string repaired;
    CHECK(detail::repair_utf8(text, repaired) == text);  // whole characters only
  }
  return text + stream.finish();
}

void check_decoding(const Tokenizer& tokenizer, const Ids& ids, bool skip, const std::string& expected) {
  CHECK(tokenizer.decode(ids, skip) == expected);
  CHECK(streamed(tokenizer, ids, skip) == expected);
}

void check_ids(const Tokenizer& tokenizer, const std::string& text, const Ids& expected) {
  Ids ids;
  tokenizer.encode_ids(text, ids);
  CHECK(ids == expected);
}

/// The bytes of a field, as protocol buffers have them.
std::string field(int number, std::string_view bytes) {
  return concat(static_cast<char>(number << 3 | 2), static_cast<char>(bytes.size()), bytes);
}
std::string field(int number, int value) { return {static_cast<char>(number << 3), static_cast<char>(value)}; }
std::string score(float value) {
  std::string bytes(4, '\0');
  std::memcpy(bytes.data(), &value, 4);
  return static_cast<char>(2 << 3 | 5) + bytes;
}
std::string piece(std::string_view text, int type = 1, float value = -1) {
  return field(1, field(1, text) + score(value) + field(3, type));
}

std::string model_error(const std::string& bytes, const std::string& family = "") {
  return error_of([&] { load_tokenizer(model_files(bytes, family)); });
}

}  // namespace

TEST_CASE("a .model by itself gives the ids, offsets and text of sentencepiece", "[tokenizers][sentencepiece]") {
  const Json models = golden_json("models.json");
  REQUIRE(models.members.size() == 6);
  for (const Json& model : models.members) {
    const Tokenizer tokenizer = load_tokenizer(model_files(golden(model.name + ".model")));
    for (const Json& entry : model.find("cases")->members) {
      const std::string& text = entry.find("text")->text;
      INFO(model.name << ": " << text);
      const Encoding encoding = tokenizer.encode(text);
      CHECK(tokens_of(encoding, false) == tokens_of(*entry.find("tokens")));
      check_ids(tokenizer, text, encoding.ids);
    }
    for (const Json& entry : model.find("decoded")->members)
      check_decoding(tokenizer, ids_of(entry.members.at(0)), true, entry.members.at(1).text);
  }
}

TEST_CASE("a .model in a family's folder is the tokenizer that transformers makes of it",
          "[tokenizers][sentencepiece]") {
  for (const Json& row : golden_json("families.json").members) {
    const std::string &model = row.find("model")->text, &family = row.find("family")->text;
    std::string config;
    for (const Json& member : row.find("config")->members)
      config += concat(config.empty() ? "{" : ",", quote_json(member.name), ":", member.text);
    if (!config.empty()) config += "}";
    if (family == "llama")
      config = R"({"add_bos_token":false})";  // transformers 5 adds <s> only where the folder says so
    const Tokenizer tokenizer = load_tokenizer(model_files(golden(model + ".model"), family, config));
    const Tokenizer again = Tokenizer::from_json(tokenizer.to_json());
    for (const Json& entry : row.find("cases")->members) {
      const std::string& text = entry.find("text")->text;
      INFO(model << " " << config << ": " << text);
      for (const Tokenizer* each : {&tokenizer, &again}) {
        const Encoding encoding = each->encode(text);
        CHECK(tokens_of(encoding, true) == tokens_of(*entry.find("tokens")));
        check_ids(*each, text, encoding.ids);
        for (const bool skip : {true, false})
          check_decoding(*each, encoding.ids, skip, entry.find("decoded")->members.at(skip ? 0 : 1).text);
      }
    }
  }
}

TEST_CASE("tokenizers of all components give the windows and text of Hugging Face", "[tokenizers][sentencepiece]") {
  const Json rows = golden_json("components.json");
  REQUIRE(rows.members.size() > 20);
  for (const Json& row : rows.members) {
    const Tokenizer first = Tokenizer::from_json(row.find("tokenizer")->text);
    const Tokenizer again = Tokenizer::from_json(first.to_json());
    for (const Json& entry : row.find("cases")->members) {
      const std::string& text = entry.find("text")->text;
      INFO(row.find("tokenizer")->text.substr(0, 2000) << "\n" << text);
      for (const Tokenizer* each : {&first, &again}) {
        const Encoding encoding = each->encode(text);
        CHECK(windows_of(encoding) == windows_of(*entry.find("windows")));
        check_ids(*each, text, encoding.ids);
        for (const bool skip : {true, false})
          check_decoding(*each, encoding.ids, skip, entry.find("decoded")->members.at(skip ? 0 : 1).text);
      }
    }
  }
}

TEST_CASE("special tokens stand where each family has them", "[tokenizers][sentencepiece]") {
  const auto framed = [](const std::string& model, const std::string& family) {
    const Tokenizer tokenizer = load_tokenizer(model_files(golden(model + ".model"), family));
    const Encoding encoding = tokenizer.encode("a", "b");
    std::string text;
    for (std::size_t t = 0; t < encoding.ids.size(); ++t)
      if (encoding.special_tokens_mask[t])
        text += concat(tokenizer.id_to_token(encoding.ids[t]), ":", encoding.type_ids[t], " ");
    return text;
  };
  CHECK(framed("albert", "albert") == "[CLS]:0 [SEP]:0 [SEP]:1 ");
  CHECK(framed("xlnet", "xlnet") == "<sep>:0 <sep>:1 <cls>:2 ");
  CHECK(framed("bpe_llama", "llama") == "<s>:0 <s>:1 ");
  CHECK(framed("bpe_llama", "") == "");
}

TEST_CASE("a folder with a .model opens, and tokenizer_config.json counts", "[tokenizers][sentencepiece]") {
  const TemporaryFolder folder;
  write_file(folder / "spiece.model", golden("albert.model"));
  const auto ids = [&](std::optional<bool> lowercase = std::nullopt) {
    return load_tokenizer(read_tokenizer_files(folder.path()), lowercase).encode("Training").ids;
  };
  const Ids bare = ids();
  CHECK(load_tokenizer(read_tokenizer_files(folder / "spiece.model")).encode("Training").ids == bare);
  write_file(folder / "config.json", R"({"model_type":"albert"})");
  const Ids albert = ids();
  CHECK(albert.front() == 2);
  CHECK(albert != bare);
  CHECK(ids(false) != albert);
  write_file(folder / "tokenizer_config.json", R"({"do_lower_case":false})");
  CHECK(ids() != albert);
  CHECK_THROWS_AS(ids(true), UsageError);
  write_file(folder / "config.json", R"({"model_type":"gemma"})");
  CHECK_THROWS_WITH(ids(), Contains("model_type gemma is not known, only albert, xlnet and llama"));
  write_file(folder / "config.json", R"({"model_type":"xlnet"})");
  CHECK_THROWS_WITH(ids(), Contains("lacks <sep>"));
}

TEST_CASE("a converted file carries a .model, and means what the folder means", "[tokenizers][sentencepiece]") {
  const TemporaryFolder folder;
  const std::filesystem::path file = folder / "m.safetensors";
  const std::string config = R"({"model_type":"albert"})", settings = R"({"do_lower_case":false})",
                    text = "Training \uFB01";
  write_file(folder / "spiece.model", golden("albert.model"));
  write_file(folder / "config.json", config);
  write_file(folder / "tokenizer_config.json", settings);
  const std::string model = to_base64(golden("albert.model"));
  const auto ids = [&](const std::filesystem::path& path) {
    return load_tokenizer(read_tokenizer_files(path)).encode(text).ids;
  };
  write_safetensors(file, {{"bert.config", config}, {"bert.sentencepiece", model}, {"bert.tokenizer_config", settings}},
                    {});
  CHECK(ids(file) == ids(folder.path()));
  write_safetensors(file, {{"bert.config", config}, {"bert.sentencepiece", model}}, {});
  CHECK(ids(file) != ids(folder.path()));  // text is lower-cased where nothing says otherwise
  write_safetensors(file, {{"bert.config", config}, {"bert.sentencepiece", "a!"}}, {});
  CHECK_THROWS_WITH(ids(file), Contains("m.safetensors\" (bert.sentencepiece) is not base64"));
  write_safetensors(file, {{"bert.config", config}, {"bert.sentencepiece", model.substr(0, 4000)}}, {});
  CHECK_THROWS_WITH(ids(file), Contains("m.safetensors (bert.sentencepiece)\": the SentencePiece model"));
}

TEST_CASE("base64 is that of RFC 4648", "[io]") {
  const std::pair<const char*, const char*> known[] = {// its section 10
                                                       {"", ""},
                                                       {"f", "Zg=="},
                                                       {"fo", "Zm8="},
                                                       {"foo", "Zm9v"},
                                                       {"foob", "Zm9vYg=="},
                                                       {"fooba", "Zm9vYmE="},
                                                       {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : known) {
    CHECK(to_base64(bytes) == text);
    CHECK(from_base64(text, "it") == bytes);
  }
  CHECK(to_base64("\xFB\xFF\xBF") == "+/+/");
  CHECK_THROWS_WITH(from_base64("Zm9v=Zg", "it"), Contains("it is not base64"));
  CHECK_THROWS_WITH(from_base64("Zm9vY", "it"), Contains("it is not base64: it has 5 characters"));
}

TEST_CASE("of equal paths the one found first stays", "[tokenizers][sentencepiece]") {
  const Tokenizer tokenizer = Tokenizer::from_json(
      R"({"model":{"type":"Unigram","unk_id":0,"vocab":[["<unk>",-9.0],["a",-1.0],["aa",-2.0]]}})");
  CHECK(tokenizer.encode("aaa").ids == Ids{1, 2});  // as tokenizers 0.23
  CHECK(tokenizer.encode("aaaaa").ids == Ids{1, 2, 2});
}

TEST_CASE("unknown characters beside the unknown token's own text are one token", "[tokenizers][sentencepiece]") {
  const Tokenizer tokenizer =
      Tokenizer::from_json(R"({"model":{"type":"Unigram","unk_id":0,"vocab":[["<unk>",0.0],["a",-1.0]]}})");
  const Encoding encoding = tokenizer.encode("\u20BD<unk>?a");  // tokenizers 0.23: [0, 1], (0, 7) and (7, 8)
  CHECK(encoding.ids == Ids{0, 1});
  CHECK(encoding.offsets == std::vector<Span>{{0, 7}, {7, 8}});
}

TEST_CASE("a text by code points has what offsets count", "[tokenizers]") {
  const std::string text =
      "a\xC3\xA9\xFF\xE2\x82z";  // an e with accent; FF, and E2 82 without its end, count as one each
  const CodePoints points(text);
  CHECK(points.size() == 5);
  CHECK(points.bytes(1, 2) == "\u00E9");
  CHECK(points.bytes(2, 4) == "\xFF\xE2\x82");
  CHECK(points.text(2, 9) == "\uFFFD\uFFFDz");
  CHECK(points.bytes(3, 3).empty());
  CHECK(points.bytes(7, 9).empty());
  CHECK(CodePoints("").size() == 0);
}

TEST_CASE("damaged SentencePiece models are errors that say what and where", "[tokenizers][sentencepiece][errors]") {
  const std::string unk = piece("<unk>", 2, 0), good = unk + piece("a") + field(2, field(3, 1));
  CHECK(model_error(good) == "nothing was thrown");
  CHECK_THAT(model_error("tokens\n"), Contains("the SentencePiece model is damaged"));
  CHECK_THAT(model_error(good.substr(0, 9)), Contains("bytes where"));
  CHECK_THAT(model_error(good + std::string(11, '\xFF')), Contains("more than ten bytes"));
  CHECK_THAT(model_error(good + "\x0A\xFF\xFF\xFF\xFF\x7F"), Contains("a field of 34359738367 bytes where 0 are left"));
  CHECK_THAT(model_error(good + "\x0B"), Contains("no such kind of field"));
  CHECK_THAT(model_error(unk + field(1, field(1, 7))), Contains("of the wrong kind"));
  CHECK_THAT(model_error(field(2, field(3, 1))), Contains("has no pieces"));
  CHECK_THAT(model_error(piece("a")), Contains("has no unknown piece"));
  CHECK_THAT(model_error(unk + piece("b", 2)), Contains("two unknown pieces, 0 and 1"));
  CHECK_THAT(model_error(unk + piece("")), Contains("an empty piece, 1"));
  CHECK_THAT(model_error(unk + piece("\xFF")), Contains("not UTF-8, 1"));
  CHECK_THAT(model_error(unk + piece("a") + piece("a")), Contains("\"a\" twice, as ids 1 and 2"));
  CHECK_THAT(model_error(unk + piece("a", 9)), Contains("of type 9"));
  CHECK_THAT(model_error(unk + piece("a", 1, NAN)), Contains("no number, of piece 1"));
  CHECK_THAT(model_error(unk + piece("<0x41>", 6)), Contains("and no byte_fallback"));
  CHECK_THAT(model_error(good + field(2, std::string("\x98\x02\x01", 3))), Contains("pieces for 0 of the 256 bytes"));
  CHECK_THAT(model_error(good + field(2, field(3, 3))), Contains("model_type word, only unigram and bpe"));
  CHECK_THAT(model_error(good + field(3, field(2, "abc"))), Contains("has 3 bytes, too few"));
  CHECK_THAT(model_error(good + field(3, field(2, std::string("\xFF\0\0\0a", 5)))),
             Contains("says its array has 255 bytes"));
  const std::string bytes = golden("unigram_bytes.model");
  for (std::size_t size = 1; size < bytes.size(); size += 97)
    if (const std::string said = model_error(bytes.substr(0, size)); said != "nothing was thrown")
      CHECK_THAT(said, Contains("cannot load the tokenizer \"spiece.model\": the SentencePiece model"));
}

TEST_CASE("a character map that leads astray finds nothing, or says so", "[tokenizers][sentencepiece][errors]") {
  const auto map_of = [](std::vector<std::uint32_t> units, std::string_view text) {
    const auto size = static_cast<std::uint32_t>(4 * units.size());
    std::string bytes(4 + size, '\0');
    std::memcpy(bytes.data(), &size, 4);
    std::memcpy(bytes.data() + 4, units.data(), size);
    return bytes.append(text);
  };
  const Charsmap away(map_of({0xFFFFFC00, 0}, "x"));  // the root's children are outside of the array
  CHECK(away.longest("abc").length == 0);
  std::vector<std::uint32_t> circle(256);  // every unit is a child of unit 0 by its own number, and leads back to it
  for (std::uint32_t i = 0; i < 256; ++i) circle[i] = i;
  CHECK(Charsmap(map_of(circle, "x")).longest(std::string(100'000, 'a')).length == 0);
  std::vector<std::uint32_t> leaf(256);
  leaf['a'] = 'a' | 1 << 8 | 1 << 10, leaf['a' ^ 1] = 77;  // "a" is replaced by the text from byte 77 on
  CHECK_THROWS_WITH(Charsmap(map_of(leaf, "x")).longest("a"), Contains("points to byte 77 of its 1 bytes"));
  leaf['a' ^ 1] = 0;
  CHECK(Charsmap(map_of(leaf, "x")).longest("ab").replacement == "x");
  leaf[0x02] = 'b' | 1 << 8 | 4 << 10, leaf[0x06] = 2;  // and "ab" by the text from byte 2 on
  const std::string both = map_of(leaf, std::string_view("x\0yz\0", 5));
  CHECK(Charsmap(both).longest("abc").replacement == "yz");
  CHECK(Charsmap(both).shortest("abc").replacement == "x");
  SentencePieceOptions options;
  options.precompiled_charsmap = both, options.add_dummy_prefix = false, options.types = {PieceType::unknown};
  NormalizedText normal;
  SentencePiece(Vocabulary({"<unk>"}), options)
      .normalize("abac", normal);  // the longest rule, as its normalizer.cc says
  CHECK(normal.text == "yzxc");
}

TEST_CASE("components that are not supported are errors that name them", "[tokenizers][errors]") {
  const std::string model = R"("model":{"type":"Unigram","unk_id":0,"vocab":[["<unk>",0],["a",-1]]})";
  const auto said = [&](const std::string& components, const std::string& of = "") {
    return error_of([&] { Tokenizer::from_json("{" + components + (of.empty() ? model : of) + "}"); });
  };
  CHECK(said("") == "nothing was thrown");
  CHECK_THAT(said(R"("normalizer":{"type":"ByteLevel"},)"),
             Contains("normalizer ByteLevel is not supported, only Sequence, NFC"));
  CHECK_THAT(said(R"("pre_tokenizer":{"type":"UnicodeScripts"},)"),
             Contains("pre_tokenizer UnicodeScripts is not supported"));
  CHECK_THAT(said(R"("decoder":{"type":"Sequence","decoders":[{"type":"CTC"}]},)"),
             Contains("decoder CTC is not supported"));
  CHECK_THAT(said(R"("pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},)"), Contains("only with BPE"));
  CHECK_THAT(said(R"("post_processor":{"type":"Sequence","processors":[{"type":"Sequence"}]},)"),
             Contains("post_processor Sequence"));
  CHECK_THAT(said(R"("normalizer":{"type":"Replace","pattern":{"Regex":"(?<=a)b"},"content":""},)"),
             Contains("the regular expression (?<=a)b has this kind of group"));
  CHECK_THAT(said(R"("normalizer":{"type":"Replace","pattern":{"String":""},"content":"x"},)"),
             Contains("a pattern is empty"));
  CHECK_THAT(said(R"("normalizer":{"type":"Precompiled","precompiled_charsmap":"AAA!"},)"), Contains("is not base64"));
  CHECK_THAT(said(R"("normalizer":{"type":"Precompiled","precompiled_charsmap":"AAAA"},)"), Contains("too few"));
  CHECK_THAT(said("", R"("model":{"type":"WordLevel","vocab":{}})"), Contains("model WordLevel is not supported"));
  CHECK_THAT(said("", R"("model":{"type":"Unigram","unk_id":7,"vocab":[["a",0]]})"), Contains("unk_id 7 is outside"));
  CHECK_THAT(said("", R"("model":{"type":"Unigram","unk_id":0,"vocab":[["a"]]})"),
             Contains("entry 0 of the vocabulary"));
  CHECK_THAT(said("", R"("model":{"type":"Unigram","unk_id":0,"vocab":[["a",1e999]]})"), Contains("entry 0"));
  CHECK_THAT(said("", R"("model":{"type":"BPE","vocab":{"a":0},"merges":["a b"]})"),
             Contains("one of them is no token"));
  CHECK_THAT(said("", R"("model":{"type":"BPE","dropout":0.1,"vocab":{"a":0},"merges":[]})"),
             Contains("BPE with dropout"));
  const Tokenizer without = Tokenizer::from_json(R"({"model":{"type":"Unigram","unk_id":null,"vocab":[["a",-1]]}})");
  CHECK_THROWS_WITH(without.encode("b"), Contains("\"b\" is no token, and the Unigram model has no unk_id"));
}

TEST_CASE("scores are read as Hugging Face reads them, which shows where paths are equal",
          "[tokenizers][sentencepiece]") {
  const Tokenizer tokenizer = Tokenizer::from_json(
      R"({"model":{"type":"Unigram","unk_id":0,"vocab":[["<unk>",0.0],["o",-9.0],["oo",-10.654454231262207],)"
      R"(["oooo",-13.300446510314941]]}})");
  CHECK(tokenizer.encode(std::string(14, 'o')).ids == Ids{3, 3, 3, 2});  // with the nearest doubles: 2 3 3 3
  const auto id_of = [](const char* number) {  // of two equal pieces' texts the one with the better score
    return Tokenizer::from_json(
               concat(R"({"model":{"type":"Unigram","unk_id":0,"vocab":[["<unk>",0],["a",-1],["aa",)", number, "]]}}"))
        .encode("aa")
        .ids;
  };
  for (const char* better : {"-1.9999", "-0.19999e1", "-19999E-4", "0", "1e3", "-1.99999999999999999999999", "1e+2"})
    CHECK(id_of(better) == Ids{2});
  for (const char* worse : {"-2.0001", "-20001e-4", "-1E3", "-20000100000000000000000e-22", "-3"})
    CHECK(id_of(worse) == Ids{1, 1});
}

TEST_CASE("regular expressions find what Oniguruma finds", "[tokenizers]") {
  const auto all = [](const char* pattern, std::string_view text) {
    std::string found;
    Regex(pattern).split(text, [&](std::string_view part, bool is_match) {
      found += concat(is_match ? "<" : "", part, is_match ? ">" : "");
    });
    return found;
  };
  CHECK(all(" {2,}", "a  b c   ") == "a<  >b c<   >");
  CHECK(all("\\A +| +\\z", "  a  b  ") == "<  >a  b<  >");
  CHECK(all("\\s+(?!\\S)|\\s+", "a  b ") == "a< >< >b< >");
  CHECK(all("(?i:'s|'ll)", "it'S we'lL") == "it<'S> we<'lL>");
  CHECK(all("[^\\r\\n\\p{L}\\p{N}]?\\p{L}+", "(ab 12 \u00e9") == "<(ab> 12< \u00e9>");
  CHECK(all("\\p{N}{1,3}", "12345") == "<123><45>");
  CHECK(all("a?b|c", "abbcd") == "<ab><b><c>d");
  CHECK(all("x", "") == "");
  // What a match may begin with: something optional, a group, a look ahead, an anchor, not ASCII, one of many.
  CHECK(all("a*b?c|[^a-y]", "aabc z ac") == "<aabc>< ><z>< ><ac>");
  CHECK(all("(?:a|bc?)d|(?!x)[x-z]", "adbcdxyz") == "<ad><bcd>x<y><z>");
  CHECK(all("a?c|\u00e9b", "b\u00e9bac") == "b<\u00e9b><ac>");
  CHECK(all("b\\z|\u00e9", "b\u00e9b") == "b<\u00e9><b>");
  CHECK(all("a1|b1|c1|d1|e1|f1|g1|h1|i1|j1|k1|l1|m1|n1|o1|p1|q1|r+1|s+|t", "r1 rr1rr s1 ta1") ==
        "<r1> <rr1>rr <s>1 <t><a1>");
  const std::string spaces(200'000, ' ');
  CHECK(all(" +\\z", spaces + "a") == spaces + "a");  // in time that grows with the text, not with its square
  CHECK_THROWS_WITH(Regex(std::string(6000, 'a')), Contains("so many characters in a row"));
  for (const char* bad : {"(a", "a)", "[a", "*a", "(?<n>a)", "a{2,1}", "(ab)+", "a+?", "\\b", "[[a]]"})
    CHECK_THROWS_WITH(Regex(bad), Contains("which is not supported"));
}

TEST_CASE("bytes are held back until they are a character, or no more can come", "[tokenizers][stream]") {
  const Tokenizer tokenizer = load_tokenizer(model_files(golden("bpe_llama.model"), "llama"));
  const auto byte = [&](const char* name) { return tokenizer.token_to_id(name).value(); };
  StreamDecoder stream(tokenizer);
  for (const char* name : {"<0xF0>", "<0x9F>", "<0x91>", "<0x8D>"}) CHECK(stream.push(byte(name)) == "");
  CHECK(stream.push(byte("a")) == "\U0001F44Da");  // a run of byte tokens is valid, or a U+FFFD for each
  CHECK(stream.push(byte("<0xF0>")) == "");
  CHECK(stream.finish() == "\uFFFD");
  CHECK(stream.push(byte("\u2581")) == "");  // the space before the text
  CHECK(stream.push(byte("a")) == "a");
  CHECK_THROWS_WITH(stream.push(1'000'000), Contains("outside the vocabulary"));
  const Tokenizer bytes = Tokenizer::from_json(tokenizer_golden("gpt2.json"));
  const Ids ids = bytes.encode("\u65e5 a").ids;
  StreamDecoder whole(bytes);
  std::vector<std::string> parts;
  for (const std::int32_t id : ids) parts.push_back(whole.push(id));
  CHECK(parts.at(0) == "");
  CHECK(parts.at(1) == "\u65e5");
}

TEST_CASE("long texts take time in proportion", "[tokenizers][sentencepiece]") {
  for (const char* name : {"unigram", "bpe_llama", "albert"}) {
    const Tokenizer tokenizer = load_tokenizer(model_files(golden(std::string(name) + ".model")));
    for (const std::string unit : {"e", " ", "the tokenizer ", "\u2581", "\u65e5"}) {
      std::string text;
      while (text.size() < 300'000) text += unit;
      const Encoding encoding = tokenizer.encode(text);
      Ids ids;
      tokenizer.encode_ids(text, ids);
      CHECK(ids == encoding.ids);
    }
  }
}

TEST_CASE("real SentencePiece vocabularies open, and give back their text", "[tokenizers][sentencepiece][shared]") {
  SKIP_WITHOUT_SHARED();
  const std::filesystem::path vocab = shared_dir() / "data/vocab";
  const std::string dev = read_file(shared_dir() / "data/corpus/dev.txt").substr(0, 20'000);
  for (const char* name :
       {"albert/spiece", "xlnet-base-cased/spiece", "hf-test-sentencepiece/test_sentencepiece_with_bytefallback"}) {
    INFO(name);
    const Tokenizer tokenizer = load_tokenizer(read_tokenizer_files(vocab / (std::string(name) + ".model")));
    const Ids ids = tokenizer.encode("this is a test.").ids;
    CHECK(tokenizer.decode(ids) == "this is a test.");
    Ids all;
    tokenizer.encode_ids(dev, all);
    CHECK(all == tokenizer.encode(dev).ids);
    CHECK(streamed(tokenizer, all, true) == tokenizer.decode(all));
  }
}

// The tokenizer against Hugging Face `tokenizers`: expected values by tools/make_golden.py tokenizer.
#include <bert/io/sha256.h>
#include <bert/tokenizers/pre_tokenizer.h>

#include <cstdio>
#include <map>

#include "support/catch.h"
#include "tokenizers/golden.h"

namespace {

using tests::Rows;

bert::EncodeOptions options_of(const bert::Json& entry) {
  bert::EncodeOptions options;
  if (const bert::Json* given = entry.find("options")) {
    const std::string& strategy = given->members.at(1).text;
    options.max_length = static_cast<std::size_t>(tests::to_int(given->members.at(0)));
    options.truncation = strategy == "longest_first" ? bert::Truncation::longest_first
                         : strategy == "only_first"  ? bert::Truncation::only_first
                                                     : bert::Truncation::only_second;
    options.stride = static_cast<std::size_t>(tests::to_int(given->members.at(2)));
  }
  if (const bert::Json* special = entry.find("add_special_tokens")) options.add_special_tokens = special->is_true();
  return options;
}

bert::Encoding encode(const bert::Tokenizer& tokenizer, const bert::Json& entry, const std::string& text) {
  const bert::Json* const pair = entry.find("pair");
  return pair ? tokenizer.encode(text, pair->text, options_of(entry)) : tokenizer.encode(text, options_of(entry));
}

std::string text_of(const bert::Json& entry) {
  const bert::Json* const hex = entry.find("hex");
  return hex ? tests::bytes_from_hex(hex->text) : entry.find("text")->text;
}

void check_case(const bert::Tokenizer& tokenizer, const bert::Json& entry) {
  const std::string text = text_of(entry);
  if (entry.find("error")) {
    CHECK_THROWS_AS(encode(tokenizer, entry, text), bert::Error);
    return;
  }
  const bert::Encoding encoding = encode(tokenizer, entry, text);
  CHECK(tests::windows_of(encoding) == tests::windows_of(*entry.find("windows")));
  const bert::EncodeOptions options = options_of(entry);
  if (!entry.find("pair") && options.max_length == 0 && options.add_special_tokens) {
    std::vector<std::int32_t> ids;
    tokenizer.encode_ids(text, ids);
    CHECK(ids == encoding.ids);
  }
  if (const bert::Json* decoded = entry.find("decoded")) {
    std::vector<std::int32_t> ids;
    const Rows rows = tests::windows_of(*entry.find("windows")).at(0);
    for (const auto& row : rows) ids.push_back(row.at(0));
    CHECK(tokenizer.decode(ids, true) == decoded->members.at(0).text);
    CHECK(tokenizer.decode(ids, false) == decoded->members.at(1).text);
  }
}

/// 4096 code points from `first`, one line each, as make_golden.py's sweep_digests().
template <class View>
std::string sweep_digest(char32_t first, View&& view) {
  bert::Sha256 digest;
  for (char32_t c = first; c < first + 4096; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    std::string character;
    bert::detail::append_utf8(character, c);
    digest.update(view(character) + "\n");
  }
  return digest.hex().substr(0, 16);
}

void check_sweep(const bert::Json& expected, const char* name, const auto& view) {
  const auto& digests = expected.find(name)->members;
  REQUIRE(digests.size() == 272);
  for (std::size_t block = 0; block < digests.size(); ++block) {
    INFO(name << ", block " << block << " of 4096 code points");
    CHECK(sweep_digest(static_cast<char32_t>(4096 * block), view) == digests[block].text);
  }
}

std::string normalized(const bert::BertNormalizer& normalizer, const std::string& text) {
  bert::NormalizedText out;
  normalizer.append(text, 0, out);
  return out.text;
}

/// The lines of a shared file, an .xz one as far as make_golden.py reads it; empty when there is no xz to read it with.
std::vector<std::string> read_lines(const std::filesystem::path& path) {
  std::string text;
  if (path.extension() == ".xz") {
    FILE* pipe = popen(("xz -dc '" + path.string() + "' 2>/dev/null | head -n 5000").c_str(), "r");
    char buffer[1 << 16];
    for (std::size_t n; pipe && (n = fread(buffer, 1, sizeof buffer, pipe)) > 0;) text.append(buffer, n);
    if (pipe) pclose(pipe);
    if (text.empty()) return {};
  } else {
    text = tests::read_file(path);
  }
  std::vector<std::string> lines;
  for (std::size_t at = 0;;) {
    const std::size_t end = text.find('\n', at);
    lines.push_back(text.substr(at, end - at));
    if (end == std::string::npos) return lines;
    at = end + 1;
  }
}

}  // namespace

TEST_CASE("every text gives the windows and the decoded text of Hugging Face", "[tokenizers][golden]") {
  const bert::Json cases = bert::parse_json(tests::tokenizer_golden("cases.json"), "cases.json");
  std::map<std::string, bert::Tokenizer> tokenizers;
  REQUIRE(cases.find("cases")->members.size() > 1000);
  for (const bert::Json& entry : cases.find("cases")->members) {
    const std::string& variant = entry.find("variant")->text;
    auto found = tokenizers.find(variant);
    if (found == tokenizers.end()) {
      const std::string json = tests::tokenizer_golden(variant + ".json");
      found = tokenizers.emplace(variant, bert::Tokenizer::from_json(json)).first;
    }
    INFO(variant << ": " << text_of(entry));
    check_case(found->second, entry);
    // What to_json() writes is the same tokenizer.
    static std::map<std::string, bert::Tokenizer> again;
    if (!again.contains(variant)) again.emplace(variant, bert::Tokenizer::from_json(found->second.to_json()));
    check_case(again.at(variant), entry);
  }
}

TEST_CASE("every code point is normalised and cut as Hugging Face does", "[tokenizers][golden][unicode][slow]") {
  const bert::Json sweep = bert::parse_json(tests::tokenizer_golden("sweep.json"), "sweep.json");
  const bert::BertNormalizer uncased({}), lower({.strip_accents = false}), cased({.lowercase = false});
  check_sweep(sweep, "uncased", [&](const std::string& c) { return normalized(uncased, "a" + c + "b"); });
  check_sweep(sweep, "lowercase", [&](const std::string& c) { return normalized(lower, "a" + c + "b"); });
  check_sweep(sweep, "cased", [&](const std::string& c) { return normalized(cased, "a" + c + "b"); });
  // U+302E and U+1D165 keep their places in strip_accents, so what moves between them shows its combining class.
  check_sweep(sweep, "order", [&](const std::string& c) {
    return normalized(uncased, "a\u302e" + c +
                                   "\U0001d165"
                                   "b");
  });
  check_sweep(sweep, "words", [](const std::string& c) {
    std::string words;
    bert::split_bert_words("a" + c + "b",
                           [&](std::string_view word) { words += (words.empty() ? "" : "\1") + std::string(word); });
    return words;
  });
  bert::AddedTokenMatcher matcher;
  matcher.add("QQ", {.content = "QQ", .id = 1, .single_word = true});
  check_sweep(sweep, "single_word", [&](const std::string& c) {
    std::string found;
    for (const std::string& text : {"QQ" + c, c + "QQ"}) {
      bool any = false;
      matcher.split(text, [&](std::string_view, const bert::AddedToken* token) { any = any || token; });
      found += any ? '1' : '0';
    }
    return found;
  });
}

TEST_CASE("ids, type ids and offsets of the shared texts are those of Hugging Face",
          "[tokenizers][golden][shared][slow]") {
  SKIP_WITHOUT_SHARED();
  const std::filesystem::path data = tests::shared_dir() / "data";
  const bert::Json expected = bert::parse_json(tests::tokenizer_golden("shared.json"), "shared.json");
  std::map<std::string, bert::Tokenizer> tokenizers;
  std::map<std::string, std::vector<std::string>> texts;
  for (const bert::Json& row : expected.find("texts")->members) {
    const std::string &vocab = row.find("vocab")->text, &name = row.find("file")->text;
    INFO(vocab << " on " << name << "; tools/compare_tokenizer.py shows where they differ");
    if (!tokenizers.contains(vocab)) {
      bert::WordPieceOptions options;
      options.lowercase = row.find("lowercase")->is_true();
      tokenizers.emplace(vocab,
                         bert::Tokenizer::from_vocab(tests::read_file(data / "vocab" / vocab / "vocab.txt"), options));
    }
    if (!texts.contains(name)) texts.emplace(name, read_lines(data / name));
    const std::vector<std::string>& lines = texts.at(name);
    if (lines.empty()) {
      std::printf("skipped: no xz program to read %s\n", name.c_str());
      continue;
    }
    CHECK(lines.size() == static_cast<std::size_t>(tests::to_int(*row.find("lines"))));
    bert::Sha256 digest;
    std::size_t tokens = 0;
    std::vector<std::int32_t> values;
    for (const std::string& line : lines) {
      const bert::Encoding encoding = tokenizers.at(vocab).encode(line);
      values.assign(1, static_cast<std::int32_t>(encoding.ids.size()));
      for (std::size_t i = 0; i < encoding.ids.size(); ++i) {
        const auto [start, end] = encoding.offsets[i];
        values.insert(values.end(), {encoding.ids[i], encoding.type_ids[i], static_cast<std::int32_t>(start),
                                     static_cast<std::int32_t>(end)});
      }
      digest.update(std::as_bytes(std::span(values)));
      tokens += encoding.ids.size();
    }
    CHECK(tokens == static_cast<std::size_t>(tests::to_int(*row.find("tokens"))));
    CHECK(digest.hex() == row.find("sha256")->text);
  }
}

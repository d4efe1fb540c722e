// Tokenizer speed, in bytes of text a second on one thread: ids only, with offsets, on English text and on CJK text.
//
// With the shared data folder: the uncased English and the Chinese vocabulary of BERT on held-out text. Without it: a
// small vocabulary and sentences made here, which are easier; the label says which.
#include <benchmark/benchmark.h>
#include <bert/tokenizers/tokenizer.h>
#include <bert/tokenizers/unicode.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace {

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
}

struct Case {
  bert::Tokenizer tokenizer;
  std::string text, label;
};

Case make_case(bool chinese) {
  const char* chosen = std::getenv("BERT_SHARED_DIR");
  const std::filesystem::path data =
      (chosen ? std::filesystem::path(chosen) : std::filesystem::path(BERT_SOURCE_DIR).parent_path() / "shared") /
      "data";
  const std::string vocab =
      read_file(data / "vocab" / (chinese ? "bert-base-chinese" : "bert-base-uncased") / "vocab.txt");
  bert::WordPieceOptions options;
  if (vocab.empty()) {
    Case made{bert::Tokenizer::from_vocab(
                  "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\nquick\nfox\njump\n##ed\n.\n天\n地\n", options),
              "", "made text"};
    while (made.text.size() < 1'000'000) made.text += chinese ? "天地天地" : "The quick fox jumped. ";
    return made;
  }
  std::string text = read_file(data / "corpus" / "dev.txt").substr(0, 1'000'000);
  if (chinese) {  // every other ideograph of the basic block, as there is no Chinese text in the folder
    text.clear();
    while (text.size() < 1'000'000) {
      for (char32_t c = 0x4E00; c < 0x9FA5; c += 2) bert::detail::append_utf8(text, c);
    }
  }
  return {bert::Tokenizer::from_vocab(vocab, options), text, chinese ? "CJK" : "English"};
}

void finish(benchmark::State& state, const Case& given) {
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) * static_cast<std::int64_t>(given.text.size()));
  state.SetLabel(given.label);
}

/// A megabyte at once.
void tokenize_ids(benchmark::State& state) {
  const Case given = make_case(state.range(0) != 0);
  std::vector<std::int32_t> ids;
  for (auto _ : state) {
    ids.clear();
    given.tokenizer.encode_ids(given.text, ids);
    benchmark::DoNotOptimize(ids.data());
  }
  finish(state, given);
}

/// The same in texts of about 200 bytes, as sentences come.
void tokenize_ids_sentences(benchmark::State& state) {
  const Case given = make_case(state.range(0) != 0);
  std::vector<std::int32_t> ids;
  for (auto _ : state) {
    for (std::size_t at = 0; at < given.text.size(); at += 200) {
      ids.clear();
      given.tokenizer.encode_ids(std::string_view(given.text).substr(at, 200), ids);
      benchmark::DoNotOptimize(ids.data());
    }
  }
  finish(state, given);
}

void tokenize_offsets(benchmark::State& state) {
  const Case given = make_case(state.range(0) != 0);
  for (auto _ : state) benchmark::DoNotOptimize(given.tokenizer.encode(given.text));
  finish(state, given);
}

/// Opening: from_json of the vocabulary's tokenizer.json.
void open_json(benchmark::State& state) {
  const std::string json = make_case(state.range(0) != 0).tokenizer.to_json();
  for (auto _ : state) benchmark::DoNotOptimize(bert::Tokenizer::from_json(json));
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) * static_cast<std::int64_t>(json.size()));
}

}  // namespace

BENCHMARK(tokenize_ids)->Arg(0)->Arg(1)->ArgName("chinese")->Unit(benchmark::kMillisecond);
BENCHMARK(tokenize_ids_sentences)->Arg(0)->ArgName("chinese")->Unit(benchmark::kMillisecond);
BENCHMARK(tokenize_offsets)->Arg(0)->Arg(1)->ArgName("chinese")->Unit(benchmark::kMillisecond);
BENCHMARK(open_json)->Arg(0)->ArgName("chinese")->Unit(benchmark::kMillisecond);

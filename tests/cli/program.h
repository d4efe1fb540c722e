// For tests of the `bert` program: running it, reading what it printed, and a small model with a vocabulary that the
// tests know. Expectations come from ../shared/cli.md and from Hugging Face's rules, never from the program.
#pragma once
#include "support/catch.h"
#include "support/paths.h"
#include "support/run.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string_view>

namespace tests {

using Json = nlohmann::ordered_json;  // keeps the order of keys
using Arguments = std::vector<std::string>;

inline RunResult run_bert(Arguments arguments, const std::vector<std::string>& environment = {},
                          const std::string& input = "") {
  arguments.insert(arguments.begin(), "bert");
  return run(std::move(arguments), environment, input);
}

inline std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> all;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) all.push_back(line);
  return all;
}

inline std::string shown(const Arguments& arguments) {
  std::string text = "bert";
  for (const std::string& argument : arguments) text += " '" + argument.substr(0, 80) + "'";
  return text;
}

/// The JSON values a successful run printed: one a line, nothing on stderr.
inline std::vector<Json> json_of(const Arguments& arguments, const std::string& input = "",
                                 const std::vector<std::string>& environment = {}) {
  const RunResult result = run_bert(arguments, environment, input);
  INFO(shown(arguments) << "\n" << result.err);
  REQUIRE(result.status == 0);
  CHECK(result.err == "");
  CHECK((result.out.empty() || result.out.back() == '\n'));
  std::vector<Json> values;
  for (const std::string& line : lines(result.out)) values.push_back(Json::parse(line));
  return values;
}
inline Json one_json(const Arguments& arguments) {
  const std::vector<Json> values = json_of(arguments);
  REQUIRE(values.size() == 1);
  return values[0];
}

inline std::vector<std::string> keys(const Json& object) {
  std::vector<std::string> names;
  for (const auto& item : object.items()) names.push_back(item.key());
  return names;
}

/// The run failed with this status and said so in one line that holds every one of `words`.
inline void check_failed(const RunResult& result, int status, const std::vector<std::string>& words = {}) {
  INFO("stderr: " << result.err);
  CHECK(result.status == status);
  CHECK(result.err.substr(0, 7) == "error: ");
  CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
  CHECK((!result.err.empty() && result.err.back() == '\n'));
  for (const std::string& word : words) {
    INFO("expected: " << word);
    CHECK(result.err.find(word) != std::string::npos);
  }
}
/// The same for a run that failed before its first result.
inline void check_error(const Arguments& arguments, int status, const std::vector<std::string>& words = {},
                        const std::string& input = "", const std::vector<std::string>& environment = {}) {
  const RunResult result = run_bert(arguments, environment, input);
  INFO(shown(arguments));
  check_failed(result, status, words);
  CHECK(result.out == "");
}

inline void write_text(const std::filesystem::path& path, const std::string& bytes) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
}

inline std::size_t files_in(const std::filesystem::path& folder) {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) count += entry.exists();
  return count;
}

inline std::vector<float> floats(const Json& list) {
  std::vector<float> values;
  for (const Json& value : list) values.push_back(static_cast<float>(value.get<double>()));
  return values;
}
inline double dot(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}
inline double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  REQUIRE(a.size() == b.size());
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    largest = std::max(largest, std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  return largest;
}

/// 300 pieces, as many as the tiny golden models have; those BERT's own tests of WordPiece use are among them.
inline std::vector<std::string> tiny_vocabulary() {
  std::vector<std::string> pieces = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "want", "##want", "##ed",
                                     "wa",    "un",    "runn",  "##ing", "hello",  "how",  "are",    "you",
                                     "the",   "cat",   "sat",   "on",    "mat",    "中",   "国",     ",",
                                     ".",     "!",     "?",     "'",     "-",      "$"};
  for (char c = 'a'; c <= 'z'; ++c) pieces.push_back(std::string(1, c));
  for (char c = 'a'; c <= 'z'; ++c) pieces.push_back("##" + std::string(1, c));
  while (pieces.size() < 300) pieces.push_back("[unused" + std::to_string(pieces.size()) + "]");
  return pieces;
}

/// What training begins with: words/, a folder with that vocabulary, and config.json of a model of two layers of 32.
inline void write_small_model(const std::filesystem::path& folder) {
  std::string vocabulary;
  for (const std::string& piece : tiny_vocabulary()) vocabulary += piece + "\n";
  write_text(folder / "words/vocab.txt", vocabulary);
  write_text(folder / "words/tokenizer_config.json", R"({"do_lower_case": true})");
  write_text(folder / "config.json", R"({"model_type": "bert", "vocab_size": 300, "hidden_size": 32,
      "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64, "max_position_embeddings": 40,
      "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1})");
}
inline std::string vocab_txt(const std::vector<std::string>& pieces) {
  std::string text;
  for (const std::string& piece : pieces) text += piece + "\n";
  return text;
}
inline std::int64_t id_of(const std::string& piece) {
  const std::vector<std::string> pieces = tiny_vocabulary();
  return std::find(pieces.begin(), pieces.end(), piece) - pieces.begin();
}

/// A Hugging Face folder: a tiny random BERT (3 layers of 48, 4 heads, a window of 96) and tiny_vocabulary().
class TinyModel {
 public:
  TinyModel() {
    for (const char* name : {"config.json", "model.safetensors"})
      std::filesystem::copy_file(source_dir() / "tests/golden/bert-gelu" / name, folder_ / name);
    write_text(folder_ / "vocab.txt", vocab_txt(tiny_vocabulary()));
    write_text(folder_ / "tokenizer_config.json", R"({"do_lower_case": true})");
  }
  std::filesystem::path operator/(const std::string& name) const { return folder_ / name; }
  std::string path() const { return folder_.path().string(); }
  /// bert COMMAND --model FOLDER arguments…
  Arguments with(const std::string& command, const Arguments& arguments) const {
    Arguments all = {command, "--model", path()};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return all;
  }

 private:
  ScratchFolder folder_;
};

/// `count` words with spaces between, each one token.
inline std::string words(std::size_t count, const std::string& word = "the") {
  std::string text = word;
  for (std::size_t i = 1; i < count; ++i) text += " " + word;
  return text;
}

}  // namespace tests

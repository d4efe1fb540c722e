// Autocomplete against all words that the vocabulary can make, scored by fill-mask.
#include <bert/tasks/autocomplete.h>

#include "support/catch.h"
#include "tasks/writing_models.h"

#include <cctype>
#include <map>

using namespace tests;

namespace {

/// Words of one and of two pieces with their probabilities, best first, from fill-mask alone.
std::map<std::string, float> all_words(const std::shared_ptr<const bert::TextModel>& model, const std::string& text,
                                       const std::string& ending) {
  const auto is_word = [](const std::string& token) { return std::isalnum(static_cast<unsigned char>(token[0])) != 0; };
  std::map<std::string, float> words;
  const auto single = writable_guesses(model, text + " [MASK]" + ending);
  const auto firsts = writable_guesses(model, text + " [MASK] [MASK]" + ending);
  for (const bert::MaskGuess& each : single[0])
    if (is_word(each.token_str)) words[each.token_str] = each.score;
  for (const bert::MaskGuess& first : firsts[0]) {
    if (!is_word(first.token_str)) continue;
    const auto seconds = writable_guesses(model, text + " " + first.token_str + " [MASK]" + ending);
    for (const bert::MaskGuess& second : seconds[0])
      if (second.token_str.starts_with("##")) {
        float& score = words[first.token_str + second.token_str.substr(2)];
        score = std::max(score, first.score * second.score);
      }
  }
  return words;
}

}  // namespace

TEST_CASE("autocomplete finds the likeliest whole words", "[tasks][autocomplete]") {
  // Pieces that follow one another as wholes only: "the" is not "t ##h ##e", so fill-mask can read beginnings as text.
  std::vector<std::string> pieces = plain_words();
  for (std::size_t i = 0; i < 40; ++i)
    pieces[20 + 6 * i] = "##q" + std::string(1, static_cast<char>('a' + i % 26)) + (i < 26 ? "" : "q");
  const WritingModel folder("bert-gelu", pieces);
  const auto model = folder.open();
  const bert::Autocomplete autocomplete(model);
  std::size_t of_two_pieces = 0;
  for (const std::string text : {"ba bc", "da", "a a bc"})
    for (const std::string ending : {".", ""}) {
      bert::AutocompleteOptions options;
      options.top_k = 8, options.beam = 300, options.ending = ending;
      INFO(text << ending);
      auto expected = all_words(model, text, ending);
      const std::vector<bert::Completion> found = autocomplete(text, options);
      REQUIRE(found.size() == 8);
      for (const bert::Completion& each : found) {
        const auto best = std::max_element(expected.begin(), expected.end(),
                                           [](const auto& a, const auto& b) { return a.second < b.second; });
        CHECK(each.word == best->first);
        CHECK(std::fabs(each.score - best->second) < 1e-5f * best->second);
        CHECK(each.text == text + " " + each.word);
        of_two_pieces += each.word.find('q') == 2;
        expected.erase(best);
      }
    }
  CHECK(of_two_pieces > 0);
}

TEST_CASE("autocomplete knows words in byte-level BPE", "[tasks][autocomplete]") {
  const WritingModel folder = WritingModel::roberta();
  const bert::Autocomplete autocomplete(folder.open());
  bert::AutocompleteOptions options;
  options.top_k = 50;
  const std::vector<bert::Completion> found = autocomplete("the", options);
  REQUIRE(found.size() > 3);
  for (const bert::Completion& each : found) {
    INFO(each.text);
    CHECK(each.text.starts_with("the "));
    CHECK(each.word.find(' ') == std::string::npos);
    CHECK(std::all_of(each.word.begin(), each.word.end(),
                      [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c < 0; }));
  }
}

TEST_CASE("autocomplete is the same on every instruction set", "[tasks][autocomplete][isa]") {
  const TinyModel folder;
  std::vector<std::pair<std::string, float>> expected;
  for (const std::string_view isa : bert::kernels::runnable_isas()) {
    bert::TaskOptions task;
    task.isa = isa;
    std::vector<std::pair<std::string, float>> found;
    for (const auto& each : bert::Autocomplete(folder.path(), task)("the cat"))
      found.emplace_back(each.word, each.score);
    INFO(isa);
    if (expected.empty()) expected = found;
    CHECK(found == expected);
  }
}

TEST_CASE("autocomplete says what it cannot complete", "[tasks][autocomplete][errors]") {
  const WritingModel folder("bert-gelu"), discriminator("electra-discriminator");
  const bert::Autocomplete autocomplete(folder.path());
  CHECK(error_of([&] { autocomplete(""); }) == "the text is empty");
  CHECK(error_of([&] { autocomplete("ba [MASK]"); }).find("the text holds a [MASK]") == 0);
  CHECK(error_of([&] { autocomplete(words(91, "ba")); }) == "nothing was thrown");
  CHECK(error_of([&] { autocomplete(words(92, "ba")); }).find("the text has 92 tokens and 3 more are wanted") == 0);
  CHECK(error_of([&] { autocomplete("ba", {.top_k = 0}); }) == "top_k, max_pieces and beam are 1 or more");
  CHECK(error_of([&] { bert::Autocomplete{discriminator.path()}; }).find("has no language-model head") !=
        std::string::npos);
}

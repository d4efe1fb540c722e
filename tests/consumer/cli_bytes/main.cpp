// Prints, with nothing but the installed headers, what `bert fill-mask --json`, `next-sentence --json` and `embed
// --json` print: arguments MODEL MASKED A B. run.sh compares the bytes.
#include <bert/bert.h>
#include <bert/io/safetensors_writer.h>

#include <cstdio>
#include <string>
#include <vector>

namespace {

std::string list(const std::vector<std::string>& items) {
  std::string out;
  for (const std::string& item : items) out += (out.empty() ? "" : ",") + item;
  return "[" + out + "]";
}

std::string json(const bert::MaskGuess& guess) {
  return bert::concat("{\"score\":", guess.score, ",\"token\":", guess.token,
                      ",\"token_str\":", bert::quote_json(guess.token_str),
                      ",\"sequence\":", bert::quote_json(guess.sequence), "}");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  const auto model = bert::TextModel::open(argv[1]);  // one copy of the weights for all three

  std::vector<std::string> guesses;
  for (const auto& guess : bert::FillMask(model)(argv[2])) guesses.push_back(json(guess));
  std::puts(list(guesses).c_str());

  const auto pair = bert::NextSentence(model)(argv[3], argv[4]);
  std::puts(bert::concat("{\"is_next\":", pair.is_next, ",\"not_next\":", pair.not_next, ",\"logits\":[",
                         pair.logits[0], ",", pair.logits[1], "]}")
                .c_str());

  std::vector<std::string> numbers;
  for (float x : bert::Embedder(model)(argv[3])) numbers.push_back(bert::concat(x));
  std::puts(list(numbers).c_str());
}

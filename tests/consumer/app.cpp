// What a user's program does: masks, next sentences and embeddings, printed to the last bit. The consumers build this
// same file in every way the library can be used; run.sh compares what they print.
#include <bert/bert.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <vector>

namespace {
std::uint32_t bits(float x) {
  std::uint32_t word;
  std::memcpy(&word, &x, sizeof word);
  return word;
}
}  // namespace

int main(int argc, char** argv) {
  const char* model = argc > 1 ? argv[1] : "examples/model/bert.safetensors";
  bert::FillMask fill_mask(model);
  for (const auto& guess : fill_mask("The capital of France is [MASK].")) {
    std::printf("%s %08x\n", guess.token_str.c_str(), bits(static_cast<float>(guess.score)));
  }
  bert::NextSentence next_sentence(model);
  std::printf("%08x\n", bits(static_cast<float>(next_sentence("It rained.", "The street is wet.").is_next)));
  bert::Embedder embed(model);
  const std::vector<float> vector = embed("A man is playing a guitar.");
  for (float x : vector) std::printf("%08x ", bits(x));
  std::printf("\n");
}

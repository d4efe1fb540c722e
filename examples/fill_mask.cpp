// Fills the blank in a sentence: the likeliest words for [MASK] and their probabilities.
#include <bert/bert.h>

#include <cstdio>

int main(int argc, char** argv) {
  const bert::FillMask fill_mask(argc > 1 ? argv[1] : "examples/model/bert.safetensors");
  for (const bert::MaskGuess& guess : fill_mask("The capital of France is [MASK]."))
    std::printf("%s %.4f\n", guess.token_str.c_str(), guess.score);
}

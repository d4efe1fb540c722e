// Asks whether one sentence follows another in a text: next_sentence [MODEL]
//
// BERT was trained on pairs of which half were neighbours; its second head tells them apart. A model is opened once
// and may then be used by many threads at the same time.
#include <bert/bert.h>

#include <cstdio>

int main(int argc, char** argv) try {
  const bert::NextSentence next_sentence(argc > 1 ? argv[1] : "examples/model/bert.safetensors");
  const char* const first = "The storm lasted all night.";
  const char* const candidates[] = {"In the morning the streets were full of fallen branches.",
                                    "Photosynthesis turns light into chemical energy."};
  for (const char* const second : candidates) {
    const auto score = next_sentence(first, second);  // is_next + not_next = 1
    std::printf("%.6f %.6f %s\n", score.is_next, score.not_next, second);
  }
} catch (const bert::Error& error) {  // everything that can go wrong: it says what, where and what to do
  std::fprintf(stderr, "error: %s\n", error.what());
  return 1;
}

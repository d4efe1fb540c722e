// Finds the names in a text: tag MODEL [TEXT]    e.g. one that `bert finetune --task tag` made
//
// A text of any length is read in windows that have 16 tokens in common; offsets count code points.
#include <bert/bert.h>

#include <cstdio>

int main(int argc, char** argv) try {
  if (argc < 2) throw bert::Error("usage: tag MODEL [TEXT]");
  const bert::Tagger tag(argv[1]);
  const std::string text = argc > 2 ? argv[2] : "Marie Curie was born in Warsaw and taught at the Sorbonne in Paris.";
  for (const bert::Entity& entity : tag(text, bert::Aggregation::first, 16))
    std::printf("%-6s %.4f  %u to %u  %s\n", entity.label.c_str(), entity.score, entity.start, entity.end,
                entity.word.c_str());
} catch (const bert::Error& error) {
  std::fprintf(stderr, "error: %s\n", error.what());
  return 1;
}

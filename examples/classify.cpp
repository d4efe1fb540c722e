// Says what kind of text each line is: classify MODEL [TEXT …]    e.g. one that `bert finetune --task classify` made
#include <bert/bert.h>

#include <cstdio>

int main(int argc, char** argv) try {
  if (argc < 2) throw bert::Error("usage: classify MODEL [TEXT …]");
  const bert::Classifier classify(argv[1]);
  const std::vector<std::string> texts =
      argc > 2 ? std::vector<std::string>(argv + 2, argv + argc)
               : std::vector<std::string>{"What a lovely film!", "I want my money back.", "It was on at eight."};
  for (const std::string& text : texts) {
    std::printf("%s\n", text.c_str());
    for (const auto& [label, score] : classify(text, 3)) std::printf("  %.4f  %s\n", score, label.c_str());
  }
} catch (const bert::Error& error) {
  std::fprintf(stderr, "error: %s\n", error.what());
  return 1;
}

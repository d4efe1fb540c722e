// Finds the answer to a question in a text: answer MODEL [QUESTION CONTEXT]    e.g. one that `bert finetune --task
// answer` made
#include <bert/bert.h>

#include <cstdio>

int main(int argc, char** argv) try {
  if (argc != 2 && argc != 4) throw bert::Error("usage: answer MODEL [QUESTION CONTEXT]");
  const bert::Answerer answer(argv[1]);
  const std::string question = argc > 2 ? argv[2] : "Where was she born?";
  const std::string context = argc > 3 ? argv[3] : "Marie Curie was born in Warsaw. She taught in Paris.";
  bert::AnswerOptions options;
  options.top_k = 3;
  for (const bert::Answer& each : answer(question, context, options))
    std::printf("%.4f  %u to %u  %s\n", each.score, each.start, each.end, each.answer.c_str());
} catch (const bert::Error& error) {
  std::fprintf(stderr, "error: %s\n", error.what());
  return 1;
}

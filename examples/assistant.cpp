// A small assistant: assistant ENCODER ANSWERS [INTENTS [ENTITIES]]
//
// It answers each line that it reads with the answer whose question means most nearly the same, and says when none is
// near. ANSWERS holds lines "question<tab>answer", ENCODER is a model of sentences. With a classifier of intents and a
// tagger of names it also says what is wanted and which names occur: what a program would act on.
#include <bert/bert.h>

#include <cstdio>
#include <fstream>
#include <iostream>
#include <optional>

namespace {

struct Answers {
  std::vector<std::string> questions, answers;

  explicit Answers(const std::string& path) {
    std::ifstream in(path);
    if (!in) throw bert::Error("cannot open \"" + path + "\"");
    for (std::string line; std::getline(in, line);) {
      const std::size_t tab = line.find('\t');
      if (tab == line.npos) throw bert::Error("\"" + path + "\" has a line without a tab: " + line);
      questions.push_back(line.substr(0, tab)), answers.push_back(line.substr(tab + 1));
    }
    if (questions.empty()) throw bert::Error("\"" + path + "\" holds no answers");
  }
};

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 3) throw bert::Error("usage: assistant ENCODER ANSWERS [INTENTS [ENTITIES]]");
  const bert::Embedder embed(argv[1]);
  const Answers known(argv[2]);
  bert::SearchIndex meanings(embed.dimension());
  for (const std::vector<float>& meaning : embed(known.questions)) meanings.add(meaning);
  std::optional<bert::Classifier> intents;
  std::optional<bert::Tagger> names;
  if (argc > 3) intents.emplace(argv[3]);
  if (argc > 4) names.emplace(argv[4]);

  for (std::string said; std::getline(std::cin, said);) try {
      if (said.empty()) continue;
      if (intents) std::printf("[intent: %s]\n", (*intents)(said)[0].label.c_str());
      if (names)
        for (const bert::Entity& entity : (*names)(said, bert::Aggregation::first))
          std::printf("[%s: %s]\n", entity.label.c_str(), entity.word.c_str());
      const bert::SearchHit nearest = meanings(embed(said), 1)[0];
      const char* const answer =
          nearest.score < 0.4f ? "I do not know that." : known.answers[nearest.corpus_id].c_str();
      std::printf("%s\n", answer);
      std::fflush(stdout);
    } catch (const bert::Error& error) {
      std::fprintf(stderr, "error: %s\n", error.what());  // of this line: a blank or a very long one
    }
} catch (const bert::Error& error) {
  std::fprintf(stderr, "error: %s\n", error.what());
  return 1;
}

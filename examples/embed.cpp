// Compares sentences by meaning: embed [MODEL]
//
// An Embedder turns a text into a vector of unit length, so that texts about the same thing point the same way. Many
// texts in one call run as one packed batch; each vector has the same bits as if its text had come alone.
#include <bert/bert.h>

#include <cstdio>

int main(int argc, char** argv) try {
  const bert::Embedder embed(argc > 1 ? argv[1] : "examples/model/bert.safetensors");
  const std::vector<std::string> sentences = {
      "A man is playing a guitar.",
      "Someone plays a musical instrument.",
      "The children are playing football in the park.",
      "The stock market fell sharply today.",
  };
  const std::vector<std::vector<float>> vectors = embed(sentences);
  std::printf("%zu sentences, %zu numbers each; cosine with \"%s\"\n", vectors.size(), embed.dimension(),
              sentences[0].c_str());
  for (std::size_t i = 0; i < sentences.size(); ++i)
    std::printf("%.4f %s\n", embed.cosine(vectors[0], vectors[i]), sentences[i].c_str());

  // Searching is the same, over any number of vectors made beforehand: the nearest ones, best first.
  bert::SearchIndex index(embed.dimension());
  for (const std::vector<float>& vector : vectors) index.add(vector);
  const std::string question = "Which sport do kids like?";
  std::printf("nearest to \"%s\"\n", question.c_str());
  for (const bert::SearchHit& hit : index(embed(question), 2))
    std::printf("%.4f %s\n", hit.score, sentences[hit.corpus_id].c_str());
} catch (const bert::Error& error) {
  std::fprintf(stderr, "error: %s\n", error.what());
  return 1;
}

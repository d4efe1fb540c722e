// bert similarity: the cosine of two texts' vectors. bert search: the texts of a corpus nearest to a query.
#include "embedding.h"

namespace bert::cli {
namespace {

struct SimilarityFlags {
  Common common;
  EmbeddingFlags embedding;
};

void run_similarity(const SimilarityFlags& flags) {
  Inputs inputs(flags.common);
  const Embedder embedder(open_model(flags.common), flags.embedding.options());
  Session session(flags.common.threads);
  Progress progress(flags.common);
  while (const auto pair = inputs.next_pair()) {
    const std::string texts[] = {pair->first, pair->second};
    const auto vectors = inputs.explain([&] { return embedder(session, texts); });
    const float cosine = embedder.cosine(vectors[0], vectors[1]);
    progress.step();
    print(flags.common.json ? json(cosine) : fixed(cosine, 4));
  }
}

struct SearchFlags {
  Common common;
  EmbeddingFlags embedding;
  std::string corpus;
  std::size_t top_k = 10;
};

constexpr std::size_t kQueriesAtOnce = 64;  // a block of vectors is read once for all of them

void print_hits(const SearchFlags& flags, const std::string& query, const std::vector<SearchHit>& hits,
                const std::vector<std::string>& corpus) {
  if (flags.common.json)
    return print(json_list(hits, [&](const SearchHit& hit) {
      return concat("{\"corpus_id\":", hit.corpus_id, ",\"score\":", json(hit.score),
                    ",\"text\":", json(corpus[hit.corpus_id]), "}");
    }));
  print_heading(flags.common, query);
  Table table("rrl");
  for (const SearchHit& hit : hits) table.row({fixed(hit.score, 4), concat(hit.corpus_id), corpus[hit.corpus_id]});
  table.print();
}

void run_search(const SearchFlags& flags) {
  Inputs queries(flags.common);
  Common corpus_input = flags.common;
  corpus_input.texts.clear();
  corpus_input.input = flags.corpus;
  Inputs corpus_lines(corpus_input);
  if (flags.corpus == "-" && !queries.count())
    throw UsageError("the corpus and the queries cannot both be read from stdin or lines: give the queries as texts");

  const Embedder embedder(open_model(flags.common), flags.embedding.options());
  Session session(flags.common.threads);
  Progress progress(flags.common);
  std::vector<std::string> corpus;
  SearchIndex index(embedder.dimension(), embedder.kernels());
  embed_stream(embedder, session, corpus_lines, [&](const std::string& text, TensorView<const float, 2> states) {
    corpus.push_back(text);
    index.add(embedder.pooled(states));
    progress.step();
  });
  std::vector<std::string> asked;
  std::vector<std::vector<float>> vectors;
  const auto look = [&] {
    const std::vector<std::string> some = std::exchange(asked, {});
    const auto hits = index(session, std::exchange(vectors, {}), flags.top_k);
    for (std::size_t i = 0; i < hits.size(); ++i) print_hits(flags, some[i], hits[i], corpus);
  };
  try {
    embed_stream(embedder, session, queries, [&](const std::string& query, TensorView<const float, 2> states) {
      asked.push_back(query), vectors.push_back(embedder.pooled(states));
      if (asked.size() == kQueriesAtOnce) look();
      progress.step();
    });
  } catch (const Error&) {
    look();  // those before
    throw;
  }
  look();
}

}  // namespace

void add_similarity(CLI::App& app) {
  const auto flags = std::make_shared<SimilarityFlags>();
  CLI::App& command = add_command(app, "similarity", "cosine of two texts' vectors", flags, run_similarity);
  add_texts(command, flags->common, "A B", "two texts; none: read pairs from stdin, one a line, with a tab between");
  add_embedding_flags(command, flags->embedding);
}

void add_search(CLI::App& app) {
  const auto flags = std::make_shared<SearchFlags>();
  CLI::App& command = add_command(app, "search", "the texts of a corpus nearest to each query", flags, run_search);
  add_texts(command, flags->common, "QUERY");
  add_embedding_flags(command, flags->embedding);
  command.add_option("--corpus", flags->corpus, "file of texts, one a line")->required();
  command.add_option("--top-k", flags->top_k, "how many for each query")->check(positive())->capture_default_str();
}

}  // namespace bert::cli

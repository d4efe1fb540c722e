// What `embed`, `similarity` and `search` share: the flags that say how a text becomes a vector.
#pragma once
#include <bert/tasks/embed.h>

#include "cli.h"

namespace bert::cli {

struct EmbeddingFlags {
  std::string pooling, prompt;
  std::size_t truncate_dim = 0;
  std::optional<std::size_t> layer;

  EmbedOptions options() const {
    return {.pooling = pooling == "none" ? "" : pooling,
            .normalize = std::nullopt,
            .prompt = prompt,
            .truncate_dim = truncate_dim,
            .layer = layer};
  }
};

inline void add_embedding_flags(CLI::App& command, EmbeddingFlags& flags, bool none_too = false) {
  std::vector<std::string> modes{"cls", "mean", "max", "last"};
  if (none_too) modes.push_back("none");
  command
      .add_option("--pooling", flags.pooling,
                  "how token states become one vector (default: as the model says, or mean)")
      ->check(CLI::IsMember(modes));
  command.add_option("--prompt", flags.prompt, "put before every text")->check(may_be_empty());
  command.add_option("--truncate-dim", flags.truncate_dim, "keep the first so many numbers")->check(positive());
  command.add_option("--layer", flags.layer, "states of this layer, 0 the embeddings (default: the last)")
      ->check(whole_number(0));
}

/// Vectors of inputs as they come: visit(text, states [S, dimension]) for each in order.
template <class Visit>
void embed_stream(const Embedder& embedder, Session& session, Inputs& inputs, const Visit& visit) {
  std::vector<std::string> texts;  // those that wait for their batch
  std::size_t visited = 0;
  const auto next = [&]() -> std::optional<Encoding> {
    std::optional<std::string> text = inputs.next();
    if (!text) return std::nullopt;
    std::optional<Encoding> encoding(inputs.explain([&] { return embedder.encode(*text); }));
    texts.push_back(std::move(*text));
    return encoding;
  };
  embedder.stream(session, next, [&](TensorView<const float, 2> states) {
    visit(texts[visited], states);
    texts[visited++] = std::string();
  });
}

}  // namespace bert::cli

// Where tests find files: the source tree, and the shared data folder beside it (absent on most machines).
#pragma once
#include <cstdio>
#include <cstdlib>
#include <filesystem>

namespace tests {

/// The checkout this test was built from, and where the build puts its programs (paths.cpp).
std::filesystem::path source_dir();
std::filesystem::path binary_dir();

/// The shared data folder: $BERT_SHARED_DIR, else ../shared beside the checkout; an empty path when there is none.
inline std::filesystem::path shared_dir() {
  const char* chosen = std::getenv("BERT_SHARED_DIR");
  const std::filesystem::path dir = chosen ? std::filesystem::path(chosen) : source_dir().parent_path() / "shared";
  return std::filesystem::is_directory(dir) ? dir : std::filesystem::path();
}

/// The converted MiniLM weights that tools/fetch_minilm.sh fetches; an empty path where it has not run. The Hugging
/// Face folder they came from is `model` beside the file.
inline std::filesystem::path minilm_file() {
  const std::filesystem::path file = source_dir() / "build/minilm/model.safetensors";
  return std::filesystem::exists(file) ? file : std::filesystem::path();
}

}  // namespace tests

/// Leaves the test with a word when the shared data folder is absent; `./dev check` counts these lines.
#define SKIP_WITHOUT_SHARED()                                                            \
  do {                                                                                   \
    if (tests::shared_dir().empty()) {                                                   \
      std::printf("skipped: no shared data folder beside the project (%s)\n", __FILE__); \
      return;                                                                            \
    }                                                                                    \
  } while (false)

/// The same for the real MiniLM weights, which come over the network.
#define SKIP_WITHOUT_MINILM()                                                                \
  do {                                                                                       \
    if (tests::minilm_file().empty()) {                                                      \
      std::printf("skipped: no MiniLM weights, run tools/fetch_minilm.sh (%s)\n", __FILE__); \
      return;                                                                                \
    }                                                                                        \
  } while (false)

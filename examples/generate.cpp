// Writes on from a text, word by word as it comes: generate MODEL [TEXT]    for GPT-2, Llama or XLNet
#include <bert/bert.h>

#include <cstdio>

int main(int argc, char** argv) try {
  if (argc < 2) throw bert::Error("usage: generate MODEL [TEXT]");
  const bert::Generator generate(argv[1]);
  const std::string prompt = argc > 2 ? argv[2] : "Once upon a time";
  bert::GenerationOptions options{.max_new_tokens = 60, .seed = 1};
  options.sampling = {.temperature = 0.8f, .top_p = 0.95f};

  std::printf("%s", prompt.c_str());
  std::size_t shown = 0;
  const auto watch = [&](std::size_t, const std::string& continuation) {
    if (continuation.size() <= shown) return;
    std::printf("%s", continuation.c_str() + shown);
    std::fflush(stdout);
    shown = continuation.size();
  };
  bert::Session session;
  generate(session, {&prompt, 1}, options, watch);
  std::printf("\n");
} catch (const bert::Error& error) {
  std::fprintf(stderr, "error: %s\n", error.what());
  return 1;
}

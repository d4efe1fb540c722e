// stories260K tells llama2.c's story from text to text: its tokenizer, the model, and decoding as it goes on.
#include <bert/tasks/generate.h>

#include "io/files.h"
#include "support/catch.h"
#include "support/paths.h"

#include <cstring>

using namespace bert;
using namespace tests;

TEST_CASE("stories260K goes on with llama2.c's story from its first words", "[tasks][trained]") {
  SKIP_WITHOUT_SHARED();
  const std::string page = read_file(shared_dir() / "data/models/stories260K/stories260K.md");
  const std::size_t command = page.find("-t 0.0\n");
  REQUIRE(command != page.npos);
  const std::size_t begin = command + std::strlen("-t 0.0\n");
  const std::string story = page.substr(begin, page.find("\n```", begin) - begin);
  const Generator generator(source_dir() / "build/trained/stories260K");
  Session session(1);
  for (const std::string prompt : {"Once upon a time", "Once upon a time, there was a little girl named Lily.", ""}) {
    std::string seen;
    const auto watch = [&](std::size_t, const std::string& continuation) {
      CHECK(continuation.starts_with(seen));  // what was shown stays
      seen = continuation;
    };
    const Generation told = generator(session, {&prompt, 1}, {.max_new_tokens = 200}, watch)[0];
    INFO(told.text);
    CHECK(told.text.size() > 400);
    CHECK(told.text == story.substr(0, told.text.size()));
    CHECK(seen == told.continuation);
  }
}

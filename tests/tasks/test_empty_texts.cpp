// Texts without a token are refused, whatever they are made of.
#include <bert/tasks/embed.h>
#include <bert/tasks/next_sentence.h>

#include "support/catch.h"
#include "support/paths.h"

namespace {

// Nothing, blanks, a zero-width joiner, control characters, a lone byte-order mark, a no-break space.
constexpr const char* empty_texts[] = {"", " \t\r\n", "\u200d", "\x01\x02\x7f", "\ufeff", "\u00a0 \u200d"};

template <class Call>
std::string said(const Call& call) {
  try {
    call();
  } catch (const bert::Error& error) {
    return error.what();
  }
  return "nothing";
}

}  // namespace

TEST_CASE("a text without tokens is refused, alone, in a pair and behind a prompt", "[tasks][empty]") {
  const auto model = bert::TextModel::open(tests::source_dir() / "examples/model/bert.safetensors");
  const bert::NextSentence next_sentence(model);
  bert::EmbedOptions with_prompt;
  with_prompt.prompt = "query: ";
  const bert::Embedder embed(model), prompted(model, with_prompt);
  for (const char* empty : empty_texts) {
    INFO(std::string(empty).size() << " bytes: " << empty);
    CHECK(model->is_empty(empty));
    CHECK(said([&] { model->encode(empty); }) == "the text is empty");
    CHECK(said([&] { model->encode(empty, "the cat"); }) == "a text of the pair is empty");
    CHECK(said([&] { model->encode("the cat", empty); }) == "a text of the pair is empty");
    CHECK(said([&] { next_sentence("the cat", empty); }) == "a text of the pair is empty");
    CHECK(said([&] { embed(empty); }) == "the text is empty");
    CHECK(said([&] { prompted(empty); }) == "the text is empty");
  }
  CHECK_FALSE(model->is_empty("\u200d."));
  CHECK(said([&] { prompted("the cat"), model->encode("a", "b"); }) == "nothing");
}

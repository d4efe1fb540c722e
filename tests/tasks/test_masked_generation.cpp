// MaskedGenerator: the methods against fill-mask done by hand, the same text whatever the batch, threads and
// instruction set, and what is said of prompts and models that do not do.
#include <bert/tasks/masked_generation.h>
#include <bert/tasks/next_sentence.h>

#include "support/catch.h"
#include "tasks/writing_models.h"

#include <set>

using namespace tests;

namespace {

using bert::MaskedGenerationOptions;
using bert::MaskedGenerator;
using bert::WritingMethod;

constexpr bert::SamplingOptions greedy = {.temperature = 0};

std::vector<std::string> texts_of(const MaskedGenerator& generator, const std::vector<std::string>& prompts,
                                  const MaskedGenerationOptions& options, int threads = 1) {
  bert::Session session(threads);
  std::vector<std::string> texts;
  for (const bert::GeneratedText& each : generator(session, prompts, options)) texts.push_back(each.text);
  return texts;
}

const std::vector<std::string> prompts = {"ba bb bc", "ca", "da db dc dd de df dg dh"};

}  // namespace

TEST_CASE("the same seed writes the same text in every batch, another seed another", "[tasks][generate]") {
  const WritingModel folder("bert-gelu");
  const auto model = folder.open();
  bert::TaskOptions small;
  small.max_tokens = 20;  // every prompt a batch of its own
  const MaskedGenerator generator(model), alone(folder.open(small));
  for (const WritingMethod method : bert::all_writing_methods) {
    MaskedGenerationOptions options = {.method = method, .max_new_tokens = 12};
    options.sweeps = 2, options.iterations = 4, options.candidates = 3, options.max_sentence_tokens = 5,
    options.seed = 7;
    INFO(bert::name_of(method));
    const std::vector<std::string> together = texts_of(generator, prompts, options);
    CHECK(texts_of(generator, prompts, options, 2) == together);
    CHECK(texts_of(alone, prompts, options) == together);
    for (std::size_t i = 0; i < prompts.size(); ++i) {
      CHECK(generator(prompts[i], options).text == together[i]);
      CHECK(together[i].starts_with(prompts[i] + " "));
      CHECK(std::count(together[i].begin(), together[i].end(), '[') == 0);  // nothing special, nothing unused
    }
    options.seed = 8;
    const std::vector<std::string> other = texts_of(generator, prompts, options);
    for (std::size_t i = 0; i < prompts.size(); ++i) CHECK(other[i] != together[i]);
  }
}

TEST_CASE("every instruction set and family writes the same text", "[tasks][generate][isa]") {
  std::vector<WritingModel> folders;
  for (const char* name : {"bert-gelu", "distilbert-mlm", "electra-mlm", "albert"}) folders.emplace_back(name);
  folders.push_back(WritingModel::roberta());
  for (const WritingModel& folder : folders) {
    std::vector<std::string> expected;
    for (const std::string_view isa : bert::kernels::runnable_isas()) {
      bert::TaskOptions task;
      task.isa = isa;
      const MaskedGenerator generator(folder.open(task));
      std::vector<std::string> written;
      for (const WritingMethod method : {WritingMethod::gibbs, WritingMethod::mask_predict}) {
        MaskedGenerationOptions options = {.method = method, .max_new_tokens = 8};
        options.sweeps = 1, options.iterations = 3;
        const bert::GeneratedText text = generator("the", options);
        CHECK(text.ids.size() == 8);
        written.push_back(text.text);
      }
      INFO(isa << ": " << written[0]);
      if (expected.empty()) expected = written;
      CHECK(written == expected);
    }
  }
}

TEST_CASE("greedy from left to right is fill-mask again and again", "[tasks][generate]") {
  const WritingModel folder("bert-gelu");
  const auto model = folder.open();
  MaskedGenerationOptions options = {.max_new_tokens = 10, .sampling = greedy};
  for (const std::size_t look_ahead : {0, 1, 3}) {
    options.look_ahead = look_ahead;
    std::string text = "ba bb bc";
    for (std::size_t place = 0; place < options.max_new_tokens; ++place) {
      std::string masked = text;
      for (std::size_t i = place; i < std::min(options.max_new_tokens, place + 1 + look_ahead); ++i)
        masked += " [MASK]";
      const std::string token = writable_guesses(model, masked)[0][0].token_str;
      text += (token == "." ? "" : " ") + token;
    }
    std::vector<std::string> seen;
    const std::string one[] = {"ba bb bc"};
    bert::Session session(1);
    const auto watch = [&](std::size_t, const std::string& so_far) { seen.push_back(so_far); };
    CHECK(MaskedGenerator(model)(session, one, options, watch)[0].text == text);
    REQUIRE(seen.size() == options.max_new_tokens);
    for (std::size_t i = 1; i < seen.size(); ++i) CHECK(seen[i].starts_with(seen[i - 1]));
    CHECK("ba bb bc" + seen.back() == text);
  }
}

TEST_CASE("one iteration of mask-predict fills every mask, further ones the least certain", "[tasks][generate]") {
  const WritingModel folder("bert-gelu");
  const auto model = folder.open();
  MaskedGenerationOptions options = {.method = WritingMethod::mask_predict, .max_new_tokens = 6, .sampling = greedy};
  options.iterations = 1, options.block = 6;
  const auto first =
      writable_guesses(model, "ba bb bc" + std::string(" [MASK]") + " [MASK] [MASK] [MASK] [MASK] [MASK]");
  const MaskedGenerator generator(model);
  const bert::GeneratedText once = generator("ba bb bc", options);
  std::vector<std::int32_t> ids;
  for (const auto& guesses : first) ids.push_back(guesses[0].token);
  CHECK(once.ids == ids);

  options.iterations = 2;  // the three least certain once more, given the others
  std::vector<std::size_t> order = {0, 1, 2, 3, 4, 5};
  std::sort(order.begin(), order.end(), [&](auto a, auto b) { return first[a][0].score < first[b][0].score; });
  std::vector<std::string> tokens;
  for (const auto& guesses : first) tokens.push_back(guesses[0].token_str);
  for (std::size_t i = 0; i < 3; ++i) tokens[order[i]] = "[MASK]";
  std::string text = "ba bb bc";
  for (const std::string& token : tokens) text += " " + token;
  std::sort(order.begin(), order.begin() + 3);
  const auto second = writable_guesses(model, text);
  for (std::size_t i = 0; i < 3; ++i) ids[order[i]] = second[i][0].token;
  CHECK(generator("ba bb bc", options).ids == ids);

  options.block = 3, options.look_ahead = 0;  // a block is written as if the text ended with it
  const std::vector<std::int32_t> blocks = generator("ba bb bc", options).ids;
  options.max_new_tokens = 3;
  const bert::GeneratedText begin = generator("ba bb bc", options);
  std::vector<std::int32_t> joined = begin.ids;
  for (const std::int32_t id : generator(begin.text, options).ids) joined.push_back(id);
  CHECK(blocks == joined);
}

TEST_CASE("gibbs draws each place given all others", "[tasks][generate]") {
  const WritingModel folder("bert-gelu");
  const auto model = folder.open();
  const MaskedGenerator generator(model);
  MaskedGenerationOptions options = {.method = WritingMethod::gibbs, .max_new_tokens = 2, .sampling = greedy};
  options.start_from_masks = true, options.sweeps = 1;
  const auto both = writable_guesses(model, "ba bb [MASK] [MASK]");
  // The one drawn first saw a mask beside it, the other its token; the seed decides which.
  std::vector<std::vector<std::int32_t>> orders(2);
  for (const std::size_t first : {0, 1}) {
    const std::string token = both[first][0].token_str;
    const auto rest = writable_guesses(model, first == 0 ? "ba bb " + token + " [MASK]" : "ba bb [MASK] " + token);
    orders[first] = {both[first][0].token, rest[0][0].token};
    if (first == 1) std::swap(orders[1][0], orders[1][1]);
  }
  REQUIRE(orders[0] != orders[1]);
  std::size_t seen[2] = {0, 0};
  for (options.seed = 0; options.seed < 20; ++options.seed) {
    const std::vector<std::int32_t> ids = generator("ba bb", options).ids;
    REQUIRE((ids == orders[0] || ids == orders[1]));
    ++seen[ids == orders[1]];
  }
  CHECK(seen[0] > 2);
  CHECK(seen[1] > 2);

  options = {.method = WritingMethod::gibbs, .max_new_tokens = 8};
  options.sweeps = 0;
  const std::string start = generator("ba bb", options).text;
  options.sweeps = 1;
  CHECK(generator("ba bb", options).text != start);
  options.method = WritingMethod::left_to_right;
  CHECK(generator("ba bb", options).text == start);
}

TEST_CASE("sentences are ranked as next-sentence scores them, and the best is written", "[tasks][generate]") {
  const WritingModel folder("bert-gelu");
  const auto model = folder.open();
  const MaskedGenerator generator(model);
  const bert::NextSentence next_sentence(model);
  const std::vector<std::string> sentences = {"ca cb.", "da", "ba bb bc bd.", "ca cb.", "a a a a"};
  bert::Session session(1);
  const std::vector<bert::RankedSentence> ranked = generator.rank(session, "ba bb", sentences);
  REQUIRE(ranked.size() == sentences.size());
  for (std::size_t i = 0; i < ranked.size(); ++i) {
    CHECK(ranked[i].score == next_sentence("ba bb", sentences[ranked[i].index]).is_next);
    if (i > 0) CHECK(ranked[i].score <= ranked[i - 1].score);
  }
  const auto place = [&](std::size_t index) {
    return std::find_if(ranked.begin(), ranked.end(), [&](const auto& each) { return each.index == index; });
  };
  CHECK(place(0) + 1 == place(3));  // equal ones keep their order

  // Of a text beyond the window the end counts: 96 tokens less three special ones and two of the sentence.
  const std::string end = words(91, "bb");
  CHECK(generator.rank(session, words(50, "ca") + " " + end, std::vector<std::string>{"da ."})[0].score ==
        next_sentence(end, "da .").is_next);
  CHECK(error_of([&] {
          generator.rank(session, "ba", std::vector<std::string>{"da", " "});
        }) == "sentence 2 of 2 is empty");
  CHECK(error_of([&] { generator.rank(session, " ", sentences); }) == "the text is empty");

  // One sentence of at most 6 tokens, chosen from several, is at least as likely to follow as the first of them.
  MaskedGenerationOptions options = {.method = WritingMethod::next_sentence, .max_new_tokens = 6};
  float gained = 0;
  for (options.seed = 0; options.seed < 10; ++options.seed) {
    options.candidates = 1;
    const float first = next_sentence("ba bb", generator("ba bb", options).continuation).is_next;
    options.candidates = 8;
    const float best = next_sentence("ba bb", generator("ba bb", options).continuation).is_next;
    CHECK(best >= first);
    gained += best - first;
  }
  CHECK(gained > 0);
}

TEST_CASE("no n-gram and no penalised token comes again", "[tasks][generate]") {
  const WritingModel folder("bert-gelu");
  const MaskedGenerator generator(folder.open());
  for (const WritingMethod method : {WritingMethod::left_to_right, WritingMethod::mask_predict}) {
    MaskedGenerationOptions options = {.method = method, .max_new_tokens = 40, .sampling = greedy};
    options.iterations = 1;
    const std::vector<std::int32_t> with = generator("ba bb", options).ids;
    CHECK(std::set<std::int32_t>(with.begin(), with.end()).size() < 40);
    options.sampling.no_repeat_ngram_size = 1;
    const std::vector<std::int32_t> without = generator("ba bb", options).ids;
    CHECK(std::set<std::int32_t>(without.begin(), without.end()).size() == 40);
  }
}

TEST_CASE("texts that cannot go on and models that cannot write say so", "[tasks][generate][errors]") {
  const WritingModel folder("bert-gelu");
  const auto model = folder.open();
  const MaskedGenerator generator(model);
  MaskedGenerationOptions options = {.max_new_tokens = 10};
  CHECK(error_of([&] { generator(" ", options); }) == "the text is empty");
  CHECK(error_of([&] { generator("ba [MASK] bb", options); }).find("the text holds a [MASK]: fill-mask fills it") == 0);
  CHECK(error_of([&] { generator(words(84, "ba"), options); }) ==
        "nothing was thrown");  // 96 in all, with [CLS] and [SEP]
  CHECK(error_of([&] { generator(words(85, "ba"), options); }) ==
        "the text has 85 tokens and 10 more are wanted, the model's window is 96: cut the text's beginning with "
        "--truncate, or ask for fewer");
  bert::TaskOptions cut;
  cut.truncate = true;
  const MaskedGenerator truncating(folder.open(cut));
  const std::string end = words(84, "ba"), whole = "ca cb " + end;
  const bert::GeneratedText text = truncating(whole, options);
  CHECK(text.text.starts_with(whole));
  CHECK(text.ids == generator(end, options).ids);  // its beginning was not looked at
  options.max_new_tokens = 95;
  CHECK(error_of([&] { truncating("ba", options); }).find("95 tokens more leave no room for a text") == 0);
  options.max_new_tokens = 0;
  CHECK(error_of([&] { generator("ba", options); }) == "max_new_tokens is 0: give 1 or more");
  options = {.sampling = {.temperature = -1}};
  CHECK(error_of([&] { generator("ba", options); }).find("temperature is -1") == 0);

  const WritingModel discriminator("electra-discriminator"), distilbert("distilbert-mlm");
  CHECK(error_of([&] {
          MaskedGenerator(discriminator.open());
        }).find("this model has no language-model head; it has replaced-token") != std::string::npos);
  CHECK(error_of([&] {
          MaskedGenerator(distilbert.open())("ba", {.method = WritingMethod::next_sentence});
        }).find("this model has no next-sentence head; it has language-model") != std::string::npos);
  std::vector<std::string> pieces = plain_words();
  pieces[4] = "zz";
  const WritingModel unmasked("bert-gelu", pieces);
  CHECK(error_of([&] { MaskedGenerator(unmasked.open()); }) == "the tokenizer has no mask token");
}

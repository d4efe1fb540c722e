// bert generate: texts that go on. Causal models write token by token, those with a masked-language-model head by
// filling masks.
#include <bert/tasks/autocomplete.h>
#include <bert/tasks/generate.h>
#include <bert/tasks/masked_generation.h>

#include <algorithm>

#include "cli.h"

namespace bert::cli {
namespace {

struct GenerateFlags {
  Common common;
  std::string method, start, sentences;
  std::vector<std::string> stop;
  std::optional<std::size_t> num_beams;
  std::optional<float> temperature, top_p, min_p, repetition_penalty;
  std::optional<std::size_t> max_new_tokens, top_k, no_repeat_ngram_size, look_ahead, sweeps, block, iterations,
      candidates, num_return_sequences;
  std::optional<std::string> ending;
  std::optional<std::uint64_t> seed;
};

constexpr const char* kDefaultMethod = "left-to-right";
constexpr const char* kAutocomplete = "autocomplete";

std::vector<std::string> method_names() {
  std::vector<std::string> names = {kAutocomplete};
  for (const WritingMethod method : all_writing_methods) names.emplace_back(name_of(method));
  return names;
}

/// A flag that was given and says something to some methods of filling masks only.
struct MethodFlag {
  const char* name;
  std::vector<std::string_view> methods;
};

std::vector<MethodFlag> method_flags(const GenerateFlags& flags) {
  std::vector<MethodFlag> all;
  const auto add = [&](bool given, const char* name, std::vector<std::string_view> methods) {
    if (given) all.push_back({name, std::move(methods)});
  };
  add(flags.look_ahead.has_value(), "--look-ahead", {"left-to-right", "gibbs", "mask-predict", "next-sentence"});
  add(flags.sweeps.has_value(), "--sweeps", {"gibbs"});
  add(!flags.start.empty(), "--start", {"gibbs"});
  add(flags.block.has_value(), "--block", {"mask-predict"});
  add(flags.iterations.has_value(), "--iterations", {"mask-predict"});
  add(flags.candidates.has_value(), "--candidates", {"next-sentence"});
  add(!flags.sentences.empty(), "--sentences", {"next-sentence"});
  add(flags.num_return_sequences.has_value(), "--num-return-sequences", {kAutocomplete});
  add(flags.ending.has_value(), "--ending", {kAutocomplete});
  return all;
}

void check_masked_flags(const GenerateFlags& flags) {
  if (flags.num_beams || !flags.stop.empty())
    throw UsageError(
        concat(flags.num_beams ? "--num-beams" : "--stop",
               " goes with models that continue a text (GPT-2, Llama, XLNet), not with one that fills masks"));
  for (const auto& [name, methods] : method_flags(flags)) {
    std::string all;
    for (const std::string_view method : methods) all += concat(all.empty() ? "" : " or ", method);
    if (std::find(methods.begin(), methods.end(), flags.method) == methods.end())
      throw UsageError(concat(name, " goes with --method ", all, ", not with ", flags.method));
  }
  const bool writes = flags.temperature || flags.top_k || flags.top_p || flags.min_p || flags.repetition_penalty ||
                      flags.no_repeat_ngram_size || flags.seed || flags.max_new_tokens;
  if (flags.method == kAutocomplete && writes)
    throw UsageError(
        "--method autocomplete looks for the likeliest words: only --num-return-sequences and --ending go with it");
  if (!flags.sentences.empty() && writes)
    throw UsageError("--sentences chooses among sentences that are there: flags of writing do not go with it");
}

MaskedGenerationOptions options_of(const GenerateFlags& flags) {
  MaskedGenerationOptions options;
  for (const WritingMethod method : all_writing_methods)
    if (flags.method == name_of(method)) options.method = method;
  const auto set = [](auto& option, const auto& flag) {
    if (flag) option = *flag;
  };
  set(options.sampling.temperature, flags.temperature), set(options.sampling.top_k, flags.top_k);
  set(options.sampling.top_p, flags.top_p), set(options.sampling.min_p, flags.min_p);
  set(options.sampling.repetition_penalty, flags.repetition_penalty);
  set(options.sampling.no_repeat_ngram_size, flags.no_repeat_ngram_size);
  set(options.max_new_tokens, flags.max_new_tokens), set(options.seed, flags.seed);
  set(options.look_ahead, flags.look_ahead), set(options.sweeps, flags.sweeps);
  set(options.block, flags.block), set(options.iterations, flags.iterations), set(options.candidates, flags.candidates);
  options.start_from_masks = flags.start == "masks";
  return options;
}

std::string generated_json(std::string_view text) { return concat("{\"generated_text\":", json(text), "}"); }

void complete(const GenerateFlags& flags, const std::shared_ptr<const TextModel>& model) {
  const Autocomplete autocomplete(model);
  Session session(flags.common.threads);
  Progress progress(flags.common);
  AutocompleteOptions options;
  options.top_k = flags.num_return_sequences.value_or(options.top_k);
  options.ending = flags.ending.value_or(options.ending);
  for_each_text(flags.common, [&](const std::string& text) {
    const std::vector<Completion> completions = autocomplete(session, text, options);
    progress.step();
    if (flags.common.json)
      return print(json_list(completions, [](const Completion& each) {
        return concat("{\"generated_text\":", json(each.text), ",\"word\":", json(each.word),
                      ",\"score\":", json(each.score), "}");
      }));
    print_heading(flags.common, text);
    Table table("lrl");
    for (const Completion& each : completions) table.row({each.word, fixed(each.score, 4), each.text});
    table.print();
  });
}

/// The line of --sentences that follows each text best.
void choose_sentence(const GenerateFlags& flags, const MaskedGenerator& generator) {
  std::vector<std::string> sentences;
  Lines file(flags.sentences);
  while (std::optional<std::string> line = file.next()) sentences.push_back(std::move(*line));
  Session session(flags.common.threads);
  Progress progress(flags.common);
  for_each_text(flags.common, [&](const std::string& text) {
    const RankedSentence best = generator.rank(session, text, sentences)[0];
    progress.step();
    const std::string whole = concat(text, text.ends_with(' ') ? "" : " ", sentences[best.index]);
    print(flags.common.json ? generated_json(whole) : whole);
  });
}

/// For people: a line that grows, a text and what follows it. Nothing is shown before something follows: a text that
/// cannot go on leaves no half line.
class GrowingLine {
 public:
  explicit GrowingLine(std::string_view text) : unseen_(text) {}
  /// What follows the text so far; of it what is not shown yet appears.
  void show(std::string_view continuation) {
    print_part(std::exchange(unseen_, {}));
    if (continuation.size() > shown_) print_part(continuation.substr(shown_));
    shown_ = std::max(shown_, continuation.size());
  }
  void end() { print(""); }

 private:
  std::string_view unseen_;
  std::size_t shown_ = 0;
};

/// The texts together, as many as `most` says of a cost each; write() gives what became of them, in order.
template <class Cost, class Write>
void write_lines(const Common& common, std::size_t most, const Cost& cost, const Write& write) {
  Progress progress(common);
  Inputs inputs(common);
  std::vector<std::string> waiting;
  std::size_t total = 0;
  const auto flush = [&] {
    if (waiting.empty()) return;
    for (const auto& written : write(std::exchange(waiting, {}))) {
      print(generated_json(written.text));
      progress.step();
    }
    total = 0;
  };
  try {
    while (std::optional<std::string> text = inputs.next()) {
      const std::size_t more = inputs.explain([&] { return cost(*text); });
      if (total + more > most) flush();
      waiting.push_back(std::move(*text)), total += more;
    }
  } catch (const Error&) {  // those before it are written first
    flush();
    throw;
  }
  flush();
}

void write_masked(const GenerateFlags& flags, const MaskedGenerator& generator,
                  const MaskedGenerationOptions& options) {
  Session session(flags.common.threads);
  if (flags.common.json)
    return write_lines(
        flags.common, flags.common.max_tokens, [&](const std::string& text) { return generator.tokens(text, options); },
        [&](const std::vector<std::string>& texts) { return generator(session, texts, options); });
  const bool as_it_goes =
      options.method == WritingMethod::left_to_right || options.method == WritingMethod::next_sentence;
  for_each_text(flags.common, [&](const std::string& text) {
    GrowingLine line(text);
    const auto watch = [&](std::size_t, const std::string& continuation) {
      if (as_it_goes) line.show(continuation);
    };
    line.show(generator(session, {&text, 1}, options, watch)[0].continuation);
    line.end();
  });
}

void fill_masks(GenerateFlags flags, const std::shared_ptr<const TextModel>& model) {
  if (flags.method.empty()) flags.method = kDefaultMethod;
  check_masked_flags(flags);
  const MaskedGenerationOptions options = options_of(flags);
  if (flags.method == kAutocomplete) return complete(flags, model);
  const MaskedGenerator generator(model);
  if (options.method == WritingMethod::next_sentence) model->require(Head::next_sentence);
  if (!flags.sentences.empty()) return choose_sentence(flags, generator);
  write_masked(flags, generator, options);
}

GenerationOptions causal_options(const GenerateFlags& flags) {
  if (!flags.method.empty() || !method_flags(flags).empty())
    throw UsageError(
        "this model continues a text token by token: --method and its flags are for models that fill masks");
  GenerationOptions options;
  const bool samples = flags.top_k || flags.top_p || flags.min_p;
  options.sampling.temperature = flags.temperature.value_or(samples ? 1.0f : 0.0f);
  options.sampling.top_k = flags.top_k.value_or(0), options.sampling.top_p = flags.top_p.value_or(1);
  options.sampling.min_p = flags.min_p.value_or(0);
  options.sampling.repetition_penalty = flags.repetition_penalty.value_or(1);
  options.sampling.no_repeat_ngram_size = flags.no_repeat_ngram_size.value_or(0);
  options.max_new_tokens = flags.max_new_tokens.value_or(options.max_new_tokens);
  options.seed = flags.seed.value_or(0), options.num_beams = flags.num_beams.value_or(1), options.stop = flags.stop;
  return options;
}

/// Most prompts that are written side by side, each with a cache.
constexpr std::size_t kPromptsAtOnce = 16;

void write_causal(const GenerateFlags& flags, const std::shared_ptr<const TextModel>& model) {
  const GenerationOptions options = causal_options(flags);
  const Generator generator(model);
  Session session(flags.common.threads);
  if (flags.common.json)
    return write_lines(
        flags.common, kPromptsAtOnce, [&](const std::string& text) { return generator.tokens(text), std::size_t{1}; },
        [&](const std::vector<std::string>& texts) { return generator(session, texts, options); });
  for_each_text(flags.common, [&](const std::string& text) {
    GrowingLine line(text);
    const auto watch = [&](std::size_t, const std::string& continuation) {
      if (options.stop.empty()) line.show(continuation);  // else a part of a stop text may be at its end
    };
    line.show(generator(session, {&text, 1}, options, watch)[0].continuation);
    line.end();
  });
}

void run(const GenerateFlags& flags) {
  const auto model = open_model(flags.common);
  model->model->continues() ? write_causal(flags, model) : fill_masks(flags, model);
}

void add_sampling(CLI::App& command, GenerateFlags& flags) {
  const auto from_0_to_1 = CLI::Range(0.0, 1.0);
  command
      .add_option("--temperature", flags.temperature,
                  "logits are divided by it; 0: the likeliest token (filling masks or drawing 1, else 0)")
      ->check(CLI::NonNegativeNumber);
  command.add_option("--top-k", flags.top_k, "draw from the k likeliest tokens; 0: all (filling masks 50, else 0)")
      ->check(whole_number(0));
  command.add_option("--top-p", flags.top_p, "draw from the likeliest that together reach p (1)")->check(from_0_to_1);
  command.add_option("--min-p", flags.min_p, "draw from those with at least p times the likeliest's probability (0)")
      ->check(from_0_to_1);
  command.add_option("--repetition-penalty", flags.repetition_penalty, "above 1: fewer tokens come again (1)")
      ->check(CLI::PositiveNumber);
  command
      .add_option("--no-repeat-ngram-size", flags.no_repeat_ngram_size,
                  "no n tokens in a row come twice (filling masks 3, else 0: they may)")
      ->check(whole_number(0));
  command.add_option("--seed", flags.seed, "another seed, another text (0)")->check(whole_number(0));
}

}  // namespace

void add_generate(CLI::App& app) {
  const auto flags = std::make_shared<GenerateFlags>();
  CLI::App& command = add_command(app, "generate", "texts that go on", flags, run);
  add_texts(command, flags->common);
  command.add_option("--method", flags->method, "how masks are filled, where the model is not causal (left-to-right)")
      ->check(CLI::IsMember(method_names()));
  command.add_option("--num-beams", flags->num_beams, "causal models: beam search with so many (1)")->check(positive());
  command.add_option("--stop", flags->stop, "causal models: a text that ends what is written; may be given again")
      ->allow_extra_args(false);
  command.add_option("--max-new-tokens", flags->max_new_tokens, "how many tokens follow (40)")->check(positive());
  add_sampling(command, *flags);
  command.add_option("--look-ahead", flags->look_ahead, "masks behind the one or the block that is filled (4)")
      ->check(whole_number(0));
  command.add_option("--sweeps", flags->sweeps, "gibbs: how often each place is drawn again (5)")
      ->check(whole_number(0));
  command.add_option("--start", flags->start, "gibbs: what it begins with (left-to-right)")
      ->check(CLI::IsMember({"left-to-right", "masks"}));
  command.add_option("--block", flags->block, "mask-predict: places that are filled together (12)")->check(positive());
  command.add_option("--iterations", flags->iterations, "mask-predict: how often each block is filled (6)")
      ->check(positive());
  command.add_option("--candidates", flags->candidates, "next-sentence: sentences to choose from (4)")
      ->check(positive());
  command.add_option("--sentences", flags->sentences, "next-sentence: choose a line of this file");
  command.add_option("--num-return-sequences", flags->num_return_sequences, "autocomplete: how many words (5)")
      ->check(positive());
  command.add_option("--ending", flags->ending, "autocomplete: what stands behind the word (.)")->check(may_be_empty());
}

}  // namespace bert::cli

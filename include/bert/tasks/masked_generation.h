// MaskedGenerator: texts that go on, written by a masked language model (BERT, RoBERTa, ALBERT, …). Four methods:
//
//   left_to_right   the leftmost of a block of masks is filled, the block moves on
//   gibbs           every place is drawn again, given all others, in a random order (Wang and Cho 2019, section 3.1)
//   mask_predict    all masks of a block are filled at once; the least certain are masked again, fewer each time
//                   (Ghazvininejad et al. 2019, section 3.2; there the block is the whole text)
//   next_sentence   several sentences from left to right; the next-sentence head chooses one (NSP; Devlin et al. 2019)
//
// A draw is a function of (seed, sweep, place, variant): the same whatever the batch, threads and instruction set. To
// add a method: a name here and in name_of(), and a member function beside left_to_right() that fills Drafts.
#pragma once
#include <bert/tasks/masked_text.h>
#include <bert/tasks/next_sentence.h>
#include <bert/tasks/sampling.h>

#include <functional>

namespace bert::inline BERT_ABI {

enum class WritingMethod { left_to_right, gibbs, mask_predict, next_sentence };
inline constexpr WritingMethod all_writing_methods[] = {WritingMethod::left_to_right, WritingMethod::gibbs,
                                                        WritingMethod::mask_predict, WritingMethod::next_sentence};
/// "left-to-right", "gibbs", …
std::string_view name_of(WritingMethod method);

struct MaskedGenerationOptions {
  WritingMethod method = WritingMethod::left_to_right;
  std::size_t max_new_tokens = 40;
  SamplingOptions sampling = {.top_k = 50, .no_repeat_ngram_size = 3};
  std::uint64_t seed = 0;
  std::size_t look_ahead = 4;            ///< left_to_right, mask_predict: masks behind those that are filled
  std::size_t sweeps = 5;                ///< gibbs: how often each place is drawn again
  bool start_from_masks = false;         ///< gibbs: not from what left_to_right writes
  std::size_t block = 12;                ///< mask_predict: how many places at once, block after block
  std::size_t iterations = 6;            ///< mask_predict: how often each block is filled
  std::size_t candidates = 4;            ///< next_sentence: how many to choose from
  std::size_t max_sentence_tokens = 30;  ///< next_sentence: a sentence ends here at the latest
};

struct GeneratedText {
  std::string text;               ///< the prompt as given, and what follows it
  std::string continuation;       ///< what follows, with the space before it
  std::vector<std::int32_t> ids;  ///< of the continuation
};

/// A sentence that may follow, as NextSentence sees it.
struct RankedSentence {
  std::size_t index;  ///< in the list of candidates
  float score;        ///< probability that it follows
};

class MaskedGenerator {
 public:
  /// Called with a prompt's number and what follows it so far, each time a token has joined it.
  using Watch = std::function<void(std::size_t prompt, const std::string& continuation)>;

  explicit MaskedGenerator(const std::filesystem::path& model, const TaskOptions& options = {});
  explicit MaskedGenerator(std::shared_ptr<const TextModel> model);

  /// Continues texts; they run together in packed batches and each gives what it gives alone. Throws Error for options
  /// out of range, a text that is empty, holds a mask or leaves no room in the window (options.truncate: its beginning
  /// is not looked at), and next_sentence without that head.
  GeneratedText operator()(std::string_view prompt, const MaskedGenerationOptions& options = {}) const;
  std::vector<GeneratedText> operator()(Session& session, std::span<const std::string> prompts,
                                        const MaskedGenerationOptions& options = {}, const Watch& watch = {}) const;

  /// Tokens that the model sees for this prompt, those to come among them. Throws Error as a run would.
  std::size_t tokens(std::string_view prompt, const MaskedGenerationOptions& options) const {
    return masked_.wrapped(masked_.prompt(prompt, options.max_new_tokens)).size() + options.max_new_tokens;
  }

  /// Which of the sentences follows the text, best first, of equal ones the earlier. Of a text beyond the window the
  /// end is looked at. Throws Error without a next-sentence head and for an empty text or sentence.
  std::vector<RankedSentence> rank(Session& session, std::string_view text,
                                   std::span<const std::string> sentences) const;

 private:
  /// A prompt and the places behind it, masks until they are filled.
  struct Draft {
    std::size_t number;                // of its prompt
    std::uint32_t variant;             // tells drafts of one prompt apart
    std::vector<std::int32_t> prompt;  // ids that stay as they are
    std::vector<std::int32_t> places;  // what is written
    std::vector<float> certainty;      // of places: log p; mask_predict only
  };
  struct Run {
    Session& session;
    const MaskedGenerationOptions& options;
    const Watch& watch;
    Sampler sampler;
  };

  void left_to_right(Run& run, std::span<Draft> drafts, bool one_sentence) const;
  void gibbs(Run& run, std::span<Draft> drafts) const;
  void mask_predict(Run& run, std::span<Draft> drafts) const;
  void refine(Run& run, std::span<Draft> drafts, std::size_t first, std::size_t end, std::size_t t) const;
  void next_sentence(Run& run, std::span<Draft> drafts) const;
  void add_best_sentence(Run& run, Draft& draft) const;

  MaskedText::Query query(const Draft& draft, std::size_t visible, std::vector<std::size_t> places) const;
  std::int32_t draw(Run& run, const Draft& draft, std::size_t place, std::size_t sweep, std::span<float> logits) const;
  void watch(const Run& run, const Draft& draft, std::size_t written) const;
  bool ends_sentence(std::int32_t id) const;
  static void check(const MaskedGenerationOptions& options);

  MaskedText masked_;
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <algorithm>
#include <numeric>

namespace bert::inline BERT_ABI {

BERT_INLINE std::string_view name_of(WritingMethod method) {
  switch (method) {
    case WritingMethod::left_to_right:
      return "left-to-right";
    case WritingMethod::gibbs:
      return "gibbs";
    case WritingMethod::mask_predict:
      return "mask-predict";
    case WritingMethod::next_sentence:
      return "next-sentence";
  }
  return "";
}

BERT_INLINE MaskedGenerator::MaskedGenerator(const std::filesystem::path& model, const TaskOptions& options)
    : MaskedGenerator(TextModel::open(model, options)) {}

BERT_INLINE MaskedGenerator::MaskedGenerator(std::shared_ptr<const TextModel> model) : masked_(std::move(model)) {}

BERT_INLINE GeneratedText MaskedGenerator::operator()(std::string_view prompt,
                                                      const MaskedGenerationOptions& options) const {
  Session session(masked_.model().options.threads);
  const std::string prompts[] = {std::string(prompt)};
  return std::move((*this)(session, prompts, options)[0]);
}

BERT_INLINE std::vector<GeneratedText> MaskedGenerator::operator()(Session& session,
                                                                   std::span<const std::string> prompts,
                                                                   const MaskedGenerationOptions& options,
                                                                   const Watch& watch) const {
  const FloatEnvironment environment;
  check(options);
  if (options.method == WritingMethod::next_sentence) masked_.model().require(Head::next_sentence);
  std::vector<Draft> drafts;
  for (const std::string& prompt : prompts)
    drafts.push_back({drafts.size(),
                      0,
                      masked_.prompt(prompt, options.max_new_tokens),
                      std::vector<std::int32_t>(options.max_new_tokens, masked_.mask()),
                      {}});
  Run run{session, options, watch, Sampler(options.sampling, masked_.model().kernels())};
  switch (options.method) {
    case WritingMethod::left_to_right:
      left_to_right(run, drafts, false);
      break;
    case WritingMethod::gibbs:
      gibbs(run, drafts);
      break;
    case WritingMethod::mask_predict:
      mask_predict(run, drafts);
      break;
    case WritingMethod::next_sentence:
      next_sentence(run, drafts);
      break;
  }
  std::vector<GeneratedText> texts;
  for (Draft& draft : drafts) {
    std::string continuation = masked_.model().continuation(draft.prompt, draft.places);
    std::string_view prompt = prompts[draft.number];
    while (continuation.starts_with(' ') && prompt.ends_with(' ')) prompt.remove_suffix(1);
    std::string text = concat(prompt, continuation);
    texts.push_back({std::move(text), std::move(continuation), std::move(draft.places)});
  }
  return texts;
}

BERT_INLINE void MaskedGenerator::check(const MaskedGenerationOptions& options) {
  const auto positive = [](std::size_t value, const char* name) {
    if (value == 0) fail(name, " is 0: give 1 or more");
  };
  positive(options.max_new_tokens, "max_new_tokens");
  positive(options.block, "block");
  positive(options.iterations, "iterations");
  positive(options.candidates, "candidates");
  positive(options.max_sentence_tokens, "max_sentence_tokens");
}

/// The first `visible` places of a draft behind its prompt, asked for at `places` of them.
BERT_INLINE MaskedText::Query MaskedGenerator::query(const Draft& draft, std::size_t visible,
                                                     std::vector<std::size_t> places) const {
  std::vector<std::int32_t> ids = draft.prompt;
  ids.insert(ids.end(), draft.places.begin(), draft.places.begin() + static_cast<std::ptrdiff_t>(visible));
  for (std::size_t& place : places) place += masked_.before() + draft.prompt.size();
  return {masked_.wrapped(ids), std::move(places)};
}

/// Draws a place's token. What is written counts as previous, ending with what stands on the left: n-grams end there.
BERT_INLINE std::int32_t MaskedGenerator::draw(Run& run, const Draft& draft, std::size_t place, std::size_t sweep,
                                               std::span<float> logits) const {
  std::vector<std::int32_t> previous(draft.places.begin() + static_cast<std::ptrdiff_t>(place) + 1, draft.places.end());
  previous.insert(previous.end(), draft.prompt.begin(), draft.prompt.end());
  previous.insert(previous.end(), draft.places.begin(), draft.places.begin() + static_cast<std::ptrdiff_t>(place));
  std::erase(previous, masked_.mask());
  constexpr std::uint32_t most_places = 1u << 20;
  RandomStream random(Philox(run.options.seed), static_cast<std::uint32_t>(sweep), RandomSite::sampling,
                      static_cast<std::uint32_t>(place) + draft.variant * most_places);
  return run.sampler.pick(logits, previous, random);
}

BERT_INLINE void MaskedGenerator::watch(const Run& run, const Draft& draft, std::size_t written) const {
  if (run.watch)
    run.watch(draft.number, masked_.model().continuation(draft.prompt, std::span(draft.places).first(written)));
}

/// Fills the masks of each draft in order. With one_sentence a draft ends with its sentence.
BERT_INLINE void MaskedGenerator::left_to_right(Run& run, std::span<Draft> drafts, bool one_sentence) const {
  std::vector<Draft*> open;
  for (Draft& draft : drafts) open.push_back(&draft);
  for (std::size_t place = 0; !open.empty(); ++place) {
    const auto is_done = [&](Draft* draft) {
      const bool ended = one_sentence && place > 0 && ends_sentence(draft->places[place - 1]);
      if (ended) draft->places.resize(place);
      return ended || place == draft->places.size();
    };
    open.erase(std::remove_if(open.begin(), open.end(), is_done), open.end());
    std::vector<MaskedText::Query> queries;
    for (const Draft* draft : open)
      queries.push_back(query(*draft, std::min(draft->places.size(), place + 1 + run.options.look_ahead), {place}));
    masked_.run(run.session, queries, [&](std::size_t q, std::size_t, std::span<float> logits) {
      open[q]->places[place] = draw(run, *open[q], place, 0, logits);
      if (!one_sentence) watch(run, *open[q], place + 1);
    });
  }
}

BERT_INLINE void MaskedGenerator::gibbs(Run& run, std::span<Draft> drafts) const {
  if (!run.options.start_from_masks) left_to_right(run, drafts, false);
  std::vector<std::size_t> order(run.options.max_new_tokens);
  for (std::size_t sweep = 1; sweep <= run.options.sweeps; ++sweep) {
    std::iota(order.begin(), order.end(), std::size_t{0});
    RandomStream random(Philox(run.options.seed), static_cast<std::uint32_t>(sweep), RandomSite::order, 0);
    shuffle(order.begin(), order.size(), random);
    for (const std::size_t place : order) {
      std::vector<MaskedText::Query> queries;
      for (Draft& draft : drafts) {
        draft.places[place] = masked_.mask();
        queries.push_back(query(draft, draft.places.size(), {place}));
      }
      masked_.run(run.session, queries, [&](std::size_t q, std::size_t, std::span<float> logits) {
        drafts[q].places[place] = draw(run, drafts[q], place, sweep, logits);
      });
    }
    for (const Draft& draft : drafts) watch(run, draft, draft.places.size());
  }
}

BERT_INLINE void MaskedGenerator::mask_predict(Run& run, std::span<Draft> drafts) const {
  const std::size_t places = run.options.max_new_tokens;
  for (Draft& draft : drafts) draft.certainty.assign(places, 0);
  for (std::size_t first = 0, end = 0; first < places; first = end) {
    end = std::min(places, first + run.options.block);
    for (std::size_t t = 0; t < run.options.iterations; ++t) refine(run, drafts, first, end, t);
  }
}

/// Iteration t on the places [first, end): fills as many of the least certain as equation 4 of the paper says.
BERT_INLINE void MaskedGenerator::refine(Run& run, std::span<Draft> drafts, std::size_t first, std::size_t end,
                                         std::size_t t) const {
  const std::size_t masks = (end - first) * (run.options.iterations - t) / run.options.iterations;
  std::vector<MaskedText::Query> queries;
  std::vector<std::vector<std::size_t>> masked;  // of each draft, ascending
  for (Draft& draft : drafts) {
    std::vector<std::size_t>& chosen = masked.emplace_back(end - first);
    std::iota(chosen.begin(), chosen.end(), first);
    std::stable_sort(chosen.begin(), chosen.end(),
                     [&](std::size_t a, std::size_t b) { return draft.certainty[a] < draft.certainty[b]; });
    chosen.resize(masks);
    std::sort(chosen.begin(), chosen.end());
    for (const std::size_t place : chosen) draft.places[place] = masked_.mask();
    queries.push_back(query(draft, std::min(draft.places.size(), end + run.options.look_ahead), chosen));
  }
  if (masks == 0) return;
  masked_.run(run.session, queries, [&](std::size_t q, std::size_t n, std::span<float> logits) {
    Draft& draft = drafts[q];
    const std::size_t place = masked[q][n];
    const std::int32_t id = draft.places[place] = draw(run, draft, place, t, logits);
    const float own = logits[static_cast<std::size_t>(id)];
    float log_sum = 0;
    masked_.model().kernels().softmax({logits.data(), logits.size(), &log_sum});
    draft.certainty[place] = own - log_sum;
  });
  for (const Draft& draft : drafts) watch(run, draft, end);
}

BERT_INLINE void MaskedGenerator::next_sentence(Run& run, std::span<Draft> drafts) const {
  for (Draft& draft : drafts) {
    draft.places.clear();
    while (draft.places.size() < run.options.max_new_tokens) {
      add_best_sentence(run, draft);
      watch(run, draft, draft.places.size());
    }
  }
}

/// Writes the candidates together, and appends the one that the next-sentence head likes best to the draft.
BERT_INLINE void MaskedGenerator::add_best_sentence(Run& run, Draft& draft) const {
  const std::size_t written = draft.places.size();
  const std::size_t room = std::min(run.options.max_new_tokens - written, run.options.max_sentence_tokens);
  Draft begin = draft;
  begin.prompt.insert(begin.prompt.end(), draft.places.begin(), draft.places.end());
  begin.places.assign(room, masked_.mask());
  std::vector<Draft> drafts(run.options.candidates, begin);
  for (std::size_t i = 0; i < drafts.size(); ++i)  // a variant of its own for each sentence's place, too
    drafts[i].variant = static_cast<std::uint32_t>(written * run.options.candidates + i);
  left_to_right(run, drafts, true);
  std::vector<std::string> sentences;
  std::vector<std::size_t> numbers;  // of their drafts; one of nothing but marks is no sentence
  for (std::size_t i = 0; i < drafts.size(); ++i) {
    std::string sentence = masked_.model().continuation(drafts[i].prompt, drafts[i].places);
    if (masked_.model().is_empty(sentence)) continue;
    sentences.push_back(std::move(sentence)), numbers.push_back(i);
  }
  std::size_t best = 0;
  if (!sentences.empty())
    best = numbers[rank(run.session, masked_.model().tokenizer.decode(begin.prompt), sentences)[0].index];
  draft.places.insert(draft.places.end(), drafts[best].places.begin(), drafts[best].places.end());
}

BERT_INLINE std::vector<RankedSentence> MaskedGenerator::rank(Session& session, std::string_view text,
                                                              std::span<const std::string> sentences) const {
  const FloatEnvironment environment;
  const TextModel& model = masked_.model();
  model.require(Head::next_sentence);
  const std::vector<std::int32_t> ids = model.tokenizer.encode(text, {.add_special_tokens = false}).ids;
  const std::size_t window = model.model->config().window();
  std::vector<Encoding> pairs;
  for (const std::string& sentence : sentences) {
    if (model.is_empty(sentence)) fail("sentence ", pairs.size() + 1, " of ", sentences.size(), " is empty");
    Encoding pair = model.tokenizer.encode(text, sentence);
    if (pair.ids.size() > window) {  // of the text only the end that fits
      const std::size_t others = pair.ids.size() - ids.size();
      if (others >= window) fail("sentence ", pairs.size() + 1, " has ", others, " tokens, the window is ", window);
      const auto first_text = static_cast<std::ptrdiff_t>(masked_.before());
      const auto end = first_text + static_cast<std::ptrdiff_t>(pair.ids.size() - window);
      pair.ids.erase(pair.ids.begin() + first_text, pair.ids.begin() + end);
      pair.type_ids.erase(pair.type_ids.begin() + first_text, pair.type_ids.begin() + end);
    }
    pairs.push_back(std::move(pair));
  }
  if (ids.empty()) fail("the text is empty");
  std::vector<RankedSentence> ranked;
  run_packed(model.options.max_tokens, std::span<const Encoding>(pairs), [&](const PackedBatch& batch) {
    const auto output = model.model->forward(session, batch);
    for (std::size_t b = 0; b < batch.sequences(); ++b)
      ranked.push_back(
          {ranked.size(), next_sentence_score(model.kernels(), output.seq_relationship_logits.row(b)).is_next});
  });
  keep_best(ranked, ranked.size());
  return ranked;
}

BERT_INLINE bool MaskedGenerator::ends_sentence(std::int32_t id) const {
  const std::string text = masked_.model().tokenizer.decode({&id, 1});
  const std::size_t at = text.find_first_not_of(' ');
  return at + 1 == text.size() && std::string_view(".!?").find(text[at]) != std::string_view::npos;
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

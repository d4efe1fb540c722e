// Generator: texts that go on, written by a causal model (GPT-2, Llama) or by XLNet: greedily, by sampling or by beam
// search, several prompts at once.
//
// What is written depends on the prompt, the options and the seed only: not on the other prompts of the batch, the
// threads or the instruction set. Models with masks write by masked_generation.h.
#pragma once
#include <bert/tasks/beam_search.h>
#include <bert/tasks/sampling.h>
#include <bert/tasks/text_model.h>
#include <bert/tokenizers/stream_decoder.h>

#include <functional>

namespace bert::inline BERT_ABI {

struct GenerationOptions {
  std::size_t max_new_tokens = 40;             ///< at most, and at most to the model's window
  SamplingOptions sampling{.temperature = 0};  ///< temperature 0: the likeliest token every time
  std::uint64_t seed = 0;
  std::size_t num_beams = 1;           ///< above 1: beam search, which looks at temperature 0 only
  std::vector<std::string> stop = {};  ///< texts that end a continuation, which ends before them
};

struct Generation {
  std::string text;               ///< the prompt and what follows
  std::string continuation;       ///< what follows
  std::vector<std::int32_t> ids;  ///< of what follows, the one that ended it included
  bool ended = false;             ///< by a token or text that ends; else there was no more room
};

class Generator {
 public:
  explicit Generator(const std::filesystem::path& model, const TaskOptions& options = {});
  explicit Generator(std::shared_ptr<const TextModel> model);

  /// Called after every token of a prompt with its number and what follows it so far, whole characters only.
  using Watch = std::function<void(std::size_t prompt, const std::string& continuation)>;

  /// What follows each of the prompts. An empty prompt begins with the model's beginning-of-text token. Throws Error
  /// for options out of range, a prompt that leaves no room in the window, an empty one without such a token.
  std::vector<Generation> operator()(Session& session, std::span<const std::string> prompts,
                                     const GenerationOptions& options = {}, const Watch& watch = {}) const;

  /// Tokens that a prompt has.
  std::size_t tokens(std::string_view prompt) const { return encode(prompt).size(); }

 private:
  struct Text;
  std::vector<std::int32_t> encode(std::string_view prompt) const;
  void write(CausalSteps& steps, std::span<Text> texts, const GenerationOptions& options, const Watch& watch) const;
  void search(CausalSteps& steps, Text& text, const GenerationOptions& options) const;
  bool is_end(std::int32_t id) const;
  void update(Text& text, const GenerationOptions& options) const;

  std::shared_ptr<const TextModel> model_;
  std::vector<std::int32_t> ends_;     // ids that end a text
  std::optional<std::int32_t> begin_;  // of a text
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <algorithm>

namespace bert::inline BERT_ABI {

struct Generator::Text {
  GrowingSequence sequence;
  std::size_t prompt = 0, most = 0;  // tokens of the prompt, and at most of all
  StreamDecoder decoder;
  std::string decoded = {};             // by the decoder, of the prompt and what follows
  std::size_t read = 0, continues = 0;  // tokens that were given to the decoder; bytes of the prompt's text
  Generation written = {};
  bool done = false;
};

namespace detail {
/// Ids under a key of config.json: a number, a list, or none.
inline std::vector<std::int32_t> ids_of(const ConfigReader& config, std::string_view key) {
  std::vector<std::int32_t> ids;
  const auto add = [&](const Json& value) {
    if (!value.to(ids.emplace_back())) fail(config.what(), ": ", key, " is not an id or a list of ids");
  };
  const Json* const value = config.json().find(key);
  if (!value || value->is(Json::Kind::null)) return ids;
  if (!value->is(Json::Kind::array)) return add(*value), ids;
  for (const Json& each : value->members) add(each);
  return ids;
}
}  // namespace detail

BERT_INLINE Generator::Generator(const std::filesystem::path& model, const TaskOptions& options)
    : Generator(TextModel::open(model, options)) {}

BERT_INLINE Generator::Generator(std::shared_ptr<const TextModel> model) : model_(std::move(model)) {
  model_->require(Head::words);
  if (!model_->model->continues())
    fail("\"", model_->checkpoint.path().string(), "\" is not a causal model: it writes by filling masks");
  const ConfigReader& config = model_->checkpoint.config();
  ends_ = detail::ids_of(config, "eos_token_id");
  if (const auto begins = detail::ids_of(config, "bos_token_id"); !begins.empty()) begin_ = begins[0];
}

BERT_INLINE bool Generator::is_end(std::int32_t id) const {
  return std::find(ends_.begin(), ends_.end(), id) != ends_.end();
}

BERT_INLINE std::vector<std::int32_t> Generator::encode(std::string_view prompt) const {
  std::vector<std::int32_t> ids = model_->tokenizer.encode(prompt).ids;
  std::size_t behind = 0;  // special tokens that the template puts behind a text: this one goes on
  for (const TemplatePart& part : model_->tokenizer.spec().single)
    behind = part.special.empty() ? 0 : behind + part.ids.size();
  ids.resize(ids.size() - behind);
  if (ids.empty()) {
    if (!begin_) fail("the prompt is empty, and the model's config.json has no bos_token_id to begin with");
    ids.push_back(*begin_);
  }
  if (const std::size_t window = model_->model->config().window(); ids.size() >= window)
    fail("the prompt has ", ids.size(), " tokens, the model's window is ", window, ": nothing can follow");
  return ids;
}

/// What the text says so far, and whether a stop text ends it.
BERT_INLINE void Generator::update(Text& text, const GenerationOptions& options) const {
  const std::span<const std::int32_t> ids(text.sequence.ids);
  text.written.ids.assign(ids.begin() + static_cast<std::ptrdiff_t>(text.prompt), ids.end());
  const bool ends = is_end(ids.back()) && ids.size() > text.prompt;
  for (; text.read < ids.size() - ends; ++text.read) text.decoded += text.decoder.push(ids[text.read]);
  if (ends || ids.size() == text.most) text.decoded += text.decoder.finish();
  std::size_t begin = std::min(text.continues, text.decoded.size());  // what the prompt ends with may be held back
  while (begin < text.decoded.size() && (text.decoded[begin] & 0xC0) == 0x80) ++begin;
  text.written.continuation = text.decoded.substr(begin);
  std::size_t cut = std::string::npos;
  for (const std::string& stop : options.stop)
    if (!stop.empty()) cut = std::min(cut, text.written.continuation.find(stop));
  if (cut != std::string::npos) text.written.continuation.resize(cut);
  text.written.ended = cut != std::string::npos || is_end(ids.back());
  text.done = text.written.ended || ids.size() == text.most;
}

BERT_INLINE void Generator::write(CausalSteps& steps, std::span<Text> texts, const GenerationOptions& options,
                                  const Watch& watch) const {
  Sampler sampler(options.sampling, model_->kernels());
  const Philox philox(options.seed);
  const std::size_t known = std::min(model_->model->config().vocab_size, model_->tokenizer.vocab_size());
  for (std::uint32_t step = 0;; ++step) {
    std::vector<GrowingSequence*> sequences;
    std::vector<std::size_t> which;
    for (std::size_t i = 0; i < texts.size(); ++i)
      if (!texts[i].done) sequences.push_back(&texts[i].sequence), which.push_back(i);
    if (which.empty()) return;
    const TensorView<const float, 2> logits = steps.next(sequences);
    for (std::size_t row = 0; row < which.size(); ++row) {
      Text& text = texts[which[row]];
      RandomStream random(philox, step, RandomSite::sampling, 0);  // the same whichever texts are beside it
      text.sequence.ids.push_back(sampler.pick(logits.row_span(row).first(known), text.sequence.ids, random));
      const bool look =
          watch || !options.stop.empty() || text.sequence.ids.size() == text.most || is_end(text.sequence.ids.back());
      if (!look) continue;
      update(text, options);
      if (watch) watch(which[row], text.written.continuation);
    }
  }
}

BERT_INLINE void Generator::search(CausalSteps& steps, Text& text, const GenerationOptions& options) const {
  const BeamResult best = beam_search(steps, model_->model->config(), model_->kernels(), text.sequence.ids,
                                      {.beams = options.num_beams,
                                       .max_new_tokens = text.most - text.prompt,
                                       .ends = ends_,
                                       .vocabulary = model_->tokenizer.vocab_size()});
  text.sequence.ids.insert(text.sequence.ids.end(), best.ids.begin(), best.ids.end());
  text.most = text.sequence.ids.size();  // nothing follows
  update(text, options);
}

BERT_INLINE std::vector<Generation> Generator::operator()(Session& session, std::span<const std::string> prompts,
                                                          const GenerationOptions& options, const Watch& watch) const {
  check_sampling(options.sampling);
  if (options.max_new_tokens < 1) fail("max_new_tokens is 0: nothing would follow");
  if (options.num_beams < 1) fail("num_beams is 0: give 1 or more");
  if (options.num_beams > 1 && options.sampling.temperature != 0)
    fail("a beam search takes the likeliest: it goes with temperature 0 only");
  const std::size_t window = model_->model->config().window();
  CausalSteps steps(*model_->model, session);
  std::vector<Text> texts;
  for (const std::string& prompt : prompts) {
    const std::vector<std::int32_t> ids = encode(prompt);
    const std::size_t most = std::min(window, ids.size() + options.max_new_tokens);
    texts.push_back({.sequence = options.num_beams > 1 ? GrowingSequence{ids, {}} : steps.start(ids, most),
                     .prompt = ids.size(),
                     .most = most,
                     .decoder = StreamDecoder(model_->tokenizer),
                     .continues = model_->tokenizer.decode(ids).size()});
  }
  if (options.num_beams > 1)
    for (Text& text : texts) search(steps, text, options);
  else
    write(steps, texts, options, watch);
  std::vector<Generation> written;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    written.push_back(std::move(texts[i].written));
    written[i].text = prompts[i] + written[i].continuation;
  }
  return written;
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

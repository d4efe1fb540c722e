// bert bench: token ids to last hidden states, in memory, as other engines' benchmarks time it; with --new-tokens what
// follows a prompt, token by token; or the tokenizer alone.
//
// gflops counts the multiply-adds of the matrix products and of attention, 2 a piece; percent_of_peak is of an FMA loop
// of the same instruction set on the same number of threads, timed in the same run.
#include <bert/tasks/causal_steps.h>

#include <chrono>

#include "cli.h"

namespace bert::cli {
namespace {

struct BenchFlags {
  Common common;
  std::string shapes = "1x16,1x128,8x128", lengths, order = "input", tokenizer;
  std::size_t sentences = 32, repeat = 0, new_tokens = 0;
};

double milliseconds() {
  using Clock = std::chrono::steady_clock;
  return std::chrono::duration<double, std::milli>(Clock::now().time_since_epoch()).count();
}

struct Times {
  double min_ms, median_ms;
};

/// A measurement as JSON: a float32, as every number of the program.
std::string measured(double value) { return json(static_cast<float>(value)); }

/// Calls work() once to warm up, then `repeat` times; 0: for about a second, at least 5 and at most 200 times.
template <class Work>
Times measure(std::size_t repeat, const Work& work) {
  const double begin = milliseconds();
  work();
  const double once = milliseconds() - begin;
  if (repeat == 0) repeat = static_cast<std::size_t>(std::clamp(1000.0 / (once + 1e-3), 5.0, 200.0));
  std::vector<double> times;
  for (std::size_t i = 0; i < repeat; ++i) {
    const double start = milliseconds();
    work();
    times.push_back(milliseconds() - start);
  }
  std::sort(times.begin(), times.end());
  return {times[0], times[times.size() / 2]};
}

/// GFLOP/s of independent FMA chains on all threads: the best of many runs of 2 ms, short enough that some are not
/// interrupted on a machine that does other things too.
double peak_gflops(const Session& session, const KernelTable<float>& kernels) {
  std::vector<double> flops(static_cast<std::size_t>(session.threads.count()));
  std::size_t rounds = 1000;
  const auto run = [&] {
    const double start = milliseconds();
    session.threads.run([&](const Team& team) {
      float sink[kernels::lanes] = {};
      team.sync();
      flops[static_cast<std::size_t>(team.rank())] = kernels.peak(rounds, sink);
    });
    const double ms = milliseconds() - start;
    double total = 0;
    for (double part : flops) total += part;
    return total / ms * 1e-6;
  };
  for (double quickest = 0; quickest < 2; rounds *= 2) {  // on this thread alone
    quickest = 1e9;
    for (int again = 0; again < 5; ++again) {
      float sink[kernels::lanes] = {};
      const double start = milliseconds();
      kernels.peak(rounds, sink);
      quickest = std::min(quickest, milliseconds() - start);
    }
  }
  double best = 0;
  for (int again = 0; again < 60; ++again) best = std::max(best, run());
  return best;
}

/// Multiply-adds, times two, of one sequence of `length` tokens through the encoder.
double model_flops(const ModelConfig& c, std::size_t length) {
  const double hidden = static_cast<double>(c.hidden_size), intermediate = static_cast<double>(c.intermediate_size);
  const double s = static_cast<double>(length);
  return 2 * s * static_cast<double>(c.num_hidden_layers) *
         (4 * hidden * hidden + 2 * hidden * intermediate + 2 * s * hidden);
}

PackedBatch random_batch(const ModelConfig& config, std::span<const std::size_t> lengths) {
  PackedBatch batch;
  std::uint32_t state = 1;
  for (std::size_t length : lengths) {
    check_window(length, config);
    std::vector<std::int32_t> ids(length);
    for (std::int32_t& id : ids) {
      state = state * 1664525u + 1013904223u;
      id = static_cast<std::int32_t>((state >> 8) % config.vocab_size);
    }
    batch.add(ids);
  }
  return batch;
}

/// "1x16,8x128" -> {(1, 16), (8, 128)}
std::vector<std::pair<std::size_t, std::size_t>> parse_shapes(const std::string& text) {
  std::vector<std::pair<std::size_t, std::size_t>> shapes;
  const char *at = text.data(), *end = at + text.size();
  for (;;) {
    std::size_t batch = 0, seq = 0;
    const auto first = std::from_chars(at, end, batch);
    const bool times = first.ec == std::errc() && first.ptr != end && *first.ptr == 'x';
    const auto second = times ? std::from_chars(first.ptr + 1, end, seq) : first;
    if (!times || second.ec != std::errc() || batch == 0 || seq == 0 || (second.ptr != end && *second.ptr != ','))
      throw UsageError(concat("--shapes is \"", text, "\": give BATCHxTOKENS with commas between, as in 1x16,8x128"));
    shapes.emplace_back(batch, seq);
    if (second.ptr == end) return shapes;
    at = second.ptr + 1;
  }
}

std::vector<std::size_t> read_lengths(const std::string& name) {
  std::vector<std::size_t> lengths;
  Lines lines(name);
  while (const auto line = lines.next()) {
    std::size_t length = 0;
    const auto [next, error] = std::from_chars(line->data(), line->data() + line->size(), length);
    if (error != std::errc() || next != line->data() + line->size() || length == 0)
      fail(lines.place(), " is \"", *line, "\", not a token count");
    lengths.push_back(length);
  }
  if (lengths.empty()) fail(name, " is empty");
  return lengths;
}

void bench_shapes(const BenchFlags& flags, const Model<float>& model, Session& session) {
  const auto shapes = parse_shapes(flags.shapes);
  const double peak = peak_gflops(session, model.kernels());
  Table table("rrrrrrrrrr");
  table.row({"batch", "seq", "threads", "precision", "isa", "min ms", "median ms", "tokens/s", "GFLOP/s", "% of peak"});
  for (const auto& [batch, seq] : shapes) {
    const PackedBatch packed = random_batch(model.config(), std::vector<std::size_t>(batch, seq));
    const Times times = measure(flags.repeat, [&] { model.forward(session, packed); });
    const double gflops = static_cast<double>(batch) * model_flops(model.config(), seq) / times.min_ms * 1e-6;
    const double tokens_per_s = static_cast<double>(packed.tokens()) / times.min_ms * 1e3;
    const int threads = session.threads.count();
    if (flags.common.json)
      print(concat("{\"batch\":", batch, ",\"seq\":", seq, ",\"threads\":", threads, ",\"precision\":\"",
                   name(model.precision()), "\",\"isa\":", json(model.kernels().name),
                   ",\"min_ms\":", measured(times.min_ms), ",\"median_ms\":", measured(times.median_ms),
                   ",\"tokens_per_s\":", measured(tokens_per_s), ",\"gflops\":", measured(gflops),
                   ",\"percent_of_peak\":", measured(gflops / peak * 100), "}"));
    else
      table.row({concat(batch), concat(seq), concat(threads), std::string(name(model.precision())),
                 model.kernels().name, fixed(times.min_ms, 3), fixed(times.median_ms, 3), fixed(tokens_per_s, 0),
                 fixed(gflops, 1), fixed(gflops / peak * 100, 1)});
  }
  if (!flags.common.json) table.print(), print(concat("FMA peak ", fixed(peak, 1), " GFLOP/s"));
}

/// The sequences of a file of lengths as packed batches, in the order asked for.
std::vector<PackedBatch> ragged_batches(const BenchFlags& flags, const ModelConfig& config,
                                        std::vector<std::size_t> lengths) {
  if (flags.order == "sorted") std::sort(lengths.begin(), lengths.end());
  const std::size_t at_once = flags.order == "single" ? 1 : flags.sentences;
  std::vector<PackedBatch> batches;
  for (std::size_t first = 0; first < lengths.size(); first += at_once)
    batches.push_back(
        random_batch(config, std::span(lengths).subspan(first, std::min(at_once, lengths.size() - first))));
  return batches;
}

void bench_lengths(const BenchFlags& flags, const Model<float>& model, Session& session) {
  const std::vector<PackedBatch> batches = ragged_batches(flags, model.config(), read_lengths(flags.lengths));
  std::size_t sentences = 0, tokens = 0;
  for (const PackedBatch& batch : batches) sentences += batch.sequences(), tokens += batch.tokens();
  const Times times = measure(flags.repeat, [&] {
    for (const PackedBatch& batch : batches) model.forward(session, batch);
  });
  const double per_second = static_cast<double>(sentences) / times.min_ms * 1e3;
  if (flags.common.json)
    return print(concat("{\"sentences\":", sentences, ",\"tokens\":", tokens, ",\"order\":", json(flags.order),
                        ",\"precision\":\"", name(model.precision()), "\",\"threads\":", session.threads.count(),
                        ",\"min_ms\":", measured(times.min_ms), ",\"median_ms\":", measured(times.median_ms),
                        ",\"sentences_per_s\":", measured(per_second), "}"));
  print(concat(sentences, " sentences of ", tokens, " tokens, order ", flags.order, ", ", session.threads.count(),
               " threads, ", name(model.precision()), ": ", fixed(times.min_ms, 1), " ms, ", fixed(per_second, 0),
               " sentences/s"));
}

/// GB/s that all threads read from memory together: the best of many passes over 256 MiB.
double read_bandwidth(const Session& session) {
  constexpr std::size_t count = std::size_t{32} << 20, lanes = 8;
  const AlignedArray<std::uint64_t> memory = make_aligned<std::uint64_t>(count);
  std::fill_n(memory.get(), count, 1);
  const std::uint64_t* const numbers = memory.get();
  std::vector<std::uint64_t> sums(static_cast<std::size_t>(session.threads.count()));
  const Times times = measure(40, [&] {
    session.threads.run([&](const Team& team) {
      const Share share = team.share(count, lanes);
      std::uint64_t parts[lanes] = {}, sum = 0;
      for (std::size_t i = share.begin; i < share.end; i += lanes)
        for (std::size_t l = 0; l < lanes; ++l) parts[l] += numbers[i + l];
      for (std::uint64_t part : parts) sum += part;
      sums[static_cast<std::size_t>(team.rank())] = sum;
    });
  });
  std::uint64_t sum = 0;
  for (std::uint64_t part : sums) sum += part;
  if (sum != count) fail("the sum over memory is ", sum);
  return count * sizeof(std::uint64_t) / times.min_ms * 1e-6;
}

struct GenerationTimes {
  Times prompt, token;  // token: of each but the first, which comes with the prompt's pass
};

/// Times of the prompts' pass, and of the greedy tokens behind them.
GenerationTimes time_generation(const BenchFlags& flags, const Model<float>& model, const PackedBatch& prompts,
                                Session& session) {
  CausalSteps steps(model, session);
  std::vector<double> tokens;
  const auto write = [&] {
    std::vector<GrowingSequence> sequences;
    std::vector<GrowingSequence*> all;
    for (std::size_t b = 0; b < prompts.sequences(); ++b)
      sequences.push_back(steps.start(std::span(prompts.ids).subspan(prompts.offsets[b], prompts.length(b)),
                                      prompts.length(b) + flags.new_tokens));
    for (GrowingSequence& sequence : sequences) all.push_back(&sequence);
    for (std::size_t t = 0; t < flags.new_tokens; ++t) {
      const double begin = milliseconds();
      const auto logits = steps.next(all);
      for (std::size_t b = 0; b < all.size(); ++b) {
        const auto row = logits.row_span(b);
        all[b]->ids.push_back(static_cast<std::int32_t>(std::max_element(row.begin(), row.end()) - row.begin()));
      }
      if (t > 0) tokens.push_back(milliseconds() - begin);
    }
  };
  measure(flags.repeat ? flags.repeat : 3, write);
  std::vector<std::size_t> last;
  for (std::size_t b = 0; b < prompts.sequences(); ++b) last.push_back(prompts.offsets[b + 1] - 1);
  const Times prompt = measure(flags.repeat, [&] { model.forward(session, prompts, last); });
  std::sort(tokens.begin(), tokens.end());
  return {prompt, {tokens[0], tokens[tokens.size() / 2]}};
}

/// Every token reads all weights (but for tables of which it reads a row: positions, words that are not the decoder's):
/// percent_of_bandwidth is their bytes a second, of what memory gives.
void bench_generation(const BenchFlags& flags, const Model<float>& model, std::size_t parameters, Session& session) {
  const double bandwidth = read_bandwidth(session);
  const double bytes = static_cast<double>(parameters) * sizeof(float) - static_cast<double>(model.bytes_saved());
  for (const auto& shape : parse_shapes(flags.shapes)) {
    const PackedBatch prompts = random_batch(model.config(), std::vector<std::size_t>(shape.first, shape.second));
    const auto [prompt, token] = time_generation(flags, model, prompts, session);
    const double percent = bytes / token.min_ms * 1e-6 / bandwidth * 100;
    if (flags.common.json)
      print(concat("{\"batch\":", shape.first, ",\"prompt\":", shape.second, ",\"new_tokens\":", flags.new_tokens,
                   ",\"threads\":", session.threads.count(), ",\"precision\":\"", name(model.precision()),
                   "\",\"isa\":", json(model.kernels().name), ",\"prompt_ms\":", measured(prompt.min_ms),
                   ",\"median_prompt_ms\":", measured(prompt.median_ms), ",\"token_ms\":", measured(token.min_ms),
                   ",\"median_token_ms\":", measured(token.median_ms), ",\"percent_of_bandwidth\":", measured(percent),
                   "}"));
    else
      print(concat(shape.first, " x ", shape.second, " tokens: ", fixed(prompt.min_ms, 2), " ms (median ",
                   fixed(prompt.median_ms, 2), "); each more: ", fixed(token.min_ms, 2), " ms (median ",
                   fixed(token.median_ms, 2), "), ", fixed(percent, 0), " % of ", fixed(bandwidth, 1), " GB/s"));
  }
}

void bench_tokenizer(const BenchFlags& flags, const Session& session) {
  const Tokenizer tokenizer = load_tokenizer(read_tokenizer_files(model_path(flags.common)));
  const std::string whole = read_text(flags.tokenizer);
  std::vector<std::string_view> texts;  // its lines; empty ones have no tokens worth timing
  for (std::size_t begin = 0, end = 0; begin < whole.size(); begin = end + 1) {
    end = std::min(whole.find('\n', begin), whole.size());
    if (end > begin) texts.push_back(std::string_view(whole).substr(begin, end - begin));
  }
  if (texts.empty()) fail(flags.tokenizer, " is empty");
  const std::size_t bytes = whole.size();
  std::size_t tokens = 0;
  std::vector<std::size_t> counts(static_cast<std::size_t>(session.threads.count()));
  const Times times = measure(flags.repeat, [&] {
    session.threads.run([&](const Team& team) {
      const Share share = team.share(texts.size());
      std::vector<std::int32_t> ids;
      std::size_t count = 0;
      for (std::size_t i = share.begin; i < share.end; ++i) {
        ids.clear();
        tokenizer.encode_ids(texts[i], ids);
        count += ids.size();
      }
      counts[static_cast<std::size_t>(team.rank())] = count;
    });
  });
  for (std::size_t count : counts) tokens += count;
  const double speed = static_cast<double>(bytes) / times.min_ms * 1e-3;
  if (flags.common.json)
    return print(concat("{\"bytes\":", bytes, ",\"tokens\":", tokens, ",\"threads\":", session.threads.count(),
                        ",\"mb_per_s\":", measured(speed), "}"));
  print(
      concat(bytes, " bytes, ", tokens, " tokens, ", session.threads.count(), " threads: ", fixed(speed, 1), " MB/s"));
}

void run(const BenchFlags& flags) {
  Session session(flags.common.threads);
  if (!flags.tokenizer.empty()) return bench_tokenizer(flags, session);
  parse_shapes(flags.shapes);
  const KernelTable<float>& kernels = cli::kernels(flags.common);
  const Checkpoint checkpoint = Checkpoint::open(model_path(flags.common));
  const auto model = bert::open_model<float>(checkpoint, kernels, precision(flags.common), session.threads);
  std::size_t parameters = 0;
  for (const TensorRef& tensor : checkpoint.tensors()) parameters += tensor.elements();
  if (flags.new_tokens > 0) return bench_generation(flags, *model, parameters, session);
  flags.lengths.empty() ? bench_shapes(flags, *model, session) : bench_lengths(flags, *model, session);
}

}  // namespace

void add_bench(CLI::App& app) {
  const auto flags = std::make_shared<BenchFlags>();
  CLI::App& command = add_command(app, "bench", "time the model, or with --tokenizer the tokenizer", flags, run);
  auto* shapes = command.add_option("--shapes", flags->shapes, "BATCHxTOKENS,…")->capture_default_str();
  auto* lengths = command.add_option("--lengths", flags->lengths, "file of token counts, one a line")->excludes(shapes);
  command.add_option("--order", flags->order, "of the sentences of --lengths")
      ->check(CLI::IsMember({"input", "sorted", "single"}))
      ->needs(lengths)
      ->capture_default_str();
  command.add_option("--sentences", flags->sentences, "sentences a batch, with --lengths")
      ->check(positive())
      ->needs(lengths)
      ->capture_default_str();
  command.add_option("--repeat", flags->repeat, "times each; default: for about a second")->check(positive());
  auto* new_tokens =
      command.add_option("--new-tokens", flags->new_tokens, "causal models: tokens to write behind --shapes' prompts")
          ->check(whole_number(2))
          ->excludes(lengths);
  command.add_option("--tokenizer", flags->tokenizer, "file of text to tokenize in memory, ids only")
      ->excludes(shapes)
      ->excludes(lengths)
      ->excludes(new_tokens);
}

}  // namespace bert::cli

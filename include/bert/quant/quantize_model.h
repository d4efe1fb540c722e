// quantize_model: a model file of 8-bit weights (docs/weights.md) from a model of floating-point ones.
//
// Without calibration the file holds what loading the source as int8 computes: the same bits. With it, input scales
// come from what the products really read, and those products that cost most stay as they are in the source.
// Causal models are written without calibration.
#pragma once
#include <bert/io/model_writer.h>
#include <bert/models/registry.h>
#include <bert/quant/calibration.h>

namespace bert::inline BERT_ABI {

struct QuantizeOptions {
  int threads = 0;
  /// What calibration is to reach on its own text, with room for texts it does not know.
  Cosine wanted{0.9991, 0.996};
  std::size_t max_tokens = 512;  ///< most tokens of one packed batch
};

struct QuantizeReport {
  std::vector<std::string> kept_float;  // names without ".weight", in the order of the layers
  std::size_t products = 0, int8_products = 0;
  std::size_t bytes = 0;  // of all tensors written
  std::size_t texts = 0, tokens = 0;
  Cosine reached;  // on the calibration text; 1 without
};

/// Writes the 8-bit form of `source` to `output`. `calibration` may be empty; texts longer than the window are cut.
/// Heads, embeddings, pooler, biases and LayerNorms are copied as they are. The same bytes for every number of threads
/// and instruction set. Errors: a source that holds 8-bit weights or is no model, texts without a tokenizer, texts for
/// a causal model.
QuantizeReport quantize_model(const Checkpoint& source, const std::filesystem::path& output,
                              std::span<const std::string> calibration, const QuantizeOptions& options = {},
                              const KernelTable<float>& kernels = default_kernels<float>());

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <set>

namespace bert::inline BERT_ABI {
namespace detail {

BERT_INLINE std::vector<PackedBatch> pack_texts(const Checkpoint& source, std::span<const std::string> texts,
                                                std::size_t window, std::size_t max_tokens) {
  std::vector<PackedBatch> batches;
  if (texts.empty()) return batches;
  const Tokenizer tokenizer = load_tokenizer(source);
  for (const std::string& text : texts) {
    const Encoding encoding = tokenizer.encode(text, {.max_length = window, .truncation = Truncation::longest_first});
    if (batches.empty() || batches.back().tokens() + encoding.ids.size() > max_tokens) batches.emplace_back();
    batches.back().add(encoding.ids, encoding.type_ids);
  }
  return batches;
}

/// What is written: the source's tensors but for the weights that are 8-bit now. Borrows from both.
BERT_INLINE std::vector<TensorRef> tensors_of(const Checkpoint& source, const std::vector<QuantizedLayer>& layers) {
  std::set<std::string> replaced;
  std::vector<TensorRef> tensors;
  const auto add = [&](std::string name, DType dtype, std::vector<std::size_t> shape, const auto& values) {
    tensors.push_back({std::move(name), dtype, std::move(shape), std::as_bytes(std::span(values))});
  };
  for (const QuantizedLayer& layer : layers)
    for (const QuantizedProduct& product : layer) {
      if (product.keep_float) continue;
      for (std::size_t i = 0; i < product.names.size(); ++i) {
        const Int8Weights& weights = product.weights[i];
        const std::size_t rows = weights.scale.size();
        replaced.insert(product.names[i] + ".weight");
        add(product.names[i] + ".weight", DType::I8, {rows, weights.q.size() / rows}, weights.q);
        add(product.names[i] + ".weight_scale", DType::F32, {rows}, weights.scale);
        add(product.names[i] + ".input_scale", DType::F32, {product.input_scale.size()}, product.input_scale);
      }
    }
  for (const TensorRef& tensor : source.tensors())
    if (!replaced.contains(tensor.name)) tensors.push_back(tensor);
  return tensors;
}

/// {"calibration":…,"quantizer":…,"source":…}, the source with its hash and its own provenance.
BERT_INLINE std::string quantized_provenance(const Checkpoint& source, std::span<const std::string> calibration) {
  Sha256 hash;
  for (const std::string& text : calibration) hash.update(text + "\n");
  const std::string before = source.provenance().empty() ? "null" : source.provenance();
  return concat("{\"calibration\":", calibration.empty() ? "null" : quote_json(hash.hex()),
                ",\"quantizer\":\"bert " BERT_VERSION "\",\"source\":{\"provenance\":", before,
                ",\"sha256\":", quote_json(source.sha256()), "}}");
}

/// The products of an encoder in 8 bits; says in the report how calibration went.
BERT_INLINE std::vector<QuantizedLayer> quantize_encoder(const Checkpoint& source,
                                                         std::span<const std::string> calibration,
                                                         const QuantizeOptions& options,
                                                         const KernelTable<float>& kernels, QuantizeReport& report) {
  EncoderModel<float> model(source, encoder_family_of(source), kernels,
                            Precision::fp32);  // says what is missing or does not fit
  WeightReader reader(source);
  model.turn_stored(reader);
  const BertConfig& config = model.config();
  std::vector<PackedBatch> text = pack_texts(source, calibration, config.window(), options.max_tokens);
  for (const PackedBatch& batch : text) report.texts += batch.sequences(), report.tokens += batch.tokens();
  const bool calibrated = !text.empty();
  if (!calibrated) text.push_back(probe_batch(config.vocab_size, config.window()));
  Calibration calibrating(model, reader, text, options.threads);
  std::vector<QuantizedLayer> layers = calibrating.quantize(calibrated);
  if (calibrated) report.reached = calibrating.choose(layers, options.wanted);
  return layers;
}

/// The products of a causal model in 8 bits, [N, K] also where the source has [K, N]: so they are read.
BERT_INLINE std::vector<QuantizedLayer> quantize_decoder(const Checkpoint& source, const DecoderFamily& family,
                                                         const KernelTable<float>& kernels) {
  WeightReader reader(source);
  const DecoderModel<float> model(reader, family, kernels, Precision::fp32, false);
  Heads<float>::ignore(reader, family.heads);
  reader.finish();
  const auto rows = model.linear_rows();
  DecoderProbe probe = model.probe();
  std::vector<QuantizedLayer> layers(model.layers().size());
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const auto names = model.linear_names(i);
    const auto sizes = probe.advance(model.layers()[i]);
    for (std::size_t p = 0; p < 4; ++p)
      layers[i][p] = {quantized_product(reader, names[p], rows[p], sizes[p], kernels), names[p]};
  }
  return layers;
}

}  // namespace detail

BERT_INLINE QuantizeReport quantize_model(const Checkpoint& source, const std::filesystem::path& output,
                                          std::span<const std::string> calibration, const QuantizeOptions& options,
                                          const KernelTable<float>& kernels) {
  if (holds_int8(source)) fail("\"", source.path().string(), "\" holds 8-bit weights already");
  const DecoderFamily* const causal = decoder_family_of(source);
  if (causal && !calibration.empty())
    fail("\"", source.path().string(), "\" is a causal model, of type ", causal->model_type,
         ": calibration on a text is for encoders");
  QuantizeReport report;
  const std::vector<QuantizedLayer> layers =
      causal ? detail::quantize_decoder(source, *causal, kernels)
             : detail::quantize_encoder(source, calibration, options, kernels, report);
  for (const QuantizedLayer& layer : layers)
    for (const QuantizedProduct& product : layer) {
      ++report.products, report.int8_products += !product.keep_float;
      if (product.keep_float)
        report.kept_float.insert(report.kept_float.end(), product.names.begin(), product.names.end());
    }
  const std::vector<TensorRef> tensors = detail::tensors_of(source, layers);
  for (const TensorRef& tensor : tensors) report.bytes += tensor.bytes.size();
  write_model_file(output, source, detail::quantized_provenance(source, calibration), tensors);
  return report;
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

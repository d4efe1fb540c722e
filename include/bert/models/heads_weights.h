// Which tensors of a checkpoint become which head. Included by heads.h.
//
// A head is there when its tensors are. Only "classifier" may be one of two, of whole sequences or of every token:
// config.json's architectures decide, else what else is there.
#pragma once
#include <bert/models/heads.h>

#if BERT_WITH_DEFINITIONS
#include <bert/io/names.h>
#include <bert/models/loading.h>

namespace bert::inline BERT_ABI {

namespace detail {
inline std::string weight_of(std::string_view name) { return concat(name, ".weight"); }
inline bool has_part(const WeightReader& reader, std::string_view name) {
  return !name.empty() && reader.has(weight_of(name));
}
inline bool has_words(const WeightReader& reader, const HeadNames& names) {
  if (!names.tied_shows && !has_part(reader, names.classifier) && ties_word_embeddings(reader.checkpoint().config()))
    return true;
  return has_part(reader, names.transform) || has_part(reader, names.decoder) ||
         (!names.decoder_bias.empty() && reader.has(names.decoder_bias));
}
inline bool is_architecture(const ModelConfig& config, std::string_view ending) {
  for (const std::string& each : config.architectures)
    if (each.ends_with(ending)) return true;
  return false;
}
/// Outputs of the linear layer `name`: rows of its weight. An error where the config names another number of labels.
inline std::size_t labels_of(WeightReader& reader, std::string_view name, const ModelConfig& config) {
  const TensorRef& weight = *reader.checkpoint().find(weight_of(name));
  const std::size_t rows = weight.shape.empty() ? 0 : weight.shape[0];
  if (!config.id2label.empty() && config.id2label.size() != rows)
    reader.broken("the config has ", config.id2label.size(), " labels, but ", weight.name, " is ",
                  shape_text(weight.shape));
  return rows;
}
}  // namespace detail

template <class T>
bool Heads<T>::ties_words(const WeightReader& reader, const HeadNames& names) {
  return detail::has_words(reader, names) && !detail::has_part(reader, names.decoder);
}

template <class T>
void Heads<T>::ignore(WeightReader& reader, const HeadNames& names) {
  for (std::string_view name :
       {names.transform, names.transform_norm, names.decoder, names.decoder_bias, names.next_sentence,
        names.class_dense, names.classifier, names.tags, names.spans, names.replaced_dense, names.replaced})
    if (!name.empty()) reader.ignore(name);
}

template <class T>
Heads<T>::Heads(WeightReader& reader, const HeadNames& names, const ModelConfig& config, std::size_t width,
                bool has_pooler, const KernelTable<T>& kernels) {
  const std::size_t hidden = config.hidden_size;
  if (detail::has_words(reader, names)) load_words(reader, names, config, width, kernels);
  if (has_pooler && detail::has_part(reader, names.next_sentence))
    next_sentence_ = load_linear(reader, std::string(names.next_sentence), 2, hidden, kernels);
  load_classes(reader, names, config, has_pooler, kernels);
  const auto load_token_head = [&](Head head, std::string_view name, std::size_t outputs) {
    if (!token_.weight().empty()) return;
    token_head_ = head;
    token_ = load_linear(reader, std::string(name), outputs, hidden, kernels);
  };
  if (!has(Head::classes) && detail::has_part(reader, names.tags))
    load_token_head(Head::tags, names.tags, detail::labels_of(reader, names.tags, config));
  if (detail::has_part(reader, names.spans)) load_token_head(Head::spans, names.spans, 2);
  if (detail::has_part(reader, names.replaced)) {
    load_token_head(Head::replaced, names.replaced, 1);
    token_dense_ = load_linear(reader, std::string(names.replaced_dense), hidden, hidden, kernels);
    token_act_ = activation_by_name(names.replaced_act.empty() ? config.hidden_act : names.replaced_act);
  }
  const auto leave_out = [&](Head head, std::initializer_list<std::string_view> parts) {
    for (std::string_view part : parts)
      if (!has(head) && !part.empty()) reader.ignore(concat(part, "."));
  };
  if (!has(Head::tags)) leave_out(Head::classes, {names.class_dense, names.classifier});
  if (!has(Head::classes)) leave_out(Head::tags, {names.tags});
  leave_out(Head::next_sentence, {names.next_sentence});
  leave_out(Head::spans, {names.spans});
  leave_out(Head::replaced, {names.replaced_dense, names.replaced});
}

template <class T>
void Heads<T>::load_words(WeightReader& reader, const HeadNames& names, const ModelConfig& config, std::size_t width,
                          const KernelTable<T>& kernels) {
  const std::size_t hidden = config.hidden_size, vocabulary = config.vocab_size;
  has_words_ = true;
  if (!names.transform.empty()) {
    transform_ = load_linear(reader, std::string(names.transform), width, hidden, kernels);
    transform_norm_ = load_layer_norm(reader, std::string(names.transform_norm), width, config.layer_norm_eps, kernels);
    transform_act_ = activation_by_name(names.transform_act.empty() ? config.hidden_act : names.transform_act);
  }
  if (!names.decoder_bias.empty()) {
    const std::string own = concat(names.decoder, ".bias");
    decoder_bias_.resize(vocabulary);
    const bool own_bias = !names.decoder.empty() && reader.has(own);
    reader.read(own_bias ? own : std::string(names.decoder_bias), {vocabulary}, decoder_bias_.data());
    if (own_bias) reader.ignore(names.decoder_bias);
  }
  if (detail::has_part(reader, names.decoder)) {
    untied_ = PackedMatrix<T>(vocabulary, width, kernels);
    load_rows(reader, detail::weight_of(names.decoder), untied_, 0, vocabulary);
  }
}

template <class T>
void Heads<T>::load_classes(WeightReader& reader, const HeadNames& names, const ModelConfig& config, bool has_pooler,
                            const KernelTable<T>& kernels) {
  if (!detail::has_part(reader, names.classifier)) return;
  const bool pooled = names.summary == HeadNames::Summary::pooled;
  if (names.classifier == names.tags) {  // one name for two heads
    const bool complete = pooled ? has_pooler : detail::has_part(reader, names.class_dense);
    if (detail::is_architecture(config, "ForTokenClassification")) return;
    if (!complete && !detail::is_architecture(config, "ForSequenceClassification")) return;
  }
  if (pooled && !has_pooler)
    reader.broken("there is no pooler for ", names.classifier, ", which classifies whole sequences");
  summary_ = names.summary;
  if (!names.class_dense.empty()) {
    class_dense_ = load_linear(reader, std::string(names.class_dense), config.hidden_size, config.hidden_size, kernels);
    class_act_ = activation_by_name(names.class_act);
  }
  const std::size_t labels = detail::labels_of(reader, names.classifier, config);
  classifier_ = Linear<T>(labels, config.hidden_size, kernels);  // its bias is 0 until read
  load_rows(reader, detail::weight_of(names.classifier), classifier_.weight(), 0, labels);
  if (names.class_bias) reader.read(concat(names.classifier, ".bias"), {labels}, classifier_.bias().data());
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

// The model families, by config.json's model_type. To add one: a file beside these and a line here.
#pragma once
#include <bert/io/checkpoint.h>
#include <bert/models/albert.h>
#include <bert/models/bert.h>
#include <bert/models/distilbert.h>
#include <bert/models/electra.h>
#include <bert/models/gpt2.h>
#include <bert/models/llama.h>
#include <bert/models/roberta.h>
#include <bert/models/with_heads.h>
#include <bert/models/xlnet.h>

#include <memory>

namespace bert::inline BERT_ABI {

inline constexpr const EncoderFamily* encoder_families[] = {&bert_family,    &roberta_family, &distilbert_family,
                                                            &electra_family, &albert_family,  &xlnet_family};

inline constexpr const DecoderFamily* decoder_families[] = {&gpt2_family, &llama_family};

/// The family of encoders that the checkpoint is of. Throws Error for another model_type, naming those there are.
const EncoderFamily& encoder_family_of(const Checkpoint& checkpoint);
/// The family of causal models that the checkpoint is of, or null.
const DecoderFamily* decoder_family_of(const Checkpoint& checkpoint);

/// The checkpoint's model with the heads that it has. Arguments and errors as WithHeads's.
template <class T>
std::unique_ptr<const Model<T>> open_model(const Checkpoint& checkpoint,
                                           const KernelTable<T>& kernels = default_kernels<T>(),
                                           std::optional<Precision> precision = {},
                                           const Threads& threads = Threads()) {
  if (const DecoderFamily* const family = decoder_family_of(checkpoint))
    return std::make_unique<CausalWithHeads<DecoderModel<T>>>(checkpoint, *family, kernels, precision, threads);
  return std::make_unique<WithHeads<EncoderModel<T>>>(checkpoint, encoder_family_of(checkpoint), kernels, precision,
                                                      threads);
}

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
namespace bert::inline BERT_ABI {

namespace detail {
inline std::string model_type_of(const Checkpoint& checkpoint) { return checkpoint.config().get("model_type", "bert"); }
template <class Family>
const Family* family_named(std::span<const Family* const> families, std::string_view type) {
  for (const Family* family : families)
    if (family->model_type == type) return family;
  return nullptr;
}
}  // namespace detail

BERT_INLINE const DecoderFamily* decoder_family_of(const Checkpoint& checkpoint) {
  return detail::family_named<DecoderFamily>(decoder_families, detail::model_type_of(checkpoint));
}

BERT_INLINE const EncoderFamily& encoder_family_of(const Checkpoint& checkpoint) {
  const std::string type = detail::model_type_of(checkpoint);
  if (const EncoderFamily* family = detail::family_named<EncoderFamily>(encoder_families, type)) return *family;
  std::string encoders, causal;
  for (const EncoderFamily* family : encoder_families)
    encoders += concat(encoders.empty() ? "" : ", ", family->model_type);
  for (const DecoderFamily* family : decoder_families) causal += concat(causal.empty() ? "" : ", ", family->model_type);
  if (decoder_family_of(checkpoint))
    fail("\"", checkpoint.path().string(), "\" is a causal model, of type ", type, "; this takes encoders: ", encoders);
  fail("cannot load \"", checkpoint.path().string(), "\": model_type \"", type, "\" is not supported; supported are ",
       encoders, ", ", causal);
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

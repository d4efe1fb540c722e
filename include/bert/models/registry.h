// The model families, by config.json's model_type. To add one: a file beside these and a line here.
#pragma once
#include <bert/io/checkpoint.h>
#include <bert/models/albert.h>
#include <bert/models/bert.h>
#include <bert/models/distilbert.h>
#include <bert/models/electra.h>
#include <bert/models/roberta.h>

#include <memory>

namespace bert::inline BERT_ABI {

inline constexpr const EncoderFamily* encoder_families[] = {&bert_family, &roberta_family, &distilbert_family,
                                                            &electra_family, &albert_family};

/// The family of encoders that the checkpoint is of. Throws Error for another model_type, naming those there are.
const EncoderFamily& encoder_family_of(const Checkpoint& checkpoint);

/// The checkpoint's model with the heads that it has. Arguments and errors as WithHeads's.
template <class T>
std::unique_ptr<const Model<T>> open_model(const Checkpoint& checkpoint,
                                           const KernelTable<T>& kernels = default_kernels<T>(),
                                           std::optional<Precision> precision = {},
                                           const Threads& threads = Threads()) {
  return std::make_unique<WithHeads<EncoderModel<T>>>(checkpoint, encoder_family_of(checkpoint), kernels, precision,
                                                      threads);
}

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
namespace bert::inline BERT_ABI {

BERT_INLINE const EncoderFamily& encoder_family_of(const Checkpoint& checkpoint) {
  const std::string type = checkpoint.config().get("model_type", "bert");
  std::string known;
  for (const EncoderFamily* family : encoder_families) {
    if (family->model_type == type) return *family;
    known += concat(known.empty() ? "" : ", ", family->model_type);
  }
  fail("cannot load \"", checkpoint.path().string(), "\": model_type \"", type, "\" is not supported; supported are ",
       known);
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

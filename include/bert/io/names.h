// A tensor's name in a file -> its name in Hugging Face's current checkpoints, the only names the models ask for; but
// XLNet's bare matrices, which they ask for as a layer's weight.
//
// A new family is one line in kBaseModels and one or two in kTied; an old spelling that other families share too is one
// line in kSpellings, and a matrix that is no layer's weight there one in kBareMatrices. tools/convert_weights.py
// applies the same rules.
#pragma once
#include <bert/io/config.h>
#include <bert/io/safetensors.h>

namespace bert::inline BERT_ABI {

/// Today's name of a tensor; empty for buffers that are to be ignored. `model_type` is config.json's.
std::string canonical_name(std::string_view name, std::string_view model_type);

/// A file's tensors in the order of today's names, without buffers; the matrices that are saved as [H, A, D] become [H,
/// A D].
std::vector<TensorRef> canonical_tensors(std::span<const TensorRef> tensors, std::string_view model_type);

/// Whether a config.json ties the decoder to the word embeddings; what it does not say is its family's habit.
bool ties_word_embeddings(const ConfigReader& config);

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
namespace bert::inline BERT_ABI {

namespace detail {
/// Bare base models (BertModel) are saved without the prefix that models with heads put before the same tensors.
struct BaseModelNames {
  std::string_view model_type, prefix, parts[4];
};
inline constexpr BaseModelNames kBaseModels[] = {
    {"bert", "bert.", {"embeddings.", "encoder.", "pooler."}},
    {"roberta", "roberta.", {"embeddings.", "encoder.", "pooler."}},
    {"distilbert", "distilbert.", {"embeddings.", "transformer."}},
    {"electra", "electra.", {"embeddings.", "embeddings_project.", "encoder."}},
    {"albert", "albert.", {"embeddings.", "encoder.", "pooler."}},
    {"gpt2", "transformer.", {"wte.", "wpe.", "h.", "ln_f."}},
    {"llama", "model.", {"embed_tokens.", "layers.", "norm."}},
    {"xlnet", "transformer.", {"word_embedding.", "mask_emb", "layer."}},
};

/// Endings of TensorFlow-era checkpoints, and today's.
inline constexpr std::string_view kSpellings[][2] = {{"LayerNorm.gamma", "LayerNorm.weight"},
                                                     {"LayerNorm.beta", "LayerNorm.bias"}};

/// Matrices that are saved as a name alone, [H, A, D]; ours are a layer's weight, [H, A D].
inline constexpr std::string_view kBareMatrices[] = {"rel_attn.q", "rel_attn.k", "rel_attn.v", "rel_attn.o",
                                                     "rel_attn.r"};

/// Buffers some versions save and every program can make itself.
inline constexpr std::string_view kBuffers[] = {"embeddings.position_ids", "embeddings.token_type_ids", ".attn.bias",
                                                ".attn.masked_bias", "rotary_emb.inv_freq"};

/// Copies that a tied decoder's checkpoint may hold, and what they are tied to.
struct TiedNames {
  std::string_view model_type, copy, original;
};
inline constexpr TiedNames kTied[] = {
    {"bert", "cls.predictions.decoder.weight", "bert.embeddings.word_embeddings.weight"},
    {"bert", "cls.predictions.decoder.bias", "cls.predictions.bias"},
    {"roberta", "lm_head.decoder.weight", "roberta.embeddings.word_embeddings.weight"},
    {"roberta", "lm_head.decoder.bias", "lm_head.bias"},
    {"distilbert", "vocab_projector.weight", "distilbert.embeddings.word_embeddings.weight"},
    {"electra", "generator_lm_head.weight", "electra.embeddings.word_embeddings.weight"},
    {"albert", "predictions.decoder.weight", "albert.embeddings.word_embeddings.weight"},
    {"albert", "predictions.decoder.bias", "predictions.bias"},
    {"gpt2", "lm_head.weight", "transformer.wte.weight"},
    {"llama", "lm_head.weight", "model.embed_tokens.weight"},
    {"xlnet", "lm_loss.weight", "transformer.word_embedding.weight"},
};
}  // namespace detail

BERT_INLINE bool ties_word_embeddings(const ConfigReader& config) {
  return config.get("tie_word_embeddings", config.get("model_type", "bert") != "llama");
}

BERT_INLINE std::string canonical_name(std::string_view name, std::string_view model_type) {
  for (std::string_view buffer : detail::kBuffers)
    if (name.ends_with(buffer)) return {};
  std::string result(name);
  for (const auto& [old_ending, new_ending] : detail::kSpellings)
    if (name.ends_with(old_ending)) result.replace(name.size() - old_ending.size(), old_ending.size(), new_ending);
  for (std::string_view matrix : detail::kBareMatrices)
    if (name.ends_with(matrix)) result += ".weight";
  for (const auto& [family, prefix, parts] : detail::kBaseModels)
    for (std::string_view part : parts)
      if (family == model_type && !part.empty() && name.starts_with(part)) return concat(prefix, result);
  return result;
}

BERT_INLINE std::vector<TensorRef> canonical_tensors(std::span<const TensorRef> tensors, std::string_view model_type) {
  std::vector<TensorRef> all;
  for (TensorRef tensor : tensors) {
    const bool bare = !tensor.name.ends_with(".weight") && !tensor.name.ends_with(".gamma");
    tensor.name = canonical_name(tensor.name, model_type);
    if (bare && tensor.name.ends_with(".weight") && tensor.shape.size() == 3)
      tensor.shape = {tensor.shape[0], tensor.shape[1] * tensor.shape[2]};
    if (!tensor.name.empty()) all.push_back(std::move(tensor));
  }
  sort_by_name(all);
  return all;
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

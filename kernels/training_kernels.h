// The kernels of training, beside bert_kernels.h: apart, because programs that only run models should not pay for
// compiling them.
#pragma once
#include "bert_kernels.h"
#include "training_reference.h"

#if !defined(BERT_COMPILED)
#include "isa/scalar/training.h"
#if !defined(BERT_SCALAR_ONLY)
#if defined(__x86_64__)
#include "isa/avx2/training.h"
#include "isa/avx512/training.h"
#elif defined(__aarch64__)
#include "isa/neon/training.h"
#endif
#endif
#endif

namespace bert_kernels::inline BERT_KERNELS_ABI {

/// The training operations that go with a table of this name: an overlay's are its base's.
#if defined(BERT_COMPILED)
extern "C" const void* bert_training_kernels_v0_1(const char* name);
inline const TrainingKernels<float>& training_kernels_of(std::string_view name) {
  return *static_cast<const TrainingKernels<float>*>(bert_training_kernels_v0_1(std::string(name).c_str()));
}
#else
inline const TrainingKernels<float>& training_kernels_of([[maybe_unused]] std::string_view name) {
#if !defined(BERT_SCALAR_ONLY)
#if defined(__x86_64__)
  if (name.starts_with("avx512")) return avx512::training_kernels;
  if (name.starts_with("avx")) return avx2::training_kernels;
#elif defined(__aarch64__)
  if (name.starts_with("neon")) return neon::training_kernels;
#endif
#endif
  return scalar::training_kernels;
}
#endif

}  // namespace bert_kernels::inline BERT_KERNELS_ABI

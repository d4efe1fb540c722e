// The second door to kernels/: the operations of training, for the headers that train.
#pragma once
#include <bert/kernels.h>

#if __has_include("../../../kernels/training_kernels.h")
#include "../../../kernels/training_kernels.h"
#else
#include "../kernels/training_kernels.h"
#endif

namespace bert::inline BERT_ABI {

using kernels::TrainingKernels;

/// The training operations that go with these kernels.
inline const TrainingKernels<float>& training_kernels(const KernelTable<float>& table) {
  return kernels::training_kernels_of(table.name);
}
inline const TrainingKernels<double>& training_kernels(const KernelTable<double>&) {
  return kernels::reference::training_table<double>();
}

}  // namespace bert::inline BERT_ABI

// bert::compiled, part 1 of 8: bert/nn.h. Threads, the choice of kernels, and what is no template among the blocks.
//
// A source of the library is built in the library's own namespace (core/abi.h). It first includes what other sources
// define, then turns definitions on and includes what it defines itself. The kernels are kernels/compiled.cpp.
#define BERT_LIBRARY_SOURCE
#include <bert/core/abi.h>

#undef BERT_WITH_DEFINITIONS
#define BERT_WITH_DEFINITIONS 1
#include <bert/nn.h>
#include <bert/nn/schedule.h>

namespace bert::inline BERT_ABI {
template const KernelTable<double>& default_kernels<double>();
}  // namespace bert::inline BERT_ABI

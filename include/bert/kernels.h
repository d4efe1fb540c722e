// The only door from the library to kernels/, and the choice of instruction set.
//
// A checkout has the kernels beside include/, an installation and the amalgamated header have them in bert/kernels/.
#pragma once
#include <bert/core/abi.h>
#include <bert/core/error.h>

#define BERT_KERNELS_ABI BERT_ABI
#if __has_include("../../kernels/bert_kernels.h")
#include "../../kernels/bert_kernels.h"
#else
#include "kernels/bert_kernels.h"
#endif
#if !defined(BERT_KERNELS_FOUND)
#error "bert: the file bert_kernels.h that was found is not the library's own"
#endif

#include <string>
#include <string_view>

namespace bert::inline BERT_ABI {

namespace kernels = bert_kernels;
using kernels::Activation;
using kernels::KernelTable;
using kernels::PoolingMode;

/// The float kernels of one instruction set. Throws UsageError for a name nobody knows and Error for one this CPU
/// cannot run; never lets an illegal instruction happen.
const KernelTable<float>& kernels_for(std::string_view isa);

/// The kernels that a model uses when it is not told otherwise. float: the instruction set named by the environment
/// variable BERT_ISA, else the best this CPU has, decided once. double: the plain reference templates.
template <class T>
const KernelTable<T>& default_kernels() {
  return kernels::reference::table<T>();
}
template <>
const KernelTable<float>& default_kernels<float>();

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <cstdlib>

namespace bert::inline BERT_ABI {

BERT_INLINE const KernelTable<float>& kernels_for(std::string_view isa) {
  std::string here;
  for (std::string_view name : kernels::runnable_isas()) {
    if (name == isa) return *kernels::isa_table(isa);
    here += concat(here.empty() ? "" : ", ", name);
  }
  const std::string_view known = BERT_ISA_NAMES;
  const std::size_t at = isa.empty() || isa.find_first_of(", ") != isa.npos ? known.npos : known.find(isa);
  if (at != known.npos && (at == 0 || known[at - 1] == ' ') &&
      (at + isa.size() == known.size() || known[at + isa.size()] == ','))
    fail("this CPU cannot run the instruction set \"", isa, "\"; it runs ", here);
  throw UsageError(concat("unknown instruction set \"", isa, "\": one of ", known));
}

template <>
BERT_INLINE const KernelTable<float>& default_kernels<float>() {
  static const KernelTable<float>& chosen = [&]() -> const KernelTable<float>& {
    const char* name = std::getenv("BERT_ISA");
    return name && *name ? kernels_for(name) : kernels_for(kernels::runnable_isas().back());
  }();
  return chosen;
}

}  // namespace bert::inline BERT_ABI
#else
namespace bert::inline BERT_ABI {
extern template const KernelTable<double>& default_kernels<double>();
}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

// Opens the region of one instruction set: its target, contraction off, its namespace. No include guard on purpose.
//
// Before it: BERT_REGION, the instruction set's name, and BERT_REGION_TARGET, the compiler's options for it, or nothing
// where every CPU of this kind has it. After the operations comes close.h. All standard and intrinsic headers are
// included before, so that only the operations are compiled for the target.
#define BERT_TEXT_OF_(name) #name
#define BERT_TEXT_OF(name) BERT_TEXT_OF_(name)
#define BERT_PRAGMA_(text) _Pragma(#text)
#define BERT_PRAGMA(text) BERT_PRAGMA_(text)

#if defined(__clang__)
#if defined(BERT_REGION_TARGET)
BERT_PRAGMA(clang attribute push(__attribute__((target(BERT_REGION_TARGET))), apply_to = function))
#endif
#else
#pragma GCC push_options
#if defined(BERT_REGION_TARGET)
BERT_PRAGMA(GCC target(BERT_REGION_TARGET))
#endif
#pragma GCC optimize("fp-contract=off")
#endif

namespace bert_kernels::inline BERT_KERNELS_ABI::BERT_REGION {
#if defined(__clang__)
#pragma clang fp contract(off)
#endif

// The one list of instruction sets, best last: BERT_ISA_LIST(X) calls X(name) for each that this target can hold.
// An overlay (README.md here) comes after its base. To add one: a folder in isa/ with vec.h and region.h, a line here,
// its test in cpu_has() (dispatch.h).
#pragma once

#if defined(BERT_SCALAR_ONLY)
#define BERT_ISA_LIST(X) X(scalar)
#elif defined(__x86_64__)
#define BERT_ISA_LIST(X) X(scalar) X(avx2) X(avx_vnni) X(avx512) X(avx512_vnni) X(avx512_bf16)
#else
#define BERT_ISA_LIST(X) X(scalar) X(neon) X(neon_dot)
#endif

/// Names that exist somewhere: one of these that is not in BERT_ISA_LIST is "not for this CPU", another is a typing
/// error.
#define BERT_ISA_NAMES "scalar, avx2, avx_vnni, avx512, avx512_vnni, avx512_bf16, neon, neon_dot"

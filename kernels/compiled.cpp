// The kernels of bert::compiled: every instruction set's, built once (CMake target bert_compiled).
#undef BERT_COMPILED
#define BERT_KERNELS_ABI compiled_library
#include "training_kernels.h"

extern "C" const void* bert_kernels_v0_1(const char* name) { return bert_kernels::isa_table(name); }
extern "C" const void* bert_training_kernels_v0_1(const char* name) { return &bert_kernels::training_kernels_of(name); }

// bert::compiled, part 4 of 8: models (see blocks.cpp). A new family comes in by registry.h; its class templates are
// instantiated below, as its header says that they are.
#define BERT_LIBRARY_SOURCE
#include <bert/io/checkpoint.h>
#include <bert/io/model_config.h>
#include <bert/io/weights.h>
#include <bert/nn.h>
#include <bert/nn/schedule.h>

#undef BERT_WITH_DEFINITIONS
#define BERT_WITH_DEFINITIONS 1
#include <bert/models/registry.h>
#include <bert/quant/int8_weights.h>

namespace bert::inline BERT_ABI {
template class Heads<float>;
template class Heads<double>;
template class EncoderModel<float>;
template class EncoderModel<double>;
template class DecoderModel<float>;
template class DecoderModel<double>;
template class WithHeads<EncoderModel<float>>;
template class WithHeads<EncoderModel<double>>;
template class CausalWithHeads<DecoderModel<float>>;
template class CausalWithHeads<DecoderModel<double>>;
}  // namespace bert::inline BERT_ABI

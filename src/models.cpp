// bert::compiled, part 4 of 8: models (see blocks.cpp). A new model is a line here; its class templates are
// instantiated below, as its header says that they are.
#define BERT_LIBRARY_SOURCE
#include <bert/io/checkpoint.h>
#include <bert/io/weights.h>
#include <bert/nn.h>
#include <bert/nn/schedule.h>

#undef BERT_WITH_DEFINITIONS
#define BERT_WITH_DEFINITIONS 1
#include <bert/models/bert.h>
#include <bert/quant/int8_weights.h>

namespace bert::inline BERT_ABI {
template class BertModel<float>;
template class BertModel<double>;
template class BertForPreTraining<float>;
template class BertForPreTraining<double>;
}  // namespace bert::inline BERT_ABI

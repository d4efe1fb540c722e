// bert::compiled, part 3 of 3: models and tasks (see blocks.cpp). A new model or task is a line here; a model's class
// templates are instantiated below, as its header says that they are.
#define BERT_LIBRARY_SOURCE
#include <bert/io/tokenizer_files.h>
#include <bert/io/weights.h>
#include <bert/nn.h>
#include <bert/nn/schedule.h>

#undef BERT_WITH_DEFINITIONS
#define BERT_WITH_DEFINITIONS 1
#include <bert/models/bert.h>
#include <bert/tasks/embed.h>
#include <bert/tasks/fill_mask.h>
#include <bert/tasks/next_sentence.h>
#include <bert/tasks/pseudo_perplexity.h>

namespace bert::inline BERT_ABI {
template class BertModel<float>;
template class BertModel<double>;
template class BertForPreTraining<float>;
template class BertForPreTraining<double>;
}  // namespace bert::inline BERT_ABI

// bert::compiled, part 6 of 8: training (see blocks.cpp). A new header of train/ is a line here.
#define BERT_LIBRARY_SOURCE
#include <bert/bert.h>
#include <bert/io/output_file.h>

#undef BERT_WITH_DEFINITIONS
#define BERT_WITH_DEFINITIONS 1
#include <bert/train/corpus_builder.h>
#include <bert/train/features.h>
#include <bert/train/metrics.h>
#include <bert/train/pretraining_data.h>
#include <bert/train/task_data.h>
#include <bert/train/wordpiece_trainer.h>

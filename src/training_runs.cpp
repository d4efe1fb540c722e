// bert::compiled, part 8 of 8: training runs (see blocks.cpp), which read packed texts: who uses them links what
// text_file.cpp needs.
#define BERT_LIBRARY_SOURCE
#include <bert/bert.h>
#include <bert/io/safetensors_writer.h>
#include <bert/io/temporary_folder.h>
#include <bert/io/text_file.h>
#include <bert/train/corpus_builder.h>
#include <bert/train/features.h>
#include <bert/train/metrics.h>
#include <bert/train/pretraining_data.h>
#include <bert/train/task_data.h>

#undef BERT_WITH_DEFINITIONS
#define BERT_WITH_DEFINITIONS 1
#include <bert/train/checkpoint.h>
#include <bert/train/decoder_config.h>
#include <bert/train/finetune_run.h>
#include <bert/train/loss_plot.h>
#include <bert/train/pretrain_run.h>
#include <bert/train/run_start.h>
#include <bert/train/verify.h>

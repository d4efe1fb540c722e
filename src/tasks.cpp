// bert::compiled, part 5 of 8: tasks (see blocks.cpp). A new task is a line here.
#define BERT_LIBRARY_SOURCE
#include <bert/io/safetensors_writer.h>
#include <bert/io/tokenizer_files.h>
#include <bert/models/registry.h>
#include <bert/nn.h>
#include <bert/quant/int8_weights.h>

#undef BERT_WITH_DEFINITIONS
#define BERT_WITH_DEFINITIONS 1
#include <bert/io/model_writer.h>
#include <bert/quant/calibration.h>
#include <bert/quant/quantize_model.h>
#include <bert/tasks/answer.h>
#include <bert/tasks/autocomplete.h>
#include <bert/tasks/classify.h>
#include <bert/tasks/embed.h>
#include <bert/tasks/fill_mask.h>
#include <bert/tasks/generate.h>
#include <bert/tasks/masked_generation.h>
#include <bert/tasks/masked_text.h>
#include <bert/tasks/next_sentence.h>
#include <bert/tasks/pseudo_perplexity.h>
#include <bert/tasks/sampling.h>
#include <bert/tasks/search.h>
#include <bert/tasks/tag.h>

// bert::compiled, part 2 of 8: files (see blocks.cpp). A new header of io/ that needs no tokenizer is one line here.
#define BERT_LIBRARY_SOURCE
#include <bert/nn.h>

#undef BERT_WITH_DEFINITIONS
#define BERT_WITH_DEFINITIONS 1
#include <bert/io/base64.h>
#include <bert/io/checkpoint.h>
#include <bert/io/model_config.h>
#include <bert/io/safetensors_writer.h>
#include <bert/io/temporary_folder.h>
#include <bert/io/weights.h>

// bert::compiled, part 2 of 3: tokenizers and files (see blocks.cpp). A new header of either is one line here.
#define BERT_LIBRARY_SOURCE
#include <bert/nn.h>

#undef BERT_WITH_DEFINITIONS
#define BERT_WITH_DEFINITIONS 1
#include <bert/io/checkpoint.h>
#include <bert/io/safetensors_writer.h>
#include <bert/io/tokenizer_files.h>
#include <bert/io/weights.h>
#include <bert/tokenizers/tokenizer.h>

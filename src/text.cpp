// bert::compiled, part 3 of 8: tokenizers (see blocks.cpp). A new header of tokenizers/ is one line here.
#define BERT_LIBRARY_SOURCE
#include <bert/io/checkpoint.h>
#include <bert/io/safetensors_writer.h>
#include <bert/nn.h>

#undef BERT_WITH_DEFINITIONS
#define BERT_WITH_DEFINITIONS 1
#include <bert/io/tokenizer_files.h>
#include <bert/tokenizers/sentencepiece_families.h>
#include <bert/tokenizers/stream_decoder.h>
#include <bert/tokenizers/tokenizer.h>

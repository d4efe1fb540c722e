// bert::compiled, part 7 of 8: text files (see blocks.cpp). It is a source of its own because it alone needs liblzma
// and zlib: programs that do not use it do not link them.
#define BERT_LIBRARY_SOURCE
#include <bert/core/error.h>

#undef BERT_WITH_DEFINITIONS
#define BERT_WITH_DEFINITIONS 1
#include <bert/io/text_file.h>

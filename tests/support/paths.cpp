// The two paths of this build. Here alone, so that another checkout's test files compile to the same bytes, which
// ccache then has.
#include "support/paths.h"

std::filesystem::path tests::source_dir() { return BERT_SOURCE_DIR; }
std::filesystem::path tests::binary_dir() { return BERT_BINARY_DIR; }

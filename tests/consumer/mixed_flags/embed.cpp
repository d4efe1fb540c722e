#include "embed.h"

#include <bert/bert.h>

#ifdef WIDE
std::vector<float> embed_wide(const char* model, const char* text) { return bert::Embedder(model)(text); }
#else
std::vector<float> embed_plain(const char* model, const char* text) { return bert::Embedder(model)(text); }
#endif

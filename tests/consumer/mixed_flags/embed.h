// The same work in two translation units: embed.cpp is compiled twice, with and without wide instruction sets.
#pragma once
#include <vector>

std::vector<float> embed_plain(const char* model, const char* text);
std::vector<float> embed_wide(const char* model, const char* text);

// The whole library, in reading order. Tensors and blocks alone are <bert/nn.h>.
#pragma once
// clang-format off
#include <bert/nn.h>
#include <bert/tokenizers/stream_decoder.h>
#include <bert/io/checkpoint.h>
#include <bert/models/registry.h>
#include <bert/tasks/fill_mask.h>
#include <bert/tasks/next_sentence.h>
#include <bert/tasks/pseudo_perplexity.h>
#include <bert/tasks/embed.h>
#include <bert/tasks/classify.h>
#include <bert/tasks/tag.h>
#include <bert/tasks/answer.h>
#include <bert/tasks/sampling.h>
#include <bert/tasks/generate.h>
#include <bert/tasks/autocomplete.h>
#include <bert/tasks/masked_generation.h>

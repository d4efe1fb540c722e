// The operations of training on neon.
#pragma once
#include "region.h"

#define BERT_REGION neon
#include "../open.h"

#include "../../ops/training.h"

#include "../close.h"

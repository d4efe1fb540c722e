// The operations of training on avx2.
#pragma once
#include "region.h"

#define BERT_REGION avx2
#define BERT_REGION_TARGET "avx2,fma,f16c"
#include "../open.h"

#include "../../ops/training.h"

#include "../close.h"

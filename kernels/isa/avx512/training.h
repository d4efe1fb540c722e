// The operations of training on avx512.
#pragma once
#include "region.h"

#define BERT_REGION avx512
#define BERT_REGION_TARGET "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c"
#include "../open.h"

#include "../../ops/training.h"

#include "../close.h"

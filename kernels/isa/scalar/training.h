// The operations of training on scalar.
#pragma once
#include "region.h"

#define BERT_REGION scalar
#include "../open.h"

#include "../../ops/training.h"

#include "../close.h"

// Tensors and blocks alone: no text, no files, nothing to link.
#pragma once
#include <bert/core/packed_batch.h>
#include <bert/core/session.h>
#include <bert/core/tensor.h>
#include <bert/nn/activation.h>
#include <bert/nn/any_linear.h>
#include <bert/nn/attention.h>
#include <bert/nn/embedding.h>
#include <bert/nn/encoder_layer.h>
#include <bert/nn/feed_forward.h>
#include <bert/nn/layer_norm.h>
#include <bert/nn/linear.h>
#include <bert/nn/pooler.h>
#include <bert/quant/int8_linear.h>
#include <bert/quant/precision.h>

// Everything for training, in reading order. CMake: bert::train beside bert::bert or bert::compiled; else -llzma and
// -lz where those libraries are, which read packed texts.
#pragma once
// clang-format off
#include <bert/bert.h>
#include <bert/io/text_file.h>
#include <bert/train/wordpiece_trainer.h>
#include <bert/train/corpus_builder.h>
#include <bert/train/pretraining_data.h>
#include <bert/train/encoder.h>
#include <bert/train/heads.h>
#include <bert/train/optimizer.h>
#include <bert/train/trainer.h>
#include <bert/train/pretraining.h>
#include <bert/train/run_start.h>
#include <bert/train/checkpoint.h>
#include <bert/train/pretrain_run.h>
#include <bert/train/task_data.h>
#include <bert/train/metrics.h>
#include <bert/train/features.h>
#include <bert/train/task_pass.h>
#include <bert/train/task_examples.h>
#include <bert/train/finetune_run.h>
#include <bert/train/verify.h>
#include <bert/train/pretraining_evaluation.h>

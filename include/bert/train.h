// Everything for training, in reading order. CMake: bert::train beside bert::bert or bert::compiled; else -llzma and
// -lz where those libraries are, which read packed texts.
#pragma once
// clang-format off
#include <bert/bert.h>
#include <bert/io/text_file.h>
#include <bert/train/wordpiece_trainer.h>

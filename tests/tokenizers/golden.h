// Reading what tools/make_golden.py tokenizer left in tests/golden/tokenizer.
#pragma once
#include <bert/io/json.h>
#include <bert/tokenizers/tokenizer.h>

#include <filesystem>
#include <string>
#include <vector>

#include "io/files.h"
#include "support/paths.h"

namespace tests {

inline std::string tokenizer_golden(const std::string& name) {
  return read_file(source_dir() / "tests/golden/tokenizer" / name);
}

inline int to_int(const bert::Json& value) {
  int number = 0;
  if (!value.to(number)) throw std::runtime_error("not a number: " + value.text);
  return number;
}

inline std::string bytes_from_hex(const std::string& digits) {
  std::string out;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
    out += static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16));
  }
  return out;
}

/// The tokens of one window: id, type id, start, end, special, word.
using Rows = std::vector<std::vector<int>>;

inline Rows rows_of(const bert::Encoding& encoding) {
  Rows rows;
  for (std::size_t i = 0; i < encoding.ids.size(); ++i) {
    rows.push_back({encoding.ids[i], encoding.type_ids.at(i), static_cast<int>(encoding.offsets.at(i).start),
                    static_cast<int>(encoding.offsets.at(i).end), encoding.special_tokens_mask.at(i),
                    encoding.words.at(i)});
  }
  return rows;
}

/// All windows of an encoding, the first one first.
inline std::vector<Rows> windows_of(const bert::Encoding& encoding) {
  std::vector<Rows> windows{rows_of(encoding)};
  for (const bert::Encoding& window : encoding.overflowing) windows.push_back(rows_of(window));
  return windows;
}

inline std::vector<Rows> windows_of(const bert::Json& json) {
  std::vector<Rows> windows;
  for (const bert::Json& window : json.members) {
    Rows& rows = windows.emplace_back();
    for (const bert::Json& row : window.members) {
      std::vector<int>& values = rows.emplace_back();
      for (const bert::Json& value : row.members) values.push_back(to_int(value));
    }
  }
  return windows;
}

}  // namespace tests

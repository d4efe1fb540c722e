// A driver for tools/compare_tokenizer.py: tokenizes texts from stdin and writes what it got to stdout, in binary.
//
//   tokenize_lines TOKENIZER.json [MAX_LENGTH TRUNCATION STRIDE]
//   in:  repeated: u32 bytes of the first text, u32 bytes of the second + 1 (0: none), the texts
//   out: repeated: u32 windows, then for each window u32 tokens and so many times id, type id, start, end, special,
//   word (i32)
#include <bert/tokenizers/tokenizer.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>

namespace {

void write(std::int32_t value) { std::fwrite(&value, sizeof value, 1, stdout); }

void write(const bert::Encoding& encoding) {
  write(static_cast<std::int32_t>(encoding.ids.size()));
  for (std::size_t i = 0; i < encoding.ids.size(); ++i) {
    write(encoding.ids[i]);
    write(encoding.type_ids[i]);
    write(static_cast<std::int32_t>(encoding.offsets[i].start));
    write(static_cast<std::int32_t>(encoding.offsets[i].end));
    write(encoding.special_tokens_mask[i]);
    write(encoding.words[i]);
  }
}

std::string read_text(std::uint32_t bytes) {
  std::string text(bytes, '\0');
  if (std::fread(text.data(), 1, bytes, stdin) != bytes) throw bert::Error("the input ends inside a text");
  return text;
}

}  // namespace

int main(int argc, char** argv) try {
  std::ifstream file(argc > 1 ? argv[1] : "", std::ios::binary);
  const std::string json((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const bert::Tokenizer tokenizer = bert::Tokenizer::from_json(json);
  bert::EncodeOptions options;
  if (argc == 5) {
    const std::string_view truncation = argv[3];
    options.max_length = std::strtoul(argv[2], nullptr, 10);
    options.truncation = truncation == "longest_first" ? bert::Truncation::longest_first
                         : truncation == "only_first"  ? bert::Truncation::only_first
                                                       : bert::Truncation::only_second;
    options.stride = std::strtoul(argv[4], nullptr, 10);
  }
  std::vector<std::int32_t> ids;
  for (std::uint32_t sizes[2]; std::fread(sizes, sizeof sizes[0], 2, stdin) == 2;) {
    const std::string a = read_text(sizes[0]), b = read_text(sizes[1] ? sizes[1] - 1 : 0);
    const bert::Encoding encoding = sizes[1] ? tokenizer.encode(a, b, options) : tokenizer.encode(a, options);
    if (ids.clear(), tokenizer.encode_ids(a, ids); sizes[1] == 0 && argc == 2 && ids != encoding.ids) {
      throw bert::Error("encode_ids and encode differ");
    }
    write(static_cast<std::int32_t>(encoding.overflowing.size() + 1));
    write(encoding);
    for (const bert::Encoding& window : encoding.overflowing) write(window);
  }
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "error: %s\n", error.what());
  return 1;
}

// A driver for tools/compare_tokenizer.py: tokenizes texts from stdin and writes what it got to stdout, in binary.
//
//   tokenize_lines TOKENIZER [MAX_LENGTH TRUNCATION STRIDE]
//   TOKENIZER: a file or folder as bert tokenize takes it
//   in:  repeated: u32 bytes of the first text, u32 bytes of the second + 1 (0: none), the texts
//   out: repeated: u32 windows, then for each window u32 tokens and so many times id, type id, start, end, special,
//   word (i32)
//   tokenize_lines TOKENIZER decode
//   in:  repeated: u32 number of ids, the ids
//   out: for each, with special tokens and without: u32 bytes, the text; that of StreamDecoder is checked here
#include <bert/io/tokenizer_files.h>
#include <bert/tokenizers/stream_decoder.h>

#include <cstdio>
#include <cstdlib>

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

void decode_all(const bert::Tokenizer& tokenizer) {
  std::vector<std::int32_t> ids;
  for (std::uint32_t count; std::fread(&count, sizeof count, 1, stdin) == 1;) {
    ids.resize(count);
    if (std::fread(ids.data(), sizeof ids[0], count, stdin) != count) throw bert::Error("the input ends inside ids");
    for (const bool skip : {false, true}) {
      const std::string text = tokenizer.decode(ids, skip);
      bert::StreamDecoder stream(tokenizer, skip);
      std::string streamed;
      for (const std::int32_t id : ids) streamed += stream.push(id);
      if (streamed + stream.finish() != text) throw bert::Error("StreamDecoder and decode() differ: " + text);
      write(static_cast<std::int32_t>(text.size()));
      std::fwrite(text.data(), 1, text.size(), stdout);
    }
  }
}

}  // namespace

int main(int argc, char** argv) try {
  const bert::Tokenizer tokenizer =
      bert::load_tokenizer(bert::read_tokenizer_files(argc > 1 ? argv[1] : ""), std::nullopt);
  if (argc == 3) return decode_all(tokenizer), 0;
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

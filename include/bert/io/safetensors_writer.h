// write_safetensors: the one layout this project writes, so that the same tensors are the same bytes.
//
// Metadata sorted by key, tensors by descending element size, then by name, without holes; the header padded with
// spaces so that the data begins at a multiple of 64. tools/convert_weights.py writes the same bytes.
#pragma once
#include <bert/io/output_file.h>
#include <bert/io/safetensors.h>

namespace bert::inline BERT_ABI {

/// Text as a JSON string with its quotes: `"`, `\` and control characters are escaped, the rest stays UTF-8.
std::string quote_json(std::string_view text);

using Metadata = std::vector<std::pair<std::string, std::string>>;

/// Writes a safetensors file; it appears only when complete. Tensors borrow their bytes (row-major, little-endian).
/// Errors: unwritable file, a name given twice, bytes that do not fit shape and dtype.
void write_safetensors(const std::filesystem::path& path, Metadata metadata, std::vector<TensorRef> tensors);

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <algorithm>

namespace bert::inline BERT_ABI {

BERT_INLINE std::string quote_json(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    constexpr std::string_view kNamed = "\"\\\b\f\n\r\t", kLetters = "\"\\bfnrt", kHex = "0123456789abcdef";
    if (const std::size_t named = kNamed.find(c); named != std::string_view::npos) {
      out += {'\\', kLetters[named]};
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += concat("\\u00", kHex[static_cast<std::size_t>(c) >> 4], kHex[static_cast<std::size_t>(c) & 15]);
    } else {
      out += c;
    }
  }
  return out += '"';
}

BERT_INLINE void write_safetensors(const std::filesystem::path& path, Metadata metadata,
                                   std::vector<TensorRef> tensors) {
  std::sort(metadata.begin(), metadata.end());
  std::sort(tensors.begin(), tensors.end(), [](const TensorRef& a, const TensorRef& b) {
    return size_of(a.dtype) != size_of(b.dtype) ? size_of(a.dtype) > size_of(b.dtype) : a.name < b.name;
  });
  std::string header = "{\"__metadata__\":{";
  for (const auto& [key, value] : metadata)
    header += concat(header.back() == '{' ? "" : ",", quote_json(key), ":", quote_json(value));
  header += '}';
  std::size_t offset = 0;
  for (const TensorRef& tensor : tensors) {
    std::size_t size = size_of(tensor.dtype);
    std::string shape;
    for (const std::size_t extent : tensor.shape) {
      size *= extent;
      shape += concat(shape.empty() ? "" : ",", extent);
    }
    if (size != tensor.bytes.size())
      fail("cannot write \"", path.string(), "\": ", tensor.name, " has ", tensor.bytes.size(), " bytes, ",
           shape_text(tensor.shape), " of ", name(tensor.dtype), " has ", size);
    header += concat(",", quote_json(tensor.name), ":{\"dtype\":\"", name(tensor.dtype), "\",\"shape\":[", shape,
                     "],\"data_offsets\":[", offset, ",", offset + size, "]}");
    offset += size;
  }
  header += '}';
  header.resize((header.size() + 8 + 63) / 64 * 64 - 8, ' ');
  parse_json(header, concat("the header of \"", path.string(), "\""));  // a name given twice, or not UTF-8, ends here

  OutputFile file(path);
  const std::uint64_t length = header.size();
  file.write(std::as_bytes(std::span(&length, 1)));
  file.write(header);
  for (const TensorRef& tensor : tensors) file.write(tensor.bytes);
  file.commit();
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

// Packs bytes with liblzma's and zlib's own encoders, for tests of what reads archives. Without a library: no archive.
#pragma once
#include <optional>
#include <string>

#if __has_include(<lzma.h>)
#include <lzma.h>
#endif
#if __has_include(<zlib.h>)
#include <zlib.h>
#endif

namespace tests {

inline std::optional<std::string> xz([[maybe_unused]] const std::string& text) {
#if __has_include(<lzma.h>)
  std::string archive(lzma_stream_buffer_bound(text.size()), '\0');
  std::size_t size = 0;
  if (lzma_easy_buffer_encode(0, LZMA_CHECK_CRC64, nullptr, reinterpret_cast<const std::uint8_t*>(text.data()),
                              text.size(), reinterpret_cast<std::uint8_t*>(archive.data()), &size,
                              archive.size()) != LZMA_OK)
    return std::nullopt;
  archive.resize(size);
  return archive;
#else
  return std::nullopt;
#endif
}

inline std::optional<std::string> gz([[maybe_unused]] const std::string& text) {
#if __has_include(<zlib.h>)
  z_stream stream{};
  constexpr int kGzip = 15 + 16;
  if (deflateInit2(&stream, 1, Z_DEFLATED, kGzip, 8, Z_DEFAULT_STRATEGY) != Z_OK) return std::nullopt;
  std::string archive(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(archive.data());
  stream.avail_out = static_cast<uInt>(archive.size());
  const int status = deflate(&stream, Z_FINISH);
  const std::size_t size = stream.total_out;
  deflateEnd(&stream);
  return status == Z_STREAM_END ? std::optional(archive.substr(0, size)) : std::nullopt;
#else
  return std::nullopt;
#endif
}

}  // namespace tests

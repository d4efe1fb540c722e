// TextReader: the lines of a plain, .xz or .gz text file, in a few hundred kilobytes of memory whatever its size.
//
// What a file is, its first bytes say, not its name. liblzma and zlib are used where their headers are found, unless
// BERT_WITH_LZMA or BERT_WITH_ZLIB is defined as 0, and only programs that use this header link them (CMake:
// bert::train). Another kind of archive is another detail::ByteSource and a line in open_source().
#pragma once
#include <bert/core/error.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace bert::inline BERT_ABI {

namespace detail {
class InputBytes;
class ByteSource;
}  // namespace detail

/// Reads a text file line by line. Lines end with "\n" or "\r\n"; the last one needs no end. They are given as the
/// bytes they are, NUL and invalid UTF-8 included, but for a UTF-8 byte order mark at the start of the file. Archives
/// put together from several are read to the end. Errors, here and in next_line(): `cannot read "FILE": …` (missing, a
/// folder, an archive that is damaged, cut off or of a kind that is not known here, a line of more than 1 GiB).
class TextReader {
 public:
  explicit TextReader(const std::filesystem::path& path);
  TextReader(TextReader&& other) noexcept;
  TextReader& operator=(TextReader&& other) noexcept;
  ~TextReader();

  /// The next line without its end, valid until the next call; false at the end of the file. After an error the reader
  /// is at its end.
  bool next_line(std::string_view& line);

  /// The number of the line that was read last, from 1; 0 before the first.
  std::size_t line_number() const { return line_number_; }
  /// `line 7 of "FILE"`, for messages about the line that was read last.
  std::string place() const { return concat("line ", line_number_, " of \"", path_.string(), "\""); }

  /// How much of the file was read, and its size, both as it lies on the disk; a pipe has size 0.
  std::uint64_t bytes_read() const;
  std::uint64_t file_size() const;

  /// Whether this build reads such archives.
  static bool reads_xz();
  static bool reads_gz();

 private:
  bool fill();
  [[noreturn]] void fail_reading(std::string_view reason);

  std::filesystem::path path_;
  std::unique_ptr<detail::InputBytes> input_;
  std::unique_ptr<detail::ByteSource> source_;  // reads from *input_; null at the end
  std::vector<char> buffer_;                    // [begin_, end_) is still to be given out
  std::size_t begin_ = 0, end_ = 0, line_number_ = 0;
  std::string line_;  // one that does not lie in buffer_ as a whole
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS

#if !defined(BERT_WITH_LZMA)
#if __has_include(<lzma.h>)
#define BERT_WITH_LZMA 1
#else
#define BERT_WITH_LZMA 0
#endif
#endif
#if !defined(BERT_WITH_ZLIB)
#if __has_include(<zlib.h>)
#define BERT_WITH_ZLIB 1
#else
#define BERT_WITH_ZLIB 0
#endif
#endif

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>
#include <system_error>
#include <utility>
#if BERT_WITH_LZMA
#include <lzma.h>
#endif
#if BERT_WITH_ZLIB
#include <zlib.h>
#endif

namespace bert::inline BERT_ABI {

namespace detail {

/// The bytes of a file in pieces. Errors are the bare reason, as in ByteSource.
class InputBytes {
 public:
  explicit InputBytes(const std::filesystem::path& path) : buffer_(std::size_t{1} << 16) {
    file_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat info {};
    if (file_ < 0 || ::fstat(file_, &info) != 0) {
      const int error = errno;
      close();
      fail(std::generic_category().message(error));
    }
    if (S_ISREG(info.st_mode)) size_ = static_cast<std::uint64_t>(info.st_size);
  }
  InputBytes(const InputBytes&) = delete;
  InputBytes& operator=(const InputBytes&) = delete;
  ~InputBytes() { close(); }

  /// What was read and not yet used; more of it is read where there are fewer than `wanted` bytes. Empty at the end.
  std::string_view peek(std::size_t wanted = 1) {
    if (end_ - begin_ < wanted && begin_ > 0) {
      std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
      end_ -= std::exchange(begin_, 0);
    }
    while (end_ - begin_ < wanted && !ended_) {
      const ssize_t count = ::read(file_, buffer_.data() + end_, buffer_.size() - end_);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) fail(std::generic_category().message(errno));
      ended_ = count == 0;
      end_ += static_cast<std::size_t>(count);
      bytes_read_ += static_cast<std::uint64_t>(count);
    }
    return {buffer_.data() + begin_, end_ - begin_};
  }
  void use(std::size_t count) { begin_ += count; }

  std::uint64_t size() const { return size_; }
  std::uint64_t bytes_read() const { return bytes_read_; }

 private:
  void close() {
    if (file_ >= 0) ::close(file_);
  }

  int file_ = -1;
  std::vector<char> buffer_;
  std::size_t begin_ = 0, end_ = 0;
  std::uint64_t size_ = 0, bytes_read_ = 0;
  bool ended_ = false;
};

/// The bytes of the text. Errors are thrown with the bare reason: TextReader adds file and line.
class ByteSource {
 public:
  explicit ByteSource(InputBytes& input) : input_(input) {}
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;
  virtual ~ByteSource() = default;
  /// Fills the front of `out` and returns how far; 0 at the end.
  virtual std::size_t read(std::span<char> out) = 0;

 protected:
  static constexpr std::string_view kCutOff = "the archive is cut off: it ends before its last block does";

  InputBytes& input_;
};

class PlainSource final : public ByteSource {
 public:
  using ByteSource::ByteSource;
  std::size_t read(std::span<char> out) override {
    const std::string_view bytes = input_.peek().substr(0, out.size());
    std::copy(bytes.begin(), bytes.end(), out.begin());
    input_.use(bytes.size());
    return bytes.size();
  }
};

#if BERT_WITH_LZMA
class XzSource final : public ByteSource {
 public:
  explicit XzSource(InputBytes& input) : ByteSource(input) {
    constexpr std::uint64_t kMostMemory = std::uint64_t{1} << 30;  // xz -9 needs 65 MB
    if (lzma_stream_decoder(&stream_, kMostMemory, LZMA_CONCATENATED) != LZMA_OK) fail("liblzma has no memory");
  }
  ~XzSource() override { lzma_end(&stream_); }

  std::size_t read(std::span<char> out) override {
    stream_.next_out = reinterpret_cast<std::uint8_t*>(out.data());
    stream_.avail_out = out.size();
    while (!ended_ && stream_.avail_out == out.size()) {
      const std::string_view bytes = input_.peek();
      stream_.next_in = reinterpret_cast<const std::uint8_t*>(bytes.data());
      stream_.avail_in = bytes.size();
      const lzma_ret status = lzma_code(&stream_, bytes.empty() ? LZMA_FINISH : LZMA_RUN);
      input_.use(bytes.size() - stream_.avail_in);
      ended_ = status == LZMA_STREAM_END;
      if (status != LZMA_OK && !ended_) fail(reason(status));
    }
    return out.size() - stream_.avail_out;
  }

 private:
  static std::string_view reason(lzma_ret status) {
    switch (status) {
      case LZMA_BUF_ERROR:
        return kCutOff;
      case LZMA_MEM_ERROR:
        return "liblzma has no memory";
      case LZMA_MEMLIMIT_ERROR:
        return "the .xz archive needs more than 1 GiB of memory: pack it with xz -9 or less";
      case LZMA_OPTIONS_ERROR:
        return "the .xz archive uses an option that this liblzma does not know";
      default:
        return "the .xz archive is damaged";
    }
  }

  lzma_stream stream_ = LZMA_STREAM_INIT;
  bool ended_ = false;
};
#endif

#if BERT_WITH_ZLIB
class GzSource final : public ByteSource {
 public:
  explicit GzSource(InputBytes& input) : ByteSource(input) {
    constexpr int kGzipOnly = 15 + 16;
    if (inflateInit2(&stream_, kGzipOnly) != Z_OK) fail("zlib has no memory");
  }
  ~GzSource() override { inflateEnd(&stream_); }

  std::size_t read(std::span<char> out) override {
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = static_cast<uInt>(out.size());
    while (!ended_ && stream_.avail_out == out.size()) {
      const std::string_view bytes = input_.peek();
      if (bytes.empty()) fail(kCutOff);
      stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
      stream_.avail_in = static_cast<uInt>(bytes.size());
      const int status = inflate(&stream_, Z_NO_FLUSH);
      input_.use(bytes.size() - stream_.avail_in);
      if (status == Z_STREAM_END) start_next_member();
      if (status == Z_MEM_ERROR) fail("zlib has no memory");
      if (status != Z_STREAM_END && status != Z_OK && status != Z_BUF_ERROR) fail("the .gz archive is damaged");
    }
    return out.size() - stream_.avail_out;
  }

 private:
  /// Behind a member comes another, or zeros (of tapes), or the end.
  void start_next_member() {
    while (!input_.peek().empty() && input_.peek().front() == '\0') input_.use(1);
    ended_ = input_.peek().empty();
    if (!ended_ && !input_.peek(2).starts_with("\x1f\x8b")) fail("something that is no .gz archive stands behind it");
    if (!ended_) inflateReset(&stream_);
  }

  z_stream stream_{};
  bool ended_ = false;
};
#endif

inline std::unique_ptr<ByteSource> open_source(InputBytes& input) {
  using namespace std::string_view_literals;
  const std::string_view start = input.peek(6);
  if (start.starts_with("\xfd"
                        "7zXZ\0"sv)) {
#if BERT_WITH_LZMA
    return std::make_unique<XzSource>(input);
#else
    fail(
        "it is an .xz archive, which this build does not read: build with liblzma (Debian: liblzma-dev), or unpack it");
#endif
  }
  if (start.starts_with("\x1f\x8b"sv)) {
#if BERT_WITH_ZLIB
    return std::make_unique<GzSource>(input);
#else
    fail("it is a .gz archive, which this build does not read: build with zlib (Debian: zlib1g-dev), or unpack it");
#endif
  }
  if (start.starts_with("\x28\xb5\x2f\xfd"sv) || start.starts_with("PK\3\4"sv))
    fail("it is an archive of a kind that is not known here: pack it with xz or gzip, or not at all");
  if (start.starts_with("\xff\xfe"sv) || start.starts_with("\xfe\xff"sv))
    fail("it is UTF-16: make UTF-8 of it, as iconv -f UTF-16 -t UTF-8 does");
  return std::make_unique<PlainSource>(input);
}

}  // namespace detail

BERT_INLINE TextReader::TextReader(const std::filesystem::path& path) : path_(path), buffer_(std::size_t{1} << 18) {
  try {
    input_ = std::make_unique<detail::InputBytes>(path);
    source_ = detail::open_source(*input_);
  } catch (const Error& error) {
    fail_reading(error.what());
  }
}

BERT_INLINE TextReader::TextReader(TextReader&&) noexcept = default;
BERT_INLINE TextReader& TextReader::operator=(TextReader&&) noexcept = default;
BERT_INLINE TextReader::~TextReader() = default;

BERT_INLINE bool TextReader::next_line(std::string_view& line) {
  constexpr std::size_t kLongest = std::size_t{1} << 30;
  bool whole = false, begun = false;
  line_.clear();
  while (!whole && (begin_ < end_ || fill())) {
    const char* const first = buffer_.data() + begin_;
    const auto* const newline = static_cast<const char*>(std::memchr(first, '\n', end_ - begin_));
    whole = newline != nullptr;
    line = {first, whole ? static_cast<std::size_t>(newline - first) : end_ - begin_};
    begin_ += line.size() + whole;
    if (whole && !begun) break;
    begun = true;
    if (line_.size() + line.size() > kLongest) fail_reading("the next line is longer than 1 GiB: is it text?");
    line_ += line;
  }
  if (!whole && !begun) return false;
  if (begun) line = line_;
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (line_number_ == 0 && line.starts_with("\xef\xbb\xbf")) line.remove_prefix(3);
  ++line_number_;
  return true;
}

/// Reads more into the empty buffer; false at the end.
BERT_INLINE bool TextReader::fill() {
  if (!source_) return false;
  try {
    begin_ = 0;
    end_ = source_->read(buffer_);
  } catch (const Error& error) {
    fail_reading(error.what());
  }
  if (end_ == 0) source_.reset();
  return end_ > 0;
}

BERT_INLINE void TextReader::fail_reading(std::string_view reason) {
  begin_ = end_ = 0;
  source_.reset();
  fail("cannot read \"", path_.string(), "\"", line_number_ > 0 ? concat(" after line ", line_number_) : "", ": ",
       reason);
}

BERT_INLINE std::uint64_t TextReader::bytes_read() const { return input_->bytes_read(); }
BERT_INLINE std::uint64_t TextReader::file_size() const { return input_->size(); }
BERT_INLINE bool TextReader::reads_xz() { return BERT_WITH_LZMA != 0; }
BERT_INLINE bool TextReader::reads_gz() { return BERT_WITH_ZLIB != 0; }

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

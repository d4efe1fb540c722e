// OutputFile: a file that appears under its name only when all of it was written.
//
// It is written under another name in the same folder, flushed to disk, then renamed; dropped before commit() it leaves
// nothing. What is no regular file (/dev/stdout, a pipe) is written directly.
#pragma once
#include <bert/core/error.h>

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace bert::inline BERT_ABI {

/// Errors: `cannot write "FILE": No space left on device`.
class OutputFile {
 public:
  explicit OutputFile(const std::filesystem::path& path);
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  ~OutputFile() { discard(); }

  void write(std::span<const std::byte> data);
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }

  /// Makes the file appear, replacing one of that name. Call it once, last.
  void commit();

 private:
  [[noreturn]] void fail_errno(int error) const;
  [[noreturn]] void discard_and_fail();
  void discard();

  std::filesystem::path target_;
  std::string temporary_;  // empty when writing directly
  int file_ = -1;
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>
#include <cstdio>
#include <system_error>

namespace bert::inline BERT_ABI {

BERT_INLINE OutputFile::OutputFile(const std::filesystem::path& path) : target_(path) {
  std::error_code ignored;
  if (std::filesystem::is_symlink(path, ignored)) target_ = std::filesystem::weakly_canonical(path, ignored);
  const bool special = std::filesystem::exists(target_, ignored) && !std::filesystem::is_regular_file(target_, ignored);
  if (std::filesystem::is_directory(target_, ignored)) fail_errno(EISDIR);
  for (int attempt = 0; file_ < 0 && attempt < 100; ++attempt) {
    temporary_ = special ? target_.string() : concat(target_.string(), ".", ::getpid(), ".", attempt, ".part");
    file_ = ::open(temporary_.c_str(), special ? O_WRONLY | O_CLOEXEC : O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file_ < 0 && errno != EEXIST) fail_errno(errno);
  }
  if (file_ < 0) fail_errno(EEXIST);
  if (special) temporary_.clear();
}

BERT_INLINE void OutputFile::write(std::span<const std::byte> data) {
  while (!data.empty()) {
    const ssize_t written = ::write(file_, data.data(), data.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) discard_and_fail();
    data = data.subspan(static_cast<std::size_t>(written));
  }
}

BERT_INLINE void OutputFile::commit() {
  if (!temporary_.empty() && ::fsync(file_) != 0) discard_and_fail();
  const int closed = ::close(file_);
  file_ = -1;
  if (closed != 0 || (!temporary_.empty() && ::rename(temporary_.c_str(), target_.c_str()) != 0)) discard_and_fail();
  temporary_.clear();
}

BERT_INLINE void OutputFile::fail_errno(int error) const {
  fail("cannot write \"", target_.string(), "\": ", std::generic_category().message(error));
}

BERT_INLINE void OutputFile::discard_and_fail() {
  const int error = errno;
  discard();
  fail_errno(error);
}

BERT_INLINE void OutputFile::discard() {
  if (file_ >= 0) ::close(file_);
  file_ = -1;
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
  temporary_.clear();
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

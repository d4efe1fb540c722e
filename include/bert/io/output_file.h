// OutputFile: a file that appears under its name only when all of it was written.
//
// It is written without a name in the same folder, flushed to disk, then named; dropped before commit() it leaves
// nothing, not even when the process is killed. Where the file system has no nameless files, it has another name until
// commit(). What is no regular file (/dev/stdout, a pipe) is written directly.
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
  void open_nameless();
  void name_it();
  [[noreturn]] void fail_errno(int error) const;
  [[noreturn]] void discard_and_fail();
  void discard();

  std::filesystem::path target_;
  std::string temporary_;  // its name before commit(), if it has one
  bool nameless_ = false;
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
  if (std::filesystem::exists(target_, ignored) && ::access(target_.c_str(), W_OK) != 0) fail_errno(errno);
  if (!special) open_nameless();
  for (int attempt = 0; file_ < 0 && attempt < 100; ++attempt) {
    temporary_ = special ? target_.string() : concat(target_.string(), ".", ::getpid(), ".", attempt, ".part");
    file_ = ::open(temporary_.c_str(), special ? O_WRONLY | O_CLOEXEC : O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file_ < 0 && errno != EEXIST) fail_errno(errno);
  }
  if (file_ < 0) fail_errno(EEXIST);
  if (special) temporary_.clear();
}

/// Leaves file_ at -1 where it cannot be done.
BERT_INLINE void OutputFile::open_nameless() {
#ifdef O_TMPFILE
  const std::filesystem::path folder = target_.has_parent_path() ? target_.parent_path() : ".";
  if (::access("/proc/self/fd", X_OK) == 0) file_ = ::open(folder.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
  nameless_ = file_ >= 0;
#endif
}

/// A link never replaces a file, a rename does: so a nameless file gets the other name first.
BERT_INLINE void OutputFile::name_it() {
  int status = -1;
  for (int attempt = 0; status != 0 && attempt < 100; ++attempt) {
    temporary_ = concat(target_.string(), ".", ::getpid(), ".", attempt, ".part");
    status =
        ::linkat(AT_FDCWD, concat("/proc/self/fd/", file_).c_str(), AT_FDCWD, temporary_.c_str(), AT_SYMLINK_FOLLOW);
    if (status != 0 && errno != EEXIST) break;
  }
  if (status == 0) return;
  temporary_.clear();
  discard_and_fail();
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
  if ((nameless_ || !temporary_.empty()) && ::fsync(file_) != 0) discard_and_fail();
  if (nameless_) name_it();
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

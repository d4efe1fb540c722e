// MappedFile: a whole file as read-only memory, without reading it; pages come in when touched and can be given back.
//
// The file must not be shortened while it is mapped (the system would answer a touch beyond its end with SIGBUS).
#pragma once
#include <bert/core/error.h>

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace bert::inline BERT_ABI {

/// A read-only map of a regular file. Move-only; const calls may come from any thread.
class MappedFile {
 public:
  /// Errors: `cannot open "FILE": …` (missing, unreadable, not a regular file, empty).
  explicit MappedFile(const std::filesystem::path& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile other) noexcept;
  ~MappedFile();

  const std::filesystem::path& path() const { return path_; }
  std::span<const std::byte> bytes() const { return {data_, size_}; }
  std::string_view text() const { return {reinterpret_cast<const char*>(data_), size_}; }

  /// Lets the system take back the whole pages inside the range; they are read again when touched.
  void release(std::size_t offset, std::size_t size) const;

 private:
  [[noreturn]] void fail_errno(int error) const;

  std::filesystem::path path_;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>
#include <system_error>
#include <utility>

namespace bert::inline BERT_ABI {

BERT_INLINE MappedFile::MappedFile(const std::filesystem::path& path) : path_(path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) fail_errno(errno);
  struct stat info {};
  const bool regular = ::fstat(file, &info) == 0 && S_ISREG(info.st_mode);
  size_ = regular ? static_cast<std::size_t>(info.st_size) : 0;
  void* const map = size_ > 0 ? ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file, 0) : nullptr;
  const int error = errno;
  ::close(file);
  if (!regular) fail("cannot open \"", path.string(), "\": it is not a regular file");
  if (size_ == 0) fail("cannot open \"", path.string(), "\": it is empty");
  if (map == MAP_FAILED) fail_errno(error);
  data_ = static_cast<const std::byte*>(map);
}

BERT_INLINE MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)), data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

BERT_INLINE MappedFile& MappedFile::operator=(MappedFile other) noexcept {
  path_.swap(other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

BERT_INLINE MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

BERT_INLINE void MappedFile::release(std::size_t offset, std::size_t size) const {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t first = (offset + page - 1) / page * page;
  const std::size_t end = offset + size >= size_ ? size_ : (offset + size) / page * page;
  if (first < end) ::madvise(const_cast<std::byte*>(data_) + first, end - first, MADV_DONTNEED);
}

BERT_INLINE void MappedFile::fail_errno(int error) const {
  fail("cannot open \"", path_.string(), "\": ", std::generic_category().message(error));
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

// Guarded<T>: an array that touches an inaccessible page, so that a read or write beyond it ends the program at once.
// Compilers' sanitizers miss masked vector instructions; the memory management unit does not.
#pragma once
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <new>
#include <span>
#include <vector>

namespace tests {

/// Which end of the array lies at an inaccessible page.
enum class Flush { begin, end };

template <class T>
class Guarded {
 public:
  Guarded(std::size_t count, Flush flush) : count_(count) {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const std::size_t inside = (count * sizeof(T) + page - 1) / page * page + (count == 0 ? page : 0);
    bytes_ = inside + 2 * page;
    void* const map = mmap(nullptr, bytes_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) throw std::bad_alloc();
    base_ = static_cast<std::byte*>(map);
    if (mprotect(base_ + page, inside, PROT_READ | PROT_WRITE) != 0) throw std::bad_alloc();
    std::byte* const first = flush == Flush::begin ? base_ + page : base_ + page + inside - count * sizeof(T);
    data_ = reinterpret_cast<T*>(first);
  }
  Guarded(const std::vector<T>& values, Flush flush) : Guarded(values.size(), flush) {
    for (std::size_t i = 0; i < count_; ++i) data_[i] = values[i];
  }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  ~Guarded() { munmap(base_, bytes_); }

  T* data() { return data_; }
  std::span<const T> span() const { return {data_, count_}; }

 private:
  std::byte* base_ = nullptr;
  std::size_t bytes_ = 0, count_;
  T* data_ = nullptr;
};

}  // namespace tests

// TemporaryFolder: a folder for files that live as long as this.
#pragma once
#include <bert/core/error.h>

#include <cstdlib>
#include <filesystem>

namespace bert::inline BERT_ABI {

class TemporaryFolder {
 public:
  /// Error when the system has no place for one.
  TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder();

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace bert::inline BERT_ABI

#if BERT_WITH_DEFINITIONS
namespace bert::inline BERT_ABI {

BERT_INLINE TemporaryFolder::TemporaryFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "bert-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) fail("cannot make the folder \"", name, "\"");
  path_ = name;
}

BERT_INLINE TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace bert::inline BERT_ABI
#endif  // BERT_WITH_DEFINITIONS

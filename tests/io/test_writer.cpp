#include <bert/io/safetensors_writer.h>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstring>

#include "files.h"
#include "support/catch.h"
#include "support/paths.h"

using bert::DType;
using bert::TensorRef;

namespace {
const std::vector<float> kFloats{1, 2, 3};
const std::vector<std::uint8_t> kBytes{9};
std::vector<TensorRef> some_tensors() {
  return {{"b", DType::U8, {1}, std::as_bytes(std::span(kBytes))},
          {"a\"\n", DType::F32, {1, 3}, std::as_bytes(std::span(kFloats))}};
}
}  // namespace

TEST_CASE("written safetensors have sorted metadata, wide types first and data at a multiple of 64", "[io][writer]") {
  const tests::TemporaryFolder folder;
  bert::write_safetensors(folder / "m", {{"y", "2"}, {"x", "1\t\x01"}}, some_tensors());
  const std::string bytes = tests::read_file(folder / "m");
  const std::string header =
      R"({"__metadata__":{"x":"1\t\u0001","y":"2"},"a\"\n":{"dtype":"F32","shape":[1,3],"data_offsets":[0,12]},)"
      R"("b":{"dtype":"U8","shape":[1],"data_offsets":[12,13]}})";
  CHECK(bytes.substr(8, header.size()) == header);
  CHECK((bytes.size() - 13) % 64 == 0);
  CHECK(bytes.find_first_not_of(' ', 8 + header.size()) >= bytes.size() - 13);
  CHECK(folder.names() == std::vector<std::string>{"m"});

  auto reversed = some_tensors();
  std::swap(reversed[0], reversed[1]);
  bert::write_safetensors(folder / "n", {{"x", "1\t\x01"}, {"y", "2"}}, reversed);
  CHECK(tests::read_file(folder / "n") == bytes);

  const bert::SafetensorsFile read(folder / "m");
  CHECK(read.metadata("x") == std::string_view("1\t\x01"));
  CHECK(std::memcmp(read.find("a\"\n")->bytes.data(), kFloats.data(), 12) == 0);
}

TEST_CASE("the C++ writer gives the bytes of the Python converter", "[io][writer]") {
  const auto golden = tests::source_dir() / "tests/golden/io/tiny.safetensors";
  const bert::SafetensorsFile file(golden);
  bert::Metadata metadata;
  for (const char* key : {"format", "bert.tokenizer", "bert.provenance", "bert.format", "bert.config"})
    metadata.emplace_back(key, std::string(file.metadata(key).value()));
  const tests::TemporaryFolder folder;
  bert::write_safetensors(folder / "m", metadata, file.tensors());
  CHECK(tests::read_file(folder / "m") == tests::read_file(golden));
}

TEST_CASE("a file has no name before it is complete, where the file system can do that", "[io][writer]") {
  const tests::TemporaryFolder folder;
  const int probe = ::open(folder.path().c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
  if (probe >= 0) ::close(probe);
  tests::write_file(folder / "old", "before");
  bert::OutputFile one(folder / "new"), two(folder / "old"), three(folder / "old");
  one.write("1"), two.write("2"), three.write("3");
  if (probe >= 0) CHECK(folder.names() == std::vector<std::string>{"old"});  // what a killed process would leave
  one.commit(), three.commit(), two.commit();
  CHECK(folder.names() == std::vector<std::string>{"new", "old"});
  CHECK(tests::read_file(folder / "new") == "1");
  CHECK(tests::read_file(folder / "old") == "2");  // the last one of several, whole
}

TEST_CASE("a file that cannot be written leaves nothing behind and keeps what was there", "[io][writer][bad]") {
  const tests::TemporaryFolder folder;
  const auto path = folder / "m";
  tests::write_file(path, "before");
  const auto error = [&](std::vector<TensorRef> tensors, const std::filesystem::path& to) {
    return tests::error_of([&] { bert::write_safetensors(to, {}, std::move(tensors)); });
  };
  auto wrong = some_tensors();
  wrong[0].shape = {2};
  CHECK(error(wrong, path) == "cannot write \"" + path.string() + "\": b has 1 bytes, [2] of U8 has 2");
  auto twice = some_tensors();
  twice[0].name = twice[1].name = "t";
  CHECK(error(twice, path).find("names \"t\" twice") != std::string::npos);
  CHECK(error(some_tensors(), folder / "none/m").find("No such file or directory") != std::string::npos);
  CHECK(error(some_tensors(), folder.path()).find("Is a directory") != std::string::npos);
  CHECK(tests::read_file(path) == "before");
  CHECK(folder.names() == std::vector<std::string>{"m"});

  CHECK(error(some_tensors(), "/dev/full").find("No space left on device") != std::string::npos);

  struct rlimit before {};  // a disk that is full half-way: files may not grow beyond 4096 bytes
  ::getrlimit(RLIMIT_FSIZE, &before);
  const struct rlimit small { 4096, before.rlim_max };
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  ::setrlimit(RLIMIT_FSIZE, &small);
  const std::vector<float> large(4096);
  const std::string full = error({{"t", DType::F32, {4096}, std::as_bytes(std::span(large))}}, path);
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  CHECK(full == "cannot write \"" + path.string() + "\": File too large");
  CHECK(tests::read_file(path) == "before");
  CHECK(folder.names() == std::vector<std::string>{"m"});

  {
    bert::OutputFile dropped(path);
    dropped.write("half");
  }
  CHECK(tests::read_file(path) == "before");
  CHECK(folder.names() == std::vector<std::string>{"m"});
}

TEST_CASE("writing through a symbolic link replaces the file it points to", "[io][writer]") {
  const tests::TemporaryFolder folder;
  tests::write_file(folder / "target", "before");
  std::filesystem::create_symlink(folder / "target", folder / "link");
  bert::OutputFile file(folder / "link");
  file.write("after");
  file.commit();
  CHECK(std::filesystem::is_symlink(folder / "link"));
  CHECK(tests::read_file(folder / "target") == "after");
}

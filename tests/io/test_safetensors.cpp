#include <bert/io/safetensors.h>

#include <cstring>
#include <random>

#include "files.h"
#include "support/catch.h"
#include "support/paths.h"

using bert::SafetensorsFile;
using tests::safetensors_bytes;

namespace {
/// What opening a file with these bytes says, without the file's name.
std::string error_for(const std::string& bytes) {
  const tests::TemporaryFolder folder;
  const auto path = folder / "m.safetensors";
  tests::write_file(path, bytes);
  std::string error = tests::error_of([&] { SafetensorsFile file(path); });
  const std::string quoted = "\"" + path.string() + "\"";
  const std::size_t at = error.find(quoted);
  if (error != "nothing was thrown") REQUIRE(at != std::string::npos);
  return at == std::string::npos ? error : error.replace(at, quoted.size(), "FILE");
}
std::string error_for(const std::string& header, const std::string& data) {
  return error_for(safetensors_bytes(header, data));
}
std::string entry(const std::string& name, const std::string& dtype, const std::string& shape,
                  const std::string& range) {
  return "\"" + name + R"(":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + range + "}";
}
const std::string kBroken = "FILE is not a readable safetensors file: ";
}  // namespace

TEST_CASE("a safetensors file gives its tensors by name, where they lie", "[io][safetensors]") {
  const tests::TemporaryFolder folder;
  const auto path = folder / "m.safetensors";
  const std::string data = "12345678abcdXY";
  tests::write_file(
      path, safetensors_bytes("{\"__metadata__\":{\"k\":\"v\"}," + entry("z", "F32", "[2]", "[0,8]") + "," +
                                  entry("a", "U8", "[2,2]", "[8,12]") + "," + entry("none", "F32", "[0,3]", "[12,12]") +
                                  "," + entry("scalar", "BF16", "[]", "[12,14]") + "}  ",
                              data));
  const SafetensorsFile opened(path);
  REQUIRE(opened.tensors().size() == 4);
  CHECK(opened.tensors()[0].name == "a");
  CHECK(opened.tensors()[3].name == "z");
  CHECK(opened.find("z")->dtype == bert::DType::F32);
  CHECK(opened.find("z")->shape == std::vector<std::size_t>{2});
  CHECK(std::memcmp(opened.find("z")->bytes.data(), "12345678", 8) == 0);
  CHECK(opened.find("a")->bytes.size() == 4);
  CHECK(std::memcmp(opened.find("a")->bytes.data(), "abcd", 4) == 0);
  CHECK(opened.find("none")->bytes.empty());
  CHECK(opened.find("scalar")->elements() == 1);
  CHECK(opened.find("b") == nullptr);
  CHECK(opened.metadata("k") == std::string_view("v"));
  CHECK_FALSE(opened.metadata("l"));

  SafetensorsFile moved = [&] { return SafetensorsFile(path); }();
  const SafetensorsFile again(std::move(moved));
  CHECK(std::memcmp(again.find("a")->bytes.data(), "abcd", 4) == 0);
  again.release(*again.find("a"));
  CHECK(std::memcmp(again.find("a")->bytes.data(), "abcd", 4) == 0);
}

TEST_CASE("files that are no safetensors files are refused", "[io][safetensors][bad]") {
  CHECK(error_for("") == "cannot open FILE: it is empty");
  CHECK(error_for("1234567") == kBroken + "it is 7 bytes long, not even a header length");
  CHECK(error_for(std::string("\5\0\0\0\0\0\0\0{}  ", 12)) ==
        kBroken + "its header should be 5 bytes long, the file has 4 more (limit 100000000)");
  CHECK(error_for(std::string(64, '\xff')).find("18446744073709551615") != std::string::npos);
  CHECK(error_for(std::string("\x00\xe1\xf5\x05\x01\0\0\0", 8) + std::string(100, ' ')).find("limit") !=
        std::string::npos);
  CHECK(error_for("PK\3\4 a zip file, as pytorch_model.bin is one").find(kBroken) == 0);
  CHECK(error_for(safetensors_bytes("", "")).find("the header of FILE is not valid JSON") == 0);
  CHECK(error_for(safetensors_bytes("{\"a\":", "")).find("the header of FILE is not valid JSON") == 0);
  CHECK(error_for(safetensors_bytes(std::string(100, '\0'), "")).find("the header of FILE is not valid JSON") == 0);
  CHECK(error_for(safetensors_bytes(std::string(2000000, '['), "")).find("64 levels") != std::string::npos);
  CHECK(error_for("[]", "") == kBroken + "its header is not a JSON object");
  CHECK(error_for("{}", "") == "nothing was thrown");
  CHECK(error_for("{}", "x") == kBroken + "its last 1 bytes belong to no tensor");
}

TEST_CASE("a folder or a missing file in place of a model is refused", "[io][safetensors][bad]") {
  const tests::TemporaryFolder folder;
  CHECK(tests::error_of([&] { SafetensorsFile file(folder.path()); }) ==
        "cannot open \"" + folder.path().string() + "\": it is not a regular file");
  CHECK(tests::error_of([&] { SafetensorsFile file(folder / "none"); }).find("No such file") != std::string::npos);
  CHECK(tests::error_of([&] { SafetensorsFile file("/dev/zero"); }).find("not a regular file") != std::string::npos);
}

TEST_CASE("a header whose tensors do not fit the file is refused", "[io][safetensors][bad]") {
  const auto one = [](const std::string& dtype, const std::string& shape, const std::string& range) {
    return error_for("{" + entry("t", dtype, shape, range) + "}", std::string(16, 'x'));
  };
  CHECK(one("F32", "[4]", "[0,16]") == "nothing was thrown");
  CHECK(one("F31", "[4]", "[0,16]") == kBroken + "t has the unknown dtype F31");
  CHECK(one("F8_E4M3", "[16]", "[0,16]") == kBroken + "t has the unknown dtype F8_E4M3");
  CHECK(one("F32", "[5]", "[0,16]") == kBroken + "t has 16 bytes, which is not [5] of F32");
  CHECK(one("F32", "[]", "[0,16]") == kBroken + "t has 16 bytes, which is not [] of F32");
  CHECK(one("F32", "[4]", "[0,20]") == kBroken + "t has data_offsets [0, 20], the file has 16 bytes of data");
  CHECK(one("F32", "[4]", "[16,0]").find("data_offsets [16, 0]") != std::string::npos);
  CHECK(one("F32", "[4]", "[0]").find("data_offsets [0]") != std::string::npos);
  CHECK(one("F32", "[4]", "[0,16,16]").find("data_offsets [0, 16, 16]") != std::string::npos);
  CHECK(one("F32", "[4]", "[-1,16]") == kBroken + "t has -1 where a size is needed");
  CHECK(one("F32", "[4]", "[0,18446744073709551617]").find("where a size is needed") != std::string::npos);
  CHECK(one("F32", "[4.0]", "[0,16]") == kBroken + "t has 4.0 where a size is needed");
  CHECK(one("F32", "[\"4\"]", "[0,16]") == kBroken + "t has 4 where a size is needed");
  CHECK(one("F32", "4", "[0,16]").find("no array") != std::string::npos);
  CHECK(one("F32", "{\"a\":4}", "[0,16]").find("no array") != std::string::npos);
  // 2^62 elements of 4 bytes wrap to 0, and 2^62 + 4 to 16
  CHECK(one("F32", "[4611686018427387904]", "[0,0]").find("is not [4611686018427387904] of F32") != std::string::npos);
  CHECK(one("F32", "[4611686018427387908]", "[0,16]").find("is not") != std::string::npos);
  CHECK(one("F32", "[4294967296,4294967296,0]", "[0,0]").find("is not") != std::string::npos);

  const std::string data(16, 'x');
  CHECK(error_for("{" + entry("a", "U8", "[8]", "[0,8]") + "," + entry("b", "U8", "[9]", "[7,16]") + "}", data) ==
        kBroken + "b overlaps another tensor");
  CHECK(error_for("{" + entry("a", "U8", "[16]", "[0,16]") + "," + entry("b", "U8", "[16]", "[0,16]") + "}", data)
            .find("overlaps another tensor") != std::string::npos);
  CHECK(error_for("{" + entry("a", "U8", "[7]", "[0,7]") + "," + entry("b", "U8", "[8]", "[8,16]") + "}", data) ==
        kBroken + "b is preceded by bytes that belong to no tensor");
  CHECK(error_for("{" + entry("a", "U8", "[15]", "[0,15]") + "}", data) ==
        kBroken + "its last 1 bytes belong to no tensor");
  CHECK(error_for("{" + entry("a", "U8", "[8]", "[0,8]") + "," + entry("a", "U8", "[8]", "[8,16]") + "}", data) ==
        "the header of FILE names \"a\" twice");
  CHECK(error_for(R"({"t":{"dtype":"U8","shape":[16]}})", data).find("t needs dtype") != std::string::npos);
  CHECK(error_for(R"({"t":[1,2,3]})", data).find("t needs dtype") != std::string::npos);
  CHECK(error_for(R"({"t":{"dtype":1,"shape":[16],"data_offsets":[0,16]}})", data).find("unknown dtype 1") !=
        std::string::npos);
  CHECK(error_for(R"({"__metadata__":{"k":1}})", "") == kBroken + "__metadata__ k is not a string");
}

TEST_CASE("a model cut short at any byte is refused", "[io][safetensors][bad]") {
  const std::string whole = tests::read_file(tests::source_dir() / "tests/golden/io/tiny.safetensors");
  REQUIRE(whole.size() > 3000);
  for (std::size_t length = 0; length < whole.size(); length += length < 64 ? 1 : 37)
    REQUIRE(error_for(whole.substr(0, length)) != "nothing was thrown");
}

TEST_CASE("damaged safetensors files never do anything but open or give an error", "[io][safetensors][fuzz]") {
  const tests::TemporaryFolder folder;
  const auto path = folder / "m.safetensors";
  const std::string seed = safetensors_bytes("{\"__metadata__\":{\"k\":\"v\"}," + entry("z", "F32", "[2]", "[0,8]") +
                                                 "," + entry("a", "F16", "[2,2]", "[8,16]") + "}",
                                             "12345678abcdefgh");
  const char* const runs_text = std::getenv("BERT_FUZZ_RUNS");
  const int runs = runs_text ? std::atoi(runs_text) : 3000;
  std::mt19937 random(7);
  int opened = 0;
  for (int run = 0; run < runs; ++run) {
    std::string bytes = seed;
    for (unsigned changes = 1 + random() % 4; changes > 0; --changes) {
      const std::size_t at = random() % 3 ? 8 + random() % (bytes.size() - 8) : random() % bytes.size();
      constexpr std::string_view kBytes = "{}[]\",:0123456789-eFIUB6\\u\xff";
      switch (random() % 5) {
        case 0:
          bytes[at] = static_cast<char>(random() % 256);
          break;
        case 1:
          bytes[at] = kBytes[random() % kBytes.size()];
          break;
        case 2:
          bytes.insert(at, 1, kBytes[random() % kBytes.size()]);
          break;
        case 3:
          bytes.erase(at, 1 + random() % 4);
          break;
        default:
          bytes.insert(at, bytes.substr(random() % bytes.size(), random() % 30));
      }
      if (bytes.size() < 9) bytes += "123456789";
    }
    if (random() % 2) {  // a header length that fits, so that what is behind it is looked at
      const std::size_t end = bytes.rfind('}');
      if (end != std::string::npos && end >= 8 && end < 300) {
        for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>((end - 7) >> (8 * i) & 255);
      }
    }
    tests::write_file(path, bytes);
    try {
      const SafetensorsFile file(path);
      std::size_t sum = 0;
      for (const auto& tensor : file.tensors())
        for (const std::byte byte : tensor.bytes) sum += static_cast<std::size_t>(byte);
      opened += sum < 1000000;
    } catch (const bert::Error&) {
    }
  }
  CHECK(opened > runs / 100);
  CHECK(opened < runs);
}

// TextReader: what a line is, the same in plain, .xz and .gz files; damaged files; that it streams.
#include <bert/io/text_file.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <atomic>
#include <thread>

#include "io/files.h"
#include "support/archives.h"
#include "support/catch.h"

using bert::TextReader;
using namespace tests;

namespace {

using Lines = std::vector<std::string>;

Lines lines_of(const std::filesystem::path& path) {
  TextReader reader(path);
  Lines lines;
  for (std::string_view line; reader.next_line(line);) {
    lines.emplace_back(line);
    REQUIRE(reader.line_number() == lines.size());
  }
  std::string_view line;
  CHECK_FALSE(reader.next_line(line));  // and so it stays
  CHECK(reader.bytes_read() == std::filesystem::file_size(path));
  CHECK(reader.file_size() == reader.bytes_read());
  return lines;
}

std::string error_of_reading(const std::filesystem::path& path) {
  return error_of([&] {
    TextReader reader(path);
    for (std::string_view line; reader.next_line(line);) {
    }
  });
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// The text as a file of every kind that can be written and read here; files are named for what they are not.
std::vector<std::pair<std::string, std::string>> packed(const std::string& text) {
  std::vector<std::pair<std::string, std::string>> files = {{"plain.gz", text}};
  if (const auto archive = xz(text); archive && TextReader::reads_xz()) files.emplace_back("packed_xz.txt", *archive);
  if (const auto archive = gz(text); archive && TextReader::reads_gz()) files.emplace_back("packed_gz.xz", *archive);
  return files;
}

}  // namespace

TEST_CASE("lines are the same in plain, .xz and .gz files, whatever the file's name", "[io][text]") {
  const std::string nul("a\0b", 3);
  const std::vector<std::pair<std::string, Lines>> known = {
      {"", {}},
      {"\n", {""}},
      {"one\ntwo\n", {"one", "two"}},
      {"one\ntwo", {"one", "two"}},
      {"one\r\n\r\ntwo\r\n", {"one", "", "two"}},
      {"one\rtwo\n", {"one\rtwo"}},
      {"one\n\n\ntwo\n\n", {"one", "", "", "two", ""}},
      {nul + "\n" + nul, {nul, nul}},
      {"\xff\xc3\n\xf0\x9f", {"\xff\xc3", "\xf0\x9f"}},
      {"\xef\xbb\xbfone\n\xef\xbb\xbftwo", {"one", "\xef\xbb\xbftwo"}},  // a byte order mark is one at the start only
      {"\xef\xbb\xbf", {""}},
  };
  const TemporaryFolder folder;
  for (const auto& [text, lines] : known)
    for (const auto& [name, bytes] : packed(text)) {
      INFO(name << ": " << text);
      write_file(folder / name, bytes);
      CHECK(lines_of(folder / name) == lines);
    }
}

TEST_CASE("lines of any length and files of many blocks are read as they are", "[io][text]") {
  Lines lines;
  std::string text;
  for (const std::size_t length : {0u, 1u, 65535u, 65536u, 262143u, 262144u, 262145u, 3000000u, 7u})
    for (int i = 0; i < 3; ++i)
      lines.push_back(std::string(length, static_cast<char>('a' + i)) + std::to_string(length));
  for (int i = 0; i < 50000; ++i) lines.push_back("line number " + std::to_string(i * 7919 % 65536));
  for (const std::string& line : lines) text += line + "\n";
  const TemporaryFolder folder;
  for (const auto& [name, bytes] : packed(text)) {
    INFO(name);
    write_file(folder / name, bytes);
    CHECK((lines_of(folder / name) == lines));
  }
}

TEST_CASE("archives made of several are read to the end", "[io][text]") {
  const TemporaryFolder folder;
  const auto first = packed("one\ntw"), second = packed("o\nthree\n");
  for (std::size_t i = 1; i < first.size(); ++i) {
    INFO(first[i].first);
    const auto file = folder / first[i].first;
    write_file(file, first[i].second + second[i].second);
    CHECK(lines_of(file) == Lines{"one", "two", "three"});
    write_file(file, first[i].second + std::string(8, '\0') + second[i].second);  // padding
    CHECK(lines_of(file) == Lines{"one", "two", "three"});
    write_file(file, first[i].second + "garbage");
    CHECK(error_of_reading(file).find("cannot read \"" + file.string() + "\"") == 0);
  }
}

TEST_CASE("an archive that is cut off or damaged is an error, at whatever byte", "[io][text]") {
  const TemporaryFolder folder;
  std::string text;
  for (int i = 0; i < 40; ++i) text += "line " + std::to_string(i * i) + "\n";
  for (const auto& [name, bytes] : packed(text)) {
    if (bytes == text) continue;
    const auto file = folder / name;
    write_file(file, bytes);
    const Lines whole = lines_of(file);
    for (std::size_t size = 6; size < bytes.size(); ++size) {
      write_file(file, bytes.substr(0, size));
      INFO(name << " cut off at " << size << ": " << error_of_reading(file));
      REQUIRE(contains(error_of_reading(file), "cut off"));
      REQUIRE(error_of_reading(file).find("cannot read \"" + file.string() + "\"") == 0);
    }
    std::size_t noticed = 0;
    for (std::size_t at = 6; at < bytes.size(); ++at) {
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
      write_file(file, damaged);
      const std::string error = error_of_reading(file);
      INFO(name << " damaged at " << at << ": " << error);
      if (error == "nothing was thrown")
        REQUIRE(lines_of(file) == whole);  // the time in a .gz archive
      else
        ++noticed;
    }
    CHECK(noticed + 8 >= bytes.size() - 6);
  }
}

TEST_CASE("what is found behind good lines is reported with their number", "[io][text]") {
  const TemporaryFolder folder;
  std::string text;
  for (int i = 0; i < 200000; ++i) text += std::to_string(i * 7919L % 1000003) + "\n";
  for (const auto& [name, bytes] : packed(text)) {
    if (bytes == text) continue;
    write_file(folder / name, bytes.substr(0, bytes.size() / 2));
    std::size_t lines = 0;
    TextReader reader(folder / name);
    std::string_view line;
    const std::string error = error_of([&] {
      while (reader.next_line(line)) ++lines;
    });
    CHECK(lines > 1000);
    CHECK(contains(error, "after line " + std::to_string(lines) + ": "));
    CHECK(contains(reader.place(), "line " + std::to_string(lines) + " of \"" + (folder / name).string()));
    CHECK_FALSE(reader.next_line(line));
  }
}

TEST_CASE("files that are no text say so", "[io][text]") {
  const TemporaryFolder folder;
  CHECK(contains(error_of_reading(folder / "absent"), "absent\": No such file"));
  CHECK(contains(error_of_reading(folder.path()), "directory"));
  write_file(folder / "locked", "text\n");
  std::filesystem::permissions(folder / "locked", std::filesystem::perms::none);
  if (::geteuid() != 0) CHECK(contains(error_of_reading(folder / "locked"), "ermission denied"));
  using namespace std::string_literals;
  for (const auto& [bytes, words] : {std::pair{"\xff\xfeh\0i\0"s, "UTF-16"s},
                                     {"\xfe\xff\0h\0i"s, "UTF-16"s},
                                     {"\x28\xb5\x2f\xfd and more"s, "xz or gzip"s},
                                     {"PK\3\4 and more"s, "xz or gzip"s}}) {
    write_file(folder / "odd", bytes);
    CHECK(contains(error_of_reading(folder / "odd"), words));
  }
  for (const auto& [archive, package, reads] : {std::tuple{"\xfd"
                                                           "7zXZ\0 and more"s,
                                                           "liblzma-dev", TextReader::reads_xz()},
                                                {"\x1f\x8b and more"s, "zlib1g-dev", TextReader::reads_gz()}}) {
    write_file(folder / "odd", archive);
    CHECK(contains(error_of_reading(folder / "odd"), reads ? "damaged" : package));
  }
}

TEST_CASE("lines come while the rest of the file is still being written", "[io][text]") {
  const TemporaryFolder folder;
  const std::string fifo = (folder / "fifo").string();
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  std::atomic<bool> got_first{false};
  std::thread writer([&] {
    std::ofstream out(fifo, std::ios::binary);
    out << "the first line\nthe sec" << std::flush;
    while (!got_first) std::this_thread::yield();
    out << "ond line\n";
  });
  TextReader reader(fifo);
  std::string_view line;
  CHECK(reader.next_line(line));
  CHECK(line == "the first line");
  got_first = true;
  CHECK(reader.next_line(line));
  CHECK(line == "the second line");
  CHECK_FALSE(reader.next_line(line));
  CHECK(reader.file_size() == 0);
  writer.join();
}

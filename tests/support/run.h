// Runs a program of this build (bert, or an example) as a user would, for tests of what programs print and return.
#pragma once
#include "support/paths.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace tests {

/// A folder of its own for one test, deleted with the object.
class ScratchFolder {
 public:
  ScratchFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "bert_test_XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::filesystem::filesystem_error("mkdtemp", name, {});
    path_ = name;
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline std::string read_text(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

struct RunResult {
  int status;  ///< exit status; 128 + the signal when one ended it
  std::string out, err;
};

/// Runs `arguments[0]` of the build folder with the rest as its arguments, the source tree as working folder, `input`
/// on stdin and `environment` ("NAME=value") added to this process's.
inline RunResult run(std::vector<std::string> arguments, const std::vector<std::string>& environment = {},
                     const std::string& input = "") {
  const ScratchFolder scratch;
  const std::filesystem::path in = scratch / "in", out = scratch / "out", err = scratch / "err";
  std::ofstream(in, std::ios::binary) << input;
  arguments[0] = (binary_dir() / arguments[0]).string();

  std::vector<char*> argv, envp;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  for (const std::string& entry : environment)
    envp.push_back(const_cast<char*>(entry.c_str()));  // the first one counts
  for (char** entry = environ; *entry != nullptr; ++entry) envp.push_back(*entry);
  argv.push_back(nullptr);
  envp.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, in.c_str(), O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, out.c_str(), O_WRONLY | O_CREAT, 0600);
  posix_spawn_file_actions_addopen(&actions, 2, err.c_str(), O_WRONLY | O_CREAT, 0600);
  posix_spawn_file_actions_addchdir_np(&actions, source_dir().c_str());
  pid_t child = 0;
  const int failure = posix_spawn(&child, argv[0], &actions, nullptr, argv.data(), envp.data());
  posix_spawn_file_actions_destroy(&actions);
  if (failure != 0) return {127, "", "cannot start " + arguments[0]};
  int status = 0;
  waitpid(child, &status, 0);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), read_text(out), read_text(err)};
}

}  // namespace tests

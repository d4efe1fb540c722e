// Session: everything mutable that a forward pass needs, so that a loaded model can be const and shared.
#pragma once
#include <bert/core/team.h>
#include <bert/core/workspace.h>

namespace bert::inline BERT_ABI {

/// Threads and working memory of one caller. One call at a time; any number of sessions may use one model at once.
struct Session {
  /// `thread_count` 0: all that this process may use.
  explicit Session(int thread_count = 0) : threads(thread_count) {}
  Threads threads;
  Workspace workspace;
};

}  // namespace bert::inline BERT_ABI

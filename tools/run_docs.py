#!/usr/bin/env python3
"""Runs what the documents tell people to run: tools/run_docs.py README.md docs

A fenced block in sh, bash, cpp, cmake or python says after the language what is done with it (readers do not see this):

    ```sh run            run by bash in the project's folder (build/release is built); a non-zero status fails
    ```cpp run           compiled with g++ -std=c++20 -Iinclude … -lutf8proc and run there; without main() it is put in one
    ```text output       right after one of these: exactly what it printed ("..." alone on a line stands for any lines)
    ```cpp file=PATH     a quotation: must stand like this in that file
    ```sh skip=REASON    not run, and why: skip=needs-network

A block of these languages that says none of this is an error: documents that nobody runs go stale.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

PROJECT = pathlib.Path(__file__).resolve().parent.parent
CHECKED = {"sh", "bash", "cpp", "cmake", "python"}
FENCE = re.compile(r"^```(\S*)[ \t]*([^\n]*)\n(.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)


def blocks(path):
    text = path.read_text(encoding="utf-8")
    for match in FENCE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        yield f"{path.relative_to(PROJECT)}:{line}", match[1], match[2].strip(), match[3]


def program(snippet):
    """A C++ program of a snippet: as it is, or its statements inside main() after its #include lines."""
    if re.search(r"\bint main\(", snippet):
        return snippet
    lines = snippet.splitlines()
    includes = [line for line in lines if line.startswith("#include")]
    body = [line for line in lines if not line.startswith("#include")]
    return "\n".join(["#include <bert/bert.h>", "#include <iostream>", *includes, "int main() {", *body, "}", ""])


def run_sh(text):
    return subprocess.run(["bash", "-euo", "pipefail", "-c", text], cwd=PROJECT, capture_output=True, text=True)


def run_cpp(text):
    with tempfile.TemporaryDirectory() as folder:
        source, binary = pathlib.Path(folder, "snippet.cpp"), pathlib.Path(folder, "snippet")
        source.write_text(program(text), encoding="utf-8")
        compiler = os.environ.get("CXX", "g++")
        command = [compiler, "-std=c++20", "-O2", "-Iinclude", str(source), "-lutf8proc", "-o", str(binary)]
        done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
        return done if done.returncode else subprocess.run([binary], cwd=PROJECT, capture_output=True, text=True)


def same_output(expected, printed):
    pattern = "".join(r"(?:.*\n)*?" if line == "..." else re.escape(line) + r"\n" for line in expected.splitlines())
    return re.fullmatch(pattern, printed if printed.endswith("\n") or not printed else printed + "\n") is not None


def check_block(language, word, text):
    """Returns (what the block printed or None, what is wrong or None)."""
    if word == "run" and language in ("sh", "bash", "cpp"):
        done = run_cpp(text) if language == "cpp" else run_sh(text)
        return done.stdout, f"status {done.returncode}\n{done.stdout}{done.stderr}" if done.returncode else None
    if word.startswith("file="):
        path = PROJECT / word[5:]
        quoted = path.is_file() and text.strip("\n") in path.read_text(encoding="utf-8")
        return None, None if quoted else f"this is not what {word[5:]} says"
    return None, f"say what is done with it: ```{language} run, file=PATH or skip=REASON (tools/run_docs.py explains)"


def check_document(path):
    """Returns how many blocks passed and failed."""
    passed = failed = 0
    printed = None
    for where, language, word, text in blocks(path):
        wrong = None
        if language == "text" and word == "output":
            if printed is None:
                wrong = "there is no block that ran before this output"
            elif not same_output(text, printed):
                wrong = f"this was printed instead:\n{printed}"
        elif language not in CHECKED or word.startswith("skip="):
            printed = None
            continue
        else:
            printed, wrong = check_block(language, word, text)
        print(f"{where}: {'ok' if wrong is None else wrong}", flush=True)
        passed, failed = passed + (wrong is None), failed + (wrong is not None)
    return passed, failed


def main():
    names = [PROJECT / name for name in sys.argv[1:]]
    documents = [file for name in names for file in (sorted(name.rglob("*.md")) if name.is_dir() else [name])]
    for document in documents:
        if not document.is_file():
            sys.exit(f"error: there is no {document}")
    results = [check_document(document) for document in documents]
    passed, failed = sum(r[0] for r in results), sum(r[1] for r in results)
    print(f"{passed} blocks passed, {failed} failed, in {len(documents)} documents")
    if "BERT_COUNTS" in os.environ:  # ./dev check adds these up
        with open(os.environ["BERT_COUNTS"], "a", encoding="utf-8") as counts:
            counts.write(f"{passed} {failed} 0\n")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Counts the code that a filled mask passes on its way from text to word, and fails at 1 500 lines.

examples/fill_mask.cpp is compiled with the scalar kernels alone (-DBERT_SCALAR_ONLY) and run under the compiler's
coverage. What counts is every line of every function that ran, from its head to its closing brace, in this project's
files; blank lines and comments do not. Opening a model (reading and checking files, packing weights) is counted apart:
it is docs/tour.md's other story. Fails too when a file on the way is not linked in docs/tour.md.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

PROJECT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = PROJECT / "examples/fill_mask.cpp"
MODEL = PROJECT / "examples/model/bert.safetensors"
TOUR = PROJECT / "docs/tour.md"
LIMIT = 1500
OPENING = ("include/bert/io/", "include/bert/models/bert_weights.h", "include/bert/models/loading.h",
           "include/bert/quant/int8_weights.h",
           "include/bert/tokenizers/json.h", "include/bert/tokenizers/spec.h", "include/bert/core/dtype.h",
           "include/bert/kernels.h", "kernels/dispatch.h")


def coverage():
    """gcov's report of one run, as a dict."""
    with tempfile.TemporaryDirectory() as folder:
        compile_it = ["g++", "-std=c++20", "-O0", "--coverage", "-DBERT_SCALAR_ONLY", f"-I{PROJECT}/include", str(PROGRAM)]
        subprocess.run([*compile_it, "-lutf8proc", "-o", "program"], cwd=folder, check=True)
        subprocess.run(["./program", str(MODEL)], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        data = next(pathlib.Path(folder).glob("*.gcda")).name
        report = subprocess.run(["gcov", "--json-format", "--stdout", data], cwd=folder, check=True, capture_output=True)
        return json.loads(report.stdout)


def is_code(line):
    return bool(line.strip()) and not line.strip().startswith("//")


def passed_lines(report):
    """{file: (lines of code in functions that ran, lines of code in the file)} for the project's headers."""
    files = {}
    for entry in report["files"]:
        path = pathlib.Path(os.path.realpath(entry["file"]))
        if not path.is_relative_to(PROJECT) or path == PROGRAM:
            continue
        lines = path.read_text(encoding="utf-8").splitlines()
        passed = set()
        for function in entry["functions"]:
            if function["execution_count"] > 0:
                passed.update(range(function["start_line"], function["end_line"] + 1))
        if passed:
            files[path.relative_to(PROJECT).as_posix()] = (
                sum(is_code(lines[number - 1]) for number in passed), sum(map(is_code, lines)))
    return files


def show(title, files):
    print(title)
    for name in sorted(files):
        print(f"{files[name][0]:6} of {files[name][1]:4}  {name}")
    passed, whole = sum(f[0] for f in files.values()), sum(f[1] for f in files.values())
    print(f"{passed:6} of {whole:4}  in {len(files)} files")
    return passed


def main():
    files = passed_lines(coverage())
    opening = {name: counts for name, counts in files.items() if name.startswith(OPENING)}
    reading = {name: counts for name, counts in files.items() if name not in opening}
    show("lines of code passed while a model is opened", opening)
    passed = show("lines of code passed from text to word", reading)
    tour = TOUR.read_text(encoding="utf-8")
    unlinked = [name for name in reading if f"../{name})" not in tour]
    if unlinked:
        sys.exit(f"error: docs/tour.md does not link {', '.join(sorted(unlinked))}")
    if passed >= LIMIT:
        sys.exit(f"error: {passed} lines of code from text to word, {passed - LIMIT + 1} too many")


if __name__ == "__main__":
    main()

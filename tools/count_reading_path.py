#!/usr/bin/env python3
"""Counts the code that a filled mask passes on its way from text to word, and fails at 1 500 lines.

examples/fill_mask.cpp is compiled with the scalar kernels alone (-DBERT_SCALAR_ONLY) and run under the compiler's
coverage, and so is a program that opens the same model and does nothing with it. What counts is every line of every
function that ran more often in the first, from its head to its closing brace, in this project's files; blank lines and
comments do not. The others only open the model (reading and checking files, packing weights) and are counted apart: they
are docs/tour.md's other story. Fails too when a file on the way is not linked in docs/tour.md.
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
OPEN = """#include <bert/bert.h>
int main(int, char** arguments) { bert::FillMask opened(arguments[1]); }
"""


def coverage(program):
    """{file: {(first line, last line) of a function: how often it ran}} of one run of a program's source."""
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder, "program.cpp")
        source.write_text(program, encoding="utf-8")
        coverage_flags = ["--coverage", "-fprofile-update=atomic"]  # several threads count
        compile_it = ["g++", "-std=c++20", "-O0", *coverage_flags, "-DBERT_SCALAR_ONLY", f"-I{PROJECT}/include", str(source)]
        subprocess.run([*compile_it, "-lutf8proc", "-o", "program"], cwd=folder, check=True)
        subprocess.run(["./program", str(MODEL)], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        data = next(pathlib.Path(folder).glob("*.gcda")).name
        report = subprocess.run(["gcov", "--json-format", "--stdout", data], cwd=folder, check=True, capture_output=True)
        files = {}
        for entry in json.loads(report.stdout)["files"]:
            path = pathlib.Path(os.path.realpath(os.path.join(folder, entry["file"])))
            if path.is_relative_to(PROJECT):
                counts = files.setdefault(path, {})
                for function in entry["functions"]:
                    place = function["start_line"], function["end_line"]
                    counts[place] = counts.get(place, 0) + function["execution_count"]
        return files


def is_code(line):
    return bool(line.strip()) and not line.strip().startswith("//")


def passed_lines(ran):
    """{file: (lines of code in functions that ran, lines of code in the file)}, of {file: functions that ran}."""
    files = {}
    for path, functions in ran.items():
        lines = path.read_text(encoding="utf-8").splitlines()
        passed = {number for first, last in functions for number in range(first, last + 1)}
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
    filled, opened = coverage(PROGRAM.read_text(encoding="utf-8")), coverage(OPEN)
    often = lambda counts, path, place: counts.get(path, {}).get(place, 0)
    opening = passed_lines({path: [f for f in counts if counts[f] > 0] for path, counts in opened.items()})
    reading = passed_lines({path: [f for f in counts if counts[f] > often(opened, path, f)]
                            for path, counts in filled.items()})  # fmt: skip
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

#!/usr/bin/env bash
# How long g++ -O2 takes for a program that includes the whole library, and how much memory, in both modes:
# tools/measure_compile.sh [SOURCE]. Without OpenMP, as in the README's one-line command. Needs no built folder.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source=${1:-examples/fill_mask.cpp}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

measure() {  # measure LABEL COMPILER ARGUMENT…
  python3 - "$@" <<'PYTHON'
import resource, subprocess, sys, time
start = time.monotonic()
subprocess.run(sys.argv[2:], check=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
seconds, processor = time.monotonic() - start, used.ru_utime + used.ru_stime
print(f"{sys.argv[1]:62} {seconds:6.1f} s ({processor:.1f} s of processor time) {used.ru_maxrss / 1024:6.0f} MB")
PYTHON
}

echo "$(g++ -dumpfullversion) on $(grep -m1 'model name' /proc/cpuinfo | sed 's/.*: //')"
measure "header-only, $source" g++ -std=c++20 -O2 -Iinclude -c "$source" -o "$scratch/header.o"
measure "compiled mode, $source" g++ -std=c++20 -O2 -Iinclude -DBERT_COMPILED -c "$source" -o "$scratch/compiled.o"
for part in kernels/compiled.cpp src/*.cpp; do
  measure "the library of compiled mode, once: $part" g++ -std=c++20 -O2 -Iinclude -DBERT_COMPILED -c "$part" -o "$scratch/part.o"
done

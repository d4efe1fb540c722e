#!/usr/bin/env bash
# Builds the consumers in a scratch folder the way users would, runs them on the shipped model, and compares what they
# print: tests/consumer/run.sh [NAME…] (all without a name). `./dev check consumers` calls it after building the program.
# To add a consumer, write a function `consumer_NAME` and put NAME in one of the two lists, which run side by side.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
model=$root/examples/model/bert.safetensors
program=${BERT_PROGRAM:-$root/build/release/bert}
scratch=$root/build/consumers.$$  # in the clone, where ccache (./dev) names files from
mkdir -p "$scratch" && cd "$scratch" || exit 1
trap 'rm -rf "$scratch"' EXIT

consumers=(plain find_package mixed_compiled cli_bytes installed_program add_subdirectory)
other_consumers=(amalgamated mixed_flags fast_math fetch_content)
ccache=$(command -v ccache || true)
flags=(-std=c++20 -O2 -Wall -Wextra -Werror)
compile() { $ccache g++ "${flags[@]}" -c "$@"; }  # compile [FLAG…] SOURCE -o OBJECT

plain_object=${BERT_PLAIN_OBJECT:-$scratch/app.o}
make_plain_object() { [[ -e $plain_object ]] || compile -I"$root/include" "$here/app.cpp" -o "$plain_object"; }

if [[ $# -eq 0 ]]; then
  make_plain_object || exit 1
  export BERT_PLAIN_OBJECT=$plain_object  # both lists begin with it
  "$here/run.sh" "${other_consumers[@]}" &
  "$here/run.sh" "${consumers[@]}"
  status=$?
  wait $! && exit $status
  exit 1
fi

# The first build of app.cpp that ran; every other way must print the same.
same_as_plain() {
  [[ -e plain.txt ]] || consumer_plain || return 1
  "$@" "$model" >"$1.txt" || return 1
  cmp "$1.txt" plain.txt
}

# cmake_configure SOURCE FOLDER [ARGUMENT…], with Ninja and ccache where they are.
cmake_configure() {
  local generator=()
  ! command -v ninja >/dev/null || generator=(-G Ninja)
  cmake "${generator[@]}" -D CMAKE_CXX_COMPILER_LAUNCHER="$ccache" -S "$1" -B "$2" "${@:3}"
}

cmake_build() {  # cmake_build FOLDER [ARGUMENT…]
  { cmake_configure "$here/$1" "$1" "${@:2}" && cmake --build "$1"; } >"$1.log" 2>&1 || { cat "$1.log"; return 1; }
}

consumer_plain() {  # what the README's command line does
  [[ ! -e plain.txt ]] || return 0
  make_plain_object && g++ "$plain_object" -lutf8proc -o plain && ./plain "$model" >plain.part && mv plain.part plain.txt
}

consumer_add_subdirectory() {  # std::thread team and a Debug build: other code paths, the same bits
  cmake_build add_subdirectory -D BERT_DIR_OF_SOURCES="$root" -D BERT_OPENMP=OFF -D CMAKE_BUILD_TYPE=Debug && same_as_plain add_subdirectory/app
}

consumer_fetch_content() {
  cmake_build fetch_content -D BERT_DIR_OF_SOURCES="$root" -D CMAKE_BUILD_TYPE=Release && same_as_plain fetch_content/app
}

install_bert() {  # the library alone
  [[ ! -e installed ]] || return 0
  { cmake_configure "$root" bert_build -D BERT_BUILD_TESTS=OFF -D BERT_BUILD_EXAMPLES=OFF && cmake --build bert_build &&
    cmake --install bert_build --prefix "$scratch/installed.part" && mv installed.part installed; } >install.log 2>&1 ||
    { cat install.log; return 1; }
}

build_installed() {
  [[ ! -x find_package/cli_bytes ]] || return 0
  install_bert && cmake_build find_package -D CMAKE_PREFIX_PATH="$scratch/installed" -D CMAKE_BUILD_TYPE=Release
}

consumer_find_package() {
  build_installed && same_as_plain find_package/app && same_as_plain find_package/app_compiled || return 1
  ! grep -qw avx2 /proc/cpuinfo || same_as_plain find_package/app_compiled_avx2
}

consumer_amalgamated() {  # one header, in two units of one program
  mkdir -p amalgamated/bert
  printf '#include <bert/bert.h>\n#include <bert/bert.h>\nint threads() { return bert::Session(1).threads.count(); }\n' >amalgamated/second.cpp
  python3 "$root/tools/amalgamate.py" -o amalgamated/bert/bert.h &&
    compile -Iamalgamated "$here/app.cpp" -o amalgamated/app.o && compile -Iamalgamated amalgamated/second.cpp -o amalgamated/second.o &&
    g++ amalgamated/app.o amalgamated/second.o -lutf8proc -o amalgamated/app && same_as_plain amalgamated/app
}

# Both link orders: the linker keeps the first copy of an inline function it meets. An emulated CPU without AVX-512 shows
# that the plain unit then borrows nothing from the wide one; which functions it could borrow is asked first, by name.
consumer_mixed_flags() {
  local wide=() order
  [[ $(uname -m) != x86_64 ]] || wide=(-mavx512f -mavx512bw -mavx512vl -mavx512dq -mfma)
  compile -I"$root/include" "$here/mixed_flags/embed.cpp" -o plain.o &&
    compile "${wide[@]}" -DWIDE -I"$root/include" "$here/mixed_flags/embed.cpp" -o wide.o &&
    compile "$here/mixed_flags/main.cpp" -o main.o || return 1
  [[ $(uname -m) != x86_64 ]] || python3 "$here/shared_functions.py" plain.o wide.o || return 1
  for order in "plain.o wide.o" "wide.o plain.o"; do
    # shellcheck disable=SC2086
    g++ main.o $order -lutf8proc -o mixed_flags && runs_on_small_cpus ./mixed_flags || return 1
  done
}

runs_on_small_cpus() {
  "$1" "$model" || return 1
  [[ $(uname -m) != x86_64 ]] || qemu-x86_64 -cpu Haswell "$1" "$model" 2>/dev/null
}

# The same in compiled mode, where the plain unit's functions are the library's.
consumer_mixed_compiled() {
  build_installed && runs_on_small_cpus find_package/mixed_plain_then_wide && runs_on_small_cpus find_package/mixed_wide_then_plain
}

consumer_fast_math() {  # -ffast-math at the link turns on flush-to-zero for the whole program
  make_plain_object && g++ -ffast-math "$plain_object" -lutf8proc -o fast_math && same_as_plain ./fast_math
}

consumer_cli_bytes() {  # from installed headers alone, the bytes of `bert … --json`
  build_installed || return 1
  local text="The capital of France is [MASK]." a="It rained." b="The street is wet."
  "$program" fill-mask --json --model "$model" "$text" >expected.txt &&
    "$program" next-sentence --json --model "$model" "$a" "$b" >>expected.txt &&
    "$program" embed --json --model "$model" "$a" >>expected.txt &&
    find_package/cli_bytes "$model" "$text" "$a" "$b" >found.txt && cmp found.txt expected.txt
}

# Installed elsewhere and run from elsewhere, the program uses the model that was installed with it: the same bytes as
# with the one in the sources, and an error that names it once it is damaged.
consumer_installed_program() {
  local text="The capital of France is [MASK]." installed=$scratch/with_program
  cmake --install "$(dirname "$program")" --prefix "$installed" >installed_program.log 2>&1 || { cat installed_program.log; return 1; }
  installed_bert() { (cd / && env -u BERT_MODEL "$installed/bin/bert" fill-mask --json "$text"); }
  "$program" fill-mask --json --model "$model" "$text" >expected.txt && installed_bert >found.txt && cmp found.txt expected.txt || return 1
  echo damaged >"$installed/share/bert/bert.safetensors"
  ! installed_bert >/dev/null 2>error.txt && grep -q "$installed/share/bert/bert.safetensors" error.txt
}

passed=0 failed=0
for name in "$@"; do
  started=$SECONDS
  if "consumer_$name"; then
    passed=$((passed + 1)) verdict=ok
  else
    failed=$((failed + 1)) verdict=FAILED
  fi
  printf '%-18s %3d s  %s\n' "$name" $((SECONDS - started)) "$verdict"
done
[[ -z ${BERT_COUNTS:-} ]] || echo "$passed $failed 0" >>"$BERT_COUNTS"
[[ $failed -eq 0 ]]

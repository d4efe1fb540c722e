#!/usr/bin/env python3
"""Names the functions that a wide unit would lend to a plain one and that need AVX-512.

shared_functions.py PLAIN.o WIDE.o: inline functions and templates that both objects define under one name (the linker
keeps one copy, whichever it meets first), and whose copy in WIDE.o has instructions of AVX-512: a program of both would
crash on a CPU without. The library's own functions have other names in other units (include/bert/core/abi.h); what is
left are those of the standard library. Prints them and exits 1 when there are any.
"""
import re
import subprocess
import sys

WIDE = re.compile(
    r"%zmm|%k[0-7]|%[xy]mm(1[6-9]|2\d|3[01])\b"  # registers, and instructions that VEX cannot encode
    r"|\tvpbroadcast[bwdq] +%[er]|\tvpternlog|\tvmovdq[au](8|16|32|64)|\tv(extract|insert)[if](32|64)|\tvp(min|max|abs|mull|sra)[su]?q\b"
    r"|\tvpro[lr]|\tvcvt\w*u(dq|qq|si)|\tvrndscale|\tvalign[dq]|\tvperm[it]2"
)


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def weak_functions(path):
    fields = (line.split() for line in run("nm", path).splitlines())
    return {f[-1] for f in fields if len(f) == 3 and f[1] == "W"}


def main():
    plain, wide = sys.argv[1:]
    shared = weak_functions(plain) & weak_functions(wide)
    if not shared:
        sys.exit("no function is in both objects: are these the right ones?")
    function, found = "", {}
    for line in run("objdump", "-d", "--no-show-raw-insn", wide).splitlines():
        if start := re.fullmatch(r"[0-9a-f]+ <(.+)>:", line):
            function = start[1].removesuffix(".cold")
        elif function in shared and WIDE.search(line):
            found.setdefault(function, line.split("\t", 1)[1])
    for name, instruction in found.items():
        print(f"both units define it, and the wide one's has {instruction}: {run('c++filt', name).strip()}")
    print(f"{len(shared)} functions in both units, {len(found)} of them need AVX-512")
    sys.exit(1 if found else 0)


main()

#!/usr/bin/env python3
"""Compares the wall time of `bert embed --input` with what `bert bench --lengths` says of the same lengths.

    python3 bench/embed_wall.py --model MODEL [--text FILE] [--lines 2048] [--threads 2] [--precision fp32]

What embed needs beyond bench is measured apart: a run on one short line (start, opening the model) and the tokenizer's
time for the text. Prints each and the ratio (embed - opening - tokenizing) / bench; every figure is the least of
--rounds runs taken in turns.
"""

import argparse
import json
import pathlib
import subprocess
import tempfile
import time


def parse():
    root = pathlib.Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--text", type=pathlib.Path, default=root / "README.md", help="lines that are not blank are used")
    parser.add_argument("--lines", type=int, default=2048)
    parser.add_argument("--threads", default="2")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--bert", type=pathlib.Path, default=root / "build/release/bert")
    return parser.parse_args()


def main():
    flags = parse()
    common = ["--model", flags.model, "--threads", flags.threads]

    def bert(*arguments):
        return subprocess.run([flags.bert, *arguments, *common], check=True, capture_output=True, text=True).stdout

    def wall(*arguments):
        start = time.perf_counter()
        bert("embed", *arguments, "--precision", flags.precision, "--truncate")
        return (time.perf_counter() - start) * 1e3

    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        lines = [line.strip() for line in flags.text.read_text("utf-8").splitlines() if any(c.isalnum() for c in line)]
        lines = (lines * (flags.lines // len(lines) + 1))[: flags.lines]
        text, lengths, one = folder / "text.txt", folder / "lengths.txt", folder / "one.txt"
        text.write_text("\n".join(lines) + "\n", "utf-8")
        one.write_text("A line.\n")
        window = json.loads(bert("info", "--json"))["config"]["max_position_embeddings"]
        encoded = bert("tokenize", "--input", str(text), "--json").splitlines()
        counts = [min(window, len(json.loads(line)["ids"])) for line in encoded]
        lengths.write_text("\n".join(map(str, counts)) + "\n")
        at_once = max(1, 4096 * len(counts) // sum(counts))  # embed fills batches of 4096 tokens
        embed, opening, bench, tokenizing = ([] for _ in range(4))
        for _ in range(flags.rounds):
            embed.append(wall("--input", str(text), "--output", str(folder / "out.npy")))
            opening.append(wall("--input", str(one), "--output", str(folder / "one.npy")))
            done = bert("bench", "--lengths", str(lengths), "--sentences", str(at_once), "--repeat", "1", "--json",
                        "--precision", flags.precision)  # fmt: skip
            bench.append(json.loads(done)["min_ms"])
            speed = json.loads(bert("bench", "--tokenizer", str(text), "--json", "--repeat", "3"))["mb_per_s"]
            tokenizing.append(text.stat().st_size / speed * 1e-3)
    embed, opening, bench, tokenizing = map(min, (embed, opening, bench, tokenizing))
    print(f"{len(counts)} lines, {sum(counts)} tokens, {flags.threads} threads, {flags.precision}: embed {embed:.1f} ms, "
          f"opening {opening:.1f} ms, tokenizing {tokenizing:.2f} ms, bench {bench:.1f} ms: "
          f"ratio {(embed - opening - tokenizing) / bench:.3f}")  # fmt: skip


if __name__ == "__main__":
    main()

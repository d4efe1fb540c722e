#!/usr/bin/env python3
"""How near 8 bits come to float32 on real weights: prints the table of docs/numerics.md.

    tools/int8_accuracy.py [--bert build/release/bert] [--model build/minilm/model.safetensors] [--sts FILE] [--limit N]

Runs the `bert` program: sentence vectors in fp32, in int8 as the model opens, and of a file that `bert quantize` has
calibrated on the text that ships with the project. Cosine to fp32 over the sentences of both columns of the file (score,
sentence, sentence, with tabs between), each once; Spearman's rank correlation of the pairs' cosines with their scores.
Needs numpy.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

PROJECT = pathlib.Path(__file__).resolve().parent.parent


def ranks(values):
    """Ranks from 1; equal values share the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]


def spearman(a, b):
    return np.corrcoef(ranks(a), ranks(b))[0, 1]


def embed(program, texts, *flags):
    """Unit vectors [texts, H]; several texts a call, texts beyond the window are cut."""
    run = subprocess.run([program, "embed", "--json", "--truncate", "--input", "-", *flags], input="\n".join(texts) + "\n",
                         capture_output=True, text=True)  # fmt: skip
    if run.returncode != 0:
        sys.exit(run.stderr.strip())
    vectors = np.array([json.loads(line) for line in run.stdout.splitlines()])
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def read_pairs(path, limit):
    pairs = [line.rstrip("\n").split("\t") for line in open(path, encoding="utf-8")][:limit]
    return np.array([float(score) for score, _, _ in pairs]), [(a, b) for _, a, b in pairs]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bert", default=PROJECT / "build/release/bert", type=pathlib.Path)
    parser.add_argument("--model", default=PROJECT / "build/minilm/model.safetensors", type=pathlib.Path)
    parser.add_argument("--sts", default=PROJECT.parent / "shared/data/tasks/sts.tsv", type=pathlib.Path)
    parser.add_argument("--limit", type=int, help="only the first so many pairs")
    options = parser.parse_args()
    for path in (options.bert, options.model, options.sts):
        if not path.exists():
            sys.exit(f"error: there is no {path}: build the program, run tools/fetch_minilm.sh, or say where it is")

    scores, pairs = read_pairs(options.sts, options.limit)
    sentences = list(dict.fromkeys(text for pair in pairs for text in pair))
    number = {text: i for i, text in enumerate(sentences)}
    left, right = ([number[pair[side]] for pair in pairs] for side in (0, 1))
    exact = None
    print(f"{len(sentences)} sentences, {len(pairs)} pairs")
    print("| weights | cosine to fp32, mean | worst | Spearman |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        calibrated = pathlib.Path(folder) / "int8.safetensors"
        subprocess.run([options.bert, "quantize", "--model", options.model, "-o", calibrated], check=True,
                       stdout=subprocess.DEVNULL)  # fmt: skip
        for name, model, flags in (("fp32", options.model, ("--precision", "fp32")),
                                   ("int8, as it opens", options.model, ("--precision", "int8")),
                                   ("int8, calibrated", calibrated, ())):  # fmt: skip
            vectors = embed(options.bert, sentences, "--model", model, *flags)
            exact = vectors if exact is None else exact
            cosine = (vectors * exact).sum(1)
            rho = spearman((vectors[left] * vectors[right]).sum(1), scores)
            print(f"| {name} | {cosine.mean():.5f} | {cosine.min():.5f} | {rho:.4f} |", flush=True)


if __name__ == "__main__":
    main()

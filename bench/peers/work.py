"""The work every contender is given: shapes, ragged lengths, token ids, sentences. Imports only numpy at need.

The lengths of the ragged work stand in lengths.txt, so that they can be repeated without the text they come from. The
rule that made them (`python work.py DEV_TXT TOKENIZER_JSON` prints them again): paragraphs of the held-out corpus are cut
after . ! or ? and a space; sentences of 8 to 56 tokens are kept, [CLS] and [SEP] counted; of these, 512 at equal steps.
"""

import json
import pathlib
import re

HERE = pathlib.Path(__file__).resolve().parent
PROJECT = HERE.parent.parent
BUILD = PROJECT / "build/peers"
SHAPES = ["1x16", "1x128", "1x512", "8x128", "32x128"]
ORDERS = ["input", "sorted", "single"]
LENGTHS = BUILD / "lengths.txt"  # those of this run: lengths.txt here, or fewer of them
SENTENCES_A_BATCH = 32
VOCAB = 30522


def parse_shape(text):
    batch, seq = text.split("x")
    return int(batch), int(seq)


def random_ids(rows, cols, seed=1):
    import numpy as np

    return np.random.default_rng(seed).integers(1000, VOCAB - 1, (rows, cols), dtype=np.int64)


def write_lengths(count):
    lengths = (HERE / "lengths.txt").read_text().split()[:count]
    LENGTHS.write_text("\n".join(lengths) + "\n")


def read_lengths():
    return [int(line) for line in LENGTHS.read_text().split()]


def ragged_batches(lengths, order):
    """[(ids [B, S] padded with 0, lengths of the rows)]; in order `single` a batch is one sequence."""
    import numpy as np

    lengths = sorted(lengths) if order == "sorted" else lengths
    step = 1 if order == "single" else SENTENCES_A_BATCH
    batches = []
    for first in range(0, len(lengths), step):
        rows = lengths[first : first + step]
        ids = random_ids(len(rows), max(rows), seed=first)
        ids[np.arange(max(rows))[None, :] >= np.array(rows)[:, None]] = 0
        batches.append((ids, rows))
    return batches


def describe(lengths):
    ordered = sorted(lengths)
    at = lambda q: ordered[min(len(ordered) - 1, int(q * len(ordered)))]
    return {"sentences": len(lengths), "tokens": sum(lengths), "mean": round(sum(lengths) / len(lengths), 2),
            "min": ordered[0], "p10": at(0.1), "median": at(0.5), "p90": at(0.9), "max": ordered[-1]}  # fmt: skip


def sts_pairs(data, count=None):
    """[(score, sentence, sentence)] of tasks/sts.tsv."""
    rows = [line.split("\t") for line in (data / "tasks/sts.tsv").read_text("utf-8").splitlines()]
    return [(float(score), a, b) for score, a, b in rows[:count]]


def dev_sentences(text):
    return [s for line in text.splitlines() for s in re.split(r"(?<=[.!?])\s+", line.strip()) if s]


def open_tokenizer(path):
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def padded(tokenizer, sentences):
    """(ids [B, S], lengths) of a batch of texts."""
    import numpy as np

    rows = [encoding.ids for encoding in tokenizer.encode_batch(sentences)]
    ids = np.zeros((len(rows), max(map(len, rows))), np.int64)
    for row, tokens in zip(ids, rows):
        row[: len(tokens)] = tokens
    return ids, [len(tokens) for tokens in rows]


def main():
    import sys

    tokenizer = open_tokenizer(sys.argv[2])
    sentences = dev_sentences(pathlib.Path(sys.argv[1]).read_text("utf-8"))
    lengths = [n for n in (len(e.ids) for e in tokenizer.encode_batch(sentences)) if 8 <= n <= 56]
    lengths = [lengths[i * len(lengths) // 512] for i in range(512)]
    print(*lengths, sep="\n")
    print(json.dumps(describe(lengths)), file=sys.stderr)


if __name__ == "__main__":
    main()

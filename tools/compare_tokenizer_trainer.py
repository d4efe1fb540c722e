#!/usr/bin/env python3
"""Compares `bert train-tokenizer` with Hugging Face's BertWordPieceTokenizer: vocabularies, tokens of another text, time.

    tools/compare_tokenizer_trainer.py build/release/bert --corpus FILE... --held-out FILE [--vocab-size 30000] [--cased]

Hugging Face numbers the pieces of one character as they come out of a hash table with a seed of its own in every run, and
of two pairs that are as frequent takes the one with smaller ids: two runs of it give two vocabularies. So it is trained
twice as it is, which says how far it agrees with itself, and once with those numbers given beforehand (as special tokens,
which come first): that vocabulary must be ours, token for token in the same order, or the exit status is 1. `alike` is the
share of the held-out text's words that both cut into the same pieces. Needs: pip install tokenizers.
"""
import argparse
import collections
import lzma
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from tokenizers import BertWordPieceTokenizer, models, normalizers, pre_tokenizers

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def unpacked(names, folder):
    """The files as plain text, which is what Hugging Face reads."""
    for i, name in enumerate(names):
        if not name.endswith(".xz"):
            yield name
            continue
        plain = pathlib.Path(folder, f"corpus{i}.txt")
        with lzma.open(name) as source, open(plain, "wb") as target:
            shutil.copyfileobj(source, target)
        yield str(plain)


class Clock:
    """Seconds that passed, and seconds of all processors that this process and its children used."""

    def __init__(self):
        self.start = self.now()

    @staticmethod
    def now():
        times = os.times()
        return time.monotonic(), sum(times[:4])

    def __str__(self):
        passed, used = (now - start for now, start in zip(self.now(), self.start))
        return f"{passed:.1f} s ({used:.1f} s of processor time)"


def train_ours(args, files, folder):
    command = [args.program, "train-tokenizer", "--corpus", *files, "--vocab-size", str(args.vocab_size), "-o", folder,
               "--lowercase", "no" if args.cased else "yes", "--min-frequency", str(args.min_frequency),
               "--limit-alphabet", str(args.limit_alphabet), "--threads", str(args.threads)]
    clock = Clock()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    taken = str(clock)
    return pathlib.Path(folder, "vocab.txt").read_text(encoding="utf-8").split("\n")[:-1], taken


def train_theirs(args, files, start_with=()):
    """With start_with, tokens that stand behind the special ones whatever the text, no characters beside them are kept."""
    letters = [token for token in start_with if len(token) == 1]
    tokenizer = BertWordPieceTokenizer(lowercase=not args.cased)
    clock = Clock()
    tokenizer.train(files, vocab_size=args.vocab_size, min_frequency=args.min_frequency, show_progress=False,
                    limit_alphabet=len(letters) or args.limit_alphabet, initial_alphabet=letters,
                    special_tokens=[*SPECIAL, *start_with])
    taken = str(clock)
    vocabulary = tokenizer.get_vocab()
    return sorted(vocabulary, key=vocabulary.get), taken


def words_of(name, cased):
    normalizer, splitter = normalizers.BertNormalizer(lowercase=not cased), pre_tokenizers.BertPreTokenizer()
    counts = collections.Counter()
    for line in pathlib.Path(name).read_text(encoding="utf-8", errors="replace").split("\n"):
        counts.update(word for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(line)))
    return counts


def compare(name, a, b, words):
    """Prints what two vocabularies have in common, and the share of words that both cut alike."""
    cut = [models.WordPiece({token: i for i, token in enumerate(v)}, unk_token="[UNK]") for v in (a, b)]
    pieces = [{word: [token.value for token in model.tokenize(word)] for word in words} for model in cut]
    alike = sum(count for word, count in words.items() if pieces[0][word] == pieces[1][word])
    print(f"{name:52} {len(set(a) & set(b)):6} of {len(a)} tokens in both, {100 * alike / sum(words.values()):9.5f} % of "
          f"{sum(words.values())} words alike{', in the same order' if a == b else ''}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("--corpus", nargs="+", required=True)
    parser.add_argument("--held-out", required=True)
    parser.add_argument("--vocab-size", type=int, default=30000)
    parser.add_argument("--min-frequency", type=int, default=2)
    parser.add_argument("--limit-alphabet", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--cased", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files = list(unpacked(args.corpus, folder))
        words = words_of(args.held_out, args.cased)
        ours, our_time = train_ours(args, files, str(pathlib.Path(folder, "ours")))
        first_merged = next((i for i, token in enumerate(ours[len(SPECIAL):], len(SPECIAL))
                             if len(token.removeprefix("##")) > 1), len(ours))
        same_start, _ = train_theirs(args, files, ours[len(SPECIAL):first_merged])
        compare("ours and Hugging Face's with the same numbers", ours, same_start, words)
        one, their_time = train_theirs(args, files)
        two, _ = train_theirs(args, files)
        compare("ours and Hugging Face's as it comes", ours, one, words)
        compare("Hugging Face's and Hugging Face's, another run", one, two, words)
        print(f"training took {our_time} here, {their_time} there")
        sys.exit(ours != same_start)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Compares pre-trained models on the same hidden words and the same pairs of sentences.

    tools/compare_models.py MODEL... --text dev.txt [--words 3000] [--pairs 2000] [--seed 1] [--everyday examples/model/everyday.tsv]

The text has a paragraph a line and a blank line between documents. A window is three sentences that follow each other; in each a
whole word is hidden that is one token in all the models' vocabularies. A pair is two sentences that follow each other, or as
often the first of them and one of another document. Every model reads the same windows and pairs, with `bert fill-mask` and `bert
next-sentence`; the loss beside is `bert evaluate`'s, over each model's own tokens in 1000 sequences: not comparable between vocabularies.
Everyday sentences: how often the expected word is in the first five. Needs build/release/bert and Python alone.
"""
import argparse
import json
import pathlib
import random
import re
import subprocess

PROJECT = pathlib.Path(__file__).resolve().parent.parent


def documents(path):
    """Lists of sentences."""
    for document in re.split(r"\n\s*\n", path.read_text(encoding="utf-8")):
        sentences = [s for line in document.splitlines() for s in re.split(r"(?<=[.!?])\s+(?=[A-Z\"'])", line.strip()) if s]
        if len(sentences) >= 3:
            yield sentences


def draw_words(texts, vocabulary, count, random_numbers):
    """(window with [MASK], word) pairs."""
    drawn = []
    while len(drawn) < count:
        sentences = random_numbers.choice(texts)
        first = random_numbers.randrange(len(sentences) - 2)
        window = " ".join(sentences[first:first + 3])
        if not 60 <= len(window) <= 500 or "[" in window:
            continue
        words = [m for m in re.finditer(r"(?<![\w'’-])[A-Za-z]+(?![\w'’-])", window) if m[0].lower() in vocabulary]
        if words:
            word = random_numbers.choice(words)
            drawn.append((window[:word.start()] + "[MASK]" + window[word.end():], word[0].lower()))
    return drawn


def draw_pairs(texts, count, random_numbers):
    """(a, b, whether b follows a) triples, half of each."""
    drawn = []
    while len(drawn) < count:
        sentences, follows = random_numbers.choice(texts), len(drawn) % 2 == 0
        first = random_numbers.randrange(len(sentences) - 1)
        other = random_numbers.choice(texts)
        if other is sentences:
            continue
        a, b = sentences[first], sentences[first + 1] if follows else random_numbers.choice(other)
        if 20 <= len(a) <= 250 and 20 <= len(b) <= 250 and "\t" not in a + b:
            drawn.append((a, b, follows))
    return drawn


class Model:
    def __init__(self, path, program):
        self.path, self.program = path, program

    def run(self, command, lines, *flags):
        output = subprocess.run([self.program, command, "--json", "--model", self.path, *flags], check=True, text=True,
                                input="".join(line + "\n" for line in lines), stdout=subprocess.PIPE).stdout
        return [json.loads(line) for line in output.splitlines()]

    def vocabulary(self):
        """Lower-case words that are one token."""
        path = self.path / "vocab.txt" if self.path.is_dir() else None
        if path:
            return {token for token in path.read_text(encoding="utf-8").splitlines() if token.isalpha()}
        with open(self.path, "rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        return {token for token in json.loads(header["__metadata__"]["bert.tokenizer"])["model"]["vocab"] if token.isalpha()}

    def ranks(self, drawn):
        """Of each hidden word its place among the five likeliest, or None."""
        guesses = self.run("fill-mask", [text for text, _ in drawn])
        places = [[guess["token_str"] for guess in five] for five in guesses]
        return [five.index(word) if word in five else None for five, (_, word) in zip(places, drawn)]

    def pairs_right(self, drawn):
        scores = self.run("next-sentence", [f"{a}\t{b}" for a, b, _ in drawn])
        return sum((score["is_next"] > 0.5) == follows for score, (_, _, follows) in zip(scores, drawn))

    def evaluate(self, text):
        command = [self.program, "evaluate", "--json", "--task", "mlm", "--limit", "1000", "--data", text, "--model", self.path]
        output = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout
        return json.loads(output)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", type=pathlib.Path)
    parser.add_argument("--text", type=pathlib.Path, required=True)
    parser.add_argument("--words", type=int, default=3000)
    parser.add_argument("--pairs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--everyday", type=pathlib.Path, default=PROJECT / "examples/model/everyday.tsv")
    parser.add_argument("--bert", default=PROJECT / "build/release/bert")
    arguments = parser.parse_args()
    models = [Model(path, arguments.bert) for path in arguments.models]
    texts = list(documents(arguments.text))
    random_numbers = random.Random(arguments.seed)
    words = draw_words(texts, set.intersection(*(model.vocabulary() for model in models)), arguments.words, random_numbers)
    pairs = draw_pairs(texts, arguments.pairs, random_numbers)
    everyday = [line.split("\t") for line in arguments.everyday.read_text(encoding="utf-8").splitlines()]
    print(f"| model | accuracy@1 of {len(words)} words | accuracy@5 | next sentence, {len(pairs)} pairs | MLM loss, own tokens | "
          f"everyday sentences, first five |\n|---|---|---|---|---|---|")
    for model in models:
        ranks, daily = model.ranks(words), model.ranks(everyday)
        print(f"| {model.path.name} | {ranks.count(0) / len(words):.3f} | {sum(r is not None for r in ranks) / len(words):.3f} | "
              f"{model.pairs_right(pairs) / len(pairs):.3f} | {model.evaluate(arguments.text)['loss']:.3f} | "
              f"{sum(r is not None for r in daily)} of {len(daily)} |", flush=True)


if __name__ == "__main__":
    main()

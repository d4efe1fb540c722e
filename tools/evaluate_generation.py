#!/usr/bin/env python3
"""How good `bert generate` is on documents of a text: all methods of a masked language model in one table.

    tools/evaluate_generation.py build/release/bert ../shared/data/corpus/dev.txt [--model M] [--documents 200] [--markdown FILE]

Two questions, each with a goal:
  next word      The last word of a document's first long sentence is hidden. How often is it among the first five of `--method
                 autocomplete`, beside `fill-mask` on the same sentence with its full stop? Goal: at least as often.
  continuations  60 tokens after the first 30 words of a document, by each method with seed 1. distinct-2 is the number of different
                 pairs of neighbouring words by the number of pairs, in all continuations together, cut to the words that the real text
                 has (Li et al. 2016); pseudo-perplexity is exp of minus the mean log probability of their tokens, each masked in turn
                 (Salazar et al. 2020). Goals: distinct-2 at least 0.7 of the real text's, pseudo-perplexity below that of the same words
                 shuffled.
Documents are separated by empty lines; where there are too few, further passages of each are taken. --markdown writes the table and the continuations of the first twenty prompts, as they come.
--scored takes the pseudo-perplexity of so many documents only. --run NAME=FLAGS, once or more, in place of the methods. Exit status 1
when a goal is missed. Standard library only.
"""
import argparse
import itertools
import json
import math
import random
import re
import subprocess
import sys
import time

METHODS = {"left-to-right": "", "gibbs": "", "mask-predict": "", "next-sentence": ""}
TOKENS, PROMPT_WORDS, SAMPLES, DISTINCT_GOAL = 60, 30, 20, 0.7


def documents(path, wanted):
    """Texts long enough to be cut into a prompt and what follows it, one line each: the beginning of every document, then, where those
    are not enough, the second such piece of every document, …"""
    with open(path, encoding="utf-8") as file:
        blocks = [block.splitlines() for block in file.read().split("\n\n")]
    pieces = []
    for lines in blocks:
        pieces.append([])
        text = ""
        for line in lines:
            text = f"{text} {line}".strip()
            if len(text.split()) > PROMPT_WORDS + TOKENS:
                pieces[-1].append(text)
                text = ""
    rounds = itertools.zip_longest(*pieces)
    return [text for each in rounds for text in each if text][:wanted]


def words(text):
    return re.findall(r"\w+|[^\w\s]", text.lower())


class Bert:
    def __init__(self, program, model):
        self.program, self.model = program, ["--model", model] if model else []

    def __call__(self, command, texts, *flags):
        run = subprocess.run([self.program, command, "--json", *self.model, *flags], input="\n".join(texts), capture_output=True, text=True)
        if run.returncode:
            sys.exit(f"bert {command} {' '.join(flags)}: {run.stderr.strip()}")
        return [json.loads(line) for line in run.stdout.splitlines()]


def last_words(texts):
    """(sentence without its last word and full stop, that word) of the first sentence of 8 to 40 words in each text."""
    for text in texts:
        for sentence in re.split(r"(?<=[.!?])\s+", text):
            match = re.fullmatch(r"([A-Z].*\S)\s+([A-Za-z]+)\.", sentence)
            if match and 8 <= len(sentence.split()) <= 40:
                yield match.groups()
                break


def evaluate_next_word(bert, texts):
    cases = list(last_words(texts))
    begins, hidden = [begin for begin, _ in cases], [word.lower() for _, word in cases]

    def among_five(guesses, key):
        return sum(word in [guess[key].strip().lower() for guess in each] for word, each in zip(hidden, guesses)) / len(cases)

    found = {
        "fill-mask": among_five(bert("fill-mask", [f"{begin} [MASK]." for begin in begins]), "token_str"),
        "autocomplete": among_five(bert("generate", begins, "--method", "autocomplete"), "word"),
        "autocomplete, nothing behind the word": among_five(
            bert("generate", begins, "--method", "autocomplete", "--ending", ""), "word"),
    }
    return len(cases), found


def distinct_2(texts):
    pairs = [pair for text in texts for pair in zip(text, text[1:])]
    return len(set(pairs)) / len(pairs)


def pseudo_perplexity(bert, texts):
    logs = [log for each in bert("pseudo-perplexity", texts) for log in each["token_logprobs"]]
    return math.exp(-sum(logs) / len(logs))


def shuffled(text, seed):
    all_words = text.split()
    random.Random(seed).shuffle(all_words)
    return " ".join(all_words)


def measure(bert, name, texts, real, scored, seconds):
    cut = [words(text)[:len(words(other))] for text, other in zip(texts, real)]
    scored_texts = texts[:scored]
    return {"name": name, "distinct_2": distinct_2(cut), "pppl": pseudo_perplexity(bert, scored_texts),
            "shuffled": pseudo_perplexity(bert, [shuffled(text, i) for i, text in enumerate(scored_texts)]), "seconds": seconds}


def evaluate_continuations(bert, texts, runs, scored):
    prompts = [" ".join(text.split()[:PROMPT_WORDS]) for text in texts]
    # Sixty tokens have somewhat fewer words than that; punctuation counts in both.
    real = [" ".join(text.split()[PROMPT_WORDS:PROMPT_WORDS + 45]) for text in texts]
    rows, written = [measure(bert, "the real text", real, real, scored, 0)], {}
    print("the real text:", rows[0], file=sys.stderr)
    for name, flags in runs.items():
        begun = time.time()
        results = bert("generate", prompts, "--max-new-tokens", str(TOKENS), "--seed", "1", *flags.split())
        seconds = (time.time() - begun) / len(prompts)
        written[name] = [each["generated_text"][len(prompt):].strip() for prompt, each in zip(prompts, results)]
        rows.append(measure(bert, name, written[name], real, scored, seconds))
        print(rows[-1], file=sys.stderr)
    return rows, prompts, written


def table_of(rows):
    yield "| text | distinct-2 | of the real text's | pseudo-perplexity | of the same words shuffled | s a text |"
    yield "|---|---:|---:|---:|---:|---:|"
    for row in rows:
        share = row["distinct_2"] / rows[0]["distinct_2"]
        seconds = f"{row['seconds']:.2f}" if row["seconds"] else ""
        yield f"| {row['name']} | {row['distinct_2']:.3f} | {share:.2f} | {row['pppl']:.1f} | {row['shuffled']:.1f} | {seconds} |"


def samples_of(prompts, written):
    for i, prompt in enumerate(prompts[:SAMPLES]):
        yield f"\n{i + 1}. *{prompt}* …"
        for name, texts in written.items():
            yield f"   - {name}: {texts[i]}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bert")
    parser.add_argument("text")
    parser.add_argument("--model")
    parser.add_argument("--documents", type=int, default=200)
    parser.add_argument("--scored", type=int)
    parser.add_argument("--markdown")
    parser.add_argument("--run", action="append", metavar="NAME=FLAGS")
    args = parser.parse_args()
    bert, texts = Bert(args.bert, args.model), documents(args.text, args.documents)
    runs = dict(each.split("=", 1) for each in args.run) if args.run else {name: f"--method {name} {flags}" for name, flags in METHODS.items()}
    count, found = evaluate_next_word(bert, texts)
    lines = [f"| the hidden last word of {count} sentences among the first five | |", "|---|---:|",
             *(f"| {name} | {share:.3f} |" for name, share in found.items()), ""]  # fmt: skip
    rows, prompts, written = evaluate_continuations(bert, texts, runs, args.scored or len(texts))
    lines += [f"{len(texts)} documents, {TOKENS} tokens each; pseudo-perplexity of {args.scored or len(texts)}:", "", *table_of(rows)]
    print("\n".join(lines))
    if args.markdown:
        with open(args.markdown, "w", encoding="utf-8") as file:
            print("\n".join([*lines, *samples_of(prompts, written)]), file=file)
    missed = [] if found["autocomplete"] >= found["fill-mask"] else ["autocomplete finds fewer words than fill-mask"]
    for row in rows[1:]:
        if row["distinct_2"] < DISTINCT_GOAL * rows[0]["distinct_2"]:
            missed.append(f"{row['name']}: distinct-2 is below {DISTINCT_GOAL} of the real text's")
        if row["pppl"] >= row["shuffled"]:
            missed.append(f"{row['name']}: pseudo-perplexity is not below that of the shuffled words")
    for each in missed:
        print("missed:", each)
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Compares this project's tokenizer with Hugging Face `tokenizers` on random or given texts, token by token.

    g++ -std=c++20 -O2 -Iinclude tests/support/tokenize_lines.cpp -o /tmp/driver -lutf8proc
    tools/compare_tokenizer.py /tmp/driver --vocab vocab.txt [--cased] [--texts FILE...] [--count 100000] [--seed 1]
    tools/compare_tokenizer.py /tmp/driver --byte-level roberta|gpt2 --vocab vocab.json --merges merges.txt […]

Random texts are mixtures of classes that have gone wrong somewhere: marks of every combining class, controls, white space,
punctuation, CJK, Hangul, decomposable letters, unassigned code points, pieces of the vocabulary, special tokens. Every
round also draws the tokenizer's options, added tokens with random flags, pairs, truncation and stride.
Exit status 1 and the first difference when there is one. Needs: pip install tokenizers.
"""
import argparse
import json
import pathlib
import random
import struct
import subprocess
import sys
import tempfile
import unicodedata

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors


def read_vocab(path):
    lines = pathlib.Path(path).read_bytes().decode().split("\n")
    return {token: i for i, token in enumerate(lines[:-1] if lines[-1] == "" else lines)}


def make_tokenizer(vocab, lowercase, strip_accents=None, clean_text=True, chinese=True, added=()):
    tokenizer = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(clean_text=clean_text, handle_chinese_chars=chinese,
                                                      strip_accents=strip_accents, lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    cls, sep = vocab["[CLS]"], vocab["[SEP]"]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0", pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", cls), ("[SEP]", sep)])
    tokenizer.decoder = decoders.WordPiece(prefix="##", cleanup=True)
    tokenizer.add_special_tokens([t for t in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]") if t in vocab])
    if added:
        tokenizer.add_tokens(list(added))
    return tokenizer


ALL = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]


def classes():
    by = {}
    for c in ALL:
        s = chr(c)
        by.setdefault("category " + unicodedata.category(s), []).append(s)
        if unicodedata.combining(s):
            by.setdefault("combining", []).append(s)
            by.setdefault("class %d" % unicodedata.combining(s), []).append(s)
        if unicodedata.decomposition(s) and not unicodedata.decomposition(s).startswith("<"):
            by.setdefault("decomposable", []).append(s)
        if s.lower() != s:
            by.setdefault("capital", []).append(s)
    by["space"] = [chr(c) for c in ALL if chr(c).isspace()]
    by["ascii"] = [chr(c) for c in range(128)]
    by["latin"] = [chr(c) for c in range(0xA0, 0x250)]
    by["hangul"] = [chr(c) for c in (*range(0x1100, 0x1200), *range(0xAC00, 0xB000), *range(0xD7B0, 0xD800))]
    by["cjk"] = [chr(c) for c in (0x3400, 0x4DBF, 0x4DC0, 0x4E00, 0x9FFF, 0xF900, 0xFA0E, 0xFAFF, 0x20000, 0x2A6DF, 0x2A6E0,
                                  0x2B81F, 0x2B820, 0x2B920, 0x2CEAF, 0x2CEB0, 0x2F800, 0x2FA1F, 0x30000, 0x3042, 0x30A2)]
    by["odd"] = list("\0\u00ad\u0130\u0131\u017f\u03a3\u03c2\u1e9e\u200b\u200c\u200d\u2028\u2029\u2060\ufeff\ufffd\ufffe\u0344\u0345"
                     "\u0f73\u0f75\u0f81\u302e\u302f\U0001d15e\U0001d165\U0001d16d\U0001f468\U0001f3fd\u20e3\ufe0f\u0378\U000e0041")
    return list(by.values())


class Texts:
    def __init__(self, rng, vocab):
        self.rng, self.classes = rng, classes()
        self.words = [token.removeprefix("##").replace("Ġ", " ") for token in vocab]
        self.specials = ["<mask>", "<s>", " <mask> ", "</s>", "<|endoftext|>", "'s", "'ll", " 've", "don't", "'S", "  ", "\n\n ",
                         "[MASK]", "[CLS]", "[SEP]", "[UNK]", "[PAD]", "[mask]", "[MASK", "MASK]", "[[MASK]]", "Abc", "ünï", " x "]

    def text(self):
        rng, out = self.rng, []
        for _ in range(rng.choice((0, 1, 2, 3, 5, 10, 20, 40))):
            kind = rng.random()
            if kind < 0.25:
                out.append(rng.choice(self.words))
            elif kind < 0.33:
                out.append(rng.choice(self.specials))
            elif kind < 0.45:
                out.append(" " * rng.randrange(1, 3))
            elif kind < 0.47:
                out.append(rng.choice(rng.choice(self.classes)) * rng.choice((2, 50, 99, 100, 101)))
            elif kind < 0.6:
                kinds = rng.sample(self.classes, 2)
                out += [rng.choice(rng.choice(kinds)) for _ in range(rng.randrange(1, 12))]
            else:
                out.append(rng.choice(rng.choice(self.classes)))
        return "".join(out)


def run_driver(driver, tokenizer, texts, options):
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        file.write(tokenizer if isinstance(tokenizer, str) else tokenizer.to_str())
        file.flush()
        data = bytearray()
        for a, b in texts:
            a, b = a.encode(), None if b is None else b.encode()
            data += struct.pack("<II", len(a), 0 if b is None else len(b) + 1) + a + (b or b"")
        run = subprocess.run([driver, file.name, *map(str, options)], input=bytes(data), capture_output=True, check=False)
    if run.returncode:
        sys.exit(run.stderr.decode())
    values, at = memoryview(run.stdout).cast("i"), 0
    for _ in texts:
        windows = []
        at += 1
        for _ in range(values[at - 1]):
            count = values[at]
            windows.append([tuple(values[at + 1 + 6 * i:at + 7 + 6 * i]) for i in range(count)])
            at += 1 + 6 * count
        yield windows


def expected(encoding):
    return [[(i, t, *o, s, -1 if w is None else w)
             for i, t, o, s, w in zip(e.ids, e.type_ids, e.offsets, e.special_tokens_mask, e.word_ids)]
            for e in (encoding, *encoding.overflowing)]


def compare(driver, tokenizer, texts, options=()):
    """Stops at the first difference. Returns the number of tokens compared."""
    tokens = 0
    if options:
        tokenizer.enable_truncation(options[0], stride=options[2], strategy=options[1])
    encodings = tokenizer.encode_batch([a if b is None else (a, b) for a, b in texts])
    tokenizer.no_truncation()
    for (a, b), encoding, got in zip(texts, encodings, run_driver(driver, tokenizer, texts, options)):
        want = expected(encoding)
        tokens += sum(map(len, want))
        if want != got:
            describe = json.loads(tokenizer.to_str())
            describe["model"] = "..."
            print("text", ascii(a), ascii(b), options)
            print(json.dumps({k: describe[k] for k in ("normalizer", "pre_tokenizer", "post_processor", "added_tokens")}))
            print("want", want, "\ngot ", got)
            print([encoding.tokens])
            sys.exit(1)
    return tokens


def make_byte_level(kind, vocab, merges, prefix=False, trim=None, added=()):
    """RoBERTa's or GPT-2's tokenizer, as transformers converts vocab.json and merges.txt."""
    tokenizer = Tokenizer(models.BPE(vocab, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    tokenizer.decoder = decoders.ByteLevel()
    if kind == "roberta":
        tokenizer.post_processor = processors.RobertaProcessing(("</s>", vocab["</s>"]), ("<s>", vocab["<s>"]),
                                                                trim_offsets=trim is not False, add_prefix_space=prefix)
    else:
        tokenizer.post_processor = processors.ByteLevel(add_prefix_space=prefix, trim_offsets=trim is True)
    specials = ("<s>", "<pad>", "</s>", "<unk>", "<mask>", "<|endoftext|>")
    tokenizer.add_special_tokens([AddedToken(t, lstrip=t == "<mask>") for t in specials if t in vocab])
    if added:
        tokenizer.add_tokens(list(added))
    return tokenizer


def random_added(rng, vocab):
    """None that become equal once normalised: which of those Hugging Face finds changes from run to run."""
    words = ["Abc", "ünï", "x y", "[X]", "don't", "日本", "é", "İ", " x ", "[MASK", "MASK]]"]
    return [AddedToken(word, single_word=rng.random() < 0.3, lstrip=rng.random() < 0.3, rstrip=rng.random() < 0.3,
                       normalized=rng.random() < 0.5, special=rng.random() < 0.5)
            for word in rng.sample(words, rng.randrange(1, 6)) if word.strip() == word or rng.random() < 0.2]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("driver")
    parser.add_argument("--vocab", required=True)
    parser.add_argument("--cased", action="store_true")
    parser.add_argument("--texts", nargs="*", default=[], help="files whose lines are compared instead of random texts")
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--byte-level", choices=("roberta", "gpt2"))
    parser.add_argument("--merges")
    args = parser.parse_args()
    if args.byte_level:
        vocab, merges = models.BPE.read_file(args.vocab, args.merges)
        plain = make_byte_level(args.byte_level, vocab, merges)
    else:
        vocab = read_vocab(args.vocab)
        plain = make_tokenizer(vocab, lowercase=not args.cased)
    for name in args.texts:
        texts = [(line, None) for line in pathlib.Path(name).read_bytes().decode(errors="replace").split("\n")]
        print(name, len(texts), "texts,", compare(args.driver, plain, texts), "tokens are equal")
    if args.texts:
        return
    rng = random.Random(args.seed)
    source, done, tokens, size = Texts(rng, vocab), 0, 0, 4000
    while done < args.count:
        added = random_added(rng, vocab) if rng.random() < 0.5 else ()
        if rng.random() < 0.4:
            drawn = plain
        elif args.byte_level:
            drawn = make_byte_level(args.byte_level, vocab, merges, rng.random() < 0.5, rng.choice((None, True, False)), added)
        else:
            drawn = make_tokenizer(vocab, rng.random() < 0.5, rng.choice((None, True, False)), rng.random() < 0.7,
                                   rng.random() < 0.7, added)
        # Of a token with white space of its own that begins a further window, after a prefix space, Hugging Face counts one.
        exotic = args.byte_level and json.loads(drawn.to_str())["pre_tokenizer"]["add_prefix_space"]
        options = () if exotic or rng.random() < 0.5 else (rng.randrange(9, 24), "longest_first", rng.randrange(0, 3))
        pairs = rng.random() < 0.5
        texts = [(source.text(), source.text() if pairs else None) for _ in range(size)]
        tokens += compare(args.driver, drawn, texts, options)
        done += size
    print(done, "random texts,", tokens, "tokens are equal")


if __name__ == "__main__":
    main()

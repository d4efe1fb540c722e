#!/usr/bin/env python3
"""Compares this project's tokenizer with Hugging Face `tokenizers` on random or given texts, token by token.

    g++ -std=c++20 -O2 -Iinclude tests/support/tokenize_lines.cpp -o /tmp/driver -lutf8proc
    tools/compare_tokenizer.py /tmp/driver --vocab vocab.txt [--cased] [--texts FILE...] [--count 100000] [--seed 1]
    tools/compare_tokenizer.py /tmp/driver --byte-level roberta|gpt2 --vocab vocab.json --merges merges.txt […]
    tools/compare_tokenizer.py /tmp/driver --json tokenizer.json | --folder DIR | --model spiece.model […]

Random texts are mixtures of classes that have gone wrong somewhere: marks of every combining class, controls, white space,
punctuation, CJK, Hangul, decomposable letters, unassigned code points, pieces of the vocabulary, special tokens. Every
round also draws the tokenizer's options, added tokens with random flags, pairs, truncation and stride.
Exit status 1 and the first difference when there is one. --folder compares with what transformers makes
of a folder, --model with the sentencepiece library (ids and offsets). Random ids are decoded, too.
Needs: pip install tokenizers; transformers and sentencepiece for --folder and --model.
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
        self.words = [token.removeprefix("##").replace("Ġ", " ").replace("▁", " ") for token in vocab]
        self.specials = ["▁", "▁▁", "``", "''", "<unk>", "<sep>", "<cls>", "<0x41>", "\u200b", "\u00a0", "\t", "\r\n", "①", "ﬁ", "ｶﾞ","<mask>", "<s>", " <mask> ", "</s>", "<|endoftext|>", "'s", "'ll", " 've", "don't", "'S", "  ", "\n\n ",
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
    """`tokenizer`: one of Hugging Face's, or the path of a file or folder."""
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        path = tokenizer if isinstance(tokenizer, str) else file.name
        if path == file.name:
            file.write(tokenizer.to_str())
            file.flush()
        data = bytearray()
        for a, b in texts:
            a, b = a.encode(), None if b is None else b.encode()
            data += struct.pack("<II", len(a), 0 if b is None else len(b) + 1) + a + (b or b"")
        run = subprocess.run([driver, path, *map(str, options)], input=bytes(data), capture_output=True, check=False)
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


def compare_decoding(driver, tokenizer, reference, rng, count, path=None, quiet=False):
    """Random ids, and bytes among them. reference(ids, skip) is the text."""
    size = reference(None, None)
    some_bytes = reference("bytes", None)
    lists = [[rng.randrange(size) if not some_bytes or rng.random() < 0.5 else rng.choice(some_bytes)
              for _ in range(rng.randrange(0, 12))] for _ in range(count)]
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        if path is None:
            file.write(tokenizer.to_str())
            file.flush()
        data = b"".join(struct.pack(f"<{len(ids) + 1}i", len(ids), *ids) for ids in lists)
        run = subprocess.run([driver, path or file.name, "decode"], input=data, capture_output=True, check=False)
    if run.returncode:
        sys.exit(run.stderr.decode())
    at = 0
    for ids in lists:
        for skip in (False, True):
            length, = struct.unpack_from("<I", run.stdout, at)
            got, at = run.stdout[at + 4:at + 4 + length].decode(), at + 4 + length
            if got != reference(ids, skip):
                print(json.loads(tokenizer.to_str())["decoder"] if tokenizer else "")
                print("decode", ids, "skip", skip, "\nwant", ascii(reference(ids, skip)), "\ngot ", ascii(got))
                sys.exit(1)
    if not quiet:
        print(count, "random lists of ids are decoded alike")


def decoder_of(tokenizer):
    size, vocab = tokenizer.get_vocab_size(), tokenizer.get_vocab()
    some_bytes = [i for token, i in vocab.items() if token.startswith("<0x")] or [vocab[c] for c in "ĠĲðŁĺâĤ¬Ã©" if c in vocab]

    def decode(ids, skip):
        return size if ids is None else some_bytes if ids == "bytes" else tokenizer.decode(ids, skip_special_tokens=skip)
    return decode


def compare_sentencepiece(args, rng):
    """A .model by itself with the sentencepiece library."""
    import sentencepiece
    model = sentencepiece.SentencePieceProcessor(model_file=args.model)
    size = model.get_piece_size()

    def check(texts):
        tokens = 0
        for (text, _), (got,) in zip(texts, run_driver(args.driver, args.model, texts, ())):
            proto = model.encode(text, return_type="proto")
            point, data = [0], text.encode()  # code points before each byte
            for byte in data:
                point.append(point[-1] + (byte & 0xC0 != 0x80))
            at = [point[i] - (i < len(data) and data[i] & 0xC0 == 0x80) for i in range(len(data) + 1)]
            want = [(p.id, at[p.begin], at[p.end]) for p in proto.pieces]
            got = [(row[0], row[2], row[3]) for row in got]
            tokens += len(want)
            if want != got:
                print("text", ascii(text), "\nwant", [(*w, model.id_to_piece(w[0])) for w in want], "\ngot ", got)
                sys.exit(1)
        return tokens

    for name in args.texts:
        texts = [(line, None) for line in pathlib.Path(name).read_bytes().decode(errors="replace").split("\n")]
        print(name, len(texts), "texts,", check(texts), "tokens are equal")
    if args.texts:
        return
    source, tokens = Texts(rng, [model.id_to_piece(i) for i in range(size)]), 0
    for _ in range(0, args.count, 4000):
        tokens += check([(source.text(), None) for _ in range(4000)])
    print(args.count, "random texts,", tokens, "tokens are equal")
    some_bytes = [i for i in range(size) if model.is_byte(i)]
    compare_decoding(args.driver, None, lambda ids, skip: size if ids is None else some_bytes if ids == "bytes" else model.decode(ids),
                     rng, 20000, args.model)


def compare_components(args, rng):
    import base64
    import tokenizer_components
    from sentencepiece import sentencepiece_model_pb2
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(pathlib.Path(args.model).read_bytes())
    charsmap = base64.b64encode(proto.normalizer_spec.precompiled_charsmap).decode()
    lines = [line for path in sorted((pathlib.Path(__file__).parent.parent / "docs").glob("*.md")) for line in path.open()]
    kinds = {kind: tokenizer_components.train(lines, kind) for kind in ("unigram", "bpe", "byte_level")}
    source, done, tokens, size = Texts(rng, list(kinds["bpe"]["vocab"])), 0, 0, 400
    while done < args.count:
        drawn = tokenizer_components.draw(rng, kinds, charsmap)
        if rng.random() < 0.5:
            drawn.add_tokens(random_added(rng, {}))
        pairs = rng.random() < 0.3
        tokens += compare(args.driver, drawn, [(source.text(), source.text() if pairs else None) for _ in range(size)])
        compare_decoding(args.driver, drawn, decoder_of(drawn), rng, 200, quiet=True)
        done += size
    print(done, "random texts,", tokens, "tokens are equal")


def expected(encoding):
    return [[(i, t, *o, s, -1 if w is None else w)
             for i, t, o, s, w in zip(e.ids, e.type_ids, e.offsets, e.special_tokens_mask, e.word_ids)]
            for e in (encoding, *encoding.overflowing)]


def compare(driver, tokenizer, texts, options=(), path=None):
    """Stops at the first difference. Returns the number of tokens compared."""
    tokens = 0
    if options:
        tokenizer.enable_truncation(options[0], stride=options[2], strategy=options[1])
    encodings = tokenizer.encode_batch([a if b is None else (a, b) for a, b in texts])
    tokenizer.no_truncation()
    for (a, b), encoding, got in zip(texts, encodings, run_driver(driver, path or tokenizer, texts, options)):
        want = expected(encoding)
        tokens += sum(map(len, want))
        if want != got:
            describe = json.loads(tokenizer.to_str())
            print({k: v for k, v in describe["model"].items() if k not in ("vocab", "merges")})
            print("text", ascii(a), ascii(b), options)
            print(json.dumps({k: str(describe[k])[:3000] for k in ("normalizer", "pre_tokenizer", "post_processor", "decoder",
                                                                       "added_tokens")}))
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
    parser.add_argument("--vocab")
    parser.add_argument("--model", help="a SentencePiece .model, compared with the sentencepiece library")
    parser.add_argument("--folder", help="a folder, compared with what transformers makes of it")
    parser.add_argument("--components", action="store_true",
                        help="tokenizers of random components (tokenizer_components.py), the map of --model's model")
    parser.add_argument("--json", help="a tokenizer.json, as it stands")
    parser.add_argument("--cased", action="store_true")
    parser.add_argument("--texts", nargs="*", default=[], help="files whose lines are compared instead of random texts")
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--byte-level", choices=("roberta", "gpt2"))
    parser.add_argument("--merges")
    args = parser.parse_args()
    if args.components:
        return compare_components(args, random.Random(args.seed))
    if args.model:
        return compare_sentencepiece(args, random.Random(args.seed))
    if args.folder:
        import transformers
        args.json = True
        plain = transformers.AutoTokenizer.from_pretrained(args.folder).backend_tokenizer
        vocab = plain.get_vocab()
    elif args.json:
        plain = Tokenizer.from_file(args.json)
        plain.no_truncation()
        plain.no_padding()
        vocab = plain.get_vocab()
    elif args.byte_level:
        vocab, merges = models.BPE.read_file(args.vocab, args.merges)
        plain = make_byte_level(args.byte_level, vocab, merges)
    else:
        vocab = read_vocab(args.vocab)
        plain = make_tokenizer(vocab, lowercase=not args.cased)
    for name in args.texts:
        texts = [(line, None) for line in pathlib.Path(name).read_bytes().decode(errors="replace").split("\n")]
        print(name, len(texts), "texts,", compare(args.driver, plain, texts, (), args.folder), "tokens are equal")
    if args.texts:
        return
    rng = random.Random(args.seed)
    source, done, tokens, size = Texts(rng, vocab), 0, 0, 4000
    while done < args.count:
        added = random_added(rng, vocab) if not args.folder and rng.random() < 0.5 else ()
        if args.folder:
            drawn = plain
        elif args.json:
            drawn = Tokenizer.from_str(plain.to_str())
            if added:
                drawn.add_tokens(list(added))
        elif rng.random() < 0.4:
            drawn = plain
        elif args.byte_level:
            drawn = make_byte_level(args.byte_level, vocab, merges, rng.random() < 0.5, rng.choice((None, True, False)), added)
        else:
            drawn = make_tokenizer(vocab, rng.random() < 0.5, rng.choice((None, True, False)), rng.random() < 0.7,
                                   rng.random() < 0.7, added)
        # Of a token with white space of its own that begins a further window, after a prefix space, Hugging Face counts one.
        exotic = args.byte_level and not args.json and json.loads(drawn.to_str())["pre_tokenizer"]["add_prefix_space"]
        options = () if exotic or rng.random() < 0.5 else (rng.randrange(9, 24), "longest_first", rng.randrange(0, 3))
        pairs = rng.random() < 0.5
        texts = [(source.text(), source.text() if pairs else None) for _ in range(size)]
        tokens += compare(args.driver, drawn, texts, options, args.folder)
        done += size
    print(done, "random texts,", tokens, "tokens are equal")
    compare_decoding(args.driver, plain, decoder_of(plain), rng, 20000, args.folder)


if __name__ == "__main__":
    main()

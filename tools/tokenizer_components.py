"""Tokenizers of randomly drawn components of tokenizer.json, for compare_tokenizer.py and make_golden.py."""
import base64
import json

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
          r"\s+(?!\S)|\s+")
BYTES = [f"<0x{i:02X}>" for i in range(256)]


def train(lines, kind, size=400):
    """A small Unigram or BPE model of pieces with ▁, without special tokens' roles."""
    learnt = Tokenizer(models.Unigram() if kind == "unigram" else models.BPE())
    byte_level = kind == "byte_level"
    learnt.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False) if byte_level else pre_tokenizers.Metaspace()
    if kind == "unigram":
        trainer = trainers.UnigramTrainer(vocab_size=size, special_tokens=["<unk>", "<s>", "</s>"], unk_token="<unk>",
                                          show_progress=False)
    else:
        trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=["<unk>", "<s>", "</s>"], show_progress=False,
                                      initial_alphabet=pre_tokenizers.ByteLevel.alphabet() if byte_level else [])
    learnt.train_from_iterator(lines, trainer)
    return json.loads(learnt.to_str())["model"]


def draw_model(rng, models_by_kind, kind):
    model = json.loads(json.dumps(models_by_kind[kind]))
    if kind == "unigram":
        model["byte_fallback"] = rng.random() < 0.5
        if model["byte_fallback"] and rng.random() < 0.8:
            model["vocab"] += [[b, 0.0] for b in (BYTES if rng.random() < 0.7 else rng.sample(BYTES, 200))]
        return model
    if kind == "bpe":
        model["unk_token"] = rng.choice((None, "<unk>"))
        model["fuse_unk"], model["byte_fallback"] = rng.random() < 0.5, rng.random() < 0.5
        if model["byte_fallback"]:
            names = BYTES if rng.random() < 0.7 else rng.sample(BYTES, 200)
            model["vocab"] |= {b: len(model["vocab"]) + i for i, b in enumerate(names)}
    model["ignore_merges"] = rng.random() < 0.2
    return model


def draw_normalizer(rng, charsmap):
    n = normalizers
    choices = [
        n.NFC, n.NFD, n.NFKC, n.NFKD, n.StripAccents, n.Lowercase, n.Nmt, lambda: n.Prepend("▁"), lambda: n.Prepend("ab"),
        lambda: n.Strip(rng.random() < 0.5, rng.random() < 0.7), lambda: n.Replace(" ", "▁"), lambda: n.Replace("``", '"'),
        lambda: n.Replace(Regex(" {2,}"), rng.choice((" ", "▁"))), lambda: n.Replace(Regex(r"\A +| +\z"), ""),
        lambda: n.Replace(Regex(r"\A▁"), "▁▁"), lambda: n.Replace(Regex(r"\s+"), " "), lambda: n.Replace("e", ""),
        lambda: n.Replace(Regex("[aeiou]{2}"), "<v>"), lambda: n.Precompiled(base64.b64decode(charsmap))]
    steps = [rng.choice(choices)() for _ in range(rng.choice((0, 1, 1, 2, 3, 4)))]
    return n.Sequence(steps) if len(steps) != 1 else steps[0]


def draw_pre_tokenizer(rng, kind):
    p = pre_tokenizers
    behavior = lambda: rng.choice(("removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"))
    metaspace = lambda: p.Metaspace(prepend_scheme=rng.choice(("always", "first", "never")), split=rng.random() < 0.6)
    choices = [
        p.WhitespaceSplit, p.Whitespace, lambda: p.Digits(rng.random() < 0.5), lambda: p.Punctuation(behavior()),
        lambda: p.Split(rng.choice((" ", "a", "▁", Regex(r"\d"), Regex(r"\p{N}{1,3}"), Regex("[aeiou]+"))), behavior(),
                        rng.random() < 0.3),
        lambda: p.Split(Regex(rng.choice((GPT2, LLAMA3))), "isolated"),
        lambda: p.Split(Regex(r"\w+|[^\w\s]+"), "removed", True)]
    steps = [rng.choice(choices)() for _ in range(rng.choice((0, 0, 1, 2)))]
    if kind == "byte_level":
        steps.append(p.ByteLevel(add_prefix_space=rng.random() < 0.3, use_regex=rng.random() < 0.5))
    elif rng.random() < 0.8:
        steps.insert(rng.randrange(len(steps) + 1), metaspace())
    return p.Sequence(steps) if len(steps) != 1 else steps[0]


def draw_decoder(rng, kind):
    d = decoders
    if kind == "byte_level":
        return d.ByteLevel()
    llama = [d.Replace("▁", " "), d.ByteFallback(), d.Fuse(), d.Strip(" ", rng.choice((1, 2)), 0)]
    choices = [d.Metaspace(prepend_scheme=rng.choice(("always", "first", "never"))), d.Sequence(llama),
               d.Sequence([d.ByteFallback(), d.Metaspace()]), d.Sequence([d.Replace(Regex("[aeiou]"), "*"), d.Fuse()]),
               d.WordPiece("▁", rng.random() < 0.5), None]
    return rng.choice(choices)


def draw_processor(rng, kind):
    p = processors
    template = p.TemplateProcessing(single="<s> $A </s>:2", pair="<s> $A:0 </s> $B:1 </s>:1", special_tokens=[("<s>", 1), ("</s>", 2)])
    choices = [None, template, p.RobertaProcessing(("</s>", 2), ("<s>", 1), trim_offsets=False)]
    if kind == "byte_level":
        choices += [p.ByteLevel(trim_offsets=True), p.Sequence([p.ByteLevel(trim_offsets=True), template])]
    return rng.choice(choices)


def draw(rng, models_by_kind, charsmap):
    """A random tokenizer; charsmap: base64 of a precompiled character map."""
    kind = rng.choice(("unigram", "bpe", "byte_level"))
    tokenizer = Tokenizer.from_str(json.dumps({"version": "1.0", "truncation": None, "padding": None, "added_tokens": [],
                                               "normalizer": None, "pre_tokenizer": None, "post_processor": None,
                                               "decoder": None, "model": draw_model(rng, models_by_kind, kind)}))
    tokenizer.normalizer = draw_normalizer(rng, charsmap)
    tokenizer.pre_tokenizer = draw_pre_tokenizer(rng, kind)
    if (decoder := draw_decoder(rng, kind)) is not None:
        tokenizer.decoder = decoder
    if (processor := draw_processor(rng, kind)) is not None:
        tokenizer.post_processor = processor
    tokenizer.add_special_tokens(["<unk>", "<s>", "</s>"])
    return tokenizer

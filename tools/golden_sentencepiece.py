"""make_golden.py sentencepiece: small SentencePiece models and tokenizer.json components, and what their libraries make of
texts. Everything is trained on this project's own documents.

tests/golden/sentencepiece:
    NAME.model          Unigram, BPE, with byte fallback, user-defined symbols, a small character map
    models.json         texts with ids and offsets by `sentencepiece`, and lists of ids with their text
    families.json       the same by transformers' AutoTokenizer for the models in folders of a family
    components.json     tokenizer.json files of random components with windows and decoded text by `tokenizers`
"""
import base64
import io
import json
import pathlib
import random
import tempfile

PROJECT = pathlib.Path(__file__).resolve().parent.parent
RULES = {"ﬁ": "fi", "①": "1", "é": "e\u0301", "\u00a0": " ", "\u3000": " ", "\t": " ", "\u200b": "", "Ａ": "A", "A\u0300": "À",
         "…": "...", "\u00ad": "", "ẞ": "SS"}
MODELS = {
    "unigram": dict(model_type="unigram", user_defined_symbols=["(", "<x>", "–"]),
    "unigram_bytes": dict(model_type="unigram", byte_fallback=True, vocab_size=520),
    "bpe_llama": dict(model_type="bpe", byte_fallback=True, vocab_size=560, normalization_rule_name="identity",
                      remove_extra_whitespaces=False),
    "bpe": dict(model_type="bpe", user_defined_symbols=["ing", "."]),
    "albert": dict(model_type="unigram", pad_id=0, unk_id=1, bos_id=-1, eos_id=-1, control_symbols=["[CLS]", "[SEP]", "[MASK]"],
                   user_defined_symbols=["(", ")", "-"]),
    "xlnet": dict(model_type="unigram", control_symbols=["<cls>", "<sep>", "<pad>", "<mask>", "<eod>"],
                  user_defined_symbols=["<eop>", "."]),
}


def document_lines():
    text = "\n".join(path.read_text() for path in sorted((PROJECT / "docs").glob("*.md")))
    return [line.strip() for line in text.split("\n") if len(line.strip()) > 20][:600]


def train_models(folder):
    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2
    with tempfile.NamedTemporaryFile("w", suffix=".tsv", encoding="utf-8") as rules:
        hexes = lambda s: " ".join("%X" % ord(c) for c in s)
        rules.write("".join(f"{hexes(a)}\t{hexes(b)}\n" for a, b in RULES.items()))
        rules.flush()
        for name, options in MODELS.items():
            settings = dict(vocab_size=300, normalization_rule_tsv=rules.name, character_coverage=0.995, num_threads=1,
                            hard_vocab_limit=False, minloglevel=2) | options
            if "normalization_rule_name" in options:
                del settings["normalization_rule_tsv"]
            model = io.BytesIO()
            sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(document_lines()), model_writer=model, **settings)
            proto = sentencepiece_model_pb2.ModelProto()
            proto.ParseFromString(model.getvalue())
            proto.normalizer_spec.ClearField("normalization_rule_tsv")  # where the rules lay on this machine
            (folder / f"{name}.model").write_bytes(proto.SerializeToString())


def some_texts(rng, vocab, count):
    from compare_tokenizer import Texts
    fixed = ["", " ", "Hello world", "  two  spaces \n and\tlines ", "tokenizer (a–b) <x>x.", "ﬁ① … Ａ À A\u0300 ẞ", "日本 é e\u0301 👍🏽",
             "training.testing", "▁ ▁▁a", "<s> [MASK] <mask> </s> <0x41>", "``quoted'' text", "e" * 70]
    source = Texts(rng, vocab)
    texts = []
    while len(texts) < count:
        text = source.text()
        if len(text) < 60:
            texts.append(text)
    return fixed + texts


def sentencepiece_cases(folder):
    import sentencepiece
    out = {}
    for name in MODELS:
        model = sentencepiece.SentencePieceProcessor(model_file=str(folder / f"{name}.model"))
        rng, size, cases = random.Random(name), model.get_piece_size(), []
        for text in some_texts(rng, [model.id_to_piece(i) for i in range(size)], 40):
            point, data = [0], text.encode()
            for byte in data:
                point.append(point[-1] + (byte & 0xC0 != 0x80))
            at = [point[i] - (i < len(data) and data[i] & 0xC0 == 0x80) for i in range(len(data) + 1)]
            pieces = model.encode(text, return_type="proto").pieces
            cases.append({"text": text, "tokens": [[p.id, at[p.begin], at[p.end]] for p in pieces]})
        lists = [[rng.randrange(size) for _ in range(rng.randrange(9))] for _ in range(60)]
        out[name] = {"cases": cases, "decoded": [[ids, model.decode(ids)] for ids in lists]}
    return out


def family_cases(folder):
    import shutil
    import transformers
    transformers.logging.set_verbosity_error()
    out = []
    for model, family, config in (("albert", "albert", {}), ("albert", "albert", {"do_lower_case": False, "keep_accents": True}),
                                  ("xlnet", "xlnet", {}), ("bpe_llama", "llama", {}),
                                  ("bpe", "llama", {}), ("unigram_bytes", "llama", {})):
        with tempfile.TemporaryDirectory() as place:
            place = pathlib.Path(place)
            shutil.copy(folder / f"{model}.model", place / ("tokenizer.model" if family == "llama" else "spiece.model"))
            (place / "config.json").write_text(json.dumps({"model_type": family}))
            if config:
                (place / "tokenizer_config.json").write_text(json.dumps(config))
            tokenizer = transformers.AutoTokenizer.from_pretrained(place).backend_tokenizer
        rng, cases = random.Random(model), []
        for text in some_texts(rng, list(tokenizer.get_vocab()), 25):
            encoding = tokenizer.encode(text, add_special_tokens=family != "llama")  # transformers 5 adds no <s> by itself
            cases.append({"text": text, "tokens": [[i, t, *o] for i, t, o in zip(encoding.ids, encoding.type_ids, encoding.offsets)],
                          "decoded": [tokenizer.decode(encoding.ids, skip_special_tokens=skip) for skip in (True, False)]})
        out.append({"model": model, "family": family, "config": config, "cases": cases})
    return out


def component_cases(folder):
    import tokenizer_components
    from compare_tokenizer import random_added
    from make_golden import encode_windows
    from sentencepiece import sentencepiece_model_pb2
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString((folder / "unigram.model").read_bytes())
    charsmap = base64.b64encode(proto.normalizer_spec.precompiled_charsmap).decode()
    sizes = {"unigram": 150, "bpe": 150, "byte_level": 300}
    kinds = {kind: tokenizer_components.train(document_lines(), kind, size) for kind, size in sizes.items()}
    rng, out = random.Random(20), []
    for _ in range(25):
        tokenizer = tokenizer_components.draw(rng, kinds, charsmap)
        if rng.random() < 0.5:
            tokenizer.add_tokens(random_added(rng, {}))
        cases = []
        for text in some_texts(rng, list(kinds["bpe"]["vocab"]), 8):
            encoding = tokenizer.encode(text)
            cases.append({"text": text, "windows": encode_windows(encoding),
                          "decoded": [tokenizer.decode(encoding.ids, skip_special_tokens=skip) for skip in (True, False)]})
        out.append({"tokenizer": tokenizer.to_str(), "cases": cases})
    return out


def make(_):
    folder = PROJECT / "tests/golden/sentencepiece"
    folder.mkdir(parents=True, exist_ok=True)
    train_models(folder)
    for name, cases in (("models", sentencepiece_cases(folder)), ("families", family_cases(folder)),
                        ("components", component_cases(folder))):
        path = folder / f"{name}.json"
        path.write_text(json.dumps(cases, ensure_ascii=True, separators=(",", ":")) + "\n")
        print(path, path.stat().st_size, "bytes")

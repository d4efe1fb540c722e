#!/usr/bin/env python3
"""Makes expected values for tests with the reference implementations. One subcommand for each kind:

    tools/make_golden.py tokenizer [--shared ../shared]     tests/golden/tokenizer, by Hugging Face `tokenizers`
    tools/make_golden.py sentencepiece                      tests/golden/sentencepiece (golden_sentencepiece.py)
    tools/make_golden.py pipelines                          tests/golden/pipelines, by Hugging Face's pipelines
    tools/make_golden.py generation                         tests/golden/generation.json, by transformers' generate()
    tools/make_golden.py llama|xlnet                        tests/golden/llama/float64.safetensors, by transformers
    tools/make_golden.py sampling                           tests/golden/sampling.json, by transformers' logits processors

tokenizer writes (needs pip install tokenizers):
    vocab.txt         a small vocabulary, made here
    VARIANT.json      tokenizer.json files over it, as Hugging Face saves them, with different options
    cases.json        texts made here and what each variant gives for them: windows of [id, type, start, end, special, word]
    sweep.json        digests of what normaliser, pre-tokeniser and \\w make of every code point, 4096 to a digest
    shared.json       digests of the ids, type ids and offsets of the texts in the shared data folder (only with --shared)

pipelines writes (needs torch, transformers) random models with the small vocabulary above, and what pipelines say of texts:
    classify, tag, answer   a Hugging Face folder each, with `expected.json`: a list of [arguments of bert, its JSON lines]

generation (torch, transformers): new ids after prompts of the golden causal models in float64, greedily and by beam search.

llama (torch, transformers): transformers computes RMSNorm, softmax and the cosines of rotary positions in float32 even in a
model of float64, which leaves 2e-6. Here they are exact; angles are rounded to float32, as its weights were trained with.
xlnet (torch, transformers): the same for the sines and cosines of distances.
sampling writes (needs torch, transformers) rows of logits with previous ids and, for options of generate() in its own order, the ids
    that are left with their probabilities in float64; or null where nothing is left
"""
import argparse
import hashlib
import itertools
import json
import pathlib
import random
import subprocess

PROJECT = pathlib.Path(__file__).resolve().parent.parent


# ---------------------------------------------------------------------------------------------------------- tokenizer

WORDS = """the a an in to of is was he she it they we i you fox dog cat jump run quick brown lazy over under not do can will
hello world paris capital france un ##able ##aff ##ing ##ed ##s ##ly ##er ##est cafe naive resume uber strasse ' ’ ab abc ##bc
##abc e n't don do 'm 've . , ! ? - _ ## # [ ] ( ) 2024 ##24 20 10 ##0 日 本 語 天 地 東京 ##東 ᄒ ##ᅡ ##ᆫ 한 ##국 한국 й и ##й привет
##вет мир σ ##ς ##σ ς α ##λφα ί ι İ i ı ß ss ſ ﬁ ñ n é é e ##é ##́ ก ##ำ का ##का 😀 ##👍 👨 ##‍ 👩 x ##x y ##y Hello World Paris The
É Ñ Й Привет ǅ ǆ K k Å å Ω ω""".split()


def small_vocab():
    vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *map(chr, range(0x21, 0x7F)), *("##" + chr(c) for c in range(0x61, 0x7B)),
             *("##" + chr(c) for c in range(0x30, 0x3A)), *WORDS, "##\u0301", "##\u302e", "\u302e", "\U0001d165", "##\U0001d165"]
    return list(dict.fromkeys(vocab))


def byte_level_variants():
    from compare_tokenizer import make_byte_level
    from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, trainers
    learnt = Tokenizer(models.BPE())
    learnt.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    learnt.train_from_iterator([" ".join(WORDS).replace("##", ""), *SENTENCES] * 3, trainers.BpeTrainer(
        vocab_size=420, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"]))
    model = json.loads(learnt.to_str())["model"]
    vocab, merges = model["vocab"], [tuple(merge) for merge in model["merges"]]
    added = [AddedToken("new", single_word=True, normalized=False), AddedToken("both", lstrip=True, rstrip=True, normalized=True)]
    return {"roberta": make_byte_level("roberta", vocab, merges),
            "roberta_prefix": make_byte_level("roberta", vocab, merges, prefix=True),
            "gpt2": make_byte_level("gpt2", vocab, merges, added=added)}


def variants(vocab):
    """name -> Tokenizer"""
    from compare_tokenizer import make_tokenizer
    from tokenizers import AddedToken, processors
    made = {
        "uncased": make_tokenizer(vocab, True),
        "cased": make_tokenizer(vocab, False),
        "lowercase_with_accents": make_tokenizer(vocab, True, strip_accents=False),
        "cased_without_accents": make_tokenizer(vocab, False, strip_accents=True),
        "untouched": make_tokenizer(vocab, False, clean_text=False, chinese=False),
    }
    added = make_tokenizer(vocab, True, added=[
        AddedToken("new", single_word=True, normalized=False), AddedToken("left", lstrip=True, normalized=False),
        AddedToken("right", rstrip=True, normalized=False), AddedToken("both", lstrip=True, rstrip=True, normalized=False),
        AddedToken("Élan", normalized=True), AddedToken("Solo", normalized=True, single_word=True),
        AddedToken(" gap ", normalized=True), AddedToken("fox", normalized=False), AddedToken("foxes", normalized=False),
        AddedToken("quiet", normalized=False, special=True)])
    added.post_processor = processors.BertProcessing(("[SEP]", vocab["[SEP]"]), ("[CLS]", vocab["[CLS]"]))
    added.enable_truncation(7)  # both are to be ignored when the file is read
    added.enable_padding(length=9)
    added.decoder = None
    made["added"] = added
    made.update(byte_level_variants())
    other = make_tokenizer(vocab, True)
    other.post_processor = processors.TemplateProcessing(
        single="<s>:1 $A:1 </s>:0", pair="$A:0 </s>:0 $B:0 <s>:2",
        special_tokens=[{"id": "<s>", "ids": [vocab["x"], vocab["y"]], "tokens": ["x", "y"]}, ("</s>", vocab["[SEP]"])])
    other.decoder.cleanup = False
    made["other_template"] = other
    return made


PLAIN = [
    "", " ", "\0", "The quick brown fox.", "  Hello,\tworld!\r\n", "unaffable", "xyzzy", "the [MASK] is[MASK]not [mask] [MASK",
    "[CLS] a [SEP] b [PAD] [UNK]", "[[MASK]]", "Café naïve résumé ÜBER", "Cafe\u0301 nai\u0308ve \u0301 e\u0301\u0327 e\u0327\u0301",
    "日本語 東京ab天地", "\uf900\uf90e\U0002f800", "한국 \u1112\u1161\u11ab\u1100\u116e\u11a8 한", "ΑΣ ας Σ ΣΊΣΥΦΟΣ ὈΔΥΣΣΕΎΣ", "İstanbul ISTANBUL ıi",
    "ſt ﬁ ß ẞ ǅ K Å Ω", "😀👍 👨\u200d👩\u200d👧 🏳\ufe0f", "a\u00adb a\u200bb a\ufeffb a\u2060b", "a\u0378b a\U000e0041b a\ue000b a\uffffb",
    "a\u2028b\u2029c\u0085d\u00a0e\u3000f\u1680g", "x\ufffdy \ufffd", "(a) [b] {c} <d> $e ^f `g ~h |i +j =k", "«¿a?» „b“ …‥ ‐‑‒–— ·•",
    "\u1b7da\u2e43b\u061dc", "q" * 100, "q" * 101, "é" * 100, "e\u0301" * 100, "é" * 101, "日" * 3 + "q" * 99 + " " + "ab" * 50,
    "don't can't I'm we've you're it's", "a\u302e\U0001d165b \u0345\u0323\u302fx\u0344", "\u0f73\u0f72\u0f75 \u0f71\u0f74\u0f80\u0f81",
    "\U00011938 \u0958 \u2126 \u212b \u1e9b\u0323", "кофе Й и\u0306 ПРИВЕТ мир", "का कि กำ ก\u0e33", "2024-10-20, 10%", "##s a##s # # s",
    "\x1b[0mred\x07\x7f\x80\x9f", "_under_score__", "new news renew (new) new\u0301 new_ 新new new",
    " left left\tleft\u3000 right  right right\n both  both left  right ", "élan ELAN E\u0301lan élans", "solo so\u0301lo SOLO solos",
    "a gap b gap gap c  gap  d", "fox foxes foxe FOX", "quiet [MASK]quiet", "\u0345[MASK]\u0301a\u0301",
]
PAIRS = [("Hello world", "the fox"), ("", ""), ("a", ""), ("", "b [SEP] c"), ("日本", "한국 don't"),
         ("the quick brown fox jump over the lazy dog", "he can run"), ("a b c d e f g h i j", "1 2 3 4 5 6 7 8 9")]
INVALID = ["80", "c3", "c328", "e28028a1", "f0908041", "eda080", "c0af", "f5808080", "61f09f98", "f4908080e0a1", "41ffc3a942", "e0808062",
           "ef bf bd ef bf", "5b4d41534bc35d"]
LONG = "the quick brown fox jump over the lazy dog and he can run to paris , the capital of france !"


def encode_windows(encoding):
    def word(number):
        return -1 if number is None else number

    return [[list(row) for row in zip(e.ids, e.type_ids, *map(list, zip(*e.offsets)), e.special_tokens_mask, map(word, e.word_ids))]
            if e.ids else []
            for e in (encoding, *encoding.overflowing)]


def cases_of(name, tokenizer, source):
    """What a variant gives: {"text" or "hex", "pair"?, "options"?, "windows", "decoded"?}"""
    tokenizer.no_truncation()
    tokenizer.no_padding()

    def case(text, pair=None, **more):
        made = {"text": text} | ({} if pair is None else {"pair": pair}) | more
        encoding = tokenizer.encode(text, pair, add_special_tokens=more.get("add_special_tokens", True))
        made["windows"] = encode_windows(encoding)
        made["decoded"] = [tokenizer.decode(encoding.ids, skip_special_tokens=skip) for skip in (True, False)]
        return made

    for text in PLAIN + [source.text() for _ in range(45)]:
        yield case(text)
    for a, b in PAIRS + [(source.text(), source.text()) for _ in range(8)]:
        yield case(a, b)
        yield case(a, b, add_special_tokens=False)
    yield case(LONG, add_special_tokens=False)
    for digits in INVALID:
        raw = bytes.fromhex(digits)
        made = case(raw.decode(errors="replace"))
        yield {"hex": raw.hex()} | {k: v for k, v in made.items() if k != "text"}
    if name != "uncased":  # in further windows Hugging Face forgets the template's type ids; BERT's are the same anyway
        return
    texts = [(LONG, None), *PAIRS[-2:], PAIRS[-1][::-1], ("a b c", LONG)]
    for (a, b), length, strategy, stride, special in itertools.product(
            texts, (3, 5, 8, 9, 16), ("longest_first", "only_first", "only_second"), (0, 1, 3), (True, False)):
        made = {"text": a, "options": [length, strategy, stride], "add_special_tokens": special} | ({} if b is None else {"pair": b})
        try:
            tokenizer.enable_truncation(length, stride=stride, strategy=strategy)
        except ValueError:  # refused before it has seen a text
            continue
        try:
            made["windows"] = encode_windows(tokenizer.encode(a, b, add_special_tokens=special))
        except BaseException as error:  # Rust panics are no Exception
            if isinstance(error, KeyboardInterrupt):
                raise
            made["error"] = str(error).splitlines()[0][:60]
        tokenizer.no_truncation()
        if special or length in (3, 9):
            yield made


def sweep_digests():
    """Every code point c in "a" + c + "b", in each variant of the normaliser: the text and the words of the text."""
    from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers
    words = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    single = Tokenizer(models.WordPiece({"[UNK]": 0}, unk_token="[UNK]"))
    single.add_tokens([AddedToken("QQ", single_word=True, normalized=False)])

    def normalizer(lowercase, strip):
        return normalizers.BertNormalizer(lowercase=lowercase, strip_accents=strip).normalize_str

    def word_kind(s):
        return "".join("01"[1 in single.encode(text, add_special_tokens=False).ids] for text in ("QQ" + s, s + "QQ"))

    uncased, lower, cased = normalizer(True, None), normalizer(True, False), normalizer(False, False)
    views = {
        "uncased": lambda s: uncased("a" + s + "b"), "lowercase": lambda s: lower("a" + s + "b"), "cased": lambda s: cased("a" + s + "b"),
        "order": lambda s: uncased("a\u302e" + s + "\U0001d165b"), "words": lambda s: "\1".join(w for w, _ in words("a" + s + "b")),
        "single_word": word_kind,
    }
    for name, view in views.items():
        digests = []
        for block in range(0, 0x110000, 4096):
            lines = (view(chr(c)) + "\n" for c in range(block, block + 4096) if not 0xD800 <= c <= 0xDFFF)
            digests.append(hashlib.sha256("".join(lines).encode()).hexdigest()[:16])
        yield name, digests


def shared_texts(data):
    """name -> lines: all of conformance/, and 10 271 lines of corpus/."""
    for path in sorted((data / "conformance").rglob("*")):
        if path.is_file():
            yield str(path.relative_to(data)), path.read_bytes().split(b"\n")
    yield "corpus/dev.txt", (data / "corpus/dev.txt").read_bytes().split(b"\n")
    head = subprocess.run(["sh", "-c", f"xz -dc '{data}/corpus/wikipedia.txt.xz' | head -n 5000"], capture_output=True, check=True)
    yield "corpus/wikipedia.txt.xz", head.stdout.split(b"\n")


def shared_digests(data):
    from array import array
    from compare_tokenizer import make_tokenizer, read_vocab
    for model, lowercase in (("uncased", True), ("cased", False), ("multilingual-cased", False), ("chinese", True)):
        tokenizer = make_tokenizer(read_vocab(data / f"vocab/bert-base-{model}/vocab.txt"), lowercase)
        for name, lines in shared_texts(data):
            digest, tokens = hashlib.sha256(), 0
            for encoding in tokenizer.encode_batch([line.decode(errors="replace") for line in lines]):
                rows = zip(encoding.ids, encoding.type_ids, encoding.offsets)
                digest.update(array("i", [len(encoding.ids), *itertools.chain(*((i, t, *o) for i, t, o in rows))]).tobytes())
                tokens += len(encoding.ids)
            yield {"vocab": f"bert-base-{model}", "lowercase": lowercase, "file": name, "lines": len(lines), "tokens": tokens,
                   "sha256": digest.hexdigest()}


def make_tokenizer_golden(args):
    import tokenizers
    from compare_tokenizer import Texts
    folder = PROJECT / "tests/golden/tokenizer"
    folder.mkdir(parents=True, exist_ok=True)
    words = small_vocab()
    (folder / "vocab.txt").write_text("".join(word + "\n" for word in words), encoding="utf-8")
    vocab = {word: i for i, word in enumerate(words)}
    cases = {}
    for name, tokenizer in variants(vocab).items():
        (folder / f"{name}.json").write_text(json.dumps(json.loads(tokenizer.to_str()), separators=(",", ":")) + "\n")
        cases[name] = list(cases_of(name, tokenizer, Texts(random.Random(name), vocab)))
    made_by = "tokenizers " + tokenizers.__version__
    lines = ",\n".join(json.dumps({"variant": name} | case, separators=(",", ":")) for name, all in cases.items() for case in all)
    (folder / "cases.json").write_text(f'{{"made_by": "{made_by}", "cases": [\n{lines}\n]}}\n')
    (folder / "sweep.json").write_text(json.dumps({"made_by": made_by} | dict(sweep_digests()), indent=0) + "\n")
    if args.shared:
        rows = ",\n".join(map(json.dumps, shared_digests(pathlib.Path(args.shared) / "data")))
        (folder / "shared.json").write_text(f'{{"made_by": "{made_by}", "texts": [\n{rows}\n]}}\n')


# ---------------------------------------------------------------------------------------------------------- pipelines

SENTENCES = [
    "The quick brown fox jumps over the lazy dog.", "Paris is the capital of France, she said in 2024.", "Ünïcödé caféé!",
    "Hello, world: unaffable strasse (naive?) - x", "日本語 abc привет мир", "dogs cats runner uberly uncafe", "the",
]


def plain(results):
    return [{key: float(value) if key == "score" else value for key, value in each.items()} for each in results]


def make_pipelines_golden(args):
    import compare_pipelines as hf
    import torch
    import transformers
    torch.manual_seed(7)
    transformers.utils.logging.disable_progress_bar()
    folder, hf.WINDOW = PROJECT / "tests/golden/pipelines", 40
    for name in ("classify", "tag", "answer"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "vocab.txt").write_text("".join(word + "\n" for word in small_vocab()), encoding="utf-8")
    tokenizer = transformers.BertTokenizerFast(str(folder / "tag/vocab.txt"), do_lower_case=True, model_max_length=hf.WINDOW)
    text, context = " ".join(SENTENCES), " ".join(SENTENCES[1:])

    cases = {name: [] for name in ("classify", "tag", "answer")}
    model = hf.make_model(folder / "classify", "bert", "SequenceClassification", tokenizer, num_labels=3)
    classify = transformers.pipeline("text-classification", model=model, tokenizer=tokenizer)
    cases["classify"].append([["--top-k", "3", *SENTENCES], [plain(classify(each, top_k=3)) for each in SENTENCES]])
    pair = classify([{"text": SENTENCES[5], "text_pair": SENTENCES[6]}], top_k=1)
    cases["classify"].append([["--pairs", SENTENCES[5], SENTENCES[6]], [plain(each) for each in pair]])
    model = hf.make_model(folder / "tag", "bert", "TokenClassification", tokenizer, id2label=dict(enumerate(hf.TAGS)),
                          label2id={label: i for i, label in enumerate(hf.TAGS)})
    for aggregation in ("none", "simple", "first", "average", "max"):
        make = lambda **more: transformers.pipeline("token-classification", model=model, tokenizer=tokenizer,
                                                    aggregation_strategy=aggregation, **more)
        flags = ["--aggregation", aggregation]
        cases["tag"].append([[*flags, *SENTENCES], [plain(make()(each)) for each in SENTENCES]])
        if aggregation != "none":
            cases["tag"].append([[*flags, "--stride", "6", text], [plain(make(stride=6)(text))]])
    model = hf.make_model(folder / "answer", "bert", "QuestionAnswering", tokenizer)
    for question, top_k, impossible in (("Who jumps?", 1, False), ("Hello?", 4, True), ("Paris", 60, True)):
        answers = hf.hugging_face_answers(model, tokenizer, question, context, top_k, impossible)
        flags = ["--top-k", str(top_k), *(["--handle-impossible-answer"] if impossible else [])]
        cases["answer"].append([[*flags, "--question", question, "--context", context],
                                [plain(answers) if top_k > 1 else plain(answers)[0]]])  # fmt: skip
    for name, expected in cases.items():
        (folder / name / "tokenizer.json").unlink(missing_ok=True)
        (folder / name / "tokenizer_config.json").write_text('{"do_lower_case": true}\n')
        (folder / name / "expected.json").write_text(json.dumps(expected, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")


def make_sentencepiece_golden(args):
    import golden_sentencepiece
    golden_sentencepiece.make(args)


# --------------------------------------------------------------------------------------------------- llama and xlnet


def llama_in_its_own_type():
    """Lets transformers' Llama compute in the model's type all that it computes in float32 whatever that is."""
    import torch
    from transformers.models.llama import modeling_llama

    def norm(self, x):
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.variance_epsilon))

    def angles(self, x, position_ids):
        exact = (position_ids[..., None].float() * self.inv_freq.float()).double()
        exact = torch.cat((exact, exact), dim=-1)
        return exact.cos().float().to(x.dtype), exact.sin().float().to(x.dtype)

    softmax = torch.nn.functional.softmax
    torch.nn.functional.softmax = lambda x, dim, dtype=None: softmax(x, dim=dim)
    modeling_llama.LlamaRMSNorm.forward = norm
    modeling_llama.LlamaRotaryEmbedding.forward = angles


def make_llama_golden(args):
    llama_in_its_own_type()
    write_float64(PROJECT / "tests/golden/llama", {"attn_implementation": "eager"})


def exact_distances():
    """Lets transformers' XLNet compute the sines of distances as a model of float64 should."""
    import torch
    from transformers.models.xlnet import modeling_xlnet

    def sines(distances, frequencies, batch=None):
        exponents = torch.arange(0, 2 * len(frequencies), 2).float() / (2 * len(frequencies))
        angles = (distances[:, None] * (1 / (10000 ** exponents.double()).float())).double()
        return torch.cat((angles.sin(), angles.cos()), dim=-1).float().double()[:, None]

    modeling_xlnet.XLNetModel.positional_embedding = staticmethod(sines)


def make_xlnet_golden(args):
    exact_distances()
    write_float64(PROJECT / "tests/golden/xlnet", {})


def write_float64(folder, arguments):
    import torch
    from safetensors.torch import save_file
    from transformers import AutoModelForCausalLM
    model = AutoModelForCausalLM.from_pretrained(folder, **arguments).double().eval()
    tensors = {}
    for i, sequence in enumerate(json.loads((folder / "inputs.json").read_text())):
        types = sequence.get("token_type_ids")
        given = {} if types is None else {"token_type_ids": torch.tensor([types])}
        with torch.no_grad():
            out = model(torch.tensor([sequence["input_ids"]]), output_hidden_states=True, output_attentions=True, **given)
        tensors |= {f"{i}.hidden_states.{layer}": states[0] for layer, states in enumerate(out.hidden_states)}
        tensors |= {f"{i}.attentions.{layer}": p[0] for layer, p in enumerate(out.attentions)}
        tensors[f"{i}.logits"] = out.logits[0]
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / "float64.safetensors")


# ----------------------------------------------------------------------------------------------------------- sampling

SAMPLING = [
    {}, {"temperature": 0.5}, {"temperature": 3.0}, {"temperature": 0.001}, {"top_k": 1}, {"top_k": 7}, {"top_k": 1000},
    {"top_p": 0.5}, {"top_p": 0.95}, {"top_p": 0.01}, {"top_p": 0.9, "temperature": 2.0}, {"top_k": 6, "top_p": 0.8},
    {"min_p": 0.1}, {"min_p": 1.0}, {"min_p": 0.05, "temperature": 1.5, "top_p": 0.97}, {"repetition_penalty": 1.3},
    {"repetition_penalty": 0.7}, {"no_repeat_ngram_size": 1}, {"no_repeat_ngram_size": 2}, {"no_repeat_ngram_size": 3},
    {"no_repeat_ngram_size": 9},
    {"repetition_penalty": 1.2, "no_repeat_ngram_size": 2, "temperature": 0.7, "top_k": 12, "top_p": 0.9, "min_p": 0.08},
]


def sampling_rows():
    """Logits that are float32 exactly, with previous ids: spread, flat, with ties, few."""
    import numpy
    rng = numpy.random.default_rng(7)
    for row, (size, spread, previous) in enumerate([(40, 3.0, [3, 9, 4, 3, 9, 7, 3, 9]), (33, 0.2, [0, 1, 0, 1, 0]), (40, 8.0, []),
                                                    (4, 1.0, [2, 2]), (1, 1.0, [])]):  # fmt: skip
        logits = (rng.standard_normal(size) * spread).astype(numpy.float32)
        if row == 2:
            logits = numpy.round(logits / 4).astype(numpy.float32)  # many that are equal
        yield {"logits": [float(x) for x in logits], "previous": previous}


def make_sampling_golden(args):
    import torch
    import transformers

    def warp(row, options):
        model = transformers.GPT2LMHeadModel(transformers.GPT2Config(n_layer=1, n_head=1, n_embd=4, vocab_size=8))
        config = transformers.GenerationConfig(do_sample=True, **({"top_k": 0} | options))
        processors = model._get_logits_processor(config, input_ids_seq_length=len(row["previous"]), logits_processor=[])
        scores = processors(torch.tensor([row["previous"]], dtype=torch.long), torch.tensor([row["logits"]], dtype=torch.float64))[0]
        if bool(torch.isneginf(scores).all()):
            return None
        return [[i, float(p)] for i, p in enumerate(scores.softmax(-1)) if not bool(torch.isneginf(scores[i]))]

    def skip(row, options):  # torch orders equal logits as it likes, and what is equal to the last decimal is nobody's to say
        return len(set(row["logits"])) < len(row["logits"]) and "top_p" in options

    rows = [row | {"cases": [[options, warp(row, options)] for options in SAMPLING if not skip(row, options)]} for row in sampling_rows()]
    lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
    made_by = "transformers " + transformers.__version__
    (PROJECT / "tests/golden/sampling.json").write_text(f'{{"made_by": "{made_by}", "rows": [\n{lines}\n]}}\n')


# --------------------------------------------------------------------------------------------------------- generation


def make_generation_golden(args):
    import torch
    import transformers
    transformers.utils.logging.set_verbosity_error()
    exact_distances()
    cases = []
    for name in ("gpt2", "llama", "xlnet"):
        folder = PROJECT / "tests/golden" / name
        arguments = {} if name == "xlnet" else {"attn_implementation": "eager"}
        model = transformers.AutoModelForCausalLM.from_pretrained(folder, **arguments).double().eval()
        prepare = model.prepare_inputs_for_generation

        def in_double(*args, **kwargs):  # XLNet's masks are of float32 even in a model of float64
            inputs = prepare(*args, **kwargs)
            return {key: x.double() if torch.is_tensor(x) and x.is_floating_point() else x for key, x in inputs.items()}

        model.prepare_inputs_for_generation = in_double
        for sequence in json.loads((folder / "inputs.json").read_text())[1:]:
            ids = torch.tensor([sequence["input_ids"]])

            def generate(beams, ends, count):
                config = transformers.GenerationConfig(do_sample=False, num_beams=beams, max_new_tokens=count, eos_token_id=ends,
                                                       pad_token_id=0, early_stopping=False, length_penalty=1.0)  # fmt: skip
                with torch.no_grad():
                    out = model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=config)
                return out[0, ids.shape[1] :].tolist()

            greedy = generate(1, None, 24)
            for beams, ends in ((1, []), (3, []), (4, greedy[3:4]), (2, greedy[1:3]), (3, [7, 150])):
                new = generate(beams, ends or None, 24)
                if ends and any(end in new for end in ends):  # what follows the end is padding
                    new = new[: min(new.index(end) for end in ends if end in new) + 1]
                cases.append({"model": name, "prompt": ids[0].tolist(), "beams": beams, "ends": ends, "new": new})
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    (PROJECT / "tests/golden/generation.json").write_text(f"[\n{lines}\n]\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(required=True)
    kinds.add_parser("sentencepiece").set_defaults(make=make_sentencepiece_golden)
    tokenizer = kinds.add_parser("tokenizer")
    tokenizer.add_argument("--shared", help="the shared data folder")
    tokenizer.set_defaults(make=make_tokenizer_golden)
    kinds.add_parser("pipelines").set_defaults(make=make_pipelines_golden)
    kinds.add_parser("generation").set_defaults(make=make_generation_golden)
    kinds.add_parser("llama").set_defaults(make=make_llama_golden)
    kinds.add_parser("xlnet").set_defaults(make=make_xlnet_golden)
    kinds.add_parser("sampling").set_defaults(make=make_sampling_golden)
    args = parser.parse_args()
    args.make(args)


if __name__ == "__main__":
    main()

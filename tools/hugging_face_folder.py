"""What a Hugging Face or sentence-transformers folder holds: weights (safetensors, pickles, shards), tokenizer, pooling and Dense
modules, licence. For tools/convert_weights.py; torch only for .bin files. Errors are ConversionError.
"""

import base64
import hashlib
import json
import os
import re

SIZE_OF = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "F16": 2, "BF16": 2, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
# A SentencePiece model's names; the first that is there counts.
SENTENCEPIECE = ("spiece.model", "sentencepiece.bpe.model", "tokenizer.model")


class ConversionError(Exception):
    """A failure the user can act on; main() prints it as one line."""


class Tensor:
    """A tensor of the source: dtype and shape as safetensors names them, and a function that reads its bytes."""

    def __init__(self, dtype, shape, read):
        self.dtype, self.shape, self.read = dtype, list(shape), read

    def same_as(self, other):
        return self.dtype == other.dtype and self.shape == other.shape and self.read() == other.read()


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def parse_json(text, what):
    try:
        return json.loads(text)
    except ValueError as error:
        raise ConversionError(f"{what} is not JSON: {error}") from None


# --- reading -----------------------------------------------------------------------------------------------------


def read_safetensors(path):
    """{name: Tensor} of one file; the bytes stay on disk until asked for. The safetensors package checks the file."""
    header, start = read_header(path)
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        if entry["dtype"] not in SIZE_OF:
            raise ConversionError(f"{path}: {name} is {entry['dtype']}; known are {', '.join(SIZE_OF)}")
        begin, end = entry["data_offsets"]

        def read(begin=start + begin, size=end - begin):
            with open(path, "rb") as file:
                file.seek(begin)
                return file.read(size)

        tensors[name] = Tensor(entry["dtype"], entry["shape"], read)
    return tensors


def read_header(path):
    """The header of a file, and where its data begin."""
    import safetensors

    try:
        with safetensors.safe_open(path, framework="np"):
            pass
    except Exception as error:  # the package has one exception type of its own and passes on others
        raise ConversionError(f"cannot read {path}: {error}") from None
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        return json.loads(file.read(length)), 8 + length


def read_pickle(path):
    """{name: Tensor} of a pytorch .bin file; torch reads it in weights-only mode, so no code in it runs."""
    try:
        import torch
    except ImportError:
        raise ConversionError(f"{path} needs PyTorch to read: pip install torch, or save the model as safetensors")
    names = {torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16",
             torch.int64: "I64", torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8",
             torch.bool: "BOOL"}  # fmt: skip
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        if not all(isinstance(value, torch.Tensor) for value in state.values()):
            raise ValueError
    except (OSError, MemoryError):
        raise
    except Exception:  # whatever a damaged or hostile pickle makes torch raise
        raise ConversionError(f"cannot read {path}: it is not a dictionary of tensors, or it is damaged") from None
    tensors = {}
    for name, value in state.items():
        if value.dtype not in names:
            raise ConversionError(f"{path}: {name} is {value.dtype}; known are {', '.join(SIZE_OF)}")

        def read(value=value):
            return value.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes() if value.numel() else b""

        tensors[name] = Tensor(names[value.dtype], value.shape, read)
    return tensors


def read_weights(folder):
    """All tensors of a folder and the list of files they came from."""
    for single, index, read in (
        ("model.safetensors", "model.safetensors.index.json", read_safetensors),
        ("pytorch_model.bin", "pytorch_model.bin.index.json", read_pickle),
    ):
        if (folder / single).is_file():
            return read(folder / single), [single]
        if (folder / index).is_file():
            weight_map = parse_json((folder / index).read_text("utf-8"), folder / index).get("weight_map", {})
            tensors, shards = {}, sorted(set(weight_map.values()))
            for shard in shards:
                if os.path.basename(shard) != shard:
                    raise ConversionError(f"{folder / index} names {shard!r}, which is not a file beside it")
                for name, tensor in read(folder / shard).items():
                    if name in tensors:
                        raise ConversionError(f"{folder / shard} holds {name}, which another shard holds too")
                    tensors[name] = tensor
            if missing := sorted(set(weight_map) - set(tensors)):
                raise ConversionError(f"{folder / index} promises {missing[0]}, which is in none of its shards")
            return tensors, [index, *shards]
    raise ConversionError(f"{folder} holds neither model.safetensors nor pytorch_model.bin, in one piece or in shards")


# --- tokenizer, pooling, provenance --------------------------------------------------------------------------------


def tokenizer_from_vocab(vocab, settings, lowercase, where):
    """The text of a tokenizer.json that does what BertTokenizer does with this vocab.txt and tokenizer_config.json."""
    lowercase = settings.get("do_lower_case") if lowercase is None else lowercase
    if lowercase is None:
        raise ConversionError(f"{where} does not say whether text is lower-cased: pass --lowercase yes or no")
    tokens = vocab.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    ids = {token: i for i, token in enumerate(tokens[:-1] if tokens[-1] == "" else tokens)}

    def special(key, default):
        value = settings.get(key) or default
        return value["content"] if isinstance(value, dict) else value

    unk, cls, sep = special("unk_token", "[UNK]"), special("cls_token", "[CLS]"), special("sep_token", "[SEP]")
    if missing := [token for token in (unk, cls, sep) if token not in ids]:
        raise ConversionError(f"{where} has no {missing[0]}")
    specials = {ids[t]: t for t in (unk, cls, sep, special("pad_token", "[PAD]"), special("mask_token", "[MASK]")) if t in ids}

    def template(*parts):
        return [{"Sequence" if part in "AB" else "SpecialToken": {"id": part, "type_id": type_id}} for part, type_id in parts]

    return json.dumps({
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": i, "content": specials[i], "single_word": False, "lstrip": False, "rstrip": False,
                          "normalized": False, "special": True} for i in sorted(specials)],
        "normalizer": {"type": "BertNormalizer", "clean_text": True,
                       "handle_chinese_chars": settings.get("tokenize_chinese_chars", True) is not False,
                       "strip_accents": settings.get("strip_accents"), "lowercase": lowercase},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": template((cls, 0), ("A", 0), (sep, 0)),
            "pair": template((cls, 0), ("A", 0), (sep, 0), ("B", 1), (sep, 1)),
            "special_tokens": {t: {"id": t, "ids": [ids[t]], "tokens": [t]} for t in (cls, sep)},
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {"type": "WordPiece", "unk_token": unk, "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100, "vocab": ids},
    }, ensure_ascii=False, separators=(",", ":"))  # fmt: skip


def tokenizer_from_bpe(vocab, merges, settings):
    """The text of a tokenizer.json that does what RobertaTokenizer or GPT2Tokenizer do with vocab.json and merges.txt."""
    ids, prefix = json.loads(vocab), settings.get("add_prefix_space", False) is True
    byte_level = {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": False, "use_regex": True}
    if roberta := "<s>" in ids and "</s>" in ids:
        byte_level["trim_offsets"] = True
    lines = [line.removesuffix("\r") for line in merges.split("\n")]
    lines = lines[1:] if lines[0].startswith("#version") else lines
    specials = {ids[t]: t for t in ("<s>", "<pad>", "</s>", "<unk>", "<mask>", "<|endoftext|>") if t in ids}
    return json.dumps({
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": i, "content": specials[i], "single_word": False, "lstrip": specials[i] == "<mask>",
                          "rstrip": False, "normalized": False, "special": True} for i in sorted(specials)],
        "normalizer": None,
        "pre_tokenizer": byte_level | {"trim_offsets": True},
        "post_processor": {"type": "RobertaProcessing", "sep": ["</s>", ids["</s>"]], "cls": ["<s>", ids["<s>"]],
                           "trim_offsets": True, "add_prefix_space": prefix} if roberta else byte_level,
        "decoder": byte_level | {"add_prefix_space": True, "trim_offsets": True},
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": "",
                  "end_of_word_suffix": "", "fuse_unk": False, "byte_fallback": False, "vocab": ids,
                  "merges": [line for line in lines if line]},
    }, ensure_ascii=False, separators=(",", ":"))  # fmt: skip


def tokenizer_of(folder, lowercase, used):
    """The metadata of a folder's tokenizer, empty where there is none; files that were read are added to `used`."""

    def read(name):
        used.append(folder / name)
        return used[-1].read_bytes()

    if (folder / "tokenizer.json").is_file():
        text = read("tokenizer.json").decode("utf-8")
        parse_json(text, used[-1])
        return {"bert.tokenizer": text}
    kinds = (["vocab.txt"], ["vocab.json", "merges.txt"], *([name] for name in SENTENCEPIECE))
    names = next((n for n in kinds if all((folder / name).is_file() for name in n)), None)
    if not names:
        return {}
    files, settings_text = [read(name) for name in names], None
    if (folder / "tokenizer_config.json").is_file():
        settings_text = read("tokenizer_config.json").decode("utf-8")
    settings = parse_json(settings_text or "{}", folder / "tokenizer_config.json")
    if names[0] in SENTENCEPIECE:
        metadata = {"bert.sentencepiece": base64.b64encode(files[0]).decode("ascii")}
        if settings_text:
            metadata["bert.tokenizer_config"] = settings_text
        return metadata
    texts = [data.decode("utf-8") for data in files]
    if len(names) == 2:
        return {"bert.tokenizer": tokenizer_from_bpe(*texts, settings)}
    return {"bert.tokenizer": tokenizer_from_vocab(*texts, settings, lowercase, folder / "vocab.txt")}


def pooling_of(folder, model_folder, used):
    """What sentence-transformers files say, as {"mode", "normalize", "max_seq_length", "dense"} (only what is said)."""
    pooling = {}

    def load(path):
        if not path.is_file():
            return None
        used.append(path)
        return parse_json(path.read_text("utf-8"), path)

    modes, modules = [], load(folder / "modules.json") or []
    if not modules and (folder / "1_Pooling" / "config.json").is_file():
        modules = [{"type": "Pooling", "path": "1_Pooling"}]
    for module in modules:
        kind = module["type"].rsplit(".", 1)[-1]
        if kind == "Pooling":
            said = load(folder / module["path"] / "config.json") or {}
            mode = said.get("pooling_mode")
            names = {"cls_token": "cls", "mean_tokens": "mean", "max_tokens": "max", "lasttoken": "last"}
            flags = [k[len("pooling_mode_"):] for k, on in said.items() if k.startswith("pooling_mode_") and on is True]
            modes += [mode] if isinstance(mode, str) else mode or [names.get(flag, flag) for flag in sorted(flags)]
        elif kind == "Normalize":
            pooling["normalize"] = True
        elif kind == "Dense" and modes and "normalize" not in pooling and (dense := dense_of(folder, module["path"], used)):
            pooling.setdefault("dense", []).append(dense)
        elif kind != "Transformer":
            modes.append(kind)  # a part we do not have: the name makes `bert embed` say so
    if modes:
        pooling["mode"] = "+".join(modes)
        pooling.setdefault("normalize", False)
    length = (load(model_folder / "sentence_bert_config.json") or {}).get("max_seq_length")
    if isinstance(length, int) and length > 0:
        pooling["max_seq_length"] = length
    return pooling


def dense_of(folder, path, used):
    """A Dense module's config.json, with its path; None for one that reads or makes something else than the vector."""
    file = folder / path / "config.json"
    if not file.is_file():
        raise ConversionError(f"{file} is missing, modules.json names it")
    used.append(file)
    said = {"bias": True, "activation_function": "torch.nn.modules.activation.Tanh"} | parse_json(file.read_text("utf-8"), file)
    if missing := [key for key in ("in_features", "out_features") if key not in said]:
        raise ConversionError(f"{file} has no {missing[0]}")
    if any(said.get(f"module_{end}put_name", "sentence_embedding") != "sentence_embedding" for end in ("in", "out")):
        return None
    return {key: said[key] for key in ("activation_function", "bias", "in_features", "out_features")} | {"path": path}


def dense_tensors(folder, pooling, used):
    """The tensors of Dense modules, by the names that they have in the one file."""
    tensors = {}
    for path in (dense["path"] for dense in pooling.get("dense", [])):
        read, files = read_weights(folder / path)
        used += [folder / path / file for file in files]
        tensors |= {f"sentence_transformers.{path}.{name}": tensor for name, tensor in read.items()}
    return tensors


def licence_of(folder):
    """The licence a model card's front matter states, None where there is none."""
    card = folder / "README.md"
    match = re.match(r"---\n(.*?)\n---\n", card.read_text("utf-8", "replace"), re.S) if card.is_file() else None
    match = match and re.search(r"^license:\s*(\S+)", match[1], re.M)
    return match and match[1]

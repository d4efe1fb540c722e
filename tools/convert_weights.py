#!/usr/bin/env python3
"""Converts a Hugging Face checkpoint into one .safetensors file that is the whole model.

    tools/convert_weights.py SRC -o MODEL.safetensors [--dtype keep|f32|f16|bf16]

SRC is a folder (model.safetensors, shards, or pytorch_model.bin with its shards) or, when online and with
huggingface_hub installed, a hub id. Needs numpy and safetensors; torch only for .bin files. The same input gives the
same bytes on every machine. What is written, and why, is in docs/weights.md; include/bert/io/safetensors_writer.h
keeps the same layout rules, include/bert/io/names.h the same name rules.
"""

import argparse
import base64
import hashlib
import json
import os
import pathlib
import re
import sys
import tempfile

try:
    import numpy as np
except ImportError:
    sys.exit("error: the converter needs numpy and safetensors: python3 -m pip install numpy safetensors")

VERSION = 1
ALIGNMENT = 64
SIZE_OF = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "F16": 2, "BF16": 2, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
NUMPY = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": np.uint16}  # BF16 as its bits
# Family -> (prefix of the base model, its parts): a checkpoint of the bare base model has its names without the prefix.
BASE_MODEL = {
    "bert": ("bert.", ("embeddings.", "encoder.", "pooler.")),
    "roberta": ("roberta.", ("embeddings.", "encoder.", "pooler.")),
    "distilbert": ("distilbert.", ("embeddings.", "transformer.")),
    "electra": ("electra.", ("embeddings.", "embeddings_project.", "encoder.")),
    "albert": ("albert.", ("embeddings.", "encoder.", "pooler.")),
    "gpt2": ("transformer.", ("wte.", "wpe.", "h.", "ln_f.")),
    "llama": ("model.", ("embed_tokens.", "layers.", "norm.")),
    "xlnet": ("transformer.", ("word_embedding.", "mask_emb", "layer.")),
}
# Family -> copies that a tied decoder's checkpoint may hold, and what they are tied to.
TIED = {
    "bert": {
        "cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight",
        "cls.predictions.decoder.bias": "cls.predictions.bias",
    },
    "roberta": {
        "lm_head.decoder.weight": "roberta.embeddings.word_embeddings.weight",
        "lm_head.decoder.bias": "lm_head.bias",
    },
    "distilbert": {"vocab_projector.weight": "distilbert.embeddings.word_embeddings.weight"},
    "electra": {"generator_lm_head.weight": "electra.embeddings.word_embeddings.weight"},
    "albert": {
        "predictions.decoder.weight": "albert.embeddings.word_embeddings.weight",
        "predictions.decoder.bias": "predictions.bias",
    },
    "gpt2": {"lm_head.weight": "transformer.wte.weight"},
    "llama": {"lm_head.weight": "model.embed_tokens.weight"},
    "xlnet": {"lm_loss.weight": "transformer.word_embedding.weight"},
}
# A SentencePiece model's names; the first that is there counts.
SENTENCEPIECE = ("spiece.model", "sentencepiece.bpe.model", "tokenizer.model")
BUFFERS = (
    "embeddings.position_ids",
    "embeddings.token_type_ids",
    ".attn.bias",
    ".attn.masked_bias",
    "rotary_emb.inv_freq",
)


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


# --- names -------------------------------------------------------------------------------------------------------


def canonical_name(name, model_type):
    """The name Hugging Face writes today; None for buffers that every program can make itself."""
    if name.endswith(BUFFERS):
        return None
    name = re.sub(r"LayerNorm\.gamma$", "LayerNorm.weight", name)
    name = re.sub(r"LayerNorm\.beta$", "LayerNorm.bias", name)
    prefix, parts = BASE_MODEL.get(model_type, ("", ()))
    return prefix + name if name.startswith(parts) and parts else name


def canonical_tensors(tensors, config):
    renamed, model_type = {}, config.get("model_type", "bert")
    for name, tensor in tensors.items():
        new = canonical_name(name, model_type)
        if new in renamed:
            raise ConversionError(f"two tensors are named {new} once old names are brought up to date")
        if new is not None:
            renamed[new] = tensor
    if config.get("tie_word_embeddings", model_type != "llama") is not False:  # the decoder's copies of what it is tied to
        for copy, original in TIED.get(model_type, {}).items():
            if copy in renamed and original not in renamed:
                renamed[original] = renamed.pop(copy)
            elif copy in renamed and renamed[copy].same_as(renamed[original]):
                del renamed[copy]
    return renamed


# --- element types -----------------------------------------------------------------------------------------------


def float32_to_bf16(values):
    """Bits of the nearest bfloat16, ties to even; a NaN keeps its top bits and becomes quiet."""
    bits = values.view(np.uint32)
    rounded = (bits + (0x7FFF + ((bits >> 16) & 1)).astype(np.uint32)) >> 16
    return np.where(np.isnan(values), (bits >> 16) | 0x40, rounded).astype(np.uint16)


def float64_to_float32_odd(values):
    """float32 rounded to odd: a second rounding to a narrower type then gives what one rounding would have given."""
    with np.errstate(over="ignore"):
        nearest = values.astype(np.float32)
    bits = nearest.view(np.uint32).copy()
    inexact = np.isfinite(values) & (nearest.astype(np.float64) != values)
    bits[inexact & (np.abs(nearest.astype(np.float64)) > np.abs(values))] -= 1
    bits[inexact] |= 1
    return bits.view(np.float32)


def converted(name, data, dtype, target):
    """The bytes of `data` (of type dtype) in type target."""
    values = np.frombuffer(data, NUMPY[dtype])
    if dtype == "BF16":
        values = (values.astype(np.uint32) << 16).view(np.float32)
    with np.errstate(over="ignore"):
        if target == "BF16":
            values = float64_to_float32_odd(values) if dtype == "F64" else values.astype(np.float32)
            result = float32_to_bf16(values)
            overflow = np.isfinite(values) & ((result & 0x7FFF) == 0x7F80)
        else:
            result = values.astype(NUMPY[target])
            overflow = np.isfinite(values) & np.isinf(result)
    if overflow.any():
        raise ConversionError(f"{name} holds {values[overflow][0]!s}, too large for {target}: choose another --dtype")
    return result.tobytes()


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


# --- writing -----------------------------------------------------------------------------------------------------


def write_safetensors(path, metadata, tensors):
    """Writes {name: (dtype, shape, read)}: sorted metadata, tensors by descending element size, then name; header
    padded with spaces so that the data begins at a multiple of 64. Appears under its name only when complete."""
    if path.exists() and not path.is_file():
        raise ConversionError(f"cannot write {path}: it is not a regular file")
    order = sorted(tensors, key=lambda name: (-SIZE_OF[tensors[name][0]], name.encode()))
    header, offset = {"__metadata__": dict(sorted(metadata.items()))}, 0
    for name in order:
        dtype, shape, _ = tensors[name]
        size = SIZE_OF[dtype] * int(np.prod(shape, dtype=np.int64))
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % ALIGNMENT)
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise ConversionError(f"cannot write {path}: {error.strerror}") from None
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            for name in order:
                data = tensors[name][2]()
                begin, end = header[name]["data_offsets"]
                if len(data) != end - begin:
                    raise ConversionError(f"{name} has {len(data)} bytes, its shape asks for {end - begin}")
                file.write(data)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def local_folder(source):
    if os.path.isdir(source):
        return pathlib.Path(source)
    if os.path.exists(source) or not re.fullmatch(r"[\w.-]+/[\w.-]+", source):
        raise ConversionError(f"{source} is not a folder with a Hugging Face model")
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise ConversionError(f"there is no folder {source}; to fetch a hub model: pip install huggingface_hub") from None
    try:
        patterns = ["*.json", "*.txt", "*.model", "README.md", "*.safetensors"]
        folder = pathlib.Path(snapshot_download(source, allow_patterns=patterns))
        if not list(folder.glob("*.safetensors")):
            folder = pathlib.Path(snapshot_download(source, allow_patterns=[*patterns, "pytorch_model*.bin"]))
        return folder
    except Exception as error:
        raise ConversionError(f"cannot fetch {source}: {str(error).splitlines()[0]}") from None


def convert(source, output, dtype="keep", lowercase=None, note=None):
    folder = local_folder(source)
    model_folder = folder / "0_Transformer" if (folder / "0_Transformer" / "config.json").is_file() else folder
    if not (model_folder / "config.json").is_file():
        raise ConversionError(f"{model_folder} has no config.json")
    config_text = (model_folder / "config.json").read_text("utf-8")
    config = parse_json(config_text, model_folder / "config.json")
    tensors, weight_files = read_weights(model_folder)
    used = [model_folder / "config.json", *(model_folder / name for name in weight_files)]
    metadata = {"format": "pt", "bert.format": "1", "bert.config": config_text}
    metadata |= tokenizer_of(model_folder, lowercase, used)
    modules = {}
    if pooling := pooling_of(folder, model_folder, used):
        modules = dense_tensors(folder, pooling, used)
        metadata["bert.pooling"] = json.dumps(pooling, sort_keys=True, separators=(",", ":"))
    provenance = {
        "converter": f"convert_weights.py {VERSION}",
        "dtype": dtype,
        "files": {str(path.relative_to(folder)): sha256_of(path) for path in sorted(used)},
        "source": folder.resolve().name if os.path.isdir(source) else source,
    }
    if weight_files == ["model.safetensors"]:  # a checkpoint of our own training keeps its manifest
        said = read_header(model_folder / "model.safetensors")[0].get("__metadata__", {})
        metadata |= {key: value for key, value in said.items() if key == "bert.training"}
    if licence := licence_of(folder):
        provenance["licence"] = licence
    if note:
        provenance["note"] = note
    metadata["bert.provenance"] = json.dumps(provenance, sort_keys=True, ensure_ascii=False, separators=(",", ":"))

    target, entries = {"f32": "F32", "f16": "F16", "bf16": "BF16"}.get(dtype), {}
    for name, tensor in (canonical_tensors(tensors, config) | modules).items():
        if target and tensor.dtype in NUMPY and tensor.dtype != target:
            entries[name] = (target, tensor.shape,
                             lambda name=name, t=tensor: converted(name, t.read(), t.dtype, target))  # fmt: skip
        else:
            entries[name] = (tensor.dtype, tensor.shape, tensor.read)
    write_safetensors(pathlib.Path(output), metadata, entries)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("source", metavar="SRC", help="Hugging Face folder, or a hub id when online")
    parser.add_argument("-o", "--output", required=True, metavar="MODEL.safetensors")
    parser.add_argument("--dtype", choices=["keep", "f32", "f16", "bf16"], default="keep")
    parser.add_argument("--lowercase", choices=["yes", "no"], help="for a vocab.txt without tokenizer_config.json")
    parser.add_argument("--note", help="a sentence to keep in the provenance: what the model is, its licence")
    arguments = parser.parse_args()
    lowercase = None if arguments.lowercase is None else arguments.lowercase == "yes"
    try:
        convert(arguments.source, arguments.output, arguments.dtype, lowercase, arguments.note)
    except ImportError as error:
        print(f"error: {error.name} is missing: python3 -m pip install {error.name}", file=sys.stderr)
        return 1
    except (ConversionError, OSError, UnicodeDecodeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Converts a Hugging Face checkpoint into one .safetensors file that is the whole model.

    tools/convert_weights.py SRC -o MODEL.safetensors [--dtype keep|f32|f16|bf16]

SRC is a folder (model.safetensors, shards, or pytorch_model.bin with its shards) or, when online and with
huggingface_hub installed, a hub id. Needs numpy and safetensors; torch only for .bin files. The same input gives the
same bytes on every machine. What is written, and why, is in docs/weights.md; include/bert/io/safetensors_writer.h
keeps the same layout rules, include/bert/io/names.h the same name rules.
"""

import argparse
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

from hugging_face_folder import (
    SIZE_OF, ConversionError, dense_tensors, licence_of, parse_json, pooling_of, read_header, read_weights, sha256_of,
    tokenizer_of,
)  # fmt: skip

VERSION = 1
ALIGNMENT = 64
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
BUFFERS = (
    "embeddings.position_ids",
    "embeddings.token_type_ids",
    ".attn.bias",
    ".attn.masked_bias",
    "rotary_emb.inv_freq",
)


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

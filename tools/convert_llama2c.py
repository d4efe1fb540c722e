#!/usr/bin/env python3
"""Makes a Hugging Face folder of a model in the format of llama2.c (its first one, without a header of its own: stories260K.bin).

    tools/convert_llama2c.py stories260K.bin tok512.bin OUTPUT

The folder has config.json (LlamaForCausalLM), model.safetensors (float32) and tokenizer.json (SentencePiece's BPE with byte
fallback, as Hugging Face converts it); transformers and `bert` open it. llama2.c turns neighbouring elements 2i and 2i + 1 of a
head, Hugging Face i and i + D/2: rows of the query and key matrices change places. Needs numpy and safetensors.
"""
import argparse
import json
import pathlib
import struct
import sys

import numpy as np
from safetensors.numpy import save_file


def read_model(path):
    """(sizes, {Hugging Face name: array})."""
    data = path.read_bytes()
    if len(data) < 28:
        sys.exit(f"error: {path} is too short for a llama2.c model")
    dim, hidden, layers, heads, kv_heads, vocabulary, window = struct.unpack("<7i", data[:28])
    if not (0 < dim <= 1 << 16 and 0 < layers <= 1024 and heads > 0 and dim % heads == 0 and 0 < kv_heads <= heads):
        sys.exit(f"error: {path} is not a llama2.c model of version 0: its sizes are {(dim, hidden, layers, heads, kv_heads)}")
    tied, vocabulary, size = vocabulary > 0, abs(vocabulary), dim // heads
    values, at = np.frombuffer(data, "<f4", offset=28), 0

    def take(*shape):
        nonlocal at
        count = int(np.prod(shape))
        if at + count > values.size:
            sys.exit(f"error: {path} ends before its sizes say")
        at += count
        return values[at - count : at].reshape(shape)

    def turned(rows):  # of each head [D/2, 2] -> [2, D/2]
        return rows.reshape(-1, size // 2, 2, dim).swapaxes(1, 2).reshape(-1, dim)

    tensors = {"model.embed_tokens.weight": take(vocabulary, dim)}
    parts = (
        ("input_layernorm", (dim,)), ("self_attn.q_proj", (dim, dim)), ("self_attn.k_proj", (kv_heads * size, dim)),
        ("self_attn.v_proj", (kv_heads * size, dim)), ("self_attn.o_proj", (dim, dim)), ("post_attention_layernorm", (dim,)),
        ("mlp.gate_proj", (hidden, dim)), ("mlp.down_proj", (dim, hidden)), ("mlp.up_proj", (hidden, dim)),
    )  # fmt: skip
    for name, shape in parts:
        for layer, rows in enumerate(take(layers, *shape)):
            rows = turned(rows) if name in ("self_attn.q_proj", "self_attn.k_proj") else rows
            tensors[f"model.layers.{layer}.{name}.weight"] = np.ascontiguousarray(rows)
    tensors["model.norm.weight"] = take(dim)
    take(2, window, size // 2)  # cosines and sines
    if not tied:
        tensors["lm_head.weight"] = take(vocabulary, dim)
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": vocabulary, "hidden_size": dim,
        "intermediate_size": hidden, "num_hidden_layers": layers, "num_attention_heads": heads, "num_key_value_heads": kv_heads,
        "max_position_embeddings": window, "hidden_act": "silu", "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
        "tie_word_embeddings": tied, "bos_token_id": 1, "eos_token_id": [1, 2], "torch_dtype": "float32",
    }  # fmt: skip
    return config, tensors


def read_pieces(path, count):
    data, at, pieces = path.read_bytes(), 4, []
    for _ in range(count):
        score, length = struct.unpack_from("<fi", data, at)
        pieces.append((data[at + 8 : at + 8 + length].decode("utf-8").replace(" ", "\u2581"), score))
        at += 8 + length
    special = ("<unk>", "<s>", "</s>")
    return [(special[i] if i < 3 else piece, score) for i, (piece, score) in enumerate(pieces)]


def tokenizer_json(pieces):
    """The pieces in tokenizer.json's form; merges by score, as the conversion in transformers orders them."""
    vocabulary = {piece: i for i, (piece, _) in enumerate(pieces)}
    merges = []
    for piece, score in pieces[259:]:
        splits = [(piece[:i], piece[i:]) for i in range(1, len(piece)) if piece[:i] in vocabulary and piece[i:] in vocabulary]
        splits.sort(key=lambda parts: (vocabulary[parts[0]], vocabulary[parts[1]]))
        merges += [(-score, left, right) for left, right in splits]
    merges.sort(key=lambda merge: merge[0])  # stable
    added = [{"id": i, "content": pieces[i][0], "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
              "special": True} for i in range(3)]  # fmt: skip
    bos, a, b = {"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "\u2581"}, {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}]},
        "pre_tokenizer": None,
        "post_processor": {"type": "TemplateProcessing", "single": [bos, a], "pair": [bos, a, {"SpecialToken": {"id": "<s>", "type_id": 1}}, b],
                           "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}},
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
        "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None, "end_of_word_suffix": None,
                  "fuse_unk": True, "byte_fallback": True, "ignore_merges": False, "vocab": vocabulary,
                  "merges": [[left, right] for _, left, right in merges]},
    }  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("tokenizer", type=pathlib.Path)
    parser.add_argument("output", type=pathlib.Path)
    arguments = parser.parse_args()
    config, tensors = read_model(arguments.model)
    pieces = read_pieces(arguments.tokenizer, config["vocab_size"])
    arguments.output.mkdir(parents=True, exist_ok=True)
    save_file(tensors, arguments.output / "model.safetensors", metadata={"format": "pt"})
    (arguments.output / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    text = json.dumps(tokenizer_json(pieces), ensure_ascii=False, indent=1)
    (arguments.output / "tokenizer.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Makes a smaller model of a BERT, as a start for `bert pretrain --model`: fewer tokens, layers, feed-forward units, positions.

    build/venv/bin/python tools/trim_model.py MODEL -o FOLDER --corpus TEXT... [--vocab-size 8000] [--layers 0,1,2,3,4]
        [--intermediate 1024] [--positions 256] [--dropout 0]

MODEL is a Hugging Face folder with vocab.txt and model.safetensors. What is kept keeps its weights:
  tokens     [PAD] [UNK] [CLS] [SEP] [MASK], single characters of the corpus, then the tokens most frequent in it: counted
             with `bert tokenize` in every --every-th line
  layers     the ones named, counted from 0
  units      of each layer's feed-forward part those with the largest |row of up| * |column of down|
  positions  the first ones
Heads for masked words and next sentences are not there before and are not added: `bert pretrain` begins them. The same input gives
the same bytes. Needs numpy and safetensors (tools/fetch_minilm.sh makes build/venv with them) and build/release/bert.
"""
import argparse
import collections
import json
import lzma
import pathlib
import subprocess
import sys
import threading

import numpy as np
from safetensors.numpy import load_file, save_file

PROJECT = pathlib.Path(__file__).resolve().parent.parent
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def count_tokens(program, model, corpus, every):
    """How often each token id of the model occurs in every `every`-th line of the corpus."""
    tokenizer = subprocess.Popen([program, "tokenize", "--model", model, "--input", "-", "--json", "--truncate"],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")

    def feed():
        for path in corpus:
            with lzma.open(path, "rt", encoding="utf-8") if path.endswith(".xz") else open(path, encoding="utf-8") as lines:
                for number, line in enumerate(lines):
                    if number % every == 0 and line.strip():
                        tokenizer.stdin.write(line)
        tokenizer.stdin.close()

    feeder = threading.Thread(target=feed)
    feeder.start()
    counts = collections.Counter()
    for line in tokenizer.stdout:
        counts.update(json.loads(line)["ids"])
    feeder.join()
    if tokenizer.wait() != 0:
        sys.exit("error: bert tokenize failed")
    return counts


def choose_tokens(vocabulary, counts, size):
    """Ids of the tokens kept, the special ones first, the others in the vocabulary's order."""
    special = [vocabulary.index(token) for token in SPECIAL]
    single = {i for i, token in enumerate(vocabulary) if len(token.removeprefix("##")) == 1 and counts[i] > 0}
    by_count = sorted(counts, key=lambda i: (-counts[i], i))
    chosen = list(dict.fromkeys([*sorted(single), *by_count]))
    chosen = [i for i in chosen if i not in special and not vocabulary[i].startswith("[unused")]
    return special + sorted(chosen[:size - len(special)])


def trim_layers(tensors, layers, intermediate):
    out = {name: tensor for name, tensor in tensors.items() if not name.startswith("encoder.layer.")}
    for new, old in enumerate(layers):
        part = {name.removeprefix(f"encoder.layer.{old}."): tensor for name, tensor in tensors.items()
                if name.startswith(f"encoder.layer.{old}.")}
        if not part:
            sys.exit(f"error: the model has no layer {old}")
        up, down = part["intermediate.dense.weight"], part["output.dense.weight"]
        weight = np.linalg.norm(up, axis=1) * np.linalg.norm(down, axis=0)
        units = np.sort(np.argsort(-weight, kind="stable")[:intermediate])
        part["intermediate.dense.weight"], part["output.dense.weight"] = up[units], down[:, units]
        part["intermediate.dense.bias"] = part["intermediate.dense.bias"][units]
        out |= {f"encoder.layer.{new}.{name}": tensor for name, tensor in part.items()}
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("-o", "--output", type=pathlib.Path, required=True)
    parser.add_argument("--corpus", nargs="+", required=True)
    parser.add_argument("--vocab-size", type=int, default=8000)
    parser.add_argument("--layers", help="for instance 0,1,2,3; default: all")
    parser.add_argument("--intermediate", type=int, default=1 << 30, help="units of a feed-forward part; default: all")
    parser.add_argument("--positions", type=int, default=1 << 30)
    parser.add_argument("--dropout", type=float, help="of training; default: the model's")
    parser.add_argument("--every", type=int, default=10, help="count tokens in every n-th line")
    parser.add_argument("--bert", default=PROJECT / "build/release/bert")
    arguments = parser.parse_args()

    vocabulary = (arguments.model / "vocab.txt").read_text(encoding="utf-8").splitlines()
    config = json.loads((arguments.model / "config.json").read_text())
    tensors = {name.removeprefix("bert."): tensor for name, tensor in load_file(arguments.model / "model.safetensors").items()
               if not name.startswith("cls.") and not name.endswith("position_ids")}
    layers = ([int(i) for i in arguments.layers.split(",")] if arguments.layers else range(config["num_hidden_layers"]))
    counts = count_tokens(arguments.bert, arguments.model, arguments.corpus, arguments.every)
    tokens = choose_tokens(vocabulary, counts, arguments.vocab_size)

    tensors = trim_layers(tensors, layers, arguments.intermediate)
    for table, rows in (("word", tokens), ("position", slice(arguments.positions))):
        name = f"embeddings.{table}_embeddings.weight"
        tensors[name] = tensors[name][rows]
    config |= {"architectures": ["BertModel"], "vocab_size": len(tokens), "num_hidden_layers": len(layers), "pad_token_id": 0,
               "intermediate_size": tensors["encoder.layer.0.intermediate.dense.bias"].size,
               "max_position_embeddings": len(tensors["embeddings.position_embeddings.weight"])}
    if arguments.dropout is not None:
        config |= {"hidden_dropout_prob": arguments.dropout, "attention_probs_dropout_prob": arguments.dropout}

    arguments.output.mkdir(parents=True, exist_ok=True)
    save_file({name: np.ascontiguousarray(tensor, dtype=np.float32) for name, tensor in tensors.items()},
              arguments.output / "model.safetensors", metadata={"format": "pt"})
    (arguments.output / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    (arguments.output / "vocab.txt").write_text("".join(vocabulary[i] + "\n" for i in tokens), encoding="utf-8")
    tokenizer = json.loads((arguments.model / "tokenizer_config.json").read_text())
    tokenizer = {"do_lower_case": tokenizer.get("do_lower_case", True), "model_max_length": config["max_position_embeddings"],
                 "tokenizer_class": "BertTokenizer"}
    (arguments.output / "tokenizer_config.json").write_text(json.dumps(tokenizer, indent=2) + "\n")
    kept = sum(counts[i] for i in tokens) / sum(counts.values())
    size = sum(tensor.size for tensor in tensors.values())
    print(f"{len(tokens)} tokens, {kept:.1%} of those in the corpus; {len(layers)} layers; {size / 1e6:.2f} M parameters")


if __name__ == "__main__":
    main()

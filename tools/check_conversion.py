#!/usr/bin/env python3
"""Every layout a BERT checkpoint comes in, at full size, through the converter and through `bert forward`.

    tools/check_conversion.py build/release/bert [--keep FOLDER] [--layers 12]

Makes random BertForPreTraining folders the size of bert-base with transformers (current names, gamma/beta, without the
bert. prefix, .bin, shards, shards of .bin, fp16, bf16, untied decoder, old duplicates), converts each, runs the program on
the converted file and, where it holds safetensors, on the folder itself, and compares every logit with transformers in
float64 on the same weights. Prints a table; exit status 1 when a layout is off. Needs torch, transformers, safetensors;
4 GB of memory and disk.
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import torch
from safetensors.numpy import load_file
from safetensors.torch import save_file
from transformers import BertConfig, BertForPreTraining

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from convert_weights import convert

TOLERANCE = 2e-5  # of the largest logit: float32 against float64, as for the small goldens
LENGTH = 48


def without_tied(state):
    return {name: value for name, value in state.items() if not name.startswith("cls.predictions.decoder.")}


def gamma_beta(state):
    return {n.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): v
            for n, v in state.items()}  # fmt: skip


def prefixless(state):
    return {name.removeprefix("bert."): value for name, value in state.items()}


def with_duplicates(state):
    """As checkpoints of transformers 2 and 3: tied copies and buffers are in the file."""
    copies = {"cls.predictions.decoder.weight": state["bert.embeddings.word_embeddings.weight"],
              "cls.predictions.decoder.bias": state["cls.predictions.bias"],
              "bert.embeddings.position_ids": torch.arange(512)[None]}  # fmt: skip
    return {**state, **copies}


# name -> (element type, names, decoder tied, how it is saved)
LAYOUTS = {
    "current": (torch.float32, lambda s: s, True, "safetensors"),
    "gamma/beta": (torch.float32, gamma_beta, True, "safetensors"),
    "prefixless": (torch.float32, prefixless, True, "safetensors"),
    "gamma/beta, prefixless, .bin": (torch.float32, lambda s: prefixless(gamma_beta(s)), True, "bin"),
    "duplicates": (torch.float32, with_duplicates, True, "safetensors"),
    ".bin": (torch.float32, with_duplicates, True, "bin"),
    "sharded": (torch.float32, lambda s: s, True, "safetensors shards"),
    "sharded .bin": (torch.float32, lambda s: s, True, "bin shards"),
    "fp16": (torch.float16, lambda s: s, True, "safetensors"),
    "bf16": (torch.bfloat16, lambda s: s, True, "safetensors"),
    "untied decoder": (torch.float32, lambda s: s, False, "safetensors"),
    "untied decoder, .bin": (torch.float32, lambda s: s, False, "bin"),
}


def save(state, kind, folder):
    state = {name: value.clone().contiguous() for name, value in state.items()}
    write = save_file if kind.startswith("safetensors") else torch.save
    stem, end = ("model", "safetensors") if kind.startswith("safetensors") else ("pytorch_model", "bin")
    if "shards" not in kind:
        write(state, folder / f"{stem}.{end}")
        return
    names, shards, weight_map = list(state), 3, {}
    for i in range(shards):
        file = f"{stem}-{i + 1:05}-of-{shards:05}.{end}"
        part = {name: state[name] for name in names[i::shards]}
        write(part, folder / file)
        weight_map.update({name: file for name in part})
    index = {"metadata": {"total_size": sum(v.nbytes for v in state.values())}, "weight_map": weight_map}
    (folder / f"{stem}.{end}.index.json").write_text(json.dumps(index))


def make_folder(layout, folder, layers):
    """Writes the folder; returns the model, its weights rounded to the layout's type, in float64."""
    dtype, rename, tied, kind = LAYOUTS[layout]
    torch.manual_seed(sum(layout.encode()))
    config = BertConfig(num_hidden_layers=layers, tie_word_embeddings=tied)
    model = BertForPreTraining(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # biases and LayerNorm of a fresh model are 0 and 1: they would hide mistakes
            parameter.add_(0.02 * torch.randn_like(parameter))
            parameter.copy_(parameter.to(dtype))
    state = {name: value.to(dtype) for name, value in model.state_dict().items()}
    save(rename(without_tied(state) if tied else state), kind, folder)
    (folder / "config.json").write_text(json.dumps(config.to_dict()))
    return model.double()


def run(program, model, ids, types, scratch):
    dump = scratch / "dump.safetensors"
    dump.unlink(missing_ok=True)
    command = [program, "forward", "--model", model, "--ids", " ".join(map(str, ids)),
               "--type-ids", " ".join(map(str, types)), "--dump", dump]  # fmt: skip
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)
    return load_file(dump)


def error(logits, expected):
    """Largest difference over all logits, relative to the largest value of each head."""
    worst = 0.0
    for name, values in expected.items():
        values = values[0].numpy()
        got = logits[name].reshape(values.shape)
        difference = np.abs(got - values).max() / np.abs(values).max()
        worst = max(worst, difference) if np.isfinite(difference) else np.inf
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("program", help="the bert program")
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--keep", help="make the folders here and leave them")
    arguments = parser.parse_args()
    ids = np.random.default_rng(0).integers(0, 30522, LENGTH).tolist()
    types = [0] * (LENGTH // 2) + [1] * (LENGTH - LENGTH // 2)
    scratch = pathlib.Path(arguments.keep or tempfile.mkdtemp(prefix="bert-conversion-"))
    failures = 0
    print(f"{'layout':30} {'converted':>10} {'folder':>10}   largest error relative to the largest logit, against float64")
    try:
        for layout in LAYOUTS:
            folder = scratch / layout.replace("/", "-").replace(" ", "_").replace(",", "")
            folder.mkdir(parents=True, exist_ok=True)
            model = make_folder(layout, folder, arguments.layers)
            with torch.no_grad():
                out = model(torch.tensor([ids]), token_type_ids=torch.tensor([types]))
            expected = {"prediction_logits": out.prediction_logits, "seq_relationship_logits": out.seq_relationship_logits}
            convert(str(folder), folder / "converted.safetensors")
            errors = [error(run(arguments.program, folder / "converted.safetensors", ids, types, scratch), expected)]
            if LAYOUTS[layout][3].startswith("safetensors"):
                errors.append(error(run(arguments.program, folder, ids, types, scratch), expected))
            bad = max(errors) > TOLERANCE
            failures += bad
            shown = [f"{e:10.2e}" for e in errors] + ["         -"] * (2 - len(errors))
            print(f"{layout:30} {shown[0]} {shown[1]}   {'OFF' if bad else 'ok'}", flush=True)
            if not arguments.keep:
                shutil.rmtree(folder)
    finally:
        if not arguments.keep:
            shutil.rmtree(scratch)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Makes a Hugging Face folder of a minGPT model that was saved as JSON (gpt-nano-sort-model.json: arrays in base64).

    tools/convert_mingpt.py gpt-nano-sort-model.json OUTPUT

minGPT's modules bear GPT-2's names, but its matrices are those of torch.nn.Linear, [N, K]: GPT-2 stores [K, N]. Needs numpy and
safetensors. There is no tokenizer: the model's tokens are numbers.
"""
import argparse
import base64
import json
import pathlib

import numpy as np
from safetensors.numpy import save_file

MATRICES = ("attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight")


def array(entry):
    assert entry["dtype"] == "torch.float32", entry["dtype"]
    return np.frombuffer(base64.b64decode(entry["data"]), "<f4").reshape(entry["shape"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("output", type=pathlib.Path)
    arguments = parser.parse_args()
    entries = json.loads(arguments.model.read_text())
    given = entries.pop("config")
    tensors = {name: array(entry) for name, entry in entries.items() if not name.endswith(".attn.bias")}
    tensors = {name: np.ascontiguousarray(a.T) if name.endswith(MATRICES) else a for name, a in tensors.items()}
    config = {
        "architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "vocab_size": given["vocab_size"], "n_embd": given["n_embd"],
        "n_layer": given["n_layer"], "n_head": given["n_head"], "n_positions": given["block_size"],
        "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5, "tie_word_embeddings": False,
    }  # fmt: skip
    arguments.output.mkdir(parents=True, exist_ok=True)
    save_file(tensors, arguments.output / "model.safetensors", metadata={"format": "pt"})
    (arguments.output / "config.json").write_text(json.dumps(config, indent=2) + "\n")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Makes tests/golden/dense: what stands in a sentence-transformers folder beside the model, with three Dense modules.

    tools/golden_dense.py        (needs numpy)

The model is tests/golden/bert-gelu; its last states by PyTorch in float64 are the input. expected.json holds for each of
its inputs the vectors in float64, as sentence_transformers/models/{Pooling,Dense,Normalize}.py make them: `plain` without
Normalize, `vectors` with it, `truncated` to 7 numbers before it.
"""

import json
import math
import pathlib

import numpy as np

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "tests/golden"
ACTIVATIONS = {
    "torch.nn.modules.activation.Tanh": np.tanh,
    "torch.nn.modules.activation.GELU": lambda x: x / 2 * (1 + np.vectorize(math.erf)(x / math.sqrt(2))),
    "torch.nn.modules.linear.Identity": lambda x: x,
}
MODULES = [(48, 32, True), (32, 40, False), (40, 20, True)]  # in_features, out_features, bias


def read_float64(path):
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    return {
        name: np.frombuffer(data[start + entry["data_offsets"][0] : start + entry["data_offsets"][1]]).reshape(entry["shape"])
        for name, entry in header.items()
        if name != "__metadata__" and entry["dtype"] == "F64"
    }


def write_float32(path, tensors):
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, values in sorted(tensors.items()):
        header[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": [len(data), len(data) + 4 * values.size]}
        data += values.astype("<f4").tobytes()
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def unit(vector):
    return vector / max(np.linalg.norm(vector), 1e-12)


def main():
    folder, random = GOLDEN / "dense", np.random.default_rng(11)
    modules = [("", "Transformer"), ("1_Pooling", "Pooling")]
    dense = []
    for number, (activation, (inputs, outputs, bias)) in enumerate(zip(ACTIVATIONS, MODULES), start=2):
        path = folder / f"{number}_Dense"
        path.mkdir(parents=True, exist_ok=True)
        config = {"in_features": inputs, "out_features": outputs, "bias": bias, "activation_function": activation}
        (path / "config.json").write_text(json.dumps(config) + "\n")
        tensors = {"linear.weight": random.standard_normal((outputs, inputs)).astype(np.float32) / np.float32(4)}
        if bias:
            tensors["linear.bias"] = random.standard_normal(outputs).astype(np.float32)
        write_float32(path / "model.safetensors", tensors)
        dense.append((activation, {name: values.astype(np.float64) for name, values in tensors.items()}))
        modules.append((path.name, "Dense"))
    modules.append((f"{len(modules)}_Normalize", "Normalize"))
    listed = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(modules)
    ]
    (folder / "modules.json").write_text(json.dumps(listed, indent=1) + "\n")
    (folder / "1_Pooling").mkdir(exist_ok=True)
    (folder / "1_Pooling/config.json").write_text('{"word_embedding_dimension": 48, "pooling_mode_mean_tokens": true}\n')

    states, expected = read_float64(GOLDEN / "bert-gelu/expected.safetensors"), []
    for i in range(len(json.loads((GOLDEN / "bert-gelu/inputs.json").read_text()))):
        vector = states[f"{i}.hidden_states.3"].mean(axis=0)
        for activation, tensors in dense:
            vector = ACTIVATIONS[activation](tensors["linear.weight"] @ vector + tensors.get("linear.bias", 0))
        expected.append({"plain": list(vector), "vectors": list(unit(vector)), "truncated": list(unit(vector[:7]))})
    (folder / "expected.json").write_text(json.dumps(expected, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Makes tests/golden/minilm/expected.safetensors: all-MiniLM-L6-v2 run by PyTorch in float64.

    tools/golden_minilm.py build/minilm/model        (the folder that tools/fetch_minilm.sh leaves)

Needs torch and transformers. The file holds, for the lines of sentences.txt: input_ids of all lines end to end
(I32 [T]), offsets (I32 [B + 1]), embeddings (F64 [B, 384], mean of the token states, unit length) and, for some lines k,
token_states.k (F64 [S, 384]). Its metadata says how far PyTorch's own float32 is from these numbers, over all lines.
"""

import hashlib
import json
import pathlib
import sys

import numpy as np
import torch
import transformers

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from convert_weights import canonical_tensors, write_safetensors
from hugging_face_folder import read_safetensors

STATES_OF = [0, 3, 4, 5, 20, 25, 39]  # lines whose token states are stored in full, counted from 0


def tensor_digest(folder):
    """As Checkpoint::tensor_digest (docs/weights.md), computed without the C++ code."""
    config = json.loads((folder / "config.json").read_text())
    digest = hashlib.sha256()
    for name, tensor in sorted(canonical_tensors(read_safetensors(folder / "model.safetensors"), config).items()):
        digest.update(f"{name} {tensor.dtype} {tensor.shape}\n".encode() + tensor.read())
    return digest.hexdigest()


def main():
    folder = pathlib.Path(sys.argv[1])
    golden = pathlib.Path(__file__).parent.parent / "tests/golden/minilm"
    sentences = (golden / "sentences.txt").read_text("utf-8").split("\n")[:-1]
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    ids = [tokenizer(sentence, truncation=False)["input_ids"] for sentence in sentences]

    torch.set_grad_enabled(False)
    config = transformers.AutoConfig.from_pretrained(folder, attn_implementation="eager")

    def run(dtype):
        model = transformers.BertModel.from_pretrained(folder, config=config, dtype=torch.float32).to(dtype).eval()
        states = [model(torch.tensor([line])).last_hidden_state[0] for line in ids]
        pooled = torch.stack([torch.nn.functional.normalize(state.mean(0), dim=0) for state in states])
        return [state.double().numpy() for state in states], pooled.double().numpy()

    states, embeddings = run(torch.float64)
    states32, embeddings32 = run(torch.float32)
    error = np.concatenate(states32) - np.concatenate(states)
    stored = np.concatenate([states32[k] - states[k] for k in STATES_OF])
    facts = {
        "model": "sentence-transformers/all-MiniLM-L6-v2",
        "tensor_digest": tensor_digest(folder),
        "made_by": f"tools/golden_minilm.py, torch {torch.__version__.split('+')[0]}, transformers {transformers.__version__}",
        "torch_float32_states_rms_error": f"{np.sqrt(np.mean(error**2)):.3e}",
        "torch_float32_states_max_error": f"{np.abs(error).max():.3e}",
        "torch_float32_stored_states_rms_error": f"{np.sqrt(np.mean(stored**2)):.3e}",
        "torch_float32_embeddings_max_error": f"{np.abs(embeddings32 - embeddings).max():.3e}",
        "states_rms": f"{np.sqrt(np.mean(np.concatenate(states) ** 2)):.4f}",
    }

    tensors = {
        "input_ids": np.concatenate(ids).astype(np.int32),
        "offsets": np.cumsum([0] + [len(line) for line in ids]).astype(np.int32),
        "embeddings": embeddings,
        **{f"token_states.{k}": states[k] for k in STATES_OF},
    }
    names = {np.dtype(np.int32): "I32", np.dtype(np.float64): "F64"}
    write_safetensors(
        golden / "expected.safetensors",
        facts,
        {name: (names[a.dtype], list(a.shape), lambda a=a: np.ascontiguousarray(a).tobytes()) for name, a in tensors.items()},
    )
    print(*(f"{key}: {value}" for key, value in facts.items()), sep="\n")
    print("tokens:", *(len(line) for line in ids))


if __name__ == "__main__":
    main()

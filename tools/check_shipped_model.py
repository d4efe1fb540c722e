#!/usr/bin/env python3
"""Opens a model folder with transformers' from_pretrained and compares logits with bert's: at most 1e-4 apart.

    build/peers/venv/bin/python tools/check_shipped_model.py [examples/model]

Needs torch, transformers and safetensors (bench/peers/run.py makes build/peers/venv), and build/release/bert.
"""
import pathlib
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer, BertForPreTraining

PROJECT = pathlib.Path(__file__).resolve().parent.parent
SENTENCES = ["The capital of France is [MASK].", "She read the [MASK] before going to sleep.", "Rain.",
             "The storm lasted all night, and in the [MASK] the streets were full of fallen branches."]


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else PROJECT / "examples/model")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model, report = BertForPreTraining.from_pretrained(folder, output_loading_info=True, dtype=torch.float32)
    unexpected = [name for key in ("missing_keys", "unexpected_keys", "mismatched_keys") for name in report[key]]
    if unexpected:
        sys.exit(f"error: from_pretrained names {unexpected}")
    worst = 0.0
    with tempfile.TemporaryDirectory() as scratch:
        for sentence in SENTENCES:
            path = pathlib.Path(scratch) / "out.safetensors"
            subprocess.run([PROJECT / "build/release/bert", "forward", "--model", folder, "--dump", path, sentence], check=True,
                           stdout=subprocess.DEVNULL)
            ours = load_file(path)
            with torch.no_grad():
                theirs = model.eval()(**tokenizer(sentence, return_tensors="pt"))
            pairs = {"prediction_logits": theirs.prediction_logits[0], "seq_relationship_logits": theirs.seq_relationship_logits[0]}
            for name, expected in pairs.items():
                worst = max(worst, (ours[name].reshape(expected.shape) - expected).abs().max().item())
    print(f"from_pretrained opens {folder}; logits of {len(SENTENCES)} sentences differ by at most {worst:.1e}")
    sys.exit(worst > 1e-4)


if __name__ == "__main__":
    main()

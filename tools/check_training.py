#!/usr/bin/env python3
"""Compares training with PyTorch on a model of your choice: losses, gradients and weights over ten AdamW steps.

    python3 -m venv build/venv && build/venv/bin/pip install torch transformers safetensors numpy
    build/venv/bin/python tools/check_training.py [--seed 7] [--layers 3] [--hidden 64] [--heads 4] [--act gelu_new]

Writes a folder laid out as tests/golden/bert-train: a random BertForPreTraining with its inputs, and what PyTorch computes from
them in float64; then runs `bert_tests '[train][golden]'` on it (BERT_TRAINING_GOLDEN): double to 1e-9; float to 1e-4, or to twice the
error of PyTorch's own float32 steps where that is larger (some random models amplify rounding more than the golden one).
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

PROJECT = pathlib.Path(__file__).resolve().parent.parent


def random_steps(arguments, torch):
    """Inputs of ten steps; the gradient is clipped from the sixth on."""
    for number in range(10):
        ids = torch.randint(5, arguments.vocabulary, (4, 24))
        types = (torch.arange(24) >= 12).long().expand(4, 24).contiguous()
        labels = torch.where(torch.rand(4, 24) < 0.2, torch.randint(arguments.vocabulary, (4, 24)), -100)
        labels[:, 3] = ids[:, 3]  # no sequence without a masked word
        yield ids, types, labels, torch.randint(2, (4,)), None if number < 5 else 1.0


def train(model, inputs, torch):
    """Takes the steps; returns each one's loss and gradient norm, and {"grad.…", "after.…"} as float64."""
    decayed = [p for p in model.parameters() if p.ndim >= 2]
    others = [p for p in model.parameters() if p.ndim < 2]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}],
                                  lr=1e-3, betas=(0.9, 0.999), eps=1e-6)
    numbers, tensors = [], {}
    for ids, types, labels, following, clip in inputs:
        loss = model(input_ids=ids, token_type_ids=types, labels=labels, next_sentence_label=following).loss
        optimizer.zero_grad()
        loss.backward()
        norm = torch.sqrt(sum((p.grad.double() ** 2).sum() for p in model.parameters())).item()
        if not tensors:
            tensors |= {"grad." + name: p.grad.double().numpy() for name, p in model.named_parameters()}
        if clip:
            torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        numbers.append((loss.item(), norm))
    return numbers, tensors | {"after." + name: p.detach().double().numpy() for name, p in model.named_parameters()}


def make(folder, arguments):
    import numpy
    import torch
    from safetensors.numpy import save_file
    from transformers import BertConfig, BertForPreTraining

    torch.manual_seed(arguments.seed)
    config = BertConfig(vocab_size=arguments.vocabulary, hidden_size=arguments.hidden, num_hidden_layers=arguments.layers,
                        num_attention_heads=arguments.heads, intermediate_size=2 * arguments.hidden + 8, hidden_act=arguments.act,
                        max_position_embeddings=64, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    model = BertForPreTraining(config)
    with torch.no_grad():  # all parameters differ from their plain beginnings, and no layer saturates
        for parameter in model.parameters():
            parameter.add_(2 / arguments.hidden**0.5 * torch.randn_like(parameter))
    model.save_pretrained(folder, safe_serialization=True)
    inputs = list(random_steps(arguments, torch))

    def run(dtype):
        model = BertForPreTraining.from_pretrained(folder).to(dtype).train()
        model.set_attn_implementation("eager")
        return train(model, inputs, torch)

    (numbers, tensors), (single_numbers, single_tensors) = run(torch.float64), run(torch.float32)
    # Ten steps amplify rounding, most where AdamW divides a tiny gradient by its own size: what float32 costs PyTorch.
    error = max(abs(a - b) / abs(b) for mine, exact in zip(single_numbers, numbers) for a, b in zip(mine, exact))
    for name, exact in tensors.items():
        if not name.endswith("self.key.bias"):
            error = max(error, numpy.abs(single_tensors[name] - exact).max() / numpy.abs(exact).max())
    save_file({name: numpy.ascontiguousarray(value) for name, value in tensors.items()}, folder / "expected.safetensors")
    steps = [{"batch": [{"input_ids": ids[b].tolist(), "token_type_ids": types[b].tolist()} for b in range(4)],
              "labels": labels.tolist(), "next_sentence_label": following.tolist(), "loss": loss, "grad_norm": norm, "clip": clip}
             for (ids, types, labels, following, clip), (loss, norm) in zip(inputs, numbers)]
    (folder / "steps.json").write_text(json.dumps({"steps": steps, "float32_error": float(error)}))
    return error


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in {"seed": 7, "layers": 3, "hidden": 64, "heads": 4, "vocabulary": 200}.items():
        parser.add_argument("--" + name, type=int, default=value)
    parser.add_argument("--act", default="gelu", help="hidden_act")
    parser.add_argument("--tests", type=pathlib.Path, default=PROJECT / "build/release/bert_tests")
    arguments = parser.parse_args()
    if not arguments.tests.exists():
        sys.exit(f"error: {arguments.tests} is not there: ./dev build")
    with tempfile.TemporaryDirectory() as name:
        error = make(pathlib.Path(name), arguments)
        print(f"PyTorch's ten steps of {arguments.layers} layers of {arguments.hidden} ({arguments.act}), seed {arguments.seed}; "
              f"in float32 its own are {error:.1e} off", flush=True)
        sys.exit(subprocess.run([arguments.tests, "[train][golden]"], env=os.environ | {"BERT_TRAINING_GOLDEN": name}).returncode)


if __name__ == "__main__":
    main()

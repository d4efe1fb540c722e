#!/usr/bin/env python3
"""Compares training with PyTorch on a model of your choice: losses, gradients and weights over ten AdamW steps.

    python3 -m venv build/venv && build/venv/bin/pip install torch transformers safetensors numpy
    build/venv/bin/python tools/check_training.py [--seed 7] [--layers 3] [--hidden 64] [--heads 4] [--act gelu_new]

Writes a folder laid out as tests/golden/bert-train: a random BertForPreTraining with its inputs, and what PyTorch computes from
them in float64; then runs `bert_tests '[train][golden]'` on it (BERT_TRAINING_GOLDEN), whose tolerances are those of that test.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

PROJECT = pathlib.Path(__file__).resolve().parent.parent


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
    with torch.no_grad():  # all parameters differ from their plain beginnings
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    model.save_pretrained(folder, safe_serialization=True)
    model = BertForPreTraining.from_pretrained(folder).double().train()
    model.set_attn_implementation("eager")
    decayed = [p for p in model.parameters() if p.ndim >= 2]
    others = [p for p in model.parameters() if p.ndim < 2]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}],
                                  lr=1e-3, betas=(0.9, 0.999), eps=1e-6)
    tensors, steps = {}, []
    for number in range(10):
        ids = torch.randint(5, arguments.vocabulary, (4, 24))
        types = (torch.arange(24) >= 12).long().expand(4, 24).contiguous()
        labels = torch.where(torch.rand(4, 24) < 0.2, torch.randint(arguments.vocabulary, (4, 24)), -100)
        labels[:, 3] = ids[:, 3]  # no sequence without a masked word
        following = torch.randint(2, (4,))
        loss = model(input_ids=ids, token_type_ids=types, labels=labels, next_sentence_label=following).loss
        optimizer.zero_grad()
        loss.backward()
        norm = torch.sqrt(sum((p.grad**2).sum() for p in model.parameters())).item()
        if number == 0:
            tensors |= {"grad." + name: p.grad.numpy().copy() for name, p in model.named_parameters()}
        clip = None if number < 5 else 1.0
        if clip:
            torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        steps.append({"batch": [{"input_ids": ids[b].tolist(), "token_type_ids": types[b].tolist()} for b in range(4)],
                      "labels": labels.tolist(), "next_sentence_label": following.tolist(), "loss": loss.item(), "grad_norm": norm,
                      "clip": clip})
    tensors |= {"after." + name: p.detach().numpy().copy() for name, p in model.named_parameters()}
    save_file({name: numpy.ascontiguousarray(value) for name, value in tensors.items()}, folder / "expected.safetensors")
    (folder / "steps.json").write_text(json.dumps({"steps": steps}))


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
        make(pathlib.Path(name), arguments)
        print(f"PyTorch's ten steps of {arguments.layers} layers of {arguments.hidden} ({arguments.act}), seed {arguments.seed}:", flush=True)
        sys.exit(subprocess.run([arguments.tests, "[train][golden]"], env=os.environ | {"BERT_TRAINING_GOLDEN": name}).returncode)


if __name__ == "__main__":
    main()

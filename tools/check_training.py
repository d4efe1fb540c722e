#!/usr/bin/env python3
"""Compares training with PyTorch on a model of your choice: losses, gradients and weights over ten AdamW steps.

    python3 -m venv build/venv && build/venv/bin/pip install torch transformers safetensors numpy
    build/venv/bin/python tools/check_training.py [--family bert|roberta|gpt2|llama] [--seed 7] [--layers 3] [--hidden 64]
        [--heads 4] [--act gelu_new] [--keep FOLDER]

Writes a folder laid out as tests/golden/bert-train: a random model of the family with its inputs, and what PyTorch computes from
them in float64; then runs `bert_tests '[train][golden]'` on it (BERT_TRAINING_GOLDEN): double to 1e-9; float to 1e-4, or to twice the
error of PyTorch's own float32 steps where that is larger (some random models amplify rounding more than the golden one).
tests/golden/FAMILY-train were made so: --hidden 16 --heads 4 --layers 2 --vocabulary 60 --keep tests/golden/FAMILY-train.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import make_golden

PROJECT = pathlib.Path(__file__).resolve().parent.parent


def random_steps(arguments, torch):
    """Ten times the arguments of the model's forward, and where to clip the gradient: from the sixth step on."""
    for number in range(10):
        ids = torch.randint(5, arguments.vocabulary, (4, 24))
        inputs = {"input_ids": ids}
        if arguments.family in ("gpt2", "llama"):
            inputs["labels"] = ids  # which the model shifts by one
        else:
            labels = torch.where(torch.rand(4, 24) < 0.2, torch.randint(arguments.vocabulary, (4, 24)), -100)
            labels[:, 3] = ids[:, 3]  # no sequence without a masked word
            inputs["labels"] = labels
        if arguments.family == "bert":
            inputs["token_type_ids"] = (torch.arange(24) >= 12).long().expand(4, 24).contiguous()
            inputs["next_sentence_label"] = torch.randint(2, (4,))
        yield inputs, None if number < 5 else 1.0


def random_model(arguments):
    """A model of the family and its class."""
    import transformers

    common = {"vocab_size": arguments.vocabulary, "pad_token_id": 0}
    sizes = {"hidden_size": arguments.hidden, "num_hidden_layers": arguments.layers, "num_attention_heads": arguments.heads,
             "intermediate_size": 2 * arguments.hidden + 8, "max_position_embeddings": 64}
    encoder = {"hidden_act": arguments.act or "gelu", "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    if arguments.family == "bert":
        config, kind = transformers.BertConfig(**common, **sizes, **encoder), transformers.BertForPreTraining
    elif arguments.family == "roberta":
        common["pad_token_id"] = 1
        config = transformers.RobertaConfig(**common, **sizes, **encoder, type_vocab_size=1)
        kind = transformers.RobertaForMaskedLM
    elif arguments.family == "gpt2":
        config = transformers.GPT2Config(**common, n_embd=arguments.hidden, n_layer=arguments.layers, n_head=arguments.heads,
                                         n_positions=64,
                                         n_inner=2 * arguments.hidden + 8, activation_function=arguments.act or "gelu_new",
                                         resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=3, eos_token_id=3)
        kind = transformers.GPT2LMHeadModel
    else:
        make_golden.llama_in_its_own_type()
        config = transformers.LlamaConfig(**common, **sizes, num_key_value_heads=max(arguments.heads // 2, 1),
                                          hidden_act=arguments.act or "silu", bos_token_id=3, eos_token_id=4)
        kind = transformers.LlamaForCausalLM
    return kind(config), kind


def model_loss(model, arguments, torch):
    """The model's loss; of a causal one computed here, since transformers would in float32."""
    if arguments["labels"] is not arguments["input_ids"]:
        return model(**arguments).loss
    logits = model(input_ids=arguments["input_ids"]).logits
    return torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), arguments["labels"][:, 1:].flatten())


def train(model, inputs, torch):
    """Takes the steps; returns each one's loss and gradient norm, and {"grad.…", "after.…"} as float64."""
    decayed = [p for p in model.parameters() if p.ndim >= 2]
    others = [p for p in model.parameters() if p.ndim < 2]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}],
                                  lr=1e-3, betas=(0.9, 0.999), eps=1e-6)
    numbers, tensors = [], {}
    for arguments, clip in inputs:
        loss = model_loss(model, arguments, torch)
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
    torch.manual_seed(arguments.seed)
    model, kind = random_model(arguments)
    with torch.no_grad():  # all parameters differ from their plain beginnings, and no layer saturates
        for parameter in model.parameters():
            parameter.add_(2 / arguments.hidden**0.5 * torch.randn_like(parameter))
    model.save_pretrained(folder, safe_serialization=True)
    inputs = list(random_steps(arguments, torch))

    def run(dtype):
        model = kind.from_pretrained(folder).to(dtype).train()
        model.set_attn_implementation("eager")
        return train(model, inputs, torch)

    (numbers, tensors), (single_numbers, single_tensors) = run(torch.float64), run(torch.float32)
    # Ten steps amplify rounding, most where AdamW divides a tiny gradient by its own size: what float32 costs PyTorch.
    error = max(abs(a - b) / abs(b) for mine, exact in zip(single_numbers, numbers) for a, b in zip(mine, exact))
    for name, exact in tensors.items():
        if not name.endswith("self.key.bias"):
            error = max(error, numpy.abs(single_tensors[name] - exact).max() / numpy.abs(exact).max())
    save_file({name: numpy.ascontiguousarray(value) for name, value in tensors.items()}, folder / "expected.safetensors")
    steps = []
    for (given, clip), (loss, norm) in zip(inputs, numbers):
        sequences = [{key: given[key][b].tolist() for key in ("input_ids", "token_type_ids") if key in given} for b in range(4)]
        labels = given["labels"]
        if labels is given["input_ids"]:  # what follows each token
            labels = torch.cat([labels[:, 1:], torch.full((4, 1), -100)], 1)
        steps.append({"batch": sequences, "labels": labels.tolist(), "loss": loss, "grad_norm": norm, "clip": clip}
                     | ({"next_sentence_label": given["next_sentence_label"].tolist()} if "next_sentence_label" in given else {}))
    (folder / "steps.json").write_text(json.dumps({"steps": steps, "float32_error": float(error)}))
    return error


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in {"seed": 7, "layers": 3, "hidden": 64, "heads": 4, "vocabulary": 200}.items():
        parser.add_argument("--" + name, type=int, default=value)
    parser.add_argument("--family", choices=["bert", "roberta", "gpt2", "llama"], default="bert")
    parser.add_argument("--act", help="hidden_act; default: the family's")
    parser.add_argument("--keep", type=pathlib.Path, help="where to write the folder")
    parser.add_argument("--tests", type=pathlib.Path, default=PROJECT / "build/release/bert_tests")
    arguments = parser.parse_args()
    if not arguments.tests.exists():
        sys.exit(f"error: {arguments.tests} is not there: ./dev build")
    with tempfile.TemporaryDirectory() as scratch:
        name = arguments.keep or pathlib.Path(scratch)
        name.mkdir(exist_ok=True)
        error = make(name, arguments)
        print(f"PyTorch's ten steps of {arguments.layers} layers of {arguments.hidden} ({arguments.family}), seed {arguments.seed}; "
              f"in float32 its own are {error:.1e} off", flush=True)
        sys.exit(subprocess.run([arguments.tests, "[train][golden]"], env=os.environ | {"BERT_TRAINING_GOLDEN": str(name)}).returncode)


if __name__ == "__main__":
    main()

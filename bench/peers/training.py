#!/usr/bin/env python3
"""Training steps beside PyTorch: forward, backward and AdamW of BertForPreTraining, in tokens a second.

    python3 bench/peers/training.py [--threads 2] [--rounds 3] [--cases "6x384 16x128,2x128 32x128"]

Needs build/release/bert_bench (./dev bench --benchmark_list_tests) and the virtual environment of run.py (./dev peers --quick makes
it). The two take turns; a PyTorch turn is a process of its own. PyTorch runs transformers' BertForPreTraining with sdpa attention and
torch.optim.AdamW (fused), without dropout, on the same shapes, in two ways: as it is, with logits for every token, and with
logits for the masked tokens alone, which is what bert computes.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import time

PROJECT = pathlib.Path(__file__).resolve().parent.parent.parent
CASES = {  # as in bench/bench_training.cpp
    "base 8x128": (12, 768, 8, 128),
    "6x384 16x128": (6, 384, 16, 128),
    "2x128 32x128": (2, 128, 32, 128),
}
VOCABULARY = 30522


def torch_turn(name, threads, masked_only, seconds):
    """Runs in the virtual environment: prints the times of steps in seconds, as JSON."""
    import torch
    from transformers import BertConfig, BertForPreTraining

    torch.set_num_threads(threads)
    torch.manual_seed(1)
    layers, hidden, batch, length = CASES[name]
    config = BertConfig(vocab_size=VOCABULARY, hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=hidden // 64,
                        intermediate_size=4 * hidden, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    model = BertForPreTraining(config)
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.01, fused=True)
    ids = torch.randint(VOCABULARY, (batch, length))
    types = (torch.arange(length) >= length // 2).long().expand(batch, length).contiguous()
    chosen = torch.rand(batch, length) < 0.15
    labels = torch.where(chosen, ids, torch.full_like(ids, -100))
    following = torch.randint(2, (batch,))

    def step():
        if masked_only:
            output = model.bert(input_ids=ids, token_type_ids=types)
            logits = model.cls.predictions(output.last_hidden_state[chosen])
            loss = torch.nn.functional.cross_entropy(logits, ids[chosen])
            loss = loss + torch.nn.functional.cross_entropy(model.cls.seq_relationship(output.pooler_output), following)
        else:
            loss = model(input_ids=ids, token_type_ids=types, labels=labels, next_sentence_label=following).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    step()
    times, end = [], time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    print(json.dumps(times))


def bert_turn(name, threads, seconds, program):
    output = subprocess.run([program, f"--benchmark_filter=^training/{name}/threads:{threads}/process_time/real_time$",
                             "--benchmark_format=json", f"--benchmark_min_time={seconds / 4}", "--benchmark_repetitions=4"],
                            check=True, capture_output=True, text=True).stdout
    return [run["real_time"] / 1e3 for run in json.loads(output)["benchmarks"] if run["run_type"] == "iteration"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4, help="of one turn")
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--program", type=pathlib.Path, default=PROJECT / "build/release/bert_bench")
    parser.add_argument("--torch-turn", nargs=2, metavar=("CASE", "WAY"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.torch_turn:
        return torch_turn(arguments.torch_turn[0], arguments.threads, arguments.torch_turn[1] == "masked", arguments.seconds)
    python = PROJECT / "build/peers/venv/bin/python"
    for needed in (python, arguments.program):
        if not needed.exists():
            sys.exit(f"error: {needed} is not there; see the head of this file")

    def turn(way, name):
        if way == "bert":
            return bert_turn(name, arguments.threads, arguments.seconds, arguments.program)
        command = [python, __file__, "--threads", str(arguments.threads), "--seconds", str(arguments.seconds),
                   "--torch-turn", name, way]
        return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    ways = ["bert", "all", "masked"]
    print("| step | bert tokens/s | PyTorch | ratio | PyTorch, masked logits only | ratio |\n|---|---|---|---|---|---|")
    for name in arguments.cases.split(","):
        _, _, batch, length = CASES[name]
        times = {way: [] for way in ways}
        for round_number in range(arguments.rounds):
            for way in ways[round_number % 3:] + ways[:round_number % 3]:
                times[way] += turn(way, name)
        best = {way: batch * length / min(times[way]) for way in ways}
        middle = {way: batch * length / statistics.median(times[way]) for way in ways}
        cells = [f"{best[way]:.0f} ({middle[way]:.0f})" for way in ways]
        ratio = {way: best["bert"] / best[way] for way in ways}
        print(f"| {name} | {cells[0]} | {cells[1]} | {ratio['all']:.2f} | {cells[2]} | {ratio['masked']:.2f} |", flush=True)
    print("\nBest, and median in brackets.")


if __name__ == "__main__":
    main()

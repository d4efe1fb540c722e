"""A peer in its own process: JSON lines in on stdin, one JSON line back on stdout for each. See Worker in contenders.py.

    {"do": "open", "engine", "folder", "precision", "threads", "mode"}      -> {"open_ms", "imports_mb"}
    {"do": "time", "work", "budget_ms", "least", "warm"}                    -> {"times_ms": [...], "chosen"}
    {"do": "states", "rows": [[id, ...], ...], "out": FILE.npy}             -> {}   [B, S, H]; the rows may differ in length
    {"do": "embed", "sentences": [...], "tokenizer", "out": FILE.npy}       -> {}   mean over tokens, not normalised
    {"do": "tokenize", "text": FILE, "tokenizer", "repeats"}                -> {"batch_ms", "batch_fast_ms", "single_ms"}
    {"do": "memory"}                                                        -> {"peak_mb"}
`work` is "8x128" or the ragged "input", "sorted", "single". An error comes back as {"error": text}; the process stays.
"""

import importlib
import json
import os
import pathlib
import sys
import time

answers = os.fdopen(os.dup(1), "w", buffering=1)  # libraries print to stdout; they get stderr instead
os.dup2(2, 1)
sys.path.insert(0, str(pathlib.Path(__file__).parent))

import numpy as np  # noqa: E402

import work  # noqa: E402
from engines import ENGINES  # noqa: E402

BATCHES = {}
SLOW_MS = 2000
IMPORTS = {"ort": ["onnxruntime"], "openvino": ["openvino"], "ct2": ["ctranslate2"],
           "torch": ["torch", "transformers.models.bert.modeling_bert"]}  # fmt: skip


def peak_mb():
    """VmHWM, which starts anew at exec; ru_maxrss would include the parent's pages at fork."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


def milliseconds():
    return time.perf_counter() * 1e3


def batches_of(name):
    if name not in BATCHES:
        if name in work.ORDERS:
            BATCHES[name] = work.ragged_batches(work.read_lengths(), name)
        else:
            batch, seq = work.parse_shape(name)
            BATCHES[name] = [(work.random_ids(batch, seq), [seq] * batch)]
    return BATCHES[name]


class Peer:
    def __init__(self):
        self.slow = set()

    def open(self, engine, folder, precision, threads, mode):
        for module in IMPORTS[engine]:  # so that open_ms is the model's
            importlib.import_module(module)
        imports, start = peak_mb(), milliseconds()
        self.engine = ENGINES[engine](pathlib.Path(folder), precision, threads, mode)
        return {"open_ms": milliseconds() - start, "imports_mb": imports}

    def time(self, work, budget_ms, least, warm):
        batches = batches_of(work)
        batch, seq = (0, 0) if not work[0].isdigit() else batches[0][0].shape
        self.engine.prepare(batch, seq)
        for _ in range(0 if work in self.slow else warm):
            start = milliseconds()
            self.engine.run(batches)
            if milliseconds() - start > SLOW_MS:  # its own first tenth warms such a pass up
                self.slow.add(work)
                break
        times, begin = [], milliseconds()
        while len(times) < least or (milliseconds() - begin < budget_ms and len(times) < 50):
            start = milliseconds()
            self.engine.run(batches)
            times.append(milliseconds() - start)
        return {"times_ms": times, "chosen": self.engine.chosen}

    def states(self, rows, out):
        lengths = [len(row) for row in rows]
        ids = np.zeros((len(rows), max(lengths)), np.int64)
        for row, tokens in zip(ids, rows):
            row[: len(tokens)] = tokens
        self.engine.prepare(*(ids.shape if min(lengths) == max(lengths) else (0, 0)))
        np.save(out, np.asarray(self.engine.run([(ids, lengths)])[0], np.float32))
        return {}

    def embed(self, sentences, tokenizer, out):
        self.engine.prepare(0, 0)
        tokenizer, means = work.open_tokenizer(tokenizer), []
        for first in range(0, len(sentences), work.SENTENCES_A_BATCH):
            ids, lengths = work.padded(tokenizer, sentences[first : first + work.SENTENCES_A_BATCH])
            states = self.engine.run([(ids, lengths)])[0]
            means += [states[row, :length].mean(0) for row, length in enumerate(lengths)]
        np.save(out, np.array(means, np.float32))
        return {}

    def tokenize(self, text, tokenizer, repeats):
        tokenizer = work.open_tokenizer(tokenizer)
        lines = [line for line in pathlib.Path(text).read_text("utf-8").split("\n") if line]
        ways = {
            "batch_ms": lambda: tokenizer.encode_batch(lines, add_special_tokens=False),
            "batch_fast_ms": lambda: tokenizer.encode_batch_fast(lines, add_special_tokens=False),  # without offsets
            "single_ms": lambda: [tokenizer.encode(line, add_special_tokens=False) for line in lines],
        }
        times = {name: [] for name in ways}
        for _ in range(repeats):
            for name, way in ways.items():
                start = milliseconds()
                way()
                times[name].append(milliseconds() - start)
        return {name: min(all) for name, all in times.items()}

    def memory(self):
        return {"peak_mb": peak_mb()}


def main():
    peer = Peer()
    for line in sys.stdin:
        order = json.loads(line)
        try:
            answer = getattr(peer, order.pop("do"))(**order)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {str(error).strip()}"[:2000]}
        answers.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()

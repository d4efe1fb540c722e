#!/usr/bin/env python3
"""Compares bert with ONNX Runtime, OpenVINO, CTranslate2 and PyTorch: `./dev peers [FLAG...]`, see README.md here.

Starts with any Python 3.11: makes build/peers/venv of requirements.txt and goes on inside it.
"""

import argparse
import datetime
import hashlib
import importlib.metadata
import json
import os
import pathlib
import platform
import subprocess
import sys

import work

PEERS = ["ort", "openvino", "ct2", "torch"]
PARTS = ["opening", "speed", "tokenizer", "accuracy"]


def enter_venv():
    venv, wanted = work.BUILD / "venv", work.HERE / "requirements.txt"
    stamp, digest = venv / "requirements.sha256", hashlib.sha256(wanted.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != digest:
        venv.parent.mkdir(parents=True, exist_ok=True)
        if not (venv / "bin/python").exists():
            subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        print("installing the peers from PyPI (about 2.5 GB to download, 6 GB on disk)", file=sys.stderr)
        subprocess.run([venv / "bin/pip", "install", "--quiet", "--disable-pip-version-check", "-r", wanted], check=True)
        stamp.write_text(digest)
    if pathlib.Path(sys.prefix).resolve() != venv.resolve():
        python = str(venv / "bin/python")
        os.execv(python, [python, str(pathlib.Path(__file__).resolve()), *sys.argv[1:]])


def machine(arguments):
    info = dict(line.split(":", 1) for line in subprocess.run(["lscpu"], capture_output=True, text=True).stdout.splitlines()
                if ":" in line)  # fmt: skip
    flags = set(info.get("Flags", "").split())
    wanted = ["avx2", "fma", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_bf16", "amx_int8"]
    git = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=work.PROJECT, capture_output=True, text=True)
    packages = ["onnxruntime", "openvino", "nncf", "ctranslate2", "torch", "transformers", "tokenizers", "onnx", "numpy"]
    return {"date": datetime.date.today().isoformat(), "cpu": info.get("Model name", platform.processor()).strip(),
            "cores": os.cpu_count(), "cpu_flags": [f for f in wanted if f in flags],
            "cache": {k: info[k].strip() for k in ("L1d cache", "L2 cache", "L3 cache") if k in info},
            "kernel": platform.release(), "python": platform.python_version(), "bert": git.stdout.strip(),
            "compiler": subprocess.run(["g++", "-dumpfullversion"], capture_output=True, text=True).stdout.strip(),
            "versions": {p: importlib.metadata.version(p) for p in packages},
            "threads": arguments.threads, "rounds": arguments.rounds, "budget_ms": arguments.budget_ms,
            "warm_up": "two passes before a contender's first turn at a work, one before every other "
                       "(ours: one; passes over 2 s: one at the first turn, then none)",
            "nice": os.nice(0), "load_average_at_start": os.getloadavg()[0],
            "quick": arguments.quick}  # fmt: skip


def parse():
    listed = lambda known: lambda text: [item for item in text.split(",") if item in known or parser.error(
        f"\"{item}\" is not one of {', '.join(known)}")]  # fmt: skip
    from contenders import GROUPS, RUNNABLE

    groups, runnable = ([f"{p}-{i}" for p, i in some] for some in (GROUPS, RUNNABLE))
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="MiniLM, small shapes, one short round, a setting a peer")
    parser.add_argument("--models", type=listed(["minilm", "base"]), help="minilm,base")
    parser.add_argument("--only", type=listed(PEERS), default=PEERS, help=",".join(PEERS))
    parser.add_argument("--groups", type=listed(groups), default=runnable,
                        help=f"{','.join(groups)}; by default those this CPU has: {','.join(runnable)}")  # fmt: skip
    parser.add_argument("--parts", type=listed(PARTS), default=PARTS, help=",".join(PARTS))
    parser.add_argument("--shapes", type=lambda text: [s for s in text.split(",") if s and work.parse_shape(s)])
    parser.add_argument("--orders", type=lambda text: listed(work.ORDERS)(text) if text else [], help="of the ragged work")
    parser.add_argument("--sentences", type=int, help="of the ragged work, at most 512")
    parser.add_argument("--rounds", type=int, help="5")
    parser.add_argument("--budget-ms", type=float, help="time for the repeats of one turn; 600")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sts-pairs", type=int, help="0: all of them")
    parser.add_argument("--data", type=pathlib.Path, help="folder with corpus/dev.txt and tasks/sts.tsv",
                        default=pathlib.Path(os.environ.get("BERT_SHARED_DIR", work.PROJECT / "../shared")) / "data")
    parser.add_argument("--bert", type=pathlib.Path, default=work.PROJECT / "build/release/bert")
    parser.add_argument("--out", type=pathlib.Path, default=work.BUILD / "results.json")
    parser.add_argument("--merge", action="store_true", help="keep what --out holds of other groups, models and parts")
    parser.add_argument("--docs", type=pathlib.Path, help="write peers.md and plots (SVG) here; default build/peers/report")
    parser.add_argument("--report-only", action="store_true", help="of what --out holds")
    arguments = parser.parse_args()
    small = arguments.quick
    for name, full, quick in [("models", ["minilm", "base"], ["minilm"]), ("shapes", work.SHAPES, ["1x16", "1x128"]),
                              ("orders", work.ORDERS, ["sorted"]), ("sentences", 512, 64), ("rounds", 5, 1),
                              ("budget_ms", 600, 100), ("sts_pairs", 0, 50)]:  # fmt: skip
        if getattr(arguments, name) is None:
            setattr(arguments, name, quick if small else full)
    arguments.bert = arguments.bert.resolve()
    arguments.data = arguments.data.resolve()
    return arguments


def save(path, results):
    part = path.with_suffix(".part")
    part.write_text(json.dumps(results, indent=1) + "\n")
    part.replace(path)


def merge(old, new, keys):
    identity = lambda row: tuple(str(row.get(key)) for key in keys)
    seen = {identity(row) for row in new}
    return [row for row in old if identity(row) not in seen] + new


def measure_all(arguments):
    import measure

    run = measure.Run(arguments)
    work.write_lengths(arguments.sentences)
    for model in sorted({"minilm", *arguments.models}, key=["minilm", "base"].index):
        measure.log(f"the forms of {model}")
        subprocess.run([sys.executable, work.HERE / "models.py", arguments.data, ",".join(arguments.only), model,
                        run.file("failed.json")], check=True)  # fmt: skip
        run.notes |= json.loads(pathlib.Path(run.file("failed.json")).read_text())
    results = {"speed": [], "verified": [], "opening": [], "accuracy": [], "tokenizer": {}}
    if arguments.merge and arguments.out.exists():
        results = json.loads(arguments.out.read_text())
    results |= {"machine": machine(arguments), "lengths": work.describe(work.read_lengths())}
    for model in arguments.models:
        if "opening" in arguments.parts:
            results["opening"] = merge(results["opening"], measure.opening(run, model), ["model", "peer"])
        for group in arguments.groups if "speed" in arguments.parts else []:
            compared, rows = measure.speed(run, model, *group.split("-"))
            results["verified"] = merge(results["verified"], compared, ["model", "contender", "lengths"])
            keys = ["model", "group", "work", "peer", "isa", "mode"]
            results["speed"] = merge(results["speed"], rows, keys)
            save(arguments.out, results)  # a long run that is cut short keeps what it has
    if "tokenizer" in arguments.parts:
        results["tokenizer"] = measure.tokenizer(run)
    if "accuracy" in arguments.parts:
        results["accuracy"] = merge(results["accuracy"], measure.accuracy(run), ["peer", "precision"])
    results["not_available"] = run.notes
    save(arguments.out, results)


def main():
    enter_venv()
    arguments = parse()
    if not arguments.report_only:
        if not arguments.bert.exists():
            sys.exit(f"error: no {arguments.bert}: build it first (./dev peers does)")
        measure_all(arguments)
    import report

    folder = arguments.docs or work.BUILD / "report"
    report.write(json.loads(arguments.out.read_text()), folder)
    print(f"{arguments.out} and {folder}/peers.md")


if __name__ == "__main__":
    main()

"""The parts of a run: same outputs, speed, opening, tokenizer, accuracy. Each returns plain data for results.json."""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

import work
from contenders import Contender, FREE, MODES, NAMES, Ours, PeerError, PRECISIONS, UNLIMITED, Worker, clean_environment
from contenders import ONLY_AVX2, contenders_of

SAME = 1e-3  # largest difference of a float32 last_hidden_state that is still the same model
VERIFY_LENGTHS = [[96], [53, 21]]  # one sequence alone (no mask); two in a padded batch


def log(*what):
    print(time.strftime("%H:%M:%S"), *what, file=sys.stderr, flush=True)


class Run:
    """What all parts need: the program, the data, how much to do."""

    def __init__(self, arguments):
        self.__dict__ |= vars(arguments)
        self.scratch = tempfile.TemporaryDirectory(dir=work.BUILD)
        self.notes = {}  # what did not work, and why

    def folder(self, model):
        return work.BUILD / "models" / model

    def ours(self, precision, isa, model):
        isa = "avx2" if isa == "avx2" and not ONLY_AVX2 else ""
        return Ours(self.bert, precision, isa, self.folder(model) / "bert.safetensors", self.threads)

    def file(self, name):
        return os.path.join(self.scratch.name, name)

    def note(self, who, error):
        log(f"NOT AVAILABLE {who}: {error}")
        self.notes[str(who)] = str(error)

    def opened(self, contender, model):
        """An open worker, or None and a note."""
        worker = Worker(contender, self.folder(model), self.threads)
        try:
            worker.open()
            return worker
        except PeerError as error:
            self.note(f"{model} {contender.name}", error)
            worker.close()


# --- the same outputs -------------------------------------------------------------------------------------------------


def our_states(run, model, rows):
    from safetensors.numpy import load_file

    states = []
    for row in rows:
        dump = run.file("ours.safetensors")
        subprocess.run([run.bert, "forward", "--model", run.folder(model) / "bert.safetensors", "--threads", str(run.threads),
                        "--ids", " ".join(map(str, row)), "--dump", dump],
                       check=True, stdout=subprocess.DEVNULL, env=clean_environment(run.threads))  # fmt: skip
        states.append(load_file(dump)["last_hidden_state"])
    return states


def verify(run, model, workers):
    """Compares every worker with `bert forward`; a float32 peer that differs ends the run."""
    compared = []
    for lengths in VERIFY_LENGTHS:
        rows = [[101, *map(int, work.random_ids(1, n - 2, seed=n)[0]), 102] for n in lengths]
        expected = our_states(run, model, rows)
        for worker in workers:
            worker.ask("states", rows=rows, out=run.file("peer.npy"))
            got = np.load(run.file("peer.npy"))
            pairs = [(got[i, : len(rows[i])], expected[i]) for i in range(len(rows))]
            difference = max(float(np.abs(a - b).max()) for a, b in pairs)
            cosine = min(float((a * b).sum(-1).min() / 1) for a, b in ((unit(a), unit(b)) for a, b in pairs))
            c = worker.contender
            compared.append({"model": model, "contender": c.name, "precision": c.precision, "lengths": lengths,
                             "max_difference": difference, "least_token_cosine": cosine})  # fmt: skip
            log(f"verify {model} {lengths} {c.name}: max difference {difference:.2e}, least cosine of a token {cosine:.5f}")
            if c.precision == "fp32" and not difference <= SAME:
                sys.exit(f"error: {c.name} does not compute what bert forward does on {model}: {difference:.3g} > {SAME}")
    return compared


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


# --- speed ------------------------------------------------------------------------------------------------------------


def speed(run, model, precision, isa):
    """One group: all its contenders alive together; per work, `rounds` rounds in which each has a turn."""
    our = run.ours(precision, isa, model)
    missing = our.available()
    if missing:
        run.note(f"bert {precision}", missing)
        our = run.ours("fp32", isa, model)
        if our.available():
            run.note(f"bert [{isa}]", our.available())
            our = None
    contenders = [c for c in contenders_of(precision, isa, run.only) if not run.quick or c.mode != MODES[c.peer][1]]
    workers = [w for c in contenders if (w := run.opened(c, model))]
    takers = ([our] if our else []) + workers
    try:
        compared = verify(run, model, workers)
        rows = []
        for name in run.shapes + run.orders:
            rows += turns(run, model, precision, isa, takers, name)
        return compared, rows
    finally:
        for taker in takers:
            taker.close()


def turns(run, model, precision, isa, takers, name):
    mins, medians, extras = {}, {}, {}
    for round_ in range(run.rounds):
        # each round begins with another contender, so that none always follows the same one
        for taker in takers[round_ % max(1, len(takers)) :] + takers[: round_ % max(1, len(takers))]:
            if taker in extras and extras[taker] is None:
                continue
            try:
                answer = taker.time(name, run.budget_ms, first=taker not in extras)
            except PeerError as error:
                run.note(f"{model} {name} {taker.contender.name}", error)
                extras[taker] = None
                continue
            times = answer.pop("times_ms")
            mins.setdefault(taker, []).append(min(times))
            medians.setdefault(taker, []).append(statistics.median(times))
            extras[taker] = answer
    rows = []
    for taker in takers:
        if extras.get(taker) is None:
            continue
        c = taker.contender
        rows.append({"model": model, "group": f"{precision}-{isa}", "work": name, "peer": c.peer, "precision": c.precision,
                     "isa": c.isa, "mode": c.mode, "min_ms": min(mins[taker]), "median_ms": statistics.median(medians[taker]),
                     "rounds": len(mins[taker]), **extras[taker]})  # fmt: skip
        log(f"{model} {name} {c.name}: min {rows[-1]['min_ms']:.2f} ms, median {rows[-1]['median_ms']:.2f} ms {extras[taker] or ''}")
    return rows


# --- opening and memory -----------------------------------------------------------------------------------------------


def opening(run, model):
    """Fresh processes, float32: start, open, one pass over 128 tokens; the least of three, files in the page cache."""
    rows = []
    ids = [[101, *map(int, work.random_ids(1, 126)[0]), 102]]
    for peer in run.only:
        tries = []
        for _ in range(1 if run.quick else 3):
            start = time.perf_counter()
            worker = Worker(Contender(peer, "fp32", UNLIMITED if peer == "ort" else FREE, MODES[peer][0]),
                            run.folder(model), run.threads)  # fmt: skip
            try:
                opened = worker.open()
                worker.ask("states", rows=ids, out=run.file("peer.npy"))
                opened["process_ms"] = (time.perf_counter() - start) * 1e3
                tries.append(opened | worker.ask("memory"))
            except PeerError as error:
                run.note(f"opening {model} {peer}", error)
            worker.close()
        if tries:
            rows.append({"model": model, "peer": peer, **{key: min(t[key] for t in tries) for key in tries[0]}})
    words = (run.folder(model) / "hf/vocab.txt").read_text("utf-8").splitlines()
    text = " ".join([w for w in words[2000:] if w.isalnum() and w.isascii()][:126])  # a token each
    tries = []
    for _ in range(1 if run.quick else 3):
        start = time.perf_counter()
        pid = subprocess.Popen([run.bert, "embed", "--model", run.folder(model) / "bert.safetensors", "--threads",
                                str(run.threads), "--json", text], stdout=subprocess.DEVNULL,
                               env=clean_environment(run.threads)).pid  # fmt: skip
        _, status, usage = os.wait4(pid, 0)
        if status:
            sys.exit("error: bert embed failed")
        # a child's ru_maxrss starts at what its parent had when it forked, so the parent has to be the smaller one
        if usage.ru_maxrss <= resource.getrusage(resource.RUSAGE_SELF).ru_maxrss:
            sys.exit("error: the driver uses more memory than bert: its peak cannot be measured from here")
        tries.append({"process_ms": (time.perf_counter() - start) * 1e3, "peak_mb": usage.ru_maxrss / 1024})
    rows.append({"model": model, "peer": "bert", **{key: min(t[key] for t in tries) for key in tries[0]}})
    for row in rows:
        log("opening", row)
    return rows


# --- tokenizer --------------------------------------------------------------------------------------------------------


def tokenizer(run):
    """English text in memory to ids, one thread, in turns; the faster way of Hugging Face's library is quoted."""
    text, folder = run.data / "corpus/dev.txt", run.folder("minilm")
    worker = Worker(Contender("tokenizers", "", UNLIMITED, ""), folder, 1)
    theirs, ours = [], []
    for _ in range(1 if run.quick else 5):
        theirs.append(worker.ask("tokenize", text=str(text), tokenizer=str(folder / "hf/tokenizer.json"), repeats=2))
        done = subprocess.run([run.bert, "bench", "--tokenizer", text, "--model", folder / "bert.safetensors", "--threads",
                               "1", "--repeat", "5", "--json"], check=True, capture_output=True, text=True)  # fmt: skip
        ours.append(json.loads(done.stdout)["mb_per_s"])
    worker.close()
    size = text.stat().st_size
    row = {"bytes": size, "threads": 1, "bert_mb_per_s": max(ours)}
    row |= {key.replace("_ms", "_mb_per_s"): size / min(t[key] for t in theirs) * 1e-3 for key in theirs[0]}
    log("tokenizer", row)
    return row


# --- accuracy of int8 -------------------------------------------------------------------------------------------------


def our_embeddings(run, model, precision, sentences):
    """The hook for our own int8: None and a note as long as the program refuses the precision."""
    if missing := run.ours(precision, "", model).available():
        return run.note(f"bert {precision}", missing)
    source, out = run.file("sentences.txt"), run.file("ours.npy")
    with open(source, "w", encoding="utf-8") as file:
        file.write("\n".join(sentences) + "\n")
    done = subprocess.run([run.bert, "embed", "--model", run.folder(model) / "bert.safetensors", "--threads", str(run.threads),
                           "--precision", precision, "--pooling", "mean", "--no-normalize", "--input", source, "--output", out],
                          capture_output=True, text=True)  # fmt: skip
    if done.returncode:
        return run.note(f"bert embed {precision}", done.stderr.strip())
    return np.load(out)


def peer_embeddings(run, peer, precision, sentences):
    contender = Contender(peer, precision, UNLIMITED if peer == "ort" else FREE, MODES[peer][0])
    worker = run.opened(contender, "minilm")
    if worker is None:
        return None
    try:
        worker.ask("embed", sentences=sentences, out=run.file("peer.npy"),
                   tokenizer=str(run.folder("minilm") / "hf/tokenizer.json"))  # fmt: skip
        return np.load(run.file("peer.npy"))
    except PeerError as error:
        return run.note(f"embed {contender.name}", error)
    finally:
        worker.close()


def accuracy(run):
    """Sentence vectors of MiniLM on STS: cosine to the same program's own float32, and Spearman with people's scores."""
    from scipy.stats import spearmanr

    pairs = work.sts_pairs(run.data, run.sts_pairs or None)
    sentences = [s for _, a, b in pairs for s in (a, b)]
    measured = min(len(sentences), 948)  # the cosine's worst depends on how many are looked at
    rows = []
    for peer in ["bert", *run.only]:
        own = None
        for precision in ["fp32", "bf16", "int8"]:
            if peer != "bert" and precision not in PRECISIONS[peer]:
                continue
            states = (our_embeddings(run, "minilm", precision, sentences) if peer == "bert" else
                      peer_embeddings(run, peer, precision, sentences))  # fmt: skip
            if states is None:
                rows.append({"peer": peer, "precision": precision, "not_available": True})
                continue
            states = unit(states.astype(np.float64))
            own = states if precision == "fp32" else own
            similarity = (states[0::2] * states[1::2]).sum(-1)
            row = {"peer": peer, "precision": precision, "pairs": len(pairs),
                   "spearman": float(spearmanr(similarity, [score for score, *_ in pairs]).statistic)}  # fmt: skip
            if precision != "fp32" and own is not None:
                cosine = (states[:measured] * own[:measured]).sum(-1)
                row |= {"sentences": measured, "cosine_mean": float(cosine.mean()), "cosine_worst": float(cosine.min())}
            rows.append(row)
            log("accuracy", NAMES[peer], row)
    return rows

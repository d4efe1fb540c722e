"""results.json as a Markdown page and SVG bars. A ratio is the peer's time over ours: above 1 we are faster.

Of each peer the fastest of its settings is quoted, by work; which one it was stands in results.json.
"""

import html
import math

from contenders import GROUPS, NAMES

COLOURS = {"bert": "#1b5e9b", "ort": "#d97b29", "openvino": "#3a9d5d", "ct2": "#8a5fb0", "torch": "#c0394b"}
TITLES = {
    "fp32-avx512": "float32, AVX-512", "bf16-avx512": "bfloat16, AVX-512 (no AMX)", "int8-avx512": "int8, AVX-512 (no AMX)",
    "fp32-avx2": "float32, AVX2", "int8-avx2": "int8, AVX2", "bf16-amx": "bfloat16, peers as they come (with AMX)",
    "int8-amx": "int8, peers as they come (with AMX)",
}  # fmt: skip
MODELS = {"minilm": "all-MiniLM-L6-v2", "base": "BERT-base (12 x 768, random weights)"}


def fastest(rows):
    """{work: {peer: row}}"""
    best = {}
    for row in rows:
        peers = best.setdefault(row["work"], {})
        if row["peer"] not in peers or row["min_ms"] < peers[row["peer"]]["min_ms"]:
            peers[row["peer"]] = row
    return best


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows])


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values)) if values else None


def number(ms):
    return f"{ms:.2f}" if ms < 10 else f"{ms:.1f}" if ms < 100 else f"{ms:.0f}"


def speed_section(model, group, rows, missing):
    best = fastest(rows)
    peers = [p for p in NAMES if any(p in by for by in best.values())]
    precision = group.split("-")[0]
    ours = next((r for r in rows if r["peer"] == "bert"), None)
    own = ours is not None and ours["precision"] == precision
    label = lambda p: NAMES[p] if p != "bert" or own else f"bert {ours['precision']}"
    isas = {p: "; ".join(sorted({r["isa"] for r in rows if r["peer"] == p})) for p in peers}
    header = ["batch x tokens", *(f"{label(p)} ({isas[p]}), ms" for p in peers), *(f"{NAMES[p]} / ours" for p in peers if p != "bert")]
    body, ratios = [], {p: [] for p in peers}
    for work, by in best.items():
        cells = [f"{number(by[p]['min_ms'])} ({number(by[p]['median_ms'])})" if p in by else "" for p in peers]
        for p in (p for p in peers if p != "bert"):
            if p in by and "bert" in by:
                ratios[p].append(by[p]["min_ms"] / by["bert"]["min_ms"])
                cells.append(f"{ratios[p][-1]:.2f}")
            else:
                cells.append("")
        body.append([work if work[0].isdigit() else f"ragged, {work}", *cells])
    means = [geometric_mean(ratios[p]) for p in peers if p != "bert"]
    body.append(["geometric mean", *([""] * len(peers)), *(f"**{m:.2f}**" if m else "" for m in means)])
    text = f"### {TITLES[group]}\n\n{table(header, body)}\n"
    if ours is not None and not own:
        text += f"\nOurs has no {precision} yet ({missing.get('bert ' + precision, '')}): the ratios here are to our {ours['precision']}.\n"
    chosen = sorted({f"{NAMES[p]} {work}: {by[p]['mode']}" + (f" ({by[p]['chosen']})" if by[p].get("chosen") else "")
                     for work, by in best.items() for p in peers if p in by and by[p]["mode"]})  # fmt: skip
    return text + "\nSettings quoted: " + "; ".join(chosen) + ".\n"


def bars(title, best, path):
    """Grouped bars: speed relative to ours, so higher is faster and our bar is 1."""
    works = [w for w in best if "bert" in best[w]]
    peers = [p for p in NAMES if any(p in best[w] for w in works)]
    if not works:
        return False
    values = {w: {p: best[w]["bert"]["min_ms"] / best[w][p]["min_ms"] for p in peers if p in best[w]} for w in works}
    top = max(max(v.values()) for v in values.values()) * 1.1
    width, height, left, base = 90 + len(works) * (len(peers) * 18 + 24), 300, 50, 240
    y = lambda value: base - value / top * 190
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" font-size="11">',
           f'<rect width="{width}" height="{height}" fill="white"/><text x="{left}" y="18" font-size="13">{html.escape(title)}</text>']
    step = next(s for s in (0.25, 0.5, 1, 2, 5, 10, 20, 50, 100, 1e9) if top / s <= 6)
    for i in range(int(top / step) + 1):
        out.append(f'<line x1="{left}" x2="{width - 10}" y1="{y(i * step):.1f}" y2="{y(i * step):.1f}" stroke="#ddd"/>'
                   f'<text x="{left - 6}" y="{y(i * step) + 4:.1f}" text-anchor="end">{i * step:g}</text>')  # fmt: skip
    out.append(f'<line x1="{left}" x2="{width - 10}" y1="{y(1):.1f}" y2="{y(1):.1f}" stroke="#1b5e9b" stroke-dasharray="4 3"/>')
    for i, work in enumerate(works):
        x = left + 12 + i * (len(peers) * 18 + 24)
        for j, peer in enumerate(p for p in peers if p in values[work]):
            v = values[work][peer]
            out.append(f'<rect x="{x + j * 18}" y="{y(v):.1f}" width="16" height="{base - y(v):.1f}" fill="{COLOURS[peer]}">'
                       f"<title>{NAMES[peer]} {work}: {v:.2f}</title></rect>")  # fmt: skip
        out.append(f'<text x="{x + len(peers) * 9}" y="{base + 15}" text-anchor="middle">{work}</text>')
    for j, peer in enumerate(peers):
        x = left + j * 88
        out.append(f'<rect x="{x}" y="{base + 30}" width="10" height="10" fill="{COLOURS[peer]}"/>'
                   f'<text x="{x + 13}" y="{base + 39}">{NAMES[peer]}</text>')  # fmt: skip
    out[0] = out[0].replace(f'width="{width}"', f'width="{max(width, left + len(peers) * 88)}"')
    path.write_text("\n".join(out) + "\n</svg>\n")
    return True


def about(results):
    m, lengths = results["machine"], results["lengths"]
    versions = ", ".join(f"{name} {version}" for name, version in m["versions"].items())
    return (f"{m['date']}; {m['cpu']}, {m['cores']} cores, {', '.join(m['cpu_flags'])}; {m['threads']} threads for everybody. "
            f"bert {m['bert']}, g++ {m['compiler']}, CMake Release. {versions}; Python {m['python']}.\n\n"
            f"{m['rounds']} rounds; in a round every contender has a turn of about {m['budget_ms']:g} ms at each work. "
            f"Warm-up: {m['warm_up']}. Cells: minimum (median of the turns' medians), ms. Ragged: {lengths['sentences']} sentences, "
            f"{lengths['tokens']} tokens, mean {lengths['mean']}, from {lengths['min']} to {lengths['max']} "
            f"(10 % up to {lengths['p10']}, half up to {lengths['median']}, 90 % up to {lengths['p90']}); batches of 32, one by one "
            f"in `single`. Load average at the start {m['load_average_at_start']:.2f}, niceness {m['nice']}."
            + (" **A smoke run: these numbers say nothing about speed.**" if m["quick"] else "") + "\n")  # fmt: skip


def write(results, folder):
    folder.mkdir(parents=True, exist_ok=True)
    missing = results.get("not_available", {})
    text = ["# bert and other engines\n", about(results),
            "A ratio is the peer's minimum over ours: above 1, ours is faster. What each peer is set to: "
            "bench/peers/README.md.\n"]  # fmt: skip
    for model in MODELS:
        if any(r["model"] == model for r in results["speed"]):
            text.append(f"## {MODELS[model]}\n")
        for group in (f"{p}-{i}" for p, i in GROUPS):
            rows = [r for r in results["speed"] if r["model"] == model and r["group"] == group]
            if not rows:
                continue
            text.append(speed_section(model, group, rows, missing))
            name = f"{model}-{group}.svg"
            if bars(f"{MODELS[model]}, {TITLES[group]}: speed, ours = 1", fastest(rows), folder / name):
                text.append(f"![speed of {model}, {TITLES[group]}]({name})\n")
    if results["opening"]:
        rows = [[MODELS[r["model"]], NAMES[r["peer"]], number(r["open_ms"]) if "open_ms" in r else "", number(r["process_ms"]),
                 f"{r['peak_mb']:.0f}", f"{r['imports_mb']:.0f}" if "imports_mb" in r else ""]
                for r in results["opening"]]  # fmt: skip
        text.append("## Opening and memory, float32\n\nA fresh process that opens the model and runs 128 tokens.\n\n" + table(
            ["model", "", "opening, ms", "whole process, ms", "peak MB", "of it before opening (interpreter, libraries)"], rows) + "\n")
    if results["tokenizer"]:
        t = results["tokenizer"]
        theirs = max(v for k, v in t.items() if k.endswith("_mb_per_s") and not k.startswith("bert"))
        text.append(f"## Tokenizer, one thread\n\n{t['bytes']} bytes of English to ids: bert {t['bert_mb_per_s']:.1f} MB/s, "
                    f"Hugging Face tokenizers {theirs:.2f} MB/s (encode_batch {t['batch_mb_per_s']:.2f}, encode_batch_fast "
                    f"{t['batch_fast_mb_per_s']:.2f}, one by one {t['single_mb_per_s']:.2f}).\n")  # fmt: skip
    if results["accuracy"]:
        rows = []
        for r in results["accuracy"]:
            if r.get("not_available"):
                rows.append([NAMES[r["peer"]], r["precision"], "not available", "", ""])
            else:
                cosines = [f"{r[k]:.5f}" if k in r else "" for k in ("cosine_mean", "cosine_worst")]
                rows.append([NAMES[r["peer"]], r["precision"], f"{r['spearman']:.4f}", *cosines])
        pairs = next((r["pairs"] for r in results["accuracy"] if "pairs" in r), 0)
        text.append(f"## Accuracy of narrow types (MiniLM, {pairs} STS pairs)\n\n" + table(
            ["", "precision", "Spearman", "cosine to own float32, mean", "worst"], rows) + "\n")
    if results["verified"]:
        fp32 = [r["max_difference"] for r in results["verified"] if r["precision"] == "fp32"]
        if fp32:
            text.append(f"## Same outputs\n\nEvery float32 peer's last_hidden_state is within {max(fp32):.1e} of `bert forward`.\n")
    if missing:
        text.append("## Not available\n\n" + "\n".join(f"- {who}: {' '.join(why.split())[:300]}" for who, why in missing.items()) + "\n")
    (folder / "peers.md").write_text("\n".join(text), "utf-8")

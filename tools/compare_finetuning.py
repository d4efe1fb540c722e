#!/usr/bin/env python3
"""Fine-tunes with `bert finetune` and with PyTorch from the same start with the same hyper-parameters, over several seeds.

    python3 tools/compare_finetuning.py --data FOLDER --model MODEL [--tasks sentiment,banking77] [--seeds 3] [--limit N]

The data folder has the files named in TASKS; where a file for evaluation is missing, every tenth example of the training file is
held out. PyTorch trains transformers' model classes with torch.optim.AdamW, sequences padded to the longest of a batch; it saves its
model and `bert evaluate` scores both, so that the metric is one and the same. Needs build/release/bert and a Python with torch and
transformers (bench/peers/run.py makes build/peers/venv; --python says another). Prints a row a task, and a log to --log.
"""
import argparse
import collections
import csv
import json
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time

PROJECT = pathlib.Path(__file__).resolve().parent.parent
Settings = collections.namedtuple("Settings", "task train dev metric epochs rate batch length")
TASKS = {
    "sentiment": Settings("classify", "sentiment.train.tsv", "sentiment.dev.tsv", "accuracy", 2, 5e-5, 16, 64),
    "banking77": Settings("classify", "banking77.train.csv", None, "accuracy", 4, 2e-4, 16, 64),
    "wikigold": Settings("tag", "wikigold.train.conll", "wikigold.dev.conll", "f1", 4, 2e-4, 16, 128),
    "wnut17": Settings("tag", "wnut17.train.conll", "wnut17.dev.conll", "f1", 4, 2e-4, 16, 128),
    "squad": Settings("answer", "squad.train.json", "squad.dev.json", "f1", 2, 1e-4, 16, 256),
    "sts": Settings("similarity", "sts.tsv", None, "spearman", 4, 5e-5, 16, 64),
}


def split_file(path, folder):
    """(training file, held-out file): every tenth row is held out."""
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file)) if path.suffix == ".csv" else file.read().splitlines(keepends=True)
    head, rows = (rows[:1], rows[1:]) if path.suffix == ".csv" else ([], rows)
    parts = {"train": [row for i, row in enumerate(rows) if i % 10], "dev": rows[::10]}
    for name, part in parts.items():
        with open(folder / f"{name}_{path.name}", "w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(head + part) if path.suffix == ".csv" else file.writelines(part)
    return folder / f"train_{path.name}", folder / f"dev_{path.name}"


# --- the same with PyTorch ------------------------------------------------------------------------------------------


def read_texts(path):
    """(label, text) pairs."""
    with open(path, encoding="utf-8", newline="") as file:
        if path.suffix == ".csv":
            return [(row["category"], row["text"]) for row in csv.DictReader(file)]
        return [tuple(line.rstrip("\n").split("\t")[:2]) for line in file]


def read_conll(path):
    sentences = [[]]
    for line in path.read_text(encoding="utf-8").splitlines():
        fields = line.split()
        if not fields or fields[0] == "-DOCSTART-":
            sentences.append([])
        else:
            sentences[-1].append((fields[0], fields[-1]))
    return [sentence for sentence in sentences if sentence]


def features(settings, path, tokenizer):
    """Examples as dictionaries of lists, and the labels' names."""
    length = settings.length
    if settings.task == "classify":
        rows = read_texts(path)
        names = sorted({label for label, _ in rows})
        return [tokenizer(text, truncation=True, max_length=length) | {"labels": names.index(label)} for label, text in rows], names
    if settings.task == "similarity":
        rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
        encode = lambda text: tokenizer(text, truncation=True, max_length=length)["input_ids"]
        return [{"a": encode(a), "b": encode(b), "labels": float(score) / 5} for score, a, b in rows], []
    examples = []
    if settings.task == "tag":
        sentences = read_conll(path)
        names = sorted({tag for sentence in sentences for _, tag in sentence})
        for sentence in sentences:
            encoding = tokenizer([word for word, _ in sentence], is_split_into_words=True, truncation=True, max_length=length)
            words = encoding.word_ids()
            labels = [-100 if w is None or w == before else names.index(sentence[w][1]) for w, before in zip(words, [None] + words)]
            examples.append({key: encoding[key] for key in encoding.keys()} | {"labels": labels})
        return examples, names
    for document in json.loads(path.read_text(encoding="utf-8"))["data"]:
        for paragraph in document["paragraphs"]:
            for question in paragraph["qas"]:
                encoding = tokenizer(question["question"], paragraph["context"], truncation="only_second", max_length=length,
                                     stride=length // 3, return_overflowing_tokens=True, return_offsets_mapping=True)
                answer = question["answers"][0] if question["answers"] else None
                for window, offsets in enumerate(encoding["offset_mapping"]):
                    inside = [i for i, part in enumerate(encoding.sequence_ids(window)) if part == 1]
                    start = end = 0
                    if answer:
                        begin, stop = answer["answer_start"], answer["answer_start"] + len(answer["text"])
                        first = [i for i in inside if offsets[i][0] <= begin < offsets[i][1]]
                        last = [i for i in inside if offsets[i][0] < stop <= offsets[i][1]]
                        if first and last:
                            start, end = first[0], last[0]
                    examples.append({"input_ids": encoding["input_ids"][window], "token_type_ids": encoding["token_type_ids"][window],
                                     "start_positions": start, "end_positions": end})
    return examples, []


def torch_turn(settings, train, model_path, output, seed, limit, threads, random_start):
    import torch
    import transformers

    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    transformers.logging.set_verbosity_error()
    tokenizer = transformers.AutoTokenizer.from_pretrained(model_path)
    examples, names = features(settings, train, tokenizer)
    random.seed(seed)
    if limit:
        examples = random.sample(examples, min(limit, len(examples)))
    classes = {"classify": transformers.BertForSequenceClassification, "tag": transformers.BertForTokenClassification,
               "answer": transformers.BertForQuestionAnswering, "similarity": transformers.BertModel}
    labels = {"id2label": dict(enumerate(names)), "label2id": {name: i for i, name in enumerate(names)}} if names else {}
    if random_start:
        model = classes[settings.task](transformers.BertConfig.from_pretrained(model_path, **labels)).train()
    else:
        model = classes[settings.task].from_pretrained(model_path, **labels).train()
    decayed = [p for p in model.parameters() if p.ndim >= 2]
    others = [p for p in model.parameters() if p.ndim < 2]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}],
                                  lr=settings.rate, eps=1e-8)
    steps = -(-settings.epochs * len(examples) // settings.batch)
    warmup = int(0.1 * steps)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda s: (s + 1) / warmup if s < warmup else 1 - (s - warmup) / (steps - warmup))

    def padded(lists, filler=0):
        longest = max(len(one) for one in lists)
        return torch.tensor([one + [filler] * (longest - len(one)) for one in lists])

    def states(batch, key="input_ids"):
        ids = padded([example[key] for example in batch])
        mask = padded([[1] * len(example[key]) for example in batch])
        return ids, mask

    def loss_of(batch):
        if settings.task == "similarity":
            vectors = []
            for key in ("a", "b"):
                ids, mask = states(batch, key)
                hidden = model(input_ids=ids, attention_mask=mask).last_hidden_state
                vectors.append((hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True))
            cosine = torch.nn.functional.cosine_similarity(*vectors)
            return ((cosine - torch.tensor([example["labels"] for example in batch])) ** 2).mean()
        ids, mask = states(batch)
        arguments = {"input_ids": ids, "attention_mask": mask,
                     "token_type_ids": padded([example.get("token_type_ids", [0] * len(example["input_ids"])) for example in batch])}
        if settings.task == "tag":
            arguments["labels"] = padded([example["labels"] for example in batch], -100)
        for key in ("labels", "start_positions", "end_positions"):
            if key in batch[0] and key not in arguments:
                arguments[key] = torch.tensor([example[key] for example in batch])
        return model(**arguments).loss

    order = [i for _ in range(settings.epochs) for i in random.sample(range(len(examples)), len(examples))]
    for step in range(steps):
        loss = loss_of([examples[i] for i in order[step * settings.batch:(step + 1) * settings.batch]])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    model.save_pretrained(output, safe_serialization=True)
    tokenizer.save_pretrained(output)


# --- both, in turns -------------------------------------------------------------------------------------------------


def bert_turn(settings, arguments, train, output, seed):
    start = (["--config", arguments.model / "config.json", "--tokenizer", arguments.model] if arguments.random_start
             else ["--model", arguments.model])
    subprocess.run([arguments.bert, "finetune", "--task", settings.task, "--train", train, *start, "-o", output,
                    "--epochs", str(settings.epochs), "--lr", str(settings.rate), "--batch", str(settings.batch), "--max-length",
                    str(settings.length), "--seed", str(seed), "--limit", str(arguments.limit), "--threads", str(arguments.threads)],
                   check=True, stdout=subprocess.DEVNULL)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--model", type=pathlib.Path, required=True, help="a Hugging Face folder")
    parser.add_argument("--tasks", default=",".join(TASKS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--limit", type=int, default=0, help="examples to train on; 0: all")
    parser.add_argument("--random-start", action="store_true", help="the model's shape and tokenizer, random weights")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", choices=["bert", "torch"], help="one of the two")
    parser.add_argument("--log", type=pathlib.Path, default=PROJECT / "build/finetuning.jsonl")
    parser.add_argument("--bert", type=pathlib.Path, default=PROJECT / "build/release/bert")
    parser.add_argument("--python", type=pathlib.Path, default=PROJECT / "build/peers/venv/bin/python")
    parser.add_argument("--torch-turn", nargs=4, metavar=("TASK", "TRAIN", "OUTPUT", "SEED"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.torch_turn:
        task, train, output, seed = arguments.torch_turn
        return torch_turn(TASKS[task], pathlib.Path(train), arguments.model, output, int(seed), arguments.limit, arguments.threads,
                          arguments.random_start)
    sides = [arguments.only] if arguments.only else ["bert", "torch"]
    print(f"| data, metric | {' | '.join(f'{side}, mean of {arguments.seeds} seeds (each) | seconds' for side in sides)} |")
    print("|---" * (1 + 2 * len(sides)) + "|", flush=True)
    for name in arguments.tasks.split(","):
        settings, cells = TASKS[name], []
        with tempfile.TemporaryDirectory() as scratch:
            folder = pathlib.Path(scratch)
            train, dev = arguments.data / settings.train, settings.dev and arguments.data / settings.dev
            if not dev:
                train, dev = split_file(train, folder)
            scores, seconds = {side: [] for side in sides}, {side: [] for side in sides}
            for seed in range(1, arguments.seeds + 1):
                for side in sides:
                    output, start = folder / f"{side}{seed}", time.perf_counter()
                    if side == "bert":
                        bert_turn(settings, arguments, train, output, seed)
                    else:
                        subprocess.run([arguments.python, __file__, "--data", arguments.data, "--model", arguments.model, "--limit",
                                        str(arguments.limit), "--threads", str(arguments.threads),
                                        *(["--random-start"] if arguments.random_start else []), "--torch-turn", name, train, output,
                                        str(seed)], check=True)
                    seconds[side].append(time.perf_counter() - start)
                    result = json.loads(subprocess.run(
                        [arguments.bert, "evaluate", "--json", "--task", settings.task, "--data", dev, "--model", output, "--max-length",
                         str(settings.length)], check=True, capture_output=True, text=True).stdout)
                    scores[side].append(result[settings.metric])
                    with open(arguments.log, "a") as log:
                        print(json.dumps({"task": name, "model": arguments.model.name, "side": side, "seed": seed,
                                          "limit": arguments.limit, "random_start": arguments.random_start,
                                          "seconds": round(seconds[side][-1]), **result}), file=log)
        for side in sides:
            cells += [f"{statistics.mean(scores[side]):.3f} ({', '.join(f'{score:.3f}' for score in scores[side])})",
                      f"{statistics.median(seconds[side]):.0f}"]
        print(f"| {name}, {settings.metric} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())

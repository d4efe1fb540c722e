#!/usr/bin/env python3
"""`bert fill-mask`, `classify`, `rerank`, `tag` and `answer` beside Hugging Face's pipelines on the same random weights and texts.

    tools/compare_pipelines.py build/release/bert --vocab vocab.txt [--roberta FOLDER] [--albert FOLDER] [--xlnet FOLDER]
        --texts FILE [--count 40] [--seed 1] [--families bert,xlnet]

For each family that reads a WordPiece vocabulary (bert, distilbert, electra), for RoBERTa with the vocab.json and merges.txt in
FOLDER, for ALBERT and XLNet with the spiece.model in FOLDER, and for each head it makes a small model with transformers, runs both
on lines of FILE, and compares labels, words and offsets exactly and scores to 1e-5. transformers 5 has no question-answering
pipeline any more: what that of 4.x computes is written down here in NumPy, on transformers' logits. XLNet fills no masks, has no
window to cut at (its texts here are short), and is not asked for answers: that pipeline puts its context before the question,
`bert answer` the question first for every family.
Prints a line for each comparison; exit status 1 when one differs. Needs torch, transformers.
"""

import argparse
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import warnings
import zlib

import numpy as np
import torch
import transformers

TOLERANCE = 1e-5  # of a probability; of a regression's number relative, where it is above 1
WINDOW = 128
FAMILIES = {"bert": "Bert", "distilbert": "DistilBert", "electra": "Electra", "roberta": "Roberta", "albert": "Albert", "xlnet": "XLNet"}
OF_WORDPIECE = ("bert", "distilbert", "electra")
TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "MISC"]


def make_model(folder, family, head, tokenizer, **config):
    """A random model with weights large enough that its scores differ from text to text."""
    name = FAMILIES[family]
    sizes = {"distilbert": dict(dim=48, hidden_dim=96, n_layers=2, n_heads=4),
             "xlnet": dict(d_model=48, d_inner=96, n_layer=2, n_head=4)}.get(
                 family, dict(hidden_size=48, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4))  # fmt: skip
    own = {"roberta": {"pad_token_id": 1}, "albert": {"embedding_size": 24}, "xlnet": {"pad_token_id": 5}}.get(family, {})
    if family != "xlnet":  # which has no positions of its own
        own["max_position_embeddings"] = WINDOW + (2 if family == "roberta" else 0)
    settings = getattr(transformers, f"{name}Config")(vocab_size=len(tokenizer), initializer_range=0.2, **sizes, **own, **config)
    torch.manual_seed(zlib.crc32(f"{family} {head} {config}".encode()))
    model = getattr(transformers, f"{name}For{head}")(settings).eval()
    if head == "TokenClassification":
        model.classifier.bias.data[0] = -2  # some tokens belong to something
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model.double()  # so that differences are of the other side alone


def run(program, *arguments):
    result = subprocess.run([program, *arguments, "--json"], capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"error: {' '.join(map(str, arguments))}: {result.stderr.strip()}")
    return [json.loads(line) for line in result.stdout.splitlines()]


class Comparison:
    """Counts differences of a kind of result; `score` keys are compared to TOLERANCE, all others exactly."""

    failed = False

    def __init__(self, what):
        self.what, self.results, self.worst, self.first = what, 0, 0.0, None

    def add(self, text, expected, seen):
        same = len(expected) == len(seen)
        for a, b in zip(expected, seen):
            a, b = dict(a), dict(b)
            score = float(a.pop("score"))
            self.worst = max(self.worst, abs(score - float(b.pop("score"))) / max(1, abs(score)))
            same = same and a == b
            self.results += 1
        if not same and self.first is None:
            self.first = f"{text!r}\n  expected {expected}\n  seen     {seen}"

    def report(self):
        good = self.first is None and self.worst <= TOLERANCE and self.results > 0
        Comparison.failed |= not good
        print(f"{self.what:44} {self.results:5} results, scores within {self.worst:.1e}{'' if good else '   DIFFERENT'}")
        if self.first:
            print(self.first)


def compare_masks(program, family, folder, texts, tokenizer):
    model = make_model(folder, family, "MaskedLM", tokenizer)
    pipeline = transformers.pipeline("fill-mask", model=model, tokenizer=tokenizer, top_k=4)
    for masks in (1, 2):
        comparison = Comparison(f"{family}, fill-mask, {masks}")
        hidden = [" ".join(words[:2] + [tokenizer.mask_token] * (masks - 1) + words[2:9] + [tokenizer.mask_token, "."])
                  for words in (text.split() for text in texts)]  # fmt: skip
        for text, each in zip(hidden, run(program, "fill-mask", "--model", folder, "--top-k", "4", *hidden)):
            expected = pipeline(text)
            pairs = [(expected, each)] if masks == 1 else zip(expected, each)
            for one in pairs:
                comparison.add(text, *one)
        comparison.report()


def compare_classes(program, family, folder, texts, tokenizer):
    kinds = {"softmax": {"num_labels": 5}, "one label": {"num_labels": 1},
             "several labels": {"num_labels": 4, "problem_type": "multi_label_classification"},
             "regression": {"num_labels": 1, "problem_type": "regression"}}  # fmt: skip
    for kind, config in kinds.items():
        model = make_model(folder, family, "SequenceClassification", tokenizer, **config)
        pipeline = transformers.pipeline("text-classification", model=model, tokenizer=tokenizer)
        comparison = Comparison(f"{family}, classify, {kind}")
        seen = run(program, "classify", "--model", folder, "--truncate", "--top-k", "3", *texts)
        for text, each in zip(texts, seen):
            comparison.add(text, pipeline(text, top_k=3, truncation=True, max_length=WINDOW), each)
        comparison.report()
        if kind == "one label":  # a cross-encoder, as sentence-transformers ranks with it: sigmoid of the logit
            comparison = Comparison(f"{family}, rerank")
            batch = tokenizer([texts[0]] * len(texts), texts, truncation="longest_first", max_length=WINDOW, padding=True,
                              return_tensors="pt")
            with torch.no_grad():
                scores = torch.sigmoid(model(**batch).logits[:, 0]).tolist()
            order = sorted(range(len(texts)), key=lambda i: -scores[i])
            expected = [{"index": i, "score": scores[i]} for i in order]
            seen = run(program, "rerank", "--model", folder, "--truncate", "--query", texts[0], *texts)[0]
            comparison.add("all", expected, seen)
            comparison.report()


def compare_tags(program, family, folder, texts, tokenizer):
    model = make_model(folder, family, "TokenClassification", tokenizer, id2label=dict(enumerate(TAGS)),
                       label2id={label: i for i, label in enumerate(TAGS)})
    long_texts = [" ".join(texts[i : i + 12]) for i in range(0, len(texts), 12)]
    for aggregation in ("none", "simple", "first", "average", "max"):
        for stride in (None, 20):
            if stride and (aggregation == "none" or family == "xlnet"):
                continue
            options = {"stride": stride} if stride else {}
            pipeline = transformers.pipeline("token-classification", model=model, tokenizer=tokenizer,
                                             aggregation_strategy=aggregation, **options)
            comparison = Comparison(f"{family}, tag, {aggregation}{', stride 20' if stride else ''}")
            given = long_texts if stride else texts
            flags = ["--stride", str(stride)] if stride else ["--truncate"]
            seen = run(program, "tag", "--model", folder, "--aggregation", aggregation, *flags, *given)
            for text, each in zip(given, seen):
                comparison.add(text, pipeline(text), each)
            comparison.report()


def hugging_face_answers(model, tokenizer, question, context, top_k, impossible, longest=15):
    """QuestionAnsweringPipeline of transformers 4 (pipelines/question_answering.py), for windows below 256 tokens."""
    window = tokenizer.model_max_length
    encoding = tokenizer(question, context, truncation="only_second", max_length=window, stride=window // 2,
                         return_overflowing_tokens=True, padding=True, return_tensors="pt")
    inputs = {key: encoding[key] for key in ("input_ids", "attention_mask", "token_type_ids")
              if key in encoding and (key != "token_type_ids" or model.config.model_type != "distilbert")}  # fmt: skip
    with torch.no_grad():
        output = model(**inputs)
    answers, none = [], 1.0
    for w in range(len(encoding["input_ids"])):
        in_context = np.array([s == 1 for s in encoding.sequence_ids(w)])
        considered = in_context.copy()
        considered[0] = True  # [CLS]
        start, end = (np.where(considered, logits[w].numpy(), -10000.0) for logits in (output.start_logits, output.end_logits))
        start, end = (np.exp(x - x.max()) for x in (start, end))
        start, end = start / start.sum(), end / end.sum()
        none = min(none, float(start[0] * end[0]))
        start[0] = end[0] = 0
        scores = np.tril(np.triu(np.outer(start, end)), longest - 1) * np.outer(in_context, in_context)
        for flat in np.argsort(-scores, axis=None, kind="stable")[:top_k]:
            s, e = np.unravel_index(flat, scores.shape)
            if scores[s, e] == 0:
                continue
            first = encoding.word_to_chars(w, encoding.token_to_word(w, s), sequence_index=1).start
            last = encoding.word_to_chars(w, encoding.token_to_word(w, e), sequence_index=1).end
            answers.append({"score": float(scores[s, e]), "start": first, "end": last, "answer": context[first:last]})
    if impossible:
        answers.append({"score": none, "start": 0, "end": 0, "answer": ""})
    return sorted(answers, key=lambda a: -a["score"])[:top_k]


def compare_answers(program, family, folder, texts, tokenizer):
    model = make_model(folder, family, "QuestionAnswering", tokenizer)
    for top_k, impossible in ((1, False), (3, True)):
        comparison = Comparison(f"{family}, answer, best {top_k}{', or none' if impossible else ''}")
        for i in range(0, len(texts) - 8, 4):
            question, context = texts[i][:60], " ".join(texts[i + 1 : i + 8])
            flags = ["--handle-impossible-answer"] if impossible else []
            seen = run(program, "answer", "--model", folder, "--question", question, "--context", context, "--top-k",
                       str(top_k), *flags)[0]
            expected = hugging_face_answers(model, tokenizer, question, context, top_k, impossible)
            comparison.add(question, expected, [seen] if isinstance(seen, dict) else seen)
        comparison.report()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("program")
    parser.add_argument("--vocab", required=True)
    parser.add_argument("--roberta", help="folder with RoBERTa's vocab.json and merges.txt")
    parser.add_argument("--albert", help="folder with ALBERT's spiece.model")
    parser.add_argument("--xlnet", help="folder with XLNet's spiece.model")
    parser.add_argument("--families", help="only these, with commas between; default: all there are files for")
    parser.add_argument("--texts", required=True)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    lines = [line.strip() for line in pathlib.Path(options.texts).read_text().splitlines() if line.strip()]
    texts = random.Random(options.seed).sample([line[:400] for line in lines], options.count)
    with tempfile.TemporaryDirectory() as temporary:
        vocab = pathlib.Path(temporary) / "vocab.txt"
        vocab.write_bytes(pathlib.Path(options.vocab).read_bytes())
        wanted = options.families.split(",") if options.families else FAMILIES
        for family in wanted:
            source = None if family in OF_WORDPIECE else getattr(options, family)
            if family in OF_WORDPIECE:
                tokenizer = transformers.BertTokenizerFast(str(vocab), do_lower_case=True, model_max_length=WINDOW)
            elif source is None:
                continue
            elif family == "roberta":
                files = [str(pathlib.Path(source) / name) for name in ("vocab.json", "merges.txt")]
                tokenizer = transformers.RobertaTokenizerFast(*files, model_max_length=WINDOW)
            else:
                kind = getattr(transformers, f"{FAMILIES[family]}TokenizerFast")
                tokenizer = kind.from_pretrained(source, model_max_length=WINDOW)
                tokenizer.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]
                tokenizer.padding_side = "left" if family == "xlnet" else "right"  # both as in transformers 4
            folder = str(pathlib.Path(temporary) / family)
            comparisons = [compare_classes, compare_tags]
            if family != "xlnet":
                comparisons += [compare_masks, compare_answers]
            for compare in comparisons:
                compare(options.program, family, folder, [text[:150] for text in texts] if family == "xlnet" else texts, tokenizer)
    sys.exit(Comparison.failed)


if __name__ == "__main__":
    main()

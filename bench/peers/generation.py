#!/usr/bin/env python3
"""Text generation beside other engines: GPT-2 (124 M parameters, random weights), a prompt's pass and each token behind it.

    python3 bench/peers/generation.py [--threads 2] [--rounds 3] [--prompts 16,64,256] [--new-tokens 32] [--only ct2,torch,llama]

Needs build/release/bert and the virtual environment of run.py (./dev peers --quick makes it); for llama.cpp in it also
`pip install llama-cpp-python gguf`, which compiles for minutes. The engines take turns, each turn a process of its own, on the same
ids: fp32 weights, greedy, one sequence, cached keys and values. CTranslate2 runs its converted model (float32), PyTorch transformers'
GPT2LMHeadModel with sdpa attention, llama.cpp a GGUF file of float32 that is written here. Before times count, every engine must write the tokens
that PyTorch writes (random weights: the likeliest token is often close to the next: the first four count, of ours, by `bert forward`, the first).
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

PROJECT = pathlib.Path(__file__).resolve().parent.parent.parent
FOLDER = PROJECT / "build/peers/gpt2"
ENGINES = ["bert", "ct2", "torch", "llama"]


def make_model():
    """A GPT-2 of random weights, large enough apart that greedy tokens are not a matter of rounding."""
    import torch
    import transformers

    if not (FOLDER / "model.safetensors").exists():
        torch.manual_seed(1)
        model = transformers.GPT2LMHeadModel(transformers.GPT2Config(initializer_range=0.05))
        model.save_pretrained(FOLDER)
    if not (FOLDER / "ct2/model.bin").exists():
        import ctranslate2
        import tokenizers

        named = FOLDER / "named"  # its converter wants a tokenizer
        named.mkdir(exist_ok=True)
        for file in ("config.json", "model.safetensors"):
            (named / file).unlink(missing_ok=True)
            (named / file).symlink_to(FOLDER / file)
        words = tokenizers.Tokenizer(tokenizers.models.WordLevel({f"<{i}>": i for i in range(50257)}, unk_token="<0>"))
        transformers.PreTrainedTokenizerFast(tokenizer_object=words, unk_token="<0>", bos_token="<50256>", eos_token="<50256>").save_pretrained(named)
        ctranslate2.converters.TransformersConverter(str(named)).convert(str(FOLDER / "ct2"), quantization="float32", force=True)


def prompt_ids(length):
    """Those of `bert bench` (examples/cli/bench.cpp, random_batch)."""
    ids, state = [], 1
    for _ in range(length):
        state = (state * 1664525 + 1013904223) % 2**32
        ids.append((state >> 8) % 50257)
    return ids


class Torch:
    def __init__(self, threads):
        import torch
        import transformers

        torch.set_num_threads(threads)
        self.torch = torch
        self.model = transformers.GPT2LMHeadModel.from_pretrained(FOLDER, attn_implementation="sdpa").eval()

    def run(self, ids, count):
        """Tokens written, the time of the prompt's pass and of each token behind its first, in seconds."""
        with self.torch.inference_mode():
            times, tokens, cache, given = [], [], None, self.torch.tensor([ids])
            for _ in range(count):
                begin = time.perf_counter()
                output = self.model(given, past_key_values=cache, use_cache=True, logits_to_keep=1)
                cache, given = output.past_key_values, output.logits[:, -1:].argmax(-1)
                tokens.append(given.item())
                times.append(time.perf_counter() - begin)
        return tokens, times[0], times[1:]


class CTranslate2:
    def __init__(self, threads):
        import ctranslate2

        self.generator = ctranslate2.Generator(str(FOLDER / "ct2"), device="cpu", compute_type="float32", intra_threads=threads)
        self.words = json.loads((FOLDER / "ct2/vocabulary.json").read_text())

    def run(self, ids, count):
        times, tokens, begin = [], [], time.perf_counter()
        for step in self.generator.generate_tokens([[self.words[i] for i in ids]], max_length=count, sampling_topk=1, end_token=[]):
            times.append(time.perf_counter() - begin)
            tokens.append(step.token_id)
            begin = time.perf_counter()
        return tokens, times[0], times[1:]


class LlamaCpp:
    def __init__(self, threads):
        import llama_cpp

        path = FOLDER / "model.gguf"
        if not path.exists():
            write_gguf(path)
        self.model = llama_cpp.Llama(str(path), n_ctx=1024, n_batch=512, n_threads=threads, n_threads_batch=threads, verbose=False)

    def run(self, ids, count):
        self.model.reset()
        times, tokens, given = [], [], ids
        for _ in range(count):
            begin = time.perf_counter()
            self.model.eval(given)
            given = [int(self.model.scores[self.model.n_tokens - 1].argmax())]
            times.append(time.perf_counter() - begin)
            tokens += given
        return tokens, times[0], times[1:]


def write_gguf(path):
    """GPT-2 as llama.cpp's converter lays it out: matrices as [N, K], query, key and value together."""
    import gguf
    from safetensors.numpy import load_file

    tensors = load_file(FOLDER / "model.safetensors")
    writer = gguf.GGUFWriter(str(path), "gpt2")
    writer.add_context_length(1024), writer.add_embedding_length(768), writer.add_block_count(12)
    writer.add_feed_forward_length(3072), writer.add_head_count(12), writer.add_layer_norm_eps(1e-5)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_tokenizer_model("gpt2"), writer.add_token_list([f"<{i}>" for i in range(50257)])
    writer.add_token_types([gguf.TokenType.NORMAL] * 50257), writer.add_token_merges(["a b"])
    names = {"wte": "token_embd", "wpe": "position_embd", "ln_f": "output_norm", "ln_1": "attn_norm", "ln_2": "ffn_norm",
             "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output", "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down"}
    for name, value in tensors.items():
        parts = name.removeprefix("transformer.").split(".")
        kind = parts.pop()
        if parts[0] == "lm_head" or kind == "masked_bias":
            continue
        prefix = f"blk.{parts[1]}." if parts[0] == "h" else ""
        key = ".".join(parts[2:] if parts[0] == "h" else parts)
        if key in names:
            writer.add_tensor(f"{prefix}{names[key]}.{kind}", value.T.copy() if key.startswith(("attn.", "mlp.")) and value.ndim == 2 else value)
    writer.write_header_to_file(), writer.write_kv_data_to_file(), writer.write_tensors_to_file()
    writer.close()


def turn(arguments, engine, prompt):
    """{"prompt": [seconds], "tokens": [seconds]} of one engine's turn."""
    if engine == "bert":
        output = subprocess.run([arguments.bert, "bench", "--json", "--model", FOLDER, "--shapes", f"1x{prompt}", "--new-tokens",
                                 str(arguments.new_tokens), "--threads", str(arguments.threads), "--repeat", "5"],
                                check=True, capture_output=True, text=True).stdout  # fmt: skip
        row = json.loads(output)
        return {"prompt": [row["prompt_ms"] / 1e3], "tokens": [row["token_ms"] / 1e3], "median_prompt": row["median_prompt_ms"] / 1e3,
                "median_token": row["median_token_ms"] / 1e3, "percent": row["percent_of_bandwidth"]}
    return in_environment(arguments, engine, prompt)


def in_environment(arguments, engine, prompt):
    """What this program prints when the virtual environment runs it with --turn."""
    command = [PROJECT / "build/peers/venv/bin/python", __file__, "--turn", engine, str(prompt), "--threads", str(arguments.threads),
               "--new-tokens", str(arguments.new_tokens), "--bert", arguments.bert]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def first_token(arguments, prompt):
    """In the virtual environment: the likeliest token behind the prompt, by `bert forward`."""
    from safetensors.numpy import load_file

    with tempfile.TemporaryDirectory() as scratch:
        dump, ids = f"{scratch}/dump.safetensors", " ".join(map(str, prompt_ids(prompt)))
        subprocess.run([arguments.bert, "forward", "--model", FOLDER, "--ids", ids, "--dump", dump], check=True, capture_output=True)
        print(json.dumps({"written": [int(load_file(dump)["logits"][-1].argmax())]}))


def take_turn(engine, prompt, arguments):
    """In the virtual environment: five times through, the first to warm up."""
    runner = {"torch": Torch, "ct2": CTranslate2, "llama": LlamaCpp}[engine](arguments.threads)
    ids, result = prompt_ids(prompt), {"prompt": [], "tokens": []}
    for number in range(6):
        tokens, first, others = runner.run(ids, arguments.new_tokens)
        if number > 0:
            result["prompt"].append(first)
            result["tokens"] += others
    print(json.dumps(result | {"written": tokens}))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--prompts", default="16,64,256")
    parser.add_argument("--new-tokens", type=int, default=32)
    parser.add_argument("--only", default="ct2,torch", help="peers, with commas between: ct2, torch, llama")
    parser.add_argument("--bert", type=pathlib.Path, default=PROJECT / "build/release/bert")
    parser.add_argument("--turn", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--make", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.make:
        return make_model()
    if arguments.turn and arguments.turn[0] == "bert":
        return first_token(arguments, int(arguments.turn[1]))
    if arguments.turn:
        return take_turn(arguments.turn[0], int(arguments.turn[1]), arguments)
    subprocess.run([PROJECT / "build/peers/venv/bin/python", __file__, "--make"], check=True)
    engines = ["bert", *arguments.only.split(",")]
    print("| prompt | engine | prompt, ms | each token, ms | of memory's speed |\n|---|---|---|---|---|")
    for prompt in map(int, arguments.prompts.split(",")):
        results = {engine: [] for engine in engines}
        for number in range(arguments.rounds):
            for engine in engines[number % len(engines):] + engines[: number % len(engines)]:
                results[engine].append(turn(arguments, engine, prompt))
        written = {"bert": in_environment(arguments, "bert", prompt)["written"]}
        written |= {engine: runs[0]["written"] for engine, runs in results.items() if engine != "bert"}
        for engine, tokens in written.items():
            if tokens[:4] != written.get("torch", tokens)[: min(4, len(tokens))]:
                print(f"error: {engine} writes {tokens[:4]}, PyTorch {written['torch'][:4]}", file=sys.stderr)
                sys.exit(1)
        for engine, runs in results.items():
            def cell(key):
                numbers = [1e3 * x for run in runs for x in run[key]]
                middle = [1e3 * run[f"median_{key.removesuffix('s')}"] for run in runs] if engine == "bert" else numbers
                return f"{min(numbers):.1f} ({statistics.median(middle):.1f})"
            percent = f"{max(run['percent'] for run in runs):.0f} %" if engine == "bert" else ""
            print(f"| {prompt} | {engine} | {cell('prompt')} | {cell('tokens')} | {percent} |", flush=True)
    print("\nBest, and median in brackets.")


if __name__ == "__main__":
    main()

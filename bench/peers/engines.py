"""The peers behind one face: open a model, prepare for a shape, run a list of batches. Runs inside a worker process.

To add a peer: a class below with these members and a line in ENGINES; then its contenders in contenders.py.
    Engine(folder, precision, threads, mode)   opens; folder is build/peers/models/NAME
    prepare(batch, seq)       before the timing of rectangular batches without padding; (0, 0): of ragged, masked ones
    run(batches)              [(ids [B, S] int64, lengths of the rows)] to a list of last_hidden_state [B, S, H]
    chosen                    a setting it picked by trying, for the record
"""

import concurrent.futures
import time

import numpy as np


def mask_of(ids, lengths):
    return (np.arange(ids.shape[1])[None, :] < np.array(lengths)[:, None]).astype(np.int64)


def split(batches, parts):
    """Each batch cut in `parts` of about the same number of rows; 0: a row each."""
    pieces = []
    for ids, lengths in batches:
        for rows in np.array_split(np.arange(len(ids)), min(parts or len(ids), len(ids))):
            pieces.append((ids[rows[0] : rows[-1] + 1], [lengths[i] for i in rows]))
    return pieces


def joined(states, batches):
    """The other way: states of the parts as states of the batches."""
    if len(states) == len(batches):
        return states
    whole, at = [], 0
    for ids, _ in batches:
        parts, rows = [], 0
        while rows < len(ids):
            parts.append(states[at])
            rows += len(states[at])
            at += 1
        whole.append(np.concatenate(parts))
    return whole


class OnnxRuntime:
    """mode: attention (the optimiser's default fusion) or mha (its MultiHeadAttention; without padding also without a mask)."""

    chosen = None

    def __init__(self, folder, precision, threads, mode):
        import onnxruntime

        self.open = lambda kind: self.session(onnxruntime, folder / f"onnx/{kind}-{precision}.onnx", threads)
        self.mode, self.kind = mode, None
        self.prepare(1, 1)

    @staticmethod
    def session(onnxruntime, path, threads):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def prepare(self, batch, seq):
        kind = "mha-nomask" if self.mode == "mha" and batch else self.mode
        if kind != self.kind:
            self.kind, self.loaded = kind, self.open(kind)
            self.names = {i.name for i in self.loaded.get_inputs()}

    def run(self, batches):
        states = []
        for ids, lengths in batches:
            inputs = {"input_ids": ids, "attention_mask": mask_of(ids, lengths)}
            states.append(self.loaded.run(None, {k: v for k, v in inputs.items() if k in self.names})[0])
        return states


class OpenVino:
    """mode: latency or throughput. Rectangles get a model reshaped to them and no mask; ragged work the dynamic, masked one."""

    def __init__(self, folder, precision, threads, mode):
        import openvino

        self.openvino, self.core, self.mode = openvino, openvino.Core(), mode
        self.path = lambda kind: folder / f"openvino/{kind}-{'int8' if precision == 'int8' else 'fp32'}.xml"
        self.options = {
            "PERFORMANCE_HINT": mode.upper(),
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
        }
        self.shape, self.chosen = None, None
        self.prepare(1, 128)

    def compile(self, batch, seq):
        model = self.core.read_model(str(self.path("plain" if batch else "masked")))
        if batch:
            model.reshape({"input_ids": [batch, seq]})
        self.compiled = self.core.compile_model(model, "CPU", self.options)
        self.queue = self.openvino.AsyncInferQueue(self.compiled) if self.mode == "throughput" else None
        self.request = self.compiled.create_infer_request()

    def prepare(self, batch, seq):
        if self.shape == (batch, seq):
            return
        self.shape, self.parts, self.chosen = (batch, seq), 1, None
        if self.mode == "latency" or batch <= 1:
            return self.compile(batch, seq)
        # How a batch is best dealt to the streams is not documented: a sequence a request, or an equal part a stream.
        ids = np.full((batch, seq), 1000, np.int64)
        times = {}
        for parts in (0, 2):
            self.compile(batch // parts if parts else 1, seq)
            self.parts = parts
            self.run([(ids, [seq] * batch)])
            start = time.perf_counter()
            self.run([(ids, [seq] * batch)])
            times[parts] = time.perf_counter() - start
        self.parts = min(times, key=times.get)
        self.chosen = f"{batch // self.parts if self.parts else 1} sequences a request"
        if self.parts == 0:
            self.compile(1, seq)

    def inputs(self, ids, lengths):
        return [ids] if self.shape[0] else [ids, mask_of(ids, lengths)]

    def run(self, batches):
        if self.queue is None:
            return [
                self.request.infer(self.inputs(*b), share_inputs=True, share_outputs=len(batches) == 1)[0]
                for b in batches
            ]
        pieces = batches if self.parts == 1 else split(batches, self.parts)
        states = [None] * len(pieces)

        def done(request, index):
            states[index] = request.get_output_tensor().data.copy()

        self.queue.set_callback(done)
        for index, piece in enumerate(pieces):
            self.queue.start_async(self.inputs(*piece), index, share_inputs=True)
        self.queue.wait_all()
        return joined(states, batches)


class CTranslate2:
    """mode: latency (one replica of all threads) or throughput (a replica a thread, batches dealt to them)."""

    def __init__(self, folder, precision, threads, mode):
        import ctranslate2

        self.ctranslate2, self.mode, self.chosen = ctranslate2, mode, None
        workers = threads if mode == "throughput" else 1
        self.encoder = ctranslate2.Encoder(
            str(folder / "ct2" / precision), device="cpu", compute_type="float32" if precision == "fp32" else "int8",
            inter_threads=workers, intra_threads=threads // workers)  # fmt: skip
        self.pool = concurrent.futures.ThreadPoolExecutor(workers) if workers > 1 else None
        self.workers, self.shape = workers, None

    def prepare(self, batch, seq):
        self.shape = (batch, seq)

    def one(self, batch):
        ids, lengths = batch
        rows = self.ctranslate2.StorageView.from_array(ids.astype(np.int32))
        sizes = self.ctranslate2.StorageView.from_array(np.array(lengths, np.int32))
        return np.asarray(self.encoder.forward_batch(rows, sizes).last_hidden_state)

    def run(self, batches):
        if self.pool is None:
            return [self.one(batch) for batch in batches]
        pieces = split(batches, self.workers) if len(batches) == 1 else batches
        return joined(list(self.pool.map(self.one, pieces)), batches)


class Torch:
    """mode: eager or compile (torch.compile with Inductor's weight freezing), scaled_dot_product_attention in both."""

    chosen = None

    def __init__(self, folder, precision, threads, mode):
        import os

        if mode == "compile":
            os.environ["TORCHINDUCTOR_FREEZING"] = "1"  # before torch is imported
        import torch
        import transformers

        torch.set_num_threads(threads)
        transformers.utils.logging.disable_progress_bar()
        self.torch, self.bf16, self.masked, self.mode = torch, precision == "bf16", False, mode
        self.model = transformers.BertModel.from_pretrained(
            folder / "hf", attn_implementation="sdpa", add_pooling_layer=False, dtype=torch.float32).eval()  # fmt: skip
        self.shapes = {}

    def prepare(self, batch, seq):
        self.masked = batch == 0
        if self.mode == "compile" and (batch, seq) not in self.shapes:  # a graph for each rectangle, one for ragged work
            self.torch.compiler.reset()
            self.shapes = {(batch, seq): self.torch.compile(self.model, dynamic=self.masked)}
        self.call = self.shapes.get((batch, seq), self.model)

    def run(self, batches):
        torch, states = self.torch, []
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
            for ids, lengths in batches:
                mask = torch.from_numpy(mask_of(ids, lengths)) if self.masked else None
                states.append(self.call(torch.from_numpy(ids), attention_mask=mask).last_hidden_state.float().numpy())
        return states


ENGINES = {"ort": OnnxRuntime, "openvino": OpenVino, "ct2": CTranslate2, "torch": Torch}

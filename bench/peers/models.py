"""Makes each peer's own form of a model, once, by the route its documentation advises. Runs inside the venv.

build/peers/models/NAME/: hf/ and bert.safetensors (ours), onnx/, openvino/, ct2/. A form is made when it is missing; an
unfinished one is left under another name and made again. To add a form: a function that writes to a path it is given,
and a line in `forms`.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import work

CALIBRATION_SENTENCES = 300  # NNCF's default subset_size


def make_base(folder):
    """bert-base-uncased's shape with seeded random weights: speed does not depend on the values."""
    import torch
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    config = BertConfig(position_embedding_type="absolute")  # CTranslate2's converter asks for what transformers 5 dropped
    BertModel(config).eval().save_pretrained(folder)
    special = {0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 103: "[MASK]"}
    words = [special.get(i, f"w{i}") for i in range(work.VOCAB)]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", "utf-8")
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": true, "tokenizer_class": "BertTokenizer"}\n')


def make_minilm(folder):
    subprocess.run([work.PROJECT / "tools/fetch_minilm.sh"], check=True)
    shutil.copytree(work.PROJECT / "build/minilm/model", folder, dirs_exist_ok=True)


def states_only(folder, attention, masked):
    """BertModel as a module of input_ids (and attention_mask) to last_hidden_state, and an example input."""
    import torch
    from transformers import BertModel

    bert = BertModel.from_pretrained(folder, attn_implementation=attention, add_pooling_layer=False).eval()

    class LastHiddenState(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.bert = bert

        def forward(self, input_ids, attention_mask=None):
            return self.bert(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state

    ids = torch.tensor(work.random_ids(2, 16))
    mask = torch.ones_like(ids)
    mask[1, 10:] = 0
    return LastHiddenState(), {"input_ids": ids, "attention_mask": mask} if masked else {"input_ids": ids}


# --- ONNX Runtime: torch.onnx.export, then its own BERT optimiser, then dynamic quantisation -------------------------


def export_onnx(hf, path):
    """Eager attention by the TorchScript exporter: the graph that ONNX Runtime's attention fusion recognises."""
    import torch

    module, example = states_only(hf, "eager", masked=True)
    names = [*example, "last_hidden_state"]
    with torch.no_grad():
        torch.onnx.export(module, tuple(example.values()), str(path), input_names=names[:2], output_names=names[2:],
                          dynamic_axes={name: {0: "batch", 1: "seq"} for name in names},
                          opset_version=17, dynamo=False)  # fmt: skip


def fuse_onnx(hf, raw, path, multi_head_attention=False, mask=True):
    """mask=False leaves the mask out of the fused nodes, for inputs without padding: opens the flash path of MLAS."""
    from onnxruntime.transformers import optimizer
    from onnxruntime.transformers.fusion_options import FusionOptions

    config = json.loads((hf / "config.json").read_text())
    options = FusionOptions("bert")
    options.use_multi_head_attention = multi_head_attention
    model = optimizer.optimize_model(str(raw), model_type="bert", num_heads=config["num_attention_heads"],
                                     hidden_size=config["hidden_size"], opt_level=1,
                                     optimization_options=options)  # fmt: skip
    kind, mask_input = ("MultiHeadAttention", 4) if multi_head_attention else ("Attention", 3)
    fused = [node for node in model.model.graph.node if node.op_type == kind]
    if len(fused) != config["num_hidden_layers"]:
        raise RuntimeError(f"ONNX Runtime's optimiser fused {len(fused)} of {config['num_hidden_layers']} layers")
    if not mask:
        for node in fused:
            node.input[mask_input] = ""
        model.prune_graph()
    model.save_model_to_file(str(path))


def quantize_onnx(source, path):
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(str(source), str(path), per_channel=True, weight_type=QuantType.QInt8,
                     extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT})  # fmt: skip


# --- OpenVINO: convert_model, then NNCF's post-training static quantisation -----------------------------------------


def convert_openvino(hf, path, masked):
    import openvino
    import torch

    module, example = states_only(hf, "sdpa", masked)
    with torch.no_grad():
        model = openvino.convert_model(module, example_input=example)
    openvino.save_model(model, str(path), compress_to_fp16=False)


def quantize_openvino(source, path, data, masked):
    import nncf
    import numpy as np
    import openvino

    text = (data / "corpus/dev.txt").read_text("utf-8")
    sentences = work.dev_sentences(text)[:: max(1, text.count(". ") // CALIBRATION_SENTENCES)]
    tokenizer = work.open_tokenizer(work.BUILD / "models/minilm/hf/tokenizer.json")

    def inputs(sentence):
        ids, _ = work.padded(tokenizer, [sentence])
        ids = ids[:, :512]
        return {"input_ids": ids, "attention_mask": np.ones_like(ids)} if masked else {"input_ids": ids}

    model = nncf.quantize(openvino.Core().read_model(str(source)), nncf.Dataset(sentences, inputs),
                          model_type=nncf.ModelType.TRANSFORMER, subset_size=CALIBRATION_SENTENCES)  # fmt: skip
    openvino.save_model(model, str(path), compress_to_fp16=False)


# --- CTranslate2 -----------------------------------------------------------------------------------------------------


def convert_ct2(hf, path, quantization):
    from ctranslate2.converters import TransformersConverter

    TransformersConverter(str(hf)).convert(str(path), quantization=quantization, force=True)


# ---------------------------------------------------------------------------------------------------------------------


def convert_ours(hf, path):
    subprocess.run([sys.executable, work.PROJECT / "tools/convert_weights.py", hf, "-o", path], check=True)


def forms(name, data):
    """(path, makers of it, peers that need it), in an order in which each can be made of those before."""
    top = work.BUILD / "models" / name
    hf, onnx, ov, ct2 = top / "hf", top / "onnx", top / "openvino", top / "ct2"
    raw = onnx / "raw.onnx"
    yield hf, make_base if name == "base" else make_minilm, "all"
    yield top / "bert.safetensors", lambda p: convert_ours(hf, p), "all"
    yield raw, lambda p: export_onnx(hf, p), "ort"
    yield onnx / "attention-fp32.onnx", lambda p: fuse_onnx(hf, raw, p), "ort"
    yield onnx / "mha-fp32.onnx", lambda p: fuse_onnx(hf, raw, p, multi_head_attention=True), "ort"
    yield onnx / "mha-nomask-fp32.onnx", lambda p: fuse_onnx(hf, raw, p, True, mask=False), "ort"
    for kind in ("attention", "mha", "mha-nomask"):
        source = onnx / f"{kind}-fp32.onnx"
        yield onnx / f"{kind}-int8.onnx", lambda p, source=source: quantize_onnx(source, p), "ort"
    for kind, masked in (("masked", True), ("plain", False)):
        source = ov / f"{kind}-fp32.xml"
        yield source, lambda p, masked=masked: convert_openvino(hf, p, masked), "openvino"
        yield (ov / f"{kind}-int8.xml",
               lambda p, source=source, masked=masked: quantize_openvino(source, p, data, masked), "openvino")  # fmt: skip
    yield ct2 / "fp32", lambda p: convert_ct2(hf, p, "float32"), "ct2"
    yield ct2 / "int8", lambda p: convert_ct2(hf, p, "int8"), "ct2"


def make(name, peers, data, log=print):
    """Returns {path: error} of the forms that could not be made."""
    failed = {}
    for path, maker, peer in forms(name, data):
        if path.exists() or (peer != "all" and peer not in peers):
            continue
        log(f"making {path.relative_to(work.BUILD)}")
        part = path.with_name("part-" + path.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            if not path.suffix:
                part.mkdir(exist_ok=True)
            maker(part)
            if path.suffix == ".xml":
                os.replace(part.with_suffix(".bin"), path.with_suffix(".bin"))
            os.replace(part, path)
        except Exception as error:  # the run goes on without this peer and says so
            if peer == "all":
                raise
            failed[str(path.relative_to(work.BUILD))] = f"{type(error).__name__}: {error}"
            log(f"FAILED {path.relative_to(work.BUILD)}: {error}")
    return failed


if __name__ == "__main__":  # DATA PEER,PEER MODEL OUT.json: a process of its own, since calibration takes gigabytes
    made = make(sys.argv[3], sys.argv[2].split(","), pathlib.Path(sys.argv[1]), lambda *what: print(*what, file=sys.stderr))
    pathlib.Path(sys.argv[4]).write_text(json.dumps(made))

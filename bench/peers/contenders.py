"""Who runs: the table of contenders, and the two ways to run one: a worker process (peers) or `bert bench` (ours).

A contender is a peer with a precision, a setting and an instruction set to which its libraries are held by environment
variables read at process start. Contenders of one group (precision and ISA class) are alive together and take turns.
"""

import dataclasses
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

import work

FREE, UNLIMITED = "as it comes", "cannot be limited"
MLAS_UNLIMITED = "avx2, its MLAS products unlimited"  # OpenVINO's float32 linear layers are MLAS's (gemm_mlas_f32)
FORCED = "as it comes, CT2_FORCE_CPU_ISA=AVX512"  # CTranslate2's own kernels are AVX2 on Intel unless asked

# What holds each library to an ISA, by Contender.isa. ONNX Runtime's MLAS has no such switch.
LIMITS = {
    "openvino": {"avx512": {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_BF16"}, "avx2": {"ONEDNN_MAX_CPU_ISA": "AVX2"},
                 MLAS_UNLIMITED: {"ONEDNN_MAX_CPU_ISA": "AVX2"}},
    "ct2": {
        FORCED: {"CT2_FORCE_CPU_ISA": "AVX512"},
        "avx512": {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_BF16", "MKL_ENABLE_INSTRUCTIONS": "AVX512_E3",
                   "CT2_FORCE_CPU_ISA": "AVX512"},
        "avx2": {"ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2", "CT2_FORCE_CPU_ISA": "AVX2"},
    },
    "torch": {
        "avx512": {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_BF16", "MKL_ENABLE_INSTRUCTIONS": "AVX512_E3"},
        "avx2": {"ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"},
    },
}  # fmt: skip
# Left over from other work, these would slow a peer down or change what it uses.
UNSET = ["OPENBLAS_CORETYPE", "MKL_CBWR", "MKL_DEBUG_CPU_TYPE", "ONEDNN_DEFAULT_FPMATH_MODE", "OMP_PROC_BIND", "KMP_AFFINITY",
         "GOMP_CPU_AFFINITY", "OMP_WAIT_POLICY", "BERT_ISA", "LD_PRELOAD"]  # fmt: skip

MODES = {"ort": ["attention", "mha"], "openvino": ["latency", "throughput"], "ct2": ["latency", "throughput"],
         "torch": ["eager", "compile"]}  # fmt: skip
PRECISIONS = {"ort": ["fp32", "int8"], "openvino": ["fp32", "bf16", "int8"], "ct2": ["fp32", "int8"], "torch": ["fp32", "bf16"]}
NAMES = {"bert": "bert", "ort": "ONNX Runtime", "openvino": "OpenVINO", "ct2": "CTranslate2", "torch": "PyTorch"}

# (precision, ISA class of the group). AMX has no fp32, so there avx512 is run as it comes. oneDNN has no bf16 on AVX2.
# A CPU without AVX-512 holds everybody to AVX2 by itself.
CPU_FLAGS = set(re.search(r"^flags\s*:(.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.MULTILINE)[1].split())
ONLY_AVX2 = "avx512f" not in CPU_FLAGS
GROUPS = [("fp32", "avx512"), ("bf16", "avx512"), ("int8", "avx512"), ("fp32", "avx2"), ("int8", "avx2"),
          ("bf16", "amx"), ("int8", "amx")]  # fmt: skip
RUNNABLE = [(precision, isa) for precision, isa in GROUPS
            if isa == "avx2" or (not ONLY_AVX2 if isa == "avx512" else f"amx_{precision}" in CPU_FLAGS)]  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Contender:
    peer: str
    precision: str
    isa: str  # what it is held to: FREE, UNLIMITED, avx512 (no AMX), avx2
    mode: str

    @property
    def name(self):
        return " ".join(filter(None, [self.peer, self.precision, self.mode, f"[{self.isa}]"]))


def contenders_of(precision, isa, peers):
    as_it_comes = isa == "amx" or (precision, isa) == ("fp32", "avx512") or ONLY_AVX2
    held = FREE if as_it_comes else isa
    for peer in peers:
        isas = [held]
        if ONLY_AVX2:
            pass
        elif peer == "ort":
            isas = [] if isa == "avx2" else [UNLIMITED]
        elif peer == "openvino" and (precision, isa) == ("fp32", "avx2"):
            isas = [MLAS_UNLIMITED]
        elif peer == "ct2" and held == FREE:
            isas = [FREE, FORCED]
        if precision not in PRECISIONS[peer]:
            continue
        for held_to in isas:
            for mode in MODES[peer]:
                if mode != "compile" or isa != "avx2" or ONLY_AVX2:  # Inductor generates code for the CPU it finds
                    yield Contender(peer, precision, held_to, mode)


def clean_environment(threads):
    env = {k: v for k, v in os.environ.items() if k not in UNSET and not k.startswith(("MKL_", "ONEDNN_", "DNNL_"))}
    env |= {"OMP_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "false", "RAYON_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": "", "OPENVINO_TELEMETRY_DISABLED": "1",
            "TORCHINDUCTOR_CACHE_DIR": str(work.BUILD / "inductor")}  # fmt: skip
    return env


class PeerError(Exception):
    pass


class Worker:
    """One peer's process; stopped by SIGSTOP between its turns, so that spinning threads take nothing from the others."""

    def __init__(self, contender, folder, threads):
        self.contender, self.threads, self.folder = contender, threads, folder
        env = clean_environment(threads) | LIMITS.get(contender.peer, {}).get(contender.isa, {})
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen([sys.executable, work.HERE / "worker.py"], env=env, text=True, bufsize=1,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log)  # fmt: skip

    def ask(self, do, **order):
        self.process.send_signal(signal.SIGCONT)
        self.process.stdin.write(json.dumps({"do": do, **order}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            self.log.seek(0)
            raise PeerError(f"{self.contender.name} died: {self.log.read()[-1500:].strip()}")
        answer = json.loads(line)
        if "error" in answer:
            raise PeerError(f"{self.contender.name}: {answer['error']}")
        self.process.send_signal(signal.SIGSTOP)
        return answer

    def open(self):
        c = self.contender
        return self.ask("open", engine=c.peer, folder=str(self.folder), precision=c.precision, threads=self.threads,
                        mode=c.mode)  # fmt: skip

    def close(self):
        self.process.kill()
        self.process.wait()
        self.log.close()

    def time(self, work_name, budget_ms, first):
        """Warm-up: two passes before a contender's first turn at a work, one before every other turn."""
        answer = self.ask("time", work=work_name, budget_ms=budget_ms, least=1, warm=2 if first else 1)
        return {key: value for key, value in answer.items() if value is not None}


class Ours:
    """`bert bench`, a process a turn (it warms up by one pass); the number of repeats follows from the turn before.

    `isa` is a name of ours, or empty for the best there is.
    """

    def __init__(self, program, precision, isa, model, threads):
        self.contender = Contender("bert", precision, isa or FREE, "")
        self.isa = ["--isa", isa] if isa else []
        self.program, self.model, self.threads, self.once = program, model, threads, {}

    def command(self, *arguments):
        return [self.program, *arguments, "--model", self.model, "--threads", str(self.threads),
                "--precision", self.contender.precision, *self.isa, "--json"]  # fmt: skip

    def available(self):
        """None, or why not: the program refuses a precision it does not have yet."""
        done = subprocess.run(self.command("bench", "--shapes", "1x16", "--repeat", "1"), capture_output=True, text=True)
        return None if done.returncode == 0 else done.stderr.strip()

    def open(self):
        return {}

    def close(self):
        pass

    def time(self, work_name, budget_ms, first):
        repeats = 2 if first else int(min(50, max(1, budget_ms / self.once[work_name])))
        what = (["--shapes", work_name] if work_name[0].isdigit() else
                ["--lengths", work.LENGTHS, "--order", work_name, "--sentences", str(work.SENTENCES_A_BATCH)])  # fmt: skip
        done = subprocess.run(self.command("bench", *what, "--repeat", str(repeats)), capture_output=True, text=True,
                              env=clean_environment(self.threads))  # fmt: skip
        if done.returncode:
            raise PeerError(f"{self.contender.name}: {done.stderr.strip()}")
        answer = json.loads(done.stdout)
        self.once[work_name] = answer["min_ms"]
        extra = {"peak_gflops": round(answer["gflops"] / answer["percent_of_peak"] * 100, 1)} if "gflops" in answer else {}
        return {"times_ms": [answer["min_ms"], answer["median_ms"]], **extra}

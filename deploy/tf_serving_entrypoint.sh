#!/bin/sh
# What the image runs: one model, named by the environment; arguments are further flags, and
# the last of two of one name counts.
exec tensorflow_model_server --port=8500 --rest_api_port=8501 \
    "--model_name=${MODEL_NAME:-model}" \
    "--model_base_path=${MODEL_BASE_PATH:-/models}/${MODEL_NAME:-model}" "$@"

#!/bin/sh
# Generate the Python messages of Sparkplug B's payloads.
#
#   proto/sparkplug.sh [ROOT]      ROOT: where to write (default: the repository)
#
# Needs grpcio-tools (development dependencies).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=${1:-$(dirname "$here")}
python=${PYTHON:-python3}
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT

"$python" -m grpc_tools.protoc -I"$here" --python_out="$made" --pyi_out="$made" sparkplug.proto

folder=$root/devices/sparkplug/wire
mkdir -p "$folder"
sed "s/'sparkplug_pb2'/'devices.sparkplug.wire.sparkplug_pb2'/" "$made/sparkplug_pb2.py" >"$folder/sparkplug_pb2.py"
sed 's/_Mapping\([],]\)/_Mapping[str, object]\1/g' "$made/sparkplug_pb2.pyi" >"$folder/sparkplug_pb2.pyi"

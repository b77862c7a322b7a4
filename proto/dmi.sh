#!/bin/sh
# Generate the Python messages of KubeEdge's device management interface.
#
#   proto/dmi.sh [ROOT]      ROOT: where to write (default: the repository)
#
# Needs grpcio-tools (development dependencies). All methods are unary and are named through gRPC's generic API; so only
# messages are generated.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=${1:-$(dirname "$here")}
python=${PYTHON:-python3}
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT

"$python" -m grpc_tools.protoc -I"$here" --python_out="$made" --pyi_out="$made" dmi.proto

folder=$root/devices/dmi/wire
mkdir -p "$folder"
sed "s/'dmi_pb2'/'devices.dmi.wire.dmi_pb2'/" "$made/dmi_pb2.py" >"$folder/dmi_pb2.py"
sed 's/_Mapping\([],]\)/_Mapping[str, object]\1/g' "$made/dmi_pb2.pyi" >"$folder/dmi_pb2.pyi"

#!/bin/sh
# Generate the Python messages of the offload protocol: the gateway's, and the simulator's own copy.
#
#   proto/generate.sh [ROOT]      ROOT: where to write (default: the repository)
#
# Needs grpcio-tools (development dependencies). The service has two methods, which both sides name through gRPC's generic
# API; so only messages are generated. The simulator's copy has a descriptor pool of its own: both copies, even of two
# versions of the protocol, live in one process.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=${1:-$(dirname "$here")}
python=${PYTHON:-python3}
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT

"$python" -m grpc_tools.protoc -I"$here" --python_out="$made" --pyi_out="$made" gemelo/offload/v1/offload.proto

for package in devices.offload.wire simulator.wire; do
    folder=$root/$(echo "$package" | tr . /)
    mkdir -p "$folder"
    sed "s/'gemelo\.offload\.v1\.offload_pb2'/'$package.offload_pb2'/" "$made/gemelo/offload/v1/offload_pb2.py" >"$folder/offload_pb2.py"
    sed 's/_Mapping\([],]\)/_Mapping[str, object]\1/g' "$made/gemelo/offload/v1/offload_pb2.pyi" >"$folder/offload_pb2.pyi"
done
sed -i 's/_descriptor_pool\.Default()/_descriptor_pool.DescriptorPool()/' "$root/simulator/wire/offload_pb2.py"

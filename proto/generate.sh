#!/bin/sh
# Generate the Python messages of the protocols here.
#
#   proto/generate.sh [ROOT]      ROOT: where to write (default: the repository)
#
# Needs grpcio-tools (development dependencies). Methods are named through gRPC's generic API; so only messages are
# generated. The simulator has its own copy of the offload protocol, with a descriptor pool of its own: both copies, even
# of two versions of the protocol, live in one process.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=${1:-$(dirname "$here")}
python=${PYTHON:-python3}
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT

generate() { # the proto's path without its ending, and the package its messages go to
    name=$(basename "$1")_pb2
    folder=$root/$(echo "$2" | tr . /)
    mkdir -p "$folder"
    "$python" -m grpc_tools.protoc -I"$here" --python_out="$made" --pyi_out="$made" "$1.proto"
    sed "s/'[a-z0-9_.]*$name'/'$2.$name'/" "$made/$1_pb2.py" >"$folder/$name.py"
    sed 's/_Mapping\([],]\)/_Mapping[str, object]\1/g' "$made/$1_pb2.pyi" >"$folder/$name.pyi"
}

generate dmi devices.dmi.wire
generate sparkplug devices.sparkplug.wire
generate gemelo/offload/v1/offload devices.offload.wire
generate gemelo/offload/v1/offload simulator.wire
sed -i 's/_descriptor_pool\.Default()/_descriptor_pool.DescriptorPool()/' "$root/simulator/wire/offload_pb2.py"

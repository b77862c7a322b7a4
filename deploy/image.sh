#!/usr/bin/env bash
# Build the image with podman or docker: deploy/image.sh [NAME:TAG] [further words for `build`, as --platform linux/arm64]
set -euo pipefail
cd "$(dirname "$0")/.."
engine=$(command -v podman || command -v docker) || {
  echo "image: neither podman nor docker is here: sudo apt-get install podman; without one, make layers runs the same steps in a folder"
  exit 1
}
name=${1:-localhost/gemelo:$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)}
pin=deploy/Containerfile.base
base=$(cat "$pin")
if [[ $base != *@sha256:* ]]; then
  "$engine" pull -q "$base" >/dev/null
  base=${base}@$("$engine" image inspect --format '{{index .RepoDigests 0}}' "$base" | sed 's/.*@//')
  [[ $base == *@sha256:* ]] || { echo "image: the registry told no digest of $base"; exit 1; }
  echo "$base" >"$pin"
  echo "image: $pin now names $base; commit it, so that everybody builds on the same"
fi
exec "$engine" build -f deploy/Containerfile --build-arg "BASE=$base" --label "org.opencontainers.image.base.name=$base" -t "$name" "${@:2}" .

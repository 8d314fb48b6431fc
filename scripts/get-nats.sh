#!/usr/bin/env bash
# Puts a nats-server of 2.10 or newer into a directory, without touching the system: Debian's or Ubuntu's own package,
# fetched with apt state of its own and unpacked; elsewhere, and where that fails, the project's release, whose checksum
# is pinned here. Usage: get-nats.sh DIRECTORY
set -euo pipefail

target=${1:?usage: get-nats.sh DIRECTORY}
. "$(dirname "$0")/from-distribution.sh"

fit() {
  local version
  version=$("$1" --version 2>/dev/null | grep -oE '[0-9]+\.[0-9]+\.[0-9]+' | head -n 1) || return 1
  [ "$(printf '%s\n' 2.10.0 "$version" | sort -V | head -n 1)" = 2.10.0 ]
}

from_release() {
  local version=2.11.8 platform sum archive
  case "$(uname -s)-$(uname -m)" in
    Linux-x86_64)
      platform=linux-amd64
      sum=397a6deffb5533e160de0cca322bc3dcaec7fb7282d66a3dfa87a9c183152ad1
      ;;
    Linux-aarch64 | Linux-arm64)
      platform=linux-arm64
      sum=b08936cb1dc0ae7086137bda14c352df64397c4af45ed2b392705c19585aeb84
      ;;
    Darwin-x86_64)
      platform=darwin-amd64
      sum=002c943c1ed39c55cc5e024debfc02685111fcb2b1cbd887aad39ac977037477
      ;;
    Darwin-arm64)
      platform=darwin-arm64
      sum=23e0c5354c2da385708946a21900c944fcb9a3bbfd02aae27a4ae750dea0b682
      ;;
    *) because "no release is pinned for $(uname -sm)" && return ;;
  esac
  command -v curl >/dev/null || { because "curl is missing" && return; }
  archive=$work/nats-server.tar.gz
  if ! curl --fail --silent --show-error --location --connect-timeout 10 --max-time 180 --output "$archive" \
    "https://github.com/nats-io/nats-server/releases/download/v$version/nats-server-v$version-$platform.tar.gz" \
    2>"$work/log"; then
    because "the release $version could not be fetched ($(tail -n 1 "$work/log"))"
    return
  fi
  if [ "$(sha256 "$archive")" != "$sum" ]; then
    because "the release $version has another checksum than the pinned one"
    return
  fi
  mkdir -p "$work/release"
  tar -xzf "$archive" -C "$work/release"
  keep "$(find "$work/release" -type f -name nats-server | head -n 1)" nats-server
  because "the release $version doesn't run here"
}

sha256() {
  { sha256sum "$1" 2>/dev/null || shasum -a 256 "$1"; } | cut -d ' ' -f 1
}

from_distribution nats-server nats-server "forky trixie trixie-backports sid" universe "own noble"
from_release
echo "get-nats: $reasons" >&2
exit 1

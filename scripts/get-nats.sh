#!/usr/bin/env bash
# Puts a nats-server of 2.10 or newer into a directory, without touching the system: Debian's or Ubuntu's own package,
# fetched with apt state of its own and unpacked; elsewhere, and where that fails, the project's release, whose checksum
# is pinned here. Usage: get-nats.sh DIRECTORY
set -euo pipefail

target=${1:?usage: get-nats.sh DIRECTORY}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
reasons=

new_enough() {
  local version
  version=$("$1" --version 2>/dev/null | grep -oE '[0-9]+\.[0-9]+\.[0-9]+' | head -n 1) || return 1
  [ "$(printf '%s\n' 2.10.0 "$version" | sort -V | head -n 1)" = 2.10.0 ]
}

# Ends the script when the binary runs here and is new enough.
keep() {
  [ -n "$1" ] && new_enough "$1" || return 0
  mkdir -p "$target"
  install -m 755 "$1" "$target/nats-server.next"
  mv "$target/nats-server.next" "$target/nats-server"
  exit 0
}

because() {
  reasons="$reasons${reasons:+; }$*"
}

from_distribution() {
  local id='' family mirror keyring component suites suite tool
  [ -r /etc/os-release ] && id=$(. /etc/os-release && echo "${ID:-} ${ID_LIKE:-}")
  case " $id " in
    *" ubuntu "*) family=ubuntu ;;
    *" debian "*) family=debian ;;
    *) because "this is no Debian or Ubuntu" && return ;;
  esac
  for tool in apt-get dpkg-deb; do
    command -v "$tool" >/dev/null || { because "$tool is missing" && return; }
  done

  # The mirror that this machine uses already, whichever of the two formats its sources are in.
  mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null |
    grep -v '^[[:space:]]*#' | grep -oE "(https?|file|mirror\+https?)://[^][:space:]]+/(debian|ubuntu|ubuntu-ports)/?([[:space:]]|\$)" |
    head -n 1 | tr -d '[:space:]') || true
  [ -n "$mirror" ] || { because "no $family mirror is in this machine's apt sources" && return; }

  case "$family" in
    debian)
      keyring=/usr/share/keyrings/debian-archive-keyring.gpg
      component=main
      suites="forky trixie trixie-backports sid"
      ;;
    ubuntu)
      keyring=/usr/share/keyrings/ubuntu-archive-keyring.gpg
      component=universe
      suites="$(. /etc/os-release && echo "${UBUNTU_CODENAME:-${VERSION_CODENAME:-}}") noble"
      ;;
  esac
  [ -r "$keyring" ] || { because "$keyring is missing, so the package could not be verified" && return; }

  mkdir -p "$work/lists/partial" "$work/archives/partial"
  apt=(apt-get -qq
    -o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work" -o "Dir::Cache::archives=$work/archives"
    -o "APT::Sandbox::User=" -o Acquire::Languages=none)

  for suite in $suites; do
    rm -rf "$work/unpacked" "$work"/*.deb
    echo "deb [signed-by=$keyring] $mirror $suite $component" >"$work/sources.list"
    "${apt[@]}" update >"$work/log" 2>&1 || continue
    (cd "$work" && "${apt[@]}" download nats-server) >>"$work/log" 2>&1 || continue
    dpkg-deb -x "$work"/nats-server_*.deb "$work/unpacked"
    # A package of a newer release may ask for a newer C library than this machine has: the next suite, then.
    keep "$(find "$work/unpacked" -type f -name nats-server -perm -100 | head -n 1)"
  done
  because "no suite of ${suites// /, } has one that is new enough and runs here ($(tail -n 1 "$work/log" 2>/dev/null))"
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
  keep "$(find "$work/release" -type f -name nats-server | head -n 1)"
  because "the release $version doesn't run here"
}

sha256() {
  { sha256sum "$1" 2>/dev/null || shasum -a 256 "$1"; } | cut -d ' ' -f 1
}

from_distribution
from_release
echo "get-nats: $reasons" >&2
exit 1

#!/usr/bin/env bash
# Puts bubblewrap into a directory, without touching the system: Debian's or Ubuntu's own package, unpacked. There is no
# release of the project's own to fall back to. Usage: get-bwrap.sh DIRECTORY
set -euo pipefail

target=${1:?usage: get-bwrap.sh DIRECTORY}
. "$(dirname "$0")/from-distribution.sh"

fit() {
  "$1" --version >/dev/null 2>&1
}

from_distribution bubblewrap bwrap "own trixie bookworm sid" main "own noble"
echo "get-bwrap: $reasons; install it with the machine's own tools (dnf, pacman, apk add bubblewrap …)" >&2
exit 1

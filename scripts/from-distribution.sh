# Sourced by the scripts that fetch a program: puts one that a Debian or Ubuntu package holds into a directory, without
# touching the system: the package is fetched with apt state of its own, verified, and unpacked. The sourcing script
# defines `fit BINARY`, which says whether a binary runs here and is new enough. Needs `set -euo pipefail`.

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
reasons=

because() {
  reasons="$reasons${reasons:+; }$*"
}

# keep BINARY NAME: ends the script when the binary fits.
keep() {
  [ -n "$1" ] && fit "$1" || return 0
  mkdir -p "$target"
  install -m 755 "$1" "$target/$2.next"
  mv "$target/$2.next" "$target/$2"
  exit 0
}

# from_distribution PACKAGE BINARY DEBIAN_SUITES UBUNTU_COMPONENT UBUNTU_SUITES
# A suite named `own` is the machine's. Keeps the first that fits, else gives the reason why there is none.
from_distribution() {
  local package=$1 binary=$2 suites=$3 ubuntu_component=$4 ubuntu_suites=$5
  local id='' own='' family mirror keyring component=main suite tool apt
  if [ -r /etc/os-release ]; then
    id=$(. /etc/os-release && echo "${ID:-} ${ID_LIKE:-}")
    own=$(. /etc/os-release && echo "${UBUNTU_CODENAME:-${VERSION_CODENAME:-}}")
  fi
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

  keyring=/usr/share/keyrings/$family-archive-keyring.gpg
  [ "$family" = debian ] || { component=$ubuntu_component && suites=$ubuntu_suites; }
  [ -r "$keyring" ] || { because "$keyring is missing, so the package could not be verified" && return; }

  mkdir -p "$work/lists/partial" "$work/archives/partial"
  apt=(apt-get -qq
    -o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work" -o "Dir::Cache::archives=$work/archives"
    -o "APT::Sandbox::User=" -o Acquire::Languages=none)

  for suite in ${suites//own/$own}; do
    rm -rf "$work/unpacked" "$work"/*.deb
    echo "deb [signed-by=$keyring] $mirror $suite $component" >"$work/sources.list"
    "${apt[@]}" update >"$work/log" 2>&1 || continue
    (cd "$work" && "${apt[@]}" download "$package") >>"$work/log" 2>&1 || continue
    dpkg-deb -x "$work/$package"_*.deb "$work/unpacked"
    # A package of a newer release may ask for a newer C library than this machine has: the next suite, then.
    keep "$(find "$work/unpacked" -type f -name "$binary" -perm -100 | head -n 1)" "$binary"
  done
  because "no suite of ${suites//own/$own} has one that fits and runs here ($(tail -n 1 "$work/log" 2>/dev/null))"
}

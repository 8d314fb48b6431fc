#!/usr/bin/env bash
# Runs the Kubernetes specs against a real cluster.
#   KUBECONFIG=FILE test-kubernetes.sh          a throw-away cluster that you have; its nodes must hold the agent image
#                                               (images/agent/build.sh; its name in CAPSTAN_TEST_AGENT_IMAGE)
#   CAPSTAN_TEST_K8S=DIR test-kubernetes.sh     a folder with the commands `up` (prints a kubeconfig's path),
#                                               `load --build NAME DOCKERFILE CONTEXT` and `down`
# With neither it fails: skipped tests must not look like passed ones.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

if [ -z "${KUBECONFIG:-}" ]; then
  cluster=${CAPSTAN_TEST_K8S:-}
  if [ -z "$cluster" ] || [ ! -x "$cluster/up" ]; then
    echo 'test-kubernetes: set KUBECONFIG to a throw-away cluster, or CAPSTAN_TEST_K8S to a folder with up, load and down' >&2
    exit 2
  fi
  context=$(mktemp -d)
  trap 'rm -rf "$context"; "$cluster/down"' EXIT
  export CAPSTAN_TEST_AGENT_IMAGE=capstan.local/agent:test
  KUBECONFIG=$("$cluster/up" | tail -n 1)
  export KUBECONFIG
  images/agent/build.sh --context "$context"
  "$cluster/load" --build "$CAPSTAN_TEST_AGENT_IMAGE" "$context/Dockerfile" "$context"
fi

bash scripts/with-node.sh node scripts/test.mjs kubernetes

# To be sourced: what the scripts share. Sets `root`, `version`, `registry`, `cluster`, `context`.
# shellcheck shell=bash disable=SC2034
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
version=$(sed -n '/^\[workspace.package\]/,/^$/s/^version = "\(.*\)"/\1/p' "$root/Cargo.toml")
registry=${IMAGE_REGISTRY:-ghcr.io/aetherconnect}
components=(gateway auth message operator)
cluster=${AETHER_CLUSTER:-aetherconnect}
context=kind-$cluster
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$HOME/.cache/aetherconnect/target}

say() { printf '\033[1m==>\033[0m %s\n' "$*"; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

# need PROGRAM WHERE-TO-GET-IT: stops with a sentence a person can act on.
need() { command -v "$1" >/dev/null || fail "'$1' is not installed. Get it from $2, then run this again."; }

need_docker() {
  need docker https://docs.docker.com/get-docker/
  docker info >/dev/null 2>&1 || fail "Docker does not answer. Start it (and check that you may use it: 'docker info')."
}

need_cluster_tools() {
  need_docker
  need kind https://kind.sigs.k8s.io/docs/user/quick-start/#installation
  need kubectl https://kubernetes.io/docs/tasks/tools/
  need helm https://helm.sh/docs/intro/install/
}

cluster_exists() { kind get clusters 2>/dev/null | grep -qx "$cluster"; }

# node_port CLUSTER PORT: where a NodePort answers on this machine; nothing if kind-config.yaml doesn't lead there.
node_port() { docker port "$1-control-plane" "$2/tcp" | head -n 1 | sed 's/.*://'; }

# The context is always named: whatever cluster the user works on otherwise stays untouched.
k() { kubectl --context "$context" "$@"; }

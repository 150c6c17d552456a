# Shared by the scripts beside it: messages, where things are kept, and how a program is looked for.
cache=${AETHERCONNECT_CACHE:-$HOME/.cache/aetherconnect}/tools

say() { printf '%s\n' "$*" >&2; }
die() {
  say "$*"
  exit 1
}
need() { # PROGRAM WHAT: ends with an explanation where PROGRAM is missing
  command -v "$1" >/dev/null || die "The tests need $2, and found no '$1' on PATH. Install it and run this again."
}
# Prints the path of the first program of that name on PATH, in KUBEBUILDER_ASSETS or in the cache; fails if there is none.
find_program() {
  command -v "$1" && return
  local place
  for place in "${KUBEBUILDER_ASSETS:-}" "$cache/bin"; do
    if [ -n "$place" ] && [ -x "$place/$1" ]; then
      printf '%s\n' "$place/$1"
      return
    fi
  done
  return 1
}
# Runs a step under a lock of its name, so that two runs at once don't make the same thing twice.
once() { # NAME FUNCTION
  mkdir -p "$cache/bin"
  if command -v flock >/dev/null; then
    (flock 9 && "$2") 9>"$cache/$1.lock"
  else
    "$2"
  fi
}

# How these scripts talk: one line a step, and on failure the next step to take.
# shellcheck shell=bash

# A newer Node.js than the system's, where `install` had to fetch one.
PATH=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)/.tools/node/node_modules/node/bin:$PATH

say() { printf '%s\n' "$*"; }

# step NAME… : a headline for something that takes a while.
step() { printf '\n== %s\n' "$*"; }

warn() { printf 'note: %s\n' "$*" >&2; }

# die WHAT NEXT… : what went wrong, then what to do about it, one line each.
die() {
    printf '\nerror: %s\n' "$1" >&2
    shift
    local next
    for next in "$@"; do printf '  next: %s\n' "$next" >&2; done
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# Shared by the programs in tools/: messages, the repository's root, running as root.

COSREL_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
COSREL_DEPS=${COSREL_DEPS:-$COSREL_ROOT/build/deps}
export COSREL_DEPS
me=$(basename "$0")

say() { printf '%s: %s\n' "$me" "$*" >&2; }

# The one line that a person gets when something cannot go on.
die() {
    say "$*"
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# Why nothing can be done as root, in words; empty when it can.
why_not_root() {
    if [ "$(id -u)" = 0 ]; then
        return
    elif ! have sudo; then
        echo "you are not root and sudo is not installed"
    elif [ ! -t 0 ] && ! sudo -n true 2>/dev/null; then
        echo "you are not root, and sudo wants a password that nobody is there to type"
    fi
}

# Runs as root; sudo may ask for a password only where someone can type it.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif [ -t 0 ]; then
        sudo "$@"
    else
        sudo -n "$@"
    fi
}

# Compilations go through ccache where it is installed; CMake reads these on its first run in a build folder.
use_ccache() {
    if have ccache; then
        export CMAKE_C_COMPILER_LAUNCHER=ccache CMAKE_CXX_COMPILER_LAUNCHER=ccache
    fi
}

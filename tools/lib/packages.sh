# Which Debian packages are missing, and their installation. Every need is tested by what it gives (a command, a
# pkg-config module, a file), so that a part that came to the system in another way counts as well.

missing_packages=()

need_command() { # COMMAND PACKAGE
    have "$1" || missing_packages+=("$2")
}

need_file() { # FILE PACKAGE
    [ -e "$1" ] || missing_packages+=("$2")
}

need_modules() { # MODULE=PACKAGE...
    local pair
    if have pkg-config && pkg-config --exists "${@%%=*}"; then
        return
    fi
    for pair in "$@"; do
        have pkg-config && pkg-config --exists "${pair%%=*}" || missing_packages+=("${pair#*=}")
    done
}

# A check of a package whose use has no better sign than being installed.
package_installed() { # PACKAGE
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# The first error that apt wrote to its log, without its mark: what a person can act on.
apt_error() { # LOG
    local line
    line=$(grep -m1 -E '^(Err:|E:)' "$1" | sed -E 's/^(Err:[0-9]+|E:) *//')
    if grep -q '^Err:' "$1"; then
        line="$line $(grep -A1 -m1 '^Err:' "$1" | sed -n 's/^  *//p')"
    fi
    echo "${line:-see $1}"
}

# Installs what the needs found missing. No other package source, no replaced package: apt-get refuses to remove.
install_missing() {
    [ ${#missing_packages[@]} = 0 ] && return
    local names="${missing_packages[*]}" reason log
    have apt-get || die "missing: $names. This system has no apt-get: install what these Debian packages hold, then run again"
    reason=$(why_not_root)
    [ -z "$reason" ] || die "missing packages, and $reason. As root: apt-get install -y --no-install-recommends $names"
    mkdir -p "$COSREL_DEPS"
    log=$COSREL_DEPS/apt.log
    say "installing $names"
    # An update that fails matters only if the installation then fails as well: old lists may do.
    as_root apt-get -o DPkg::Lock::Timeout=300 update >"$log" 2>&1 || true
    if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 \
        install -y --no-install-recommends --no-remove --no-upgrade $names >>"$log" 2>&1; then
        die "apt-get cannot install: $(apt_error "$log"). Check the network and the system's package sources," \
            "then run again; missing: $names"
    fi
    missing_packages=()
}

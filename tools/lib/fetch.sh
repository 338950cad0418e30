# What does not come with the system's own release: verified, and extracted below $COSREL_DEPS only.

# Verified against the Debian archive's keys, which every Debian system carries for later releases too.
debian_keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# The mirror that this system takes its own Debian packages from; other releases lie on the same one.
debian_mirror() {
    local codename=$1
    apt-get indextargets --format '$(CREATED_BY) $(RELEASE) $(COMPONENT) $(REPO_URI)' |
        awk -v r="$codename" '$1 == "Packages" && $3 == "main" && ($2 == r || $2 ~ /^(old)*stable$/) {
            sub("/+$", "", $4); print $4; exit }'
}

debian_codename() { (. /etc/os-release && echo "${VERSION_CODENAME:-}"); }

# Prepares an apt of our own that knows the system's release and RELEASE, below $COSREL_DEPS/apt; the system's apt
# sees nothing of it. Afterwards private_apt holds the options that select it.
private_apt=()
private_apt_for() { # RELEASE ARCHITECTURE
    local release=$1 architecture=$2 own mirror dir=$COSREL_DEPS/apt
    own=$(debian_codename)
    mirror=$(debian_mirror "$own")
    [ -n "$mirror" ] || die "packages of $release are needed, and apt-get names no Debian mirror of this system ($own)"
    [ -e "$debian_keyring" ] || die "packages of $release are needed: install debian-archive-keyring to verify them"
    rm -rf "$dir"
    mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
    # What the system has just fetched need not be fetched again: apt asks only whether it changed.
    cp -p /var/lib/apt/lists/*_InRelease /var/lib/apt/lists/*_Packages* "$dir/lists/" 2>/dev/null || true
    printf 'deb [arch=%s signed-by=%s] %s %s main\n' \
        "$architecture" "$debian_keyring" "$mirror" "$own" \
        "$architecture" "$debian_keyring" "$mirror" "$release" >"$dir/sources.list"
    # Read after the system's settings (so a proxy counts), less the hooks, which expect root.
    cat >"$dir/apt.conf" <<CONF
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Dir::Etc::sourcelist "$dir/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State::lists "$dir/lists";
Dir::Cache "$dir/cache";
Debug::NoLocking "1";
APT::Sandbox::User "";
APT::Default-Release "$own";
APT::Architecture "$architecture";
Acquire::Languages "none";
Acquire::Retries "3";
CONF
    private_apt=(-c "$dir/apt.conf")
    if ! apt-get "${private_apt[@]}" -o APT::Update::Error-Mode=any update >"$dir/log" 2>&1; then
        die "cannot read $release's package lists from this system's Debian mirror: $(apt_error "$dir/log")"
    fi
}

# Downloads packages (NAME, NAME=VERSION) with the apt that private_apt selects (empty: the system's), and extracts
# them into DIR.
debian_extract() { # DIR PACKAGE...
    local dir=$1 tmp=$COSREL_DEPS/tmp/debs deb
    shift
    rm -rf "$tmp"
    mkdir -p "$tmp" "$dir"
    if ! (cd "$tmp" && apt-get "${private_apt[@]}" -o APT::Sandbox::User= download "$@") >"$COSREL_DEPS/apt.log" 2>&1; then
        die "cannot download $*: $(apt_error "$COSREL_DEPS/apt.log")"
    fi
    for deb in "$tmp"/*.deb; do
        dpkg-deb -x "$deb" "$dir" || die "$(basename "$deb") cannot be extracted"
    done
    rm -rf "$tmp"
}

# One sum over all files below DIR, names and contents: the same for every architecture's package of the same headers.
tree_sha256() { (cd "$1" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -d' ' -f1); }

expect_sum() { # WHAT EXPECTED ACTUAL
    [ "$2" = "$3" ] || die "$1 is not what this version of Cosrel was written for: checksum $3, expected $2"
}

# Two retries, 2 and 4 s apart, instead of npm's minute of them: an unreachable registry is soon said.
npm_options=(--ignore-scripts --loglevel=error --prefer-offline --no-audit --no-fund
    --fetch-retries=2 --fetch-retry-mintimeout=2000 --fetch-retry-maxtimeout=4000)

# An npm package's tarball, checked against its pinned integrity (base64 of SHA-512, as npm writes it). No script of it
# runs. npm's own cache makes the second fresh clone quick.
npm_tarball() { # NAME@VERSION INTEGRITY DIR -> prints the file's path
    local log=$COSREL_DEPS/npm.log file
    npm pack "$1" "${npm_options[@]}" --pack-destination "$3" >"$log" 2>&1 ||
        die "npm cannot fetch $1: $(npm_error "$log"). Check the network, then run again"
    file=$(echo "$3"/*.tgz)
    expect_sum "$1" "$2" "sha512-$(base64_sha512 "$file")"
    echo "$file"
}

base64_sha512() { sha512sum "$1" | cut -d' ' -f1 | tr -d '\n' | sed 's/../\\x&/g' | xargs -0 printf '%b' | base64 -w0; }

# What npm wrote to LOG that a person can act on: the failed request, else the first lines that say more than a code.
npm_error() { # LOG
    local line
    line=$(sed -nE 's/^npm (ERR!|error) *//p' "$1" | grep -m1 -E '^request to|^network|^[0-9]{3} |reason:' ||
        sed -nE 's/^npm (ERR!|error) *//p' "$1" | grep -m1 -vE '^code |^$')
    echo "${line:-see $1}"
}

# ONNX Runtime and the schema of ONNX files: the system's where it has them, else pinned versions below $COSREL_DEPS.

ort_version=1.30.0 # the newest whose C API serves the headers below (API version 21)
ort_integrity='sha512-twhs1C2C/BFkz1yc5OY0KIU2GUq6DURO7hD4bx5Q2Qy3nAMJwRXW8xU3NVczE29VA9lolLOYepoD8fjTGOfIqw=='
# Debian 13's libonnxruntime-dev 1.21.0+dfsg-1 and python3-onnx 1.17.0-3: apt verifies the packages' signatures, and
# these sums pin what we take from them, whatever architecture or rebuild it came in.
ort_headers_sha256=4a19a1408126c4aa31d6912612988abba045481c036312048ee06b93204755af
onnx_proto_sha256=1ff9e19b49d7749499731f3c6fffd39b2f4731855657621a3f62bd1b85e33090
onnx_proto_of_system=/usr/lib/python3/dist-packages/onnx/onnx-ml.proto

system_has_ort() { have pkg-config && pkg-config --exists 'libonnxruntime >= 1.21'; }

have_ort_library() { [ "$(cat "$COSREL_DEPS/onnxruntime/lib/version" 2>/dev/null)" = "$ort_version" ]; }
have_ort_headers() { [ -e "$COSREL_DEPS/onnxruntime/include/onnxruntime/onnxruntime_c_api.h" ]; }
have_onnx_proto() {
    [ -e "$onnx_proto_of_system" ] ||
        echo "$onnx_proto_sha256  $COSREL_DEPS/onnx/onnx-ml.proto" | sha256sum --check --status 2>/dev/null
}

ort_must_be_fetched() { ! system_has_ort && ! { have_ort_library && have_ort_headers; }; }

# What npm and apt fetch, put in place in one step each: an interrupted run leaves nothing half-made.
setup_onnxruntime() {
    local headers_missing=false
    if ! system_has_ort; then
        have_ort_library || fetch_ort_library
        have_ort_headers || headers_missing=true
    fi
    if $headers_missing || ! have_onnx_proto; then
        select_trixie
        ! $headers_missing || fetch_ort_headers
        have_onnx_proto || fetch_onnx_proto
        rm -rf "$COSREL_DEPS/apt"
    fi
}

select_trixie() {
    private_apt=()
    if [ "$(debian_codename)" != trixie ] || ! apt-cache show libonnxruntime-dev >/dev/null 2>&1; then
        private_apt_for trixie "$(dpkg --print-architecture)"
    fi
}

fetch_ort_library() {
    local cpu tmp=$COSREL_DEPS/tmp/ort tarball
    case $(uname -m) in
    x86_64) cpu=x64 ;;
    aarch64) cpu=arm64 ;;
    *) die "no ONNX Runtime is published for $(uname -m): install one (1.21 or newer) with its pkg-config file" ;;
    esac
    say "fetching ONNX Runtime $ort_version"
    rm -rf "$tmp"
    mkdir -p "$tmp" "$COSREL_DEPS/onnxruntime"
    tarball=$(npm_tarball "onnxruntime-node@$ort_version" "$ort_integrity" "$tmp") || exit 1
    tar -xzf "$tarball" -C "$tmp" --strip-components=5 "package/bin/napi-v6/linux/$cpu/libonnxruntime.so.1" ||
        die "onnxruntime-node $ort_version holds no library for $cpu"
    mkdir "$tmp/lib"
    mv "$tmp/libonnxruntime.so.1" "$tmp/lib/"
    chmod 644 "$tmp/lib/libonnxruntime.so.1"
    ln -s libonnxruntime.so.1 "$tmp/lib/libonnxruntime.so"
    echo "$ort_version" >"$tmp/lib/version"
    rm -rf "$COSREL_DEPS/onnxruntime/lib"
    mv "$tmp/lib" "$COSREL_DEPS/onnxruntime/lib"
    rm -rf "$tmp"
}

fetch_ort_headers() {
    local tmp=$COSREL_DEPS/tmp/headers
    say "fetching ONNX Runtime's C headers"
    rm -rf "$tmp"
    debian_extract "$tmp" libonnxruntime-dev/trixie
    expect_sum "libonnxruntime-dev" "$ort_headers_sha256" "$(tree_sha256 "$tmp/usr/include/onnxruntime")"
    mkdir -p "$COSREL_DEPS/onnxruntime"
    rm -rf "$COSREL_DEPS/onnxruntime/include"
    mv "$tmp/usr/include" "$COSREL_DEPS/onnxruntime/include"
    rm -rf "$tmp"
}

fetch_onnx_proto() {
    local tmp=$COSREL_DEPS/tmp/onnx found
    say "fetching the schema of ONNX files"
    rm -rf "$tmp"
    debian_extract "$tmp" python3-onnx/trixie
    found=$(find "$tmp" -name onnx-ml.proto)
    expect_sum "onnx-ml.proto" "$onnx_proto_sha256" "$(sha256sum "$found" | cut -d' ' -f1)"
    mkdir -p "$COSREL_DEPS/onnx"
    mv "$found" "$COSREL_DEPS/onnx/onnx-ml.proto"
    rm -rf "$tmp"
}

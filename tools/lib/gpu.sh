# A Vulkan device for the tests on a machine without a GPU: Mesa's lavapipe, which draws and computes on the CPU.
# ONNX Runtime's WebGPU provider refuses versions before 25 (they lack a feature that it asks for).

lavapipe_major_min=25

system_has_lavapipe() {
    local version
    version=$(dpkg-query -W -f '${db:Status-Status} ${Version}' mesa-vulkan-drivers 2>/dev/null) || return 1
    [ "${version%% *}" = installed ] && version=${version#* } && [ "${version%%.*}" -ge "$lavapipe_major_min" ]
}

release_has_lavapipe() { # of the apt that the system itself uses
    local version
    version=$(apt-cache policy mesa-vulkan-drivers 2>/dev/null | sed -n 's/^ *Candidate: //p')
    case $version in [0-9]*) [ "${version%%.*}" -ge "$lavapipe_major_min" ] ;; *) return 1 ;; esac
}

lavapipe_icd() { ls "$1"/usr/share/vulkan/icd.d/lvp_icd*.json 2>/dev/null | head -n 1; }

have_own_lavapipe() { [ -n "$(lavapipe_icd "$COSREL_DEPS/mesa")" ]; }

# Leaves $COSREL_DEPS/gpu-env.sh: sourced, it selects lavapipe alone.
setup_gpu_renderer() {
    local root='' libraries='' icd
    # Only now have the lists of a system that never had any been read.
    if ! have_own_lavapipe && ! system_has_lavapipe && release_has_lavapipe; then
        missing_packages+=(mesa-vulkan-drivers)
        install_missing
    fi
    if ! system_has_lavapipe; then
        root=$COSREL_DEPS/mesa
        have_own_lavapipe || fetch_lavapipe "$root"
        libraries=$root/usr/lib/$(gcc -print-multiarch)
    fi
    icd=$(lavapipe_icd "$root")
    [ -n "$icd" ] || die "Mesa's software renderer has no Vulkan driver file below $root/usr/share/vulkan/icd.d"
    write_gpu_env "$icd" "$libraries"
}

# The Vulkan loader takes a driver file only from these variables then; the driver's libraries of another release come
# before the system's. Mesa and the loader want a private XDG_RUNTIME_DIR, which a build server often lacks.
write_gpu_env() { # ICD LIBRARIES
    local file=$COSREL_DEPS/gpu-env.sh text
    text=$(
        printf "export VK_DRIVER_FILES='%s' VK_ICD_FILENAMES='%s'\n" "$1" "$1"
        [ -z "$2" ] || printf "export LD_LIBRARY_PATH='%s'\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}\n" "$2"
        printf "export XDG_RUNTIME_DIR=\${XDG_RUNTIME_DIR:-'%s'}\n" "$COSREL_DEPS/run"
    )
    mkdir -p "$COSREL_DEPS/run"
    chmod 700 "$COSREL_DEPS/run"
    [ "$(cat "$file" 2>/dev/null)" = "$text" ] || printf '%s\n' "$text" >"$file"
}

# Debian 12: the driver from its backports, with every package it needs that the system lacks or has too old.
fetch_lavapipe() { # DIR
    local dir=$1 tmp=$COSREL_DEPS/tmp/mesa release packages icd missing
    release=$(debian_codename)-backports
    say "fetching Mesa's software renderer from $release"
    private_apt_for "$release" "$(dpkg --print-architecture)"
    packages=$(apt-get "${private_apt[@]}" -s --no-install-recommends -t "$release" install mesa-vulkan-drivers 2>/dev/null |
        sed -nE 's/^Inst ([^ ]+)( \[[^]]*\])? \(([^ ]+) .*/\1=\3/p')
    [ -n "$packages" ] || die "$release has no mesa-vulkan-drivers that can be used here"
    rm -rf "$tmp"
    # shellcheck disable=SC2086 # a list of words
    debian_extract "$tmp" $packages
    rm -rf "$COSREL_DEPS/apt"
    icd=$(lavapipe_icd "$tmp")
    [ -n "$icd" ] || die "mesa-vulkan-drivers of $release holds no software renderer"
    # The driver file names its library by the system's path or by bare name; ours has to be found by full path.
    sed -i -E "s#(\"library_path\": *\")[^\"]*/?(libvulkan_lvp\.so\")#\1$dir/usr/lib/$(gcc -print-multiarch)/\2#" "$icd"
    missing=$(LD_LIBRARY_PATH=$tmp/usr/lib/$(gcc -print-multiarch) ldd "$tmp"/usr/lib/*/libvulkan_lvp.so |
        awk '/not found/ { print $1 }')
    [ -z "$missing" ] || die "Mesa's software renderer of $release lacks" $missing
    rm -rf "$dir"
    mv "$tmp" "$dir"
}

#!/bin/bash
# check.sh BUILD CC CXX: installs BUILD into a scratch folder, moves that (nothing may point back), and uses it.
set -euo pipefail
build=$1 cc=$2 cxx=$3
source=$(cd "$(dirname "$0")" && pwd)
scratch=$build/install-check
prefix=$scratch/moved
rm -rf "$scratch"
cmake --install "$build" --prefix "$scratch/first" >/dev/null
mv "$scratch/first" "$prefix"

fail() {
    echo "install check: $*" >&2
    exit 1
}

pc=$(find "$prefix" -name cosrel.pc)
[ -n "$pc" ] || fail "no cosrel.pc was installed"
lib=$(dirname "$(dirname "$pc")")
export PKG_CONFIG_PATH=${pc%/*}

others=$(nm -D --defined-only "$lib/libcosrel.so" | awk '$3 !~ /^cosrel_/ { print $3 }')
[ -z "$others" ] || fail "libcosrel.so exports more than the public names:" $others
others=$(nm -g --defined-only "$lib/libcosrel.a" | awk 'NF == 3 && $3 !~ /^cosrel_/ { print $3 }')
[ -z "$others" ] || fail "libcosrel.a shows more than the public names:" $others
needed=$(LD_LIBRARY_PATH='' ldd "$lib/libcosrel.so" | awk '/not found/ { print $1 }')
[ -z "$needed" ] || fail "libcosrel.so does not find" $needed
if find "$prefix" -type f \( -name '*.pc' -o -name '*.cmake' \) -exec grep -lF "$build" {} + | grep .; then
    fail "these files name the build folder"
fi
for program in "$lib/libcosrel.so" "$prefix/bin/cosrel"; do
    if [ -e "$program" ] && readelf -d "$program" | grep -E 'R(UN)?PATH' | grep -F "$build"; then
        fail "$program looks for libraries in the build folder"
    fi
done

strict=(-Wall -Wextra -Wpedantic -Werror)
# shellcheck disable=SC2046 # pkg-config prints words
"$cc" -std=c11 "${strict[@]}" "$source/use.c" -o "$scratch/use-shared" $(pkg-config --cflags --libs cosrel) -Wl,-rpath,"$lib"
"$scratch/use-shared"
# What the README shows compiles as it says there.
# shellcheck disable=SC2046
"$cc" "${strict[@]}" "$source/../../examples/one_image.c" -o "$scratch/one_image" $(pkg-config --cflags --libs cosrel)
# shellcheck disable=SC2046
"$cc" -std=c11 "${strict[@]}" "$source/use.c" -o "$scratch/use-static" $(pkg-config --cflags cosrel) "$lib/libcosrel.a" \
    $(pkg-config --static --libs cosrel | sed 's/-lcosrel\b//')
! ldd "$scratch/use-static" | grep -q libcosrel || fail "the static program still needs libcosrel.so"
"$scratch/use-static"

cmake -S "$source/consumer" -B "$scratch/consumer" -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_PREFIX_PATH="$prefix" >/dev/null
cmake --build "$scratch/consumer" >/dev/null
"$scratch/consumer/use"

if [ -e "$prefix/bin/cosrel" ]; then
    "$prefix/bin/cosrel" --version
fi

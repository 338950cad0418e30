#!/bin/bash
# check.sh COSREL MAKE_MODELS http|grpc COMMAND...: runs one of the examples against a real `cosrel serve`: models with
# several kinds of tensors, what it prints, and whether it fails with one clear sentence.
set -euo pipefail
cosrel=$1 make_models=$2 protocol=$3
shift 3
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; wait; rm -rf "$work"' EXIT

fail() {
    printf '%s\n' "$*" >&2
    for file in out err log; do
        [ ! -s "$work/$file" ] || sed "s/^/    $file: /" "$work/$file" >&2
    done
    exit 1
}

skip() {
    echo "skipped: $*"
    exit 77
}

# run EXIT-STATUS ARGUMENT...: leaves what it printed in $work/out and $work/err.
run() {
    local expected=$1 status=0
    shift
    timeout 60 "${command[@]}" "$@" >"$work/out" 2>"$work/err" || status=$?
    [ "$status" = "$expected" ] || fail "$*: exit status $status, expected $expected"
}

says() { # out|err PATTERN
    grep -qE -- "$2" "$work/$1" || fail "no line of std$1 is like: $2"
}

# An error is one line that a person can act on.
one_sentence() { # PATTERN
    says err "$1"
    [ "$(wc -l <"$work/err")" = 1 ] || fail "more than one line about: $1"
}

command=("$@")
for needed in "$1" $(case $* in *.sh) echo curl jq perl ;; *grpc.py) echo protoc ;; esac); do
    command -v "$needed" >/dev/null || skip "$needed is not installed"
done
case $* in
*grpc.py) "$1" -c 'import grpc, google.protobuf' 2>/dev/null || skip "Python's grpc or protobuf is not installed" ;;
*grpc.mjs) (cd "$(dirname "$2")" && "$1" -e 'require.resolve("@grpc/grpc-js")') 2>/dev/null ||
    skip "@grpc/grpc-js is not installed (npm ci at the repository root)" ;;
esac
export PYTHONDONTWRITEBYTECODE=1 # nothing is left in the source tree
mkdir "$work/models"
"$cosrel" zoo "$work/models" --only keyword_spotter --quiet
"$make_models" "$work/models"
export COSREL_TOKEN=a-token-of-the-tests
echo "tokens: [{token: $COSREL_TOKEN, role: infer}]" >"$work/serve.yaml"
"$cosrel" serve --models "$work/models" --http 127.0.0.1:0 --grpc 127.0.0.1:0 --quiet --processors cpu0 \
    --policy min-min --cache-folder none --config "$work/serve.yaml" >"$work/log" 2>&1 &
server=$!
for ((i = 0; i < 600; i++)); do
    [ "$(wc -l <"$work/log")" -ge 2 ] && break
    kill -0 "$server" 2>/dev/null || fail "the server ended"
    sleep 0.1
done
if [ "$protocol" = http ]; then
    address=http://127.0.0.1:$(sed -nE 's/.*HTTP on port ([0-9]+)$/\1/p' "$work/log")
else
    address=127.0.0.1:$(sed -nE 's/.*gRPC on port ([0-9]+)$/\1/p' "$work/log")
fi

# Scores of twelve classes, in all ways that the example has.
run 0 "$address" keyword_spotter
says out '[0-9.]+ m?s$'
says out '^  output FP32\[1,12\]: highest [0-9]+ \(-?[0-9.e-]+\), [0-9]+ \('
[ "$(grep -c '^  output ' "$work/out")" = "$(grep '^  output ' "$work/out" | sort | uniq -c | awk '{ print $1 }')" ] ||
    fail "the same numbers have different answers"

# Three inputs of two types; the dimension that they leave open is asked for.
run 0 "$address" multi 3
says out '^  sum FP32\[3,2\]: mean [0-9.]+$'
says out '^  count INT64\[3\]: mean [0-9.]+$'

# What the example cannot make, what is not allowed, what is not there, nobody there, wrong arguments.
run 1 "$address" words
one_sentence 'BYTES'
COSREL_TOKEN='' run 1 "$address" multi
one_sentence 'a token is needed'
run 1 "$address" nix
one_sentence "there is no model 'nix'"
run 2 "$address"
one_sentence '^usage: '
run 2 "$address" multi -1
one_sentence '^usage: '
kill "$server"
wait "$server" || fail "the server ended with $?"
server=
run 1 "$address" multi
one_sentence "$address"
echo ok

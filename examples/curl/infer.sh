#!/bin/bash
# Asks a running `cosrel serve` with curl: whether it is there, what a model takes, for the same inference twice, with
# the numbers as JSON and as binary tensors, and what the server has counted.
#
#     ./infer.sh http://127.0.0.1:8000 mobilenet_v2 [dimension that the model leaves open, default 1]
#
# Needs curl, jq and perl (Debian's base system has perl). COSREL_TOKEN in the environment is sent as the bearer token.
set -euo pipefail
export LC_ALL=C

if [ $# -lt 2 ] || [ $# -gt 3 ] || ! [[ ${3:-1} =~ ^[1-9][0-9]*$ ]]; then
    echo "usage: infer.sh URL MODEL [OPEN-DIMENSION]" >&2
    exit 2
fi
url=${1%/} model=$2 open=${3:-1}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
auth=()
[ -z "${COSREL_TOKEN:-}" ] || auth=(-H "Authorization: Bearer $COSREL_TOKEN")

fail() {
    echo "$*" >&2
    exit 1
}

# ask PATH [curl's options]: leaves the answer in $work/body and $work/head, and the time it took in $took.
ask() {
    local path=$1 said status
    shift
    said=$(curl -s "${auth[@]}" "$@" -o "$work/body" -D "$work/head" -w '%{http_code} %{time_total}' "$url$path") ||
        fail "$url: no answer; is cosrel serve running there?"
    read -r status took <<<"$said"
    [ "$status" = 200 ] || fail "$url$path: $status, $(jq -r '.error? // "no more is said"' "$work/body" 2>/dev/null)"
}

# How perl packs and od reads each type: little-endian, without gaps.
pack_of() {
    case $1 in
    BOOL | UINT8) echo C u1 ;; INT8) echo c d1 ;; INT16) echo 's<' d2 ;; UINT16) echo 'S<' u2 ;;
    INT32) echo 'l<' d4 ;; UINT32) echo 'L<' u4 ;; INT64) echo 'q<' d8 ;; UINT64) echo 'Q<' u8 ;;
    FP32) echo 'f<' f4 ;; FP64) echo 'd<' f8 ;;
    *) fail "tensor $2: this example makes no $1" ;;
    esac
}

# One number a line on standard input: the three highest, with their places, if they look like scores, else the mean.
summary() { # SHAPE
    nl -v0 -ba | sort -k2,2gr | awk -v last="${1##*,}" '
        { sum += $2; if (NR <= 3) best = best sprintf("%s%d (%.3g)", NR > 1 ? ", " : "", $1, $2) }
        END { if (NR >= 5 && NR == last) print "highest " best; else printf "mean %.3g\n", sum / NR }'
}

ask /v2/health/ready
ask /v2
echo "$(jq -r '"\(.name) \(.version)"' "$work/body") at $url"
ask "/v2/models/$model"
jq -c '.inputs[]' "$work/body" >"$work/inputs"

# Random numbers for each input: as JSON, and as the same bytes that a program has in memory.
total=0
while read -r input; do
    name=$(jq -r .name <<<"$input") type=$(jq -r .datatype <<<"$input")
    shape=$(jq -c --argjson open "$open" '.shape | map(if . < 0 then $open else . end)' <<<"$input")
    packed=$(pack_of "$type" "$name")
    count=$(jq 'reduce .[] as $n (1; . * $n)' <<<"$shape")
    echo "$model: $name $type${shape}"
    awk -v n="$count" -v type="$type" -v seed="$RANDOM" 'BEGIN {
        srand(seed)
        for (i = 0; i < n; i++)
            print type ~ /^FP/ ? rand() : int(rand() * (type == "BOOL" ? 2 : 100))
    }' >"$work/numbers"
    perl -ne "print pack '${packed% *}', \$_" "$work/numbers" >>"$work/tensors"
    bytes=$(($(stat -c %s "$work/tensors") - total)) total=$(stat -c %s "$work/tensors")
    jq -n --arg name "$name" --arg type "$type" --argjson shape "$shape" --slurpfile data "$work/numbers" \
        '{$name, datatype: $type, $shape, data: (if $type == "BOOL" then $data | map(. == 1) else $data end)}' \
        >>"$work/json-inputs"
    jq -n --arg name "$name" --arg type "$type" --argjson shape "$shape" --argjson bytes "$bytes" \
        '{$name, datatype: $type, $shape, parameters: {binary_data_size: $bytes}}' >>"$work/binary-inputs"
done <"$work/inputs"

# As JSON: easy to read and to write, and slow where tensors are large.
jq -sc '{inputs: .}' "$work/json-inputs" >"$work/request"
ask "/v2/models/$model/infer" --data-binary "@$work/request"
echo "JSON: $took s"
while read -r output; do
    shape=$(jq -r '.shape | join(",")' <<<"$output")
    numbers=$(jq '.data[] | if . == true then 1 elif . == false then 0 else . end' <<<"$output" | summary "$shape")
    echo "  $(jq -r '"\(.name) \(.datatype)"' <<<"$output")[$shape]: $numbers"
done < <(jq -c '.outputs[]' "$work/body")

# Binary: the JSON, whose length a header tells, and then the tensors in its order. The answer has the same form.
jq -sjc '{inputs: ., parameters: {binary_data_output: true}}' "$work/binary-inputs" >"$work/request"
json_bytes=$(stat -c %s "$work/request")
cat "$work/tensors" >>"$work/request"
ask "/v2/models/$model/infer" --data-binary "@$work/request" -H 'Content-Type: application/octet-stream' \
    -H "Inference-Header-Content-Length: $json_bytes"
echo "binary: $took s"
at=$(tr -d '\r' <"$work/head" | awk -F ': ' 'tolower($1) == "inference-header-content-length" { print $2 }')
head -c "$at" "$work/body" | jq -c '.outputs[]' >"$work/outputs"
while read -r output; do
    type=$(jq -r .datatype <<<"$output") shape=$(jq -r '.shape | join(",")' <<<"$output")
    bytes=$(jq .parameters.binary_data_size <<<"$output")
    packed=$(pack_of "$type" "$(jq -r .name <<<"$output")")
    numbers=$(od -A n -v -w"${packed: -1}" -t "${packed#* }" -j "$at" -N "$bytes" "$work/body" | summary "$shape")
    echo "  $(jq -r .name <<<"$output") ${type}[$shape]: $numbers"
    at=$((at + bytes))
done <"$work/outputs"

ask "/v2/models/$model/stats"
jq -r '.model_stats[] | "\(.name) \(.version): \(.inference_count) inferences in \(.execution_count) runs, " +
    "\(.inference_stats.success | if .count > 0 then .ns / .count / 1000 | round else 0 end) us each"' "$work/body"

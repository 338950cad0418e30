# uPlot, which draws the live page's charts: a pinned version below $COSREL_DEPS.

uplot_version=1.6.32
uplot_integrity='sha512-KIMVnG68zvu5XXUbC4LQEPnhwOxBuLyW1AHtpm6IKTXImkbLgkMy+jabjLgSLMasNuGGzQm/ep3tOkyTxpiQIw=='

uplot_must_be_fetched() { [ "$(cat "$COSREL_DEPS/uplot/version" 2>/dev/null)" != "$uplot_version" ]; }

setup_uplot() {
    local tmp=$COSREL_DEPS/tmp/uplot tarball
    uplot_must_be_fetched || return 0
    say "fetching uPlot $uplot_version"
    rm -rf "$tmp"
    mkdir -p "$tmp/uplot"
    tarball=$(npm_tarball "uplot@$uplot_version" "$uplot_integrity" "$tmp") || exit 1
    tar -xzf "$tarball" -C "$tmp" package/LICENSE package/dist/uPlot.iife.min.js package/dist/uPlot.min.css ||
        die "uplot $uplot_version does not hold what is built into the program"
    mv "$tmp/package/LICENSE" "$tmp/package/dist/"* "$tmp/uplot/"
    echo "$uplot_version" >"$tmp/uplot/version"
    rm -rf "$COSREL_DEPS/uplot"
    mv "$tmp/uplot" "$COSREL_DEPS/uplot"
    rm -rf "$tmp"
}

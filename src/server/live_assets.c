#include "server/live_assets.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* X(name in the program, address, type). src/server/CMakeLists.txt names the files. */
#define ASSETS(X)                                                                                  \
    X(live_html, "/", "text/html; charset=utf-8")                                                  \
    X(live_css, "/live/live.css", "text/css; charset=utf-8")                                       \
    X(live_js, "/live/live.js", "text/javascript; charset=utf-8")                                  \
    X(live_base_js, "/live/base.js", "text/javascript; charset=utf-8")                             \
    X(live_charts_js, "/live/charts.js", "text/javascript; charset=utf-8")                         \
    X(live_colours_js, "/live/colours.js", "text/javascript; charset=utf-8")                       \
    X(live_decisions_js, "/live/decisions.js", "text/javascript; charset=utf-8")                   \
    X(live_objective_js, "/live/objective.js", "text/javascript; charset=utf-8")                   \
    X(live_state_js, "/live/state.js", "text/javascript; charset=utf-8")                           \
    X(live_stream_js, "/live/stream.js", "text/javascript; charset=utf-8")                         \
    X(live_tables_js, "/live/tables.js", "text/javascript; charset=utf-8")                         \
    X(live_timeline_js, "/live/timeline.js", "text/javascript; charset=utf-8")                     \
    X(live_icon, "/live/icon.svg", "image/svg+xml")                                                \
    X(uplot_js, "/live/uplot.js", "text/javascript; charset=utf-8")                                \
    X(uplot_css, "/live/uplot.css", "text/css; charset=utf-8")                                     \
    X(uplot_license, "/live/uplot.txt", "text/plain; charset=utf-8")

#define DECLARE(name, url, type)                                                                   \
    extern const unsigned char embedded_##name[];                                                  \
    extern const size_t embedded_##name##_bytes;
ASSETS(DECLARE)
#undef DECLARE

#define ROW(name, url, type) {url, type, embedded_##name, &embedded_##name##_bytes},
static const live_asset assets[] = {ASSETS(ROW)};
#undef ROW

const live_asset *live_asset_find(const char *url)
{
    for (size_t i = 0; i < sizeof assets / sizeof *assets; i++)
        if (strcmp(assets[i].url, url) == 0)
            return &assets[i];
    return NULL;
}

/* FNV-1a, 64 bits: no secret, only a name for these bytes. */
void live_asset_tag(const live_asset *asset, char *out, size_t room)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < *asset->bytes; i++)
        hash = (hash ^ asset->data[i]) * 0x100000001b3u;
    snprintf(out, room, "%016llx", (unsigned long long)hash);
}

/* The live page's files, as they are built into the program from web/live. */
#ifndef SERVER_LIVE_ASSETS_H
#define SERVER_LIVE_ASSETS_H

#include <stddef.h>

typedef struct live_asset {
    const char *url, *type;
    const unsigned char *data;
    const size_t *bytes;
} live_asset;

/* NULL: there is none at this address. */
const live_asset *live_asset_find(const char *url);

/* Changes with the contents; 16 digits. */
void live_asset_tag(const live_asset *asset, char *out, size_t room);

#endif

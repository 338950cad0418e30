#include "server/versions.h"

#include <string.h>

/* To its place, unless it is there: while a version is replaced by itself there are two of it. */
static size_t insert(int64_t *all, size_t count, int64_t version)
{
    size_t at = 0;
    while (at < count && all[at] < version)
        at++;
    if (at < count && all[at] == version)
        return count;
    memmove(all + at + 1, all + at, (count - at) * sizeof *all);
    all[at] = version;
    return count + 1;
}

size_t versions_of(cosrel_runtime *rt, const char *name, int64_t out[VERSIONS_MAX])
{
    cosrel_model *models[VERSIONS_MAX];
    const size_t there = cosrel_runtime_models(rt, models, VERSIONS_MAX);
    size_t count = 0;
    for (size_t i = 0; i < there && i < VERSIONS_MAX; i++) {
        const cosrel_model_info *info = cosrel_model_describe(models[i]);
        if (strcmp(info->name, name) == 0)
            count = insert(out, count, info->version);
    }
    return count;
}

/* The first run of a model on a processor loads it; where only so many fit, the one that was used
 * longest ago makes room (least recently used, as drivers' caches of compiled graphs do). */
#include <stdlib.h>

#include "sim/device_match.h"
#include "sim/device_parts.h"

static size_t place(const device_load *l, int host, int model)
{
    return (size_t)host * (size_t)l->model_count + (size_t)model;
}

bool load_init(device_load *l, const device_spec *spec, const device_layout *layout)
{
    const size_t cells = (size_t)layout->count * (size_t)layout->model_count;
    l->model_count = layout->model_count;
    l->load_ns = calloc(cells ? cells : 1, sizeof *l->load_ns);
    l->used = calloc(cells ? cells : 1, sizeof *l->used);
    if (!l->load_ns || !l->used)
        return false;
    for (int p = 0; p < layout->count; p++) {
        const device_load_spec *s = device_match_best(spec->load, sizeof *spec->load,
                                                      spec->load_count, layout->processors[p].name);
        l->limit[p] = s ? s->resident : 0;
        for (int m = 0; s && m < layout->model_count; m++) {
            const device_load_model *known = device_match_best(s->models, sizeof *s->models,
                                                               s->model_count, layout->models[m]);
            l->load_ns[place(l, p, m)] = device_ns_of_ms(known ? known->ms : s->default_ms);
        }
    }
    return true;
}

void load_deinit(device_load *l)
{
    free(l->load_ns);
    free(l->used);
    l->load_ns = NULL;
    l->used = NULL;
}

static void evict_oldest(device_load *l, int host)
{
    uint64_t *oldest = NULL;
    for (int m = 0; m < l->model_count; m++) {
        uint64_t *used = &l->used[place(l, host, m)];
        if (*used && (!oldest || *used < *oldest))
            oldest = used;
    }
    if (!oldest)
        return;
    *oldest = 0;
    l->resident[host]--;
}

int64_t load_begin(device_load *l, int host, int model)
{
    uint64_t *used = &l->used[place(l, host, model)];
    const bool there = *used > 0;
    if (!there) {
        if (l->limit[host] > 0 && l->resident[host] == l->limit[host])
            evict_oldest(l, host);
        l->resident[host]++;
    }
    *used = ++l->runs;
    return there ? 0 : l->load_ns[place(l, host, model)];
}

bool load_is_resident(const device_load *l, int host, int model)
{
    return l->used[place(l, host, model)] > 0;
}

void load_forget(device_load *l, int host)
{
    for (int m = 0; m < l->model_count; m++)
        l->used[place(l, host, m)] = 0;
    l->resident[host] = 0;
}

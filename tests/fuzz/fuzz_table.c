/* Any bytes as a device table: refused with a sentence, or a table in which every row is found and
 * that fills costs. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "profile/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition)
        abort();
}

static void check_table(const device_table *t)
{
    size_t processors, models;
    int32_t batches[COST_BATCHES_MAX];
    int count;
    const char *const *names = table_processors(t, &processors);
    const char *const *model_names = table_models(t, &models);
    require(table_row_count(t) > 0 && processors > 0 && models > 0);
    for (size_t i = 0; i < table_row_count(t); i++) {
        const table_row *row = table_row_at(t, i);
        require(table_find(t, row->processor, row->model, row->batch) == row);
        require(row->latency_ms > 0 && isfinite(row->latency_ms) && row->batch >= 1);
        require(table_energy_uj(row) >= 0);
    }
    if (processors > 64 || table_batches(t, batches, &count, NULL) != COSREL_OK)
        return;
    cost_table costs;
    require(cost_init(&costs, 1, (int)processors, batches, count) == COSREL_OK);
    require(table_fill(t, model_names[0], names, 0, &costs) > 0);
    cost_deinit(&costs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    device_table *t;
    cosrel_error err = {""};
    if (table_parse("fuzz.csv", (const char *)data, size, &t, &err) != COSREL_OK) {
        require(t == NULL && strncmp(err.text, "fuzz.csv:", 9) == 0);
        return 0;
    }
    check_table(t);
    table_free(t);
    return 0;
}

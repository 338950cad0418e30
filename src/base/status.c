#include "cosrel/status.h"

typedef struct status_row {
    const char *name;
    const char *text;
    int http;
} status_row;

static const status_row rows[] = {
#define STATUS_ROW(name, value, text, http) [value] = {#name, text, http},
    COSREL_STATUS_TABLE(STATUS_ROW)
#undef STATUS_ROW
};

static const status_row *row_of(cosrel_status status)
{
    static const status_row unknown = {"UNKNOWN", "an unknown status", 500};
    const unsigned index = (unsigned)status;
    if (index >= sizeof rows / sizeof rows[0] || !rows[index].name)
        return &unknown;
    return &rows[index];
}

const char *cosrel_status_name(cosrel_status status)
{
    return row_of(status)->name;
}

const char *cosrel_status_text(cosrel_status status)
{
    return row_of(status)->text;
}

int cosrel_status_http(cosrel_status status)
{
    return row_of(status)->http;
}

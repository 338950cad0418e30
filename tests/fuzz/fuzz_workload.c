/* Any bytes as a workload file: one line that says what is wrong, or streams within their bounds. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "workload/workload.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    workload *w;
    cosrel_error err = {""};
    char *text = malloc(bytes + 1);
    if (!text)
        return 0;
    memcpy(text, data, bytes);
    text[bytes] = '\0';
    if (workload_parse("workload.yaml", text, bytes, &w, &err) != COSREL_OK) {
        if (w || err.text[0] == '\0' || strchr(err.text, '\n'))
            abort();
    } else {
        for (uint32_t i = 0; i < w->stream_count; i++) {
            const workload_stream *s = &w->streams[i];
            if (!s->model || (s->kind != WORKLOAD_CLOSED && !(s->rate_hz > 0)) ||
                s->in_flight > WORKLOAD_IN_FLIGHT_MAX)
                abort();
        }
    }
    workload_free(w);
    free(text);
    return 0;
}

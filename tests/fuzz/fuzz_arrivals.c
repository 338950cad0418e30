/* Any bytes as arrivals: refused with a sentence, or rows in order, from which a source gives the
 * same requests. The first byte says whether any model may be named. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "workload/arrivals_file.h"
#include "workload/source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition)
        abort();
}

static void check_list(const arrivals_list *list, int model_count)
{
    source *s;
    source_request r;
    int64_t last_ns = 0;
    require(list->count > 0 && model_count > 0);
    for (size_t i = 0; i < list->count; i++) {
        const arrivals_row *row = &list->rows[i];
        require(row->t_ns >= last_ns && row->deadline_ns >= row->t_ns);
        require(row->model >= 0 && row->model < model_count);
        last_ns = row->t_ns;
    }
    for (int i = 0; i < list->model_count; i++)
        require(list->models[i][0] != '\0' && list->model_lines[i] > 1);
    require(source_from_arrivals(list, INT64_MAX, &s, NULL) == COSREL_OK);
    for (size_t i = 0; i < list->count; i++) {
        require(source_next_ns(s) == list->rows[i].t_ns);
        source_pop(s, &r);
        require(r.id == i);
    }
    require(source_next_ns(s) == INT64_MAX);
    source_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const models[] = {"a", "resnet50", "b,c"};
    arrivals_list *list;
    cosrel_error err = {""};
    if (size == 0)
        return 0;
    const int any = data[0] & 1;
    if (arrivals_parse("fuzz.csv", (const char *)data + 1, size - 1, any ? NULL : models, 3, &list,
                       &err) != COSREL_OK) {
        require(list == NULL && strncmp(err.text, "fuzz.csv:", 9) == 0);
        require(strchr(err.text, '\n') == NULL);
        return 0;
    }
    check_list(list, any ? list->model_count : 3);
    arrivals_free(list);
    return 0;
}

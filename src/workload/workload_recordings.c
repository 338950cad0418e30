/* Recorded streams. All streams of one file share its rows, which keep their order among each
 * other. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "workload/workload_parts.h"

/* Beside the workload's own file. NULL: no memory. */
static char *path_of(const workload *w, const char *file)
{
    const char *slash = strrchr(w->path, '/');
    if (file[0] == '/' || !slash)
        return strdup(file);
    char *folder = strndup(w->path, (size_t)(slash - w->path) + (slash == w->path));
    char *path = folder ? file_join(folder, file) : NULL;
    free(folder);
    return path;
}

static cosrel_status read_one(workload *w, const workload_stream *s, arrivals_list **out,
                              cosrel_error *err)
{
    char *path = path_of(w, s->file);
    arrivals_list **grown = realloc(w->recordings, (w->recording_count + 1) * sizeof *grown);
    cosrel_error why = {""};
    *out = NULL;
    if (grown)
        w->recordings = grown;
    if (!path || !grown) {
        free(path);
        return error_set(err, COSREL_OUT_OF_MEMORY, "%s: no memory", w->path);
    }
    cosrel_status status = arrivals_read(path, NULL, 0, out, &why);
    free(path);
    if (status == COSREL_OK)
        w->recordings[w->recording_count++] = *out;
    else if (status == COSREL_INVALID_FILE)
        (void)error_set(err, status, "%s", why.text);
    else
        (void)error_set(err, status, "%s:%d: file: %s", w->path, s->line, why.text);
    return status;
}

static cosrel_status check_model(const workload *w, const workload_stream *s,
                                 const arrivals_list *list, cosrel_error *err)
{
    for (int i = 0; i < list->model_count; i++)
        if (strcmp(list->models[i], s->model) == 0)
            return COSREL_OK;
    const char *nearest = text_nearest(s->model, (const char *const *)list->models,
                                       (size_t)list->model_count);
    return error_set(err, COSREL_INVALID_FILE,
                     "%s:%d: model: '%.80s' has no row in %.120s%s%.80s%s", w->path, s->line,
                     s->model, s->file, nearest ? "; did you mean '" : "", nearest ? nearest : "",
                     nearest ? "'?" : "");
}

/* The stream at `index` for the first model of its file, and new ones at the end for the others. */
static cosrel_status spread(workload *w, uint32_t index, cosrel_error *err)
{
    const arrivals_list *list = w->streams[index].recording;
    const uint32_t more = (uint32_t)list->model_count - 1;
    if (more > WORKLOAD_STREAMS_MAX - w->stream_count)
        return error_set(err, COSREL_INVALID_FILE,
                         "%s:%d: file: %.120s names %d models; expected at most %d streams in all",
                         w->path, w->streams[index].line, w->streams[index].file, list->model_count,
                         WORKLOAD_STREAMS_MAX);
    workload_stream *grown = realloc(w->streams, (w->stream_count + more) * sizeof *grown);
    if (!grown)
        return error_set(err, COSREL_OUT_OF_MEMORY, "%s: no memory", w->path);
    w->streams = grown;
    const workload_stream whole = grown[index];
    for (int m = 0; m < list->model_count; m++) {
        workload_stream *s = m == 0 ? &grown[index] : &grown[w->stream_count++];
        *s = (workload_stream){.name = strdup(whole.name ? whole.name : list->models[m]),
                               .model = strdup(list->models[m]),
                               .kind = WORKLOAD_RECORDED,
                               .priority = whole.priority,
                               .file = strdup(whole.file),
                               .recording = list,
                               .line = whole.line};
        if (!s->name || !s->model || !s->file) {
            free(whole.name);
            free(whole.file);
            return error_set(err, COSREL_OUT_OF_MEMORY, "%s: no memory", w->path);
        }
    }
    free(whole.name);
    free(whole.file);
    return COSREL_OK;
}

cosrel_status workload_load_recordings(workload *w, cosrel_error *err)
{
    const uint32_t written = w->stream_count;
    for (uint32_t i = 0; i < written; i++) {
        workload_stream *s = &w->streams[i];
        arrivals_list *list;
        if (s->kind != WORKLOAD_RECORDED)
            continue;
        cosrel_status status = read_one(w, s, &list, err);
        if (status != COSREL_OK)
            return status;
        s->recording = list;
        status = s->model ? check_model(w, s, list, err) : spread(w, i, err);
        if (status != COSREL_OK)
            return status;
    }
    return COSREL_OK;
}

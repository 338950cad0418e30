/* Sessions from a model's own files, which somebody may replace or write into meanwhile.
 *
 * What comes out must be the content that was hashed: under that hash the optimised copy is kept,
 * and by it a folder's changes are seen. ONNX Runtime opens the files by itself, some time later;
 * so they are looked at again when it is done. It maps weights that lie beside the model, for as
 * long as the session lives: whoever writes into them would change what is served, and who cuts
 * them off would end the process. So it gets them from memory, where there is memory.
 *
 * The model's own file it reads in pieces of 4 MB, within each of which a thread of the idle class
 * keeps the core from others (base/file.c). So it gets that from memory as well, on CPUs: another
 * provider may want to know where the file lies, for others that it names. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "device/ort_session.h"

/* ONNX Runtime copies what it gets into its graph, which can be no larger than 2 GiB, and both
 * copies are there for a moment (chosen: a sixteenth of the memory, and half of what a graph may
 * have). Of larger models it opens the files. */
static const uint64_t IN_MEMORY_BYTES_MAX = UINT64_C(1) << 30;
enum { MEMORY_PART = 16 };

typedef struct external_files {
    char **data;
    size_t *bytes;
    size_t count;
} external_files;

static void free_files(external_files *files)
{
    for (size_t i = 0; files->data && i < files->count; i++)
        free(files->data[i]);
    free(files->data);
    free(files->bytes);
}

static uint64_t bytes_max(void)
{
    const long pages = sysconf(_SC_PHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);
    const uint64_t part = pages > 0 && page_bytes > 0
                              ? (uint64_t)pages * (uint64_t)page_bytes / MEMORY_PART
                              : IN_MEMORY_BYTES_MAX;
    return part < IN_MEMORY_BYTES_MAX ? part : IN_MEMORY_BYTES_MAX;
}

/* Into the options; ONNX Runtime copies them when the session is made. */
static cosrel_status read_files(const model_source *source, OrtSessionOptions *options,
                                external_files *files, cosrel_error *err)
{
    const onnx_content *content = &source->content;
    const size_t count = content->external_count;
    cosrel_status status = COSREL_OK;
    if (count == 0 || content->bytes > bytes_max())
        return COSREL_OK;
    files->count = count;
    files->data = calloc(count, sizeof *files->data);
    files->bytes = calloc(count, sizeof *files->bytes);
    if (!files->data || !files->bytes)
        return error_set(err, COSREL_OUT_OF_MEMORY, "%s: no memory for its weights", source->path);
    for (size_t i = 0; i < count && status == COSREL_OK; i++)
        status = file_read(content->external_paths[i], (size_t)content->bytes, &files->data[i],
                           &files->bytes[i], err);
    if (status != COSREL_OK)
        return status == COSREL_OUT_OF_MEMORY ? status : COSREL_IO;
    return ort_check(ort_api()->AddExternalInitializersFromFilesInMemory(
                         options, (const ORTCHAR_T *const *)content->external_locations,
                         files->data, files->bytes, count),
                     source->path, err);
}

/* It has been written to since it was looked into: the same once more is as good. */
static cosrel_status look_again(model_source *source, cosrel_error *err)
{
    onnx_content now;
    if (onnx_content_is_current(&source->content, source->path))
        return COSREL_OK;
    const cosrel_status status = onnx_content_read(source->path, &now, err);
    if (status != COSREL_OK)
        return status == COSREL_OUT_OF_MEMORY ? status : COSREL_IO;
    const bool same = strcmp(now.hash, source->content.hash) == 0;
    if (same) {
        onnx_content_deinit(&source->content);
        source->content = now;
        return COSREL_OK;
    }
    onnx_content_deinit(&now);
    return error_set(err, COSREL_IO, "%s: has another content now than when it was loaded",
                     source->path);
}

static cosrel_status open_from_memory(OrtEnv *env, const char *path, OrtSessionOptions *options,
                                      OrtSession **out, cosrel_error *err)
{
    char *data;
    size_t bytes;
    cosrel_status status = file_read(path, (size_t)IN_MEMORY_BYTES_MAX, &data, &bytes, err);
    if (status != COSREL_OK)
        return status == COSREL_OUT_OF_MEMORY ? status : COSREL_IO;
    status = ort_check(ort_api()->CreateSessionFromArray(env, data, bytes, options, out), path,
                       err);
    free(data);
    return status;
}

cosrel_status ort_source_open(OrtEnv *env, const device_spec *spec, model_source *source,
                              OrtSessionOptions *options, OrtSession **out, cosrel_error *err)
{
    const OrtApi *api = ort_api();
    external_files files = {.count = 0};
    *out = NULL;
    cosrel_status status = look_again(source, err);
    if (status != COSREL_OK)
        return status;
    status = read_files(source, options, &files, err);
    if (status == COSREL_OK && spec->kind == DEVICE_CPU && source->content.bytes <= bytes_max())
        status = open_from_memory(env, source->path, options, out, err);
    else if (status == COSREL_OK)
        status = ort_check(api->CreateSession(env, source->path, options, out), source->path, err);
    free_files(&files);
    if (onnx_content_is_current(&source->content, source->path))
        return status;
    if (status == COSREL_OK)
        api->ReleaseSession(*out);
    *out = NULL;
    return status == COSREL_OUT_OF_MEMORY
               ? status
               : error_set(err, COSREL_IO, "%s: changed while it was read; load it again",
                           source->path);
}

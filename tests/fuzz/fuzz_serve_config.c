/* Any bytes as the settings of `cosrel serve`: one line that says what is wrong, or settings within
 * their bounds, which are written down and read again the same. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "serve_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* What serve_config_print writes. */
static char *print(const serve_config *c, size_t *bytes)
{
    char *text = NULL;
    FILE *to = open_memstream(&text, bytes);
    if (!to)
        abort();
    serve_config_print(c, to);
    fclose(to);
    return text;
}

/* As a file of its own, which only memory holds. */
static cosrel_status read_text(const void *text, size_t bytes, serve_config *out, cosrel_error *err)
{
    char path[32];
    const int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || (bytes && write(fd, text, bytes) != (ssize_t)bytes))
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    const serve_values values = {.config = path};
    const cosrel_status status = serve_config_init(&values, out, err);
    out->values.config = NULL;
    close(fd);
    return status;
}

static void check(const serve_values *v)
{
    if (!v->http || !v->grpc || !v->policy || !v->objective)
        abort();
    if (v->queue_max < 1 || v->queue_max > 100000 || v->body_max_mb < 1 || v->body_max_mb > 4096 ||
        v->connections_max < 1 || v->connections_max > 100000)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    serve_config first, second;
    cosrel_error err = {""};
    if (read_text(data, bytes, &first, &err) != COSREL_OK) {
        if (err.text[0] == '\0' || strchr(err.text, '\n'))
            abort();
        return 0;
    }
    check(&first.values);
    server_options options;
    serve_config_server(&first, &options);
    if (!options.http.address || options.http.body_max == 0)
        abort();
    size_t length, length_again;
    char *text = print(&first, &length);
    if (read_text(text, length, &second, &err) != COSREL_OK) {
        fprintf(stderr, "%s\n%s\n", err.text, text);
        abort();
    }
    second.token_count = first.token_count; /* they are not printed */
    char *again = print(&second, &length_again);
    if (length != length_again || memcmp(text, again, length) != 0) {
        fprintf(stderr, "%s\nis not\n%s\n", text, again);
        abort();
    }
    free(text);
    free(again);
    serve_config_deinit(&first);
    serve_config_deinit(&second);
    return 0;
}

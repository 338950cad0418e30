#include "support.h"

#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

int support_open(void **state)
{
    char *folder = strdup("/tmp/cosrel-model-XXXXXX");
    if (!folder || !mkdtemp(folder))
        return -1;
    *state = folder;
    return 0;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info;
    (void)kind;
    (void)where;
    return remove(path);
}

int support_close(void **state)
{
    const int result = nftw(*state, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    free(*state);
    return result;
}

const char *support_path(char *path, void **state, const char *name)
{
    snprintf(path, 512, "%s/%s", (const char *)*state, name);
    return path;
}

void support_write(const char *path, const void *data, size_t bytes)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
}

uint8_t *support_read(const char *path, size_t *bytes)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    *bytes = (size_t)ftell(file);
    rewind(file);
    uint8_t *data = malloc(*bytes + 1);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, *bytes, file), *bytes);
    fclose(file);
    return data;
}

void support_folder(const char *path)
{
    assert_int_equal(mkdir(path, 0755), 0);
}

void support_expect(cosrel_status status, cosrel_status wanted, const cosrel_error *err,
                    const char *words, const char *file, int line)
{
    if (status != wanted) {
        print_error("%s:%d: status %s, wanted %s; message: %s\n", file, line,
                    cosrel_status_name(status), cosrel_status_name(wanted),
                    status == COSREL_OK ? "" : err->text);
        fail();
    }
    if (wanted != COSREL_OK && !strstr(err->text, words)) {
        print_error("%s:%d: '%s' is not in the message: %s\n", file, line, words, err->text);
        fail();
    }
}

/* Runs a fuzz target over its corpus (or over the files and folders named) without libFuzzer: what
 * fuzzing once found stays found, with every compiler and sanitizer. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct stat info;
    if (!file || fstat(fileno(file), &info) != 0) {
        perror(path);
        return -1;
    }
    /* A block of exactly the file's size, so that a sanitizer sees any read beyond it. */
    const size_t bytes = (size_t)info.st_size;
    uint8_t *data = malloc(bytes ? bytes : 1);
    const int ok = data && fread(data, 1, bytes, file) == bytes;
    fclose(file);
    if (ok) {
        fprintf(stderr, "%s\n", path); /* the last line before a crash names the file */
        LLVMFuzzerTestOneInput(data, bytes);
    }
    free(data);
    return ok ? 1 : -1;
}

/* The number of inputs, or -1. */
static int replay(const char *path)
{
    DIR *dir = opendir(path);
    if (!dir)
        return replay_file(path);
    int total = 0;
    for (const struct dirent *entry = readdir(dir); entry && total >= 0; entry = readdir(dir)) {
        char inner[4096];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
        const int count = replay(inner);
        total = count < 0 ? -1 : total + count;
    }
    closedir(dir);
    return total;
}

int main(int argc, char **argv)
{
    int total = 0;
    for (int i = 1; i < argc || (argc == 1 && i == 1); i++) {
        const int count = replay(argc == 1 ? FUZZ_CORPUS : argv[i]);
        if (count < 0)
            return 1;
        total += count;
    }
    printf("%d inputs\n", total);
    return total > 0 ? 0 : 1; /* an empty corpus tests nothing */
}

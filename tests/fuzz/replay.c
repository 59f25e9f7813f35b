/* SPDX-License-Identifier: MIT
 *
 * replay: gives files to a fuzz target without a fuzzer: PROGRAM PATH... A
 * path is a file or a directory of files. What was found once, or is a good
 * start for finding more, stays checked this way with any compiler.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILE ((size_t)1 << 24)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *path)
{
    FILE *f = fopen(path, "rb");
    uint8_t *data = malloc(MAX_FILE);
    size_t n = 0;

    if (f == NULL || data == NULL) {
        perror(path);
        exit(2);
    }
    n = fread(data, 1, MAX_FILE, f);
    (void)fclose(f);
    /* exactly as long as it is, so that a sanitizer sees reading past it */
    data = realloc(data, n > 0 ? n : 1);
    (void)LLVMFuzzerTestOneInput(data, n);
    free(data);
    return 1;
}

static int replay_all(const char *dir)
{
    struct dirent **found = NULL;
    int n = scandir(dir, &found, NULL, alphasort);
    int count = 0;

    for (int i = 0; i < n; i++) {
        char path[4096];

        (void)snprintf(path, sizeof(path), "%s/%s", dir, found[i]->d_name);
        if (found[i]->d_type == DT_REG) {
            count += replay(path);
        }
        free(found[i]);
    }
    free(found);
    return n < 0 ? replay(dir) : count;
}

/* Adds the result to the file of `make check`, if that is who asks. */
static void tally(int passed)
{
    const char *path = getenv("CHECK_TALLY");
    FILE *f = path != NULL ? fopen(path, "a") : NULL;

    if (f != NULL) {
        (void)fprintf(f, "%d 0\n", passed);
        (void)fclose(f);
    }
}

int main(int argc, char **argv)
{
    const char *name = strrchr(argv[0], '/');
    int count = 0;

    for (int i = 1; i < argc; i++) {
        int n = replay_all(argv[i]);

        if (n == 0) {
            (void)fprintf(stderr, "%s: no files\n", argv[i]);
            return 1;
        }
        count += n;
    }
    (void)printf("%s: %d inputs\n", name != NULL ? name + 1 : argv[0], count);
    tally(count);
    return count > 0 ? 0 : 1;
}

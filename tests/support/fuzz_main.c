/* Runs a fuzz target as a plain test: feeds it every file of the corpus directories and files named on the
 * command line, and each of them cut at several lengths and with single bytes changed. Linked to a
 * tests/fuzz/<name>_fuzz.c in builds without libFuzzer; it succeeds when the target survives. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned runs;

/* An exact heap copy, so that a sanitizer sees a read one byte past the end. */
static void feed(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);

    if (!copy)
        abort();
    if (size)
        memcpy(copy, data, size);
    (void)LLVMFuzzerTestOneInput(copy, size); /* it aborts when something is wrong */
    free(copy);
    runs++;
}

static void feed_variants(uint8_t *data, size_t size)
{
    uint32_t x = 2463534242u;

    feed(data, size);
    for (size_t cut = 0; cut < size; cut += 1 + size / 64)
        feed(data, cut);
    for (unsigned i = 0; size && i < 64; i++) {
        x ^= x << 13, x ^= x >> 17, x ^= x << 5; /* xorshift: the same on every run */
        size_t at = x % size;
        uint8_t old = data[at];
        data[at] = (uint8_t)(old ^ (1u << (x >> 29)));
        feed(data, size);
        data[at] = old;
    }
}

static void feed_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    struct stat st;

    if (!f || fstat(fileno(f), &st) != 0) {
        perror(path);
        exit(1);
    }
    size_t size = (size_t)st.st_size;
    uint8_t *data = malloc(size ? size : 1);
    if (!data || fread(data, 1, size, f) != size) {
        perror(path);
        exit(1);
    }
    feed_variants(data, size);
    free(data);
    fclose(f);
}

static void feed_path(const char *path)
{
    DIR *dir = opendir(path);

    if (!dir) {
        feed_file(path);
        return;
    }
    for (struct dirent *e; (e = readdir(dir));) {
        char name[4096];
        if (e->d_name[0] == '.')
            continue;
        (void)snprintf(name, sizeof name, "%s/%s", path, e->d_name);
        feed_file(name);
    }
    closedir(dir);
}

int main(int argc, char **argv)
{
    uint8_t nothing = 0;

    feed(&nothing, 0);
    for (int i = 1; i < argc; i++)
        feed_path(argv[i]);
    printf("%u inputs\n1 passed, 0 failed\n", runs);
    return 0;
}

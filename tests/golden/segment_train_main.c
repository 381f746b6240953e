/* Trains the dictionary of segments on a replica's changesets (segment_train.lua makes one) and writes it as C source. */
#include "replica/replica.h"
#include <stdlib.h>
#include <zdict.h>

enum { SIZE = 8 << 10, PER_LINE = 32, SAMPLES_MAX = 100000 };

static ph_buf samples;
static size_t sizes[SAMPLES_MAX], count;

static prophet_code collect(void *ctx, ph_frame_type type, prophet_slice frame, const ph_id *id,
                            prophet_error *err)
{
    size_t before = samples.len;
    (void)ctx;
    (void)id;
    (void)err;
    if (type != PH_FRAME_CHANGESET || count == SAMPLES_MAX)
        return PROPHET_OK;
    ph_buf_byte(&samples, (uint8_t)type);
    ph_buf_varint(&samples, frame.len);
    ph_buf_put(&samples, frame.data, frame.len);
    sizes[count++] = samples.len - before;
    return PROPHET_OK;
}

static void print(const uint8_t *bytes, size_t n)
{
    printf("/* The dictionary that segments are compressed with, trained by "
           "tests/golden/segment_train_main.c. It is part of the format: never "
           "changed. */\n#include \"sync/segment_impl.h\"\n\n/* clang-format off */\nconst "
           "unsigned char sync_dictionary[] = {");
    for (size_t i = 0; i < n; i++)
        printf("%s%u,", i % PER_LINE ? "" : "\n", bytes[i]);
    printf("\n};\n/* clang-format on */\nconst size_t sync_dictionary_size = sizeof "
           "sync_dictionary;\n");
}

int main(int argc, char **argv)
{
    const ph_replica_options o = { .readonly = true };
    static uint8_t out[SIZE];
    prophet_error err;
    ph_replica *r;
    ph_view *v;
    if (argc != 2 || ph_replica_open(argv[1], &o, &r, &err) < 0 || ph_view_begin(r, &v, &err) < 0)
        return 1;
    /* each changeset as it lies alone, at the start of a stream, and all of them in one */
    for (uint64_t i = 1; i <= v->state.version; i += 3)
        if (ph_view_stream(v, &i, 1, false, collect, NULL, &err) < 0)
            return 1;
    if (ph_view_stream(v, NULL, 0, true, collect, NULL, &err) < 0)
        return 1;
    ph_view_end(v);
    ph_replica_close(r);
    size_t n = ZDICT_trainFromBuffer(out, SIZE, samples.data, sizes, (unsigned)count);
    ph_buf_clear(&samples);
    if (ZDICT_isError(n))
        return 1;
    print(out, n);
    return 0;
}

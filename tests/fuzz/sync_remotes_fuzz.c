/* The file of remotes: what is read is written again as the same, and has no value that could become another line. */
#include "sync/sync.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ph_arena a = PH_ARENA_INIT;
    ph_buf once = PH_BUF_INIT, twice = PH_BUF_INIT;
    prophet_remote *at, *again;
    size_t count, count_again;
    prophet_error err = { 0 };
    if (ph_sync_remotes_parse(ph_slice(data, size), &a, &at, &count, &err) >= 0) {
        for (size_t i = 0; i < count; i++)
            ph_require(at[i].name && at[i].url && !strpbrk(at[i].url, "\r\n"));
        ph_sync_remotes_format(at, count, &once);
        ph_require(ph_sync_remotes_parse(ph_buf_slice(&once), &a, &again, &count_again, &err) >=
                       0 &&
                   count_again == count);
        ph_sync_remotes_format(again, count_again, &twice);
        ph_require(ph_slice_eq(ph_buf_slice(&once), ph_buf_slice(&twice)));
    }
    ph_buf_clear(&once);
    ph_buf_clear(&twice);
    ph_arena_clear(&a);
    return 0;
}

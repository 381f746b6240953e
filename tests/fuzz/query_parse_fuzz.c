/* The text form of queries: whatever is typed becomes a spec that compiles, or an error. */
#include "query/query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static prophet_code any_type(void *ctx, prophet_slice name, uint32_t *id, prophet_error *err)
{
    (void)ctx, (void)name, (void)err;
    *id = 1;
    return PROPHET_OK;
}

/* The first letter of a name says its kind. */
static prophet_code any_field(void *ctx, prophet_slice type, prophet_slice name,
                              ph_query_field *out, prophet_error *err)
{
    char c = name.len ? *(const char *)name.data : 'z';

    (void)ctx, (void)type, (void)err;
    if (c == 'z' || memchr(name.data, '.', name.len))
        return PROPHET_DONE;
    *out = (ph_query_field){ .id = 7,
                             .kind = (ph_query_kind)((unsigned)(c - 'a') % (PH_Q_COMPUTED + 1)),
                             .of = PH_Q_REF,
                             .to = ph_slice_str("b"),
                             .by = ph_slice_str("b"),
                             .fulltext = true };
    return PROPHET_OK;
}

static prophet_code two_names(void *ctx, prophet_slice type, ph_arena *a, const char *const **names,
                              size_t *count, prophet_error *err)
{
    static const char *const list[] = { "e", "text" };

    (void)ctx, (void)type, (void)a, (void)err;
    *names = list;
    *count = 2;
    return PROPHET_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const ph_query_schema schema = {
        NULL, any_type, any_field, two_names, NULL, NULL, NULL
    };
    static const uint8_t params[] = { 0x82, 0x01, 0x61, 'x' };
    ph_buf spec = PH_BUF_INIT;
    prophet_error err;
    ph_query *q = NULL;

    if (ph_query_parse(ph_slice_str("t"), ph_slice(data, size), ph_slice(params, sizeof params),
                       &spec, &err) >= 0 &&
        ph_query_compile(ph_buf_slice(&spec), &schema, &q, &err) >= 0)
        ph_query_free(q);
    ph_buf_clear(&spec);
    return 0;
}

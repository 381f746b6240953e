/* An index file with three tables in the test's directory. */
#ifndef STORE_PLACE_H
#define STORE_PLACE_H
#include "store/store.h"
#include "support/test.h"
#include <unistd.h>

static prophet_error err;
static const char *const place_tables[] = { "one", "two", "three" };

static inline ph_store_options place_options(void)
{
    return (ph_store_options){ .tables = place_tables, .table_count = 3 };
}

static inline const char *place_make(const char *name)
{
    ph_store_options o = place_options();
    const char *path = test_path(name);

    REQUIRE_OK(ph_store_create(path, &o, &err), &err);
    return path;
}

static inline ph_store *place_open(const char *path)
{
    ph_store_options o = place_options();
    ph_store *s = NULL;

    REQUIRE_OK(ph_store_open(path, &o, &s, &err), &err);
    return s;
}

static inline ph_txn *place_begin(ph_store *s, bool write)
{
    ph_txn *t = NULL;

    REQUIRE_OK(ph_txn_begin(s, write, &t, &err), &err);
    return t;
}

static inline void place_put(ph_txn *t, unsigned table, const char *key, const char *value)
{
    REQUIRE_OK(ph_txn_put(t, table, ph_slice_str(key), ph_slice_str(value), &err), &err);
}

/* The row's value is `want`; NULL: there is none. */
static inline bool place_has(ph_txn *t, unsigned table, const char *key, const char *want)
{
    prophet_slice v;
    prophet_code rc = ph_txn_get(t, table, ph_slice_str(key), &v, &err);

    if (!want)
        return CHECK_CODE(rc, PROPHET_DONE, &err);
    return CHECK_CODE(rc, PROPHET_OK, &err) && CHECK_SLICE(v, want, strlen(want));
}

#endif

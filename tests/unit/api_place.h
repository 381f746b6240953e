/* What the tests of prophet.h share: a database with tickets in the test's directory, and short ways to read and write. */
#ifndef PH_API_PLACE_H
#define PH_API_PLACE_H
#include "support/test.h"
#include <stdlib.h>

static prophet_error err;

#define M(...) \
    prophet_map((prophet_field[]){ __VA_ARGS__ }, \
                sizeof((prophet_field[]){ __VA_ARGS__ }) / sizeof(prophet_field))
#define L(...) \
    prophet_list((prophet_value[]){ __VA_ARGS__ }, \
                 sizeof((prophet_value[]){ __VA_ARGS__ }) / sizeof(prophet_value))
#define P prophet_put
#define T prophet_text

static inline prophet_db *open_db(const char *name, const char *user)
{
    prophet_options o = PROPHET_OPTIONS_INIT;
    prophet_db *db;
    o.create = true;
    o.user = user;
    o.durability = PROPHET_RELAXED;
    REQUIRE_OK(prophet_open(test_path(name), &o, &db, &err), &err);
    return db;
}

static inline void define_ticket(prophet_db *db)
{
    prophet_txn *t;
    REQUIRE_OK(prophet_txn_begin(db, "types", &t, &err), &err);
    REQUIRE_OK(
        prophet_txn_define(
            t,
            M(P("name", T("ticket")),
              P("fields",
                L(M(P("name", T("summary")), P("kind", T("string")),
                    P("required", prophet_bool(true))),
                  M(P("name", T("status")), P("kind", T("enum")), P("index", prophet_bool(true)),
                    P("values", L(T("new"), T("open"), T("closed")))),
                  M(P("name", T("severity")), P("kind", T("int")), P("min", prophet_int(1)),
                    P("max", prophet_int(5)), P("rule", T("min"))),
                  M(P("name", T("body")), P("kind", T("text"))),
                  M(P("name", T("tags")), P("kind", T("set"))),
                  M(P("name", T("votes")), P("kind", T("counter"))),
                  M(P("name", T("due")), P("kind", T("time"))),
                  M(P("name", T("parent")), P("kind", T("ref")), P("to", T("ticket"))),
                  M(P("name", T("extra")), P("kind", T("map")))))),
            &err),
        &err);
    REQUIRE_OK(prophet_txn_define(t,
                                  M(P("name", T("milestone")), P("key", L(T("name"))),
                                    P("fields", L(M(P("name", T("name")), P("kind", T("string"))),
                                                  M(P("name", T("due")), P("kind", T("time")))))),
                                  &err),
               &err);
    REQUIRE_OK(prophet_txn_commit(t, NULL, NULL, &err), &err);
}

static inline prophet_db *fresh(const char *name)
{
    prophet_db *db = open_db(name, "ann@example.org");
    define_ticket(db);
    return db;
}

static inline prophet_doc *create(prophet_db *db, const prophet_field *fields, size_t count)
{
    prophet_txn *t;
    prophet_doc *doc;
    REQUIRE_OK(prophet_txn_begin(db, "new", &t, &err), &err);
    REQUIRE_OK(prophet_txn_create(t, "ticket", NULL, fields, count, &doc, &err), &err);
    REQUIRE_OK(prophet_txn_commit(t, NULL, NULL, &err), &err);
    return doc;
}

static inline prophet_uuid make(prophet_db *db, const char *summary, const char *status,
                                int severity)
{
    prophet_field f[] = { P("summary", T(summary)), P("status", T(status)),
                          P("severity", prophet_int(severity)) };
    prophet_doc *doc = create(db, f, 3);
    prophet_record rec;
    CHECK(prophet_doc_record(doc, &rec));
    prophet_doc_free(doc);
    return rec.id;
}

static inline prophet_code set(prophet_db *db, const prophet_uuid *id, uint64_t since,
                               const char *field, prophet_value v)
{
    prophet_txn *t;
    prophet_edit e = { PROPHET_SET, prophet_text(field).as.bytes, v };
    REQUIRE_OK(prophet_txn_begin(db, NULL, &t, &err), &err);
    prophet_code rc = prophet_txn_update(t, "ticket", id, since, &e, 1, NULL, &err);
    if (rc < 0)
        prophet_txn_abort(t);
    else
        REQUIRE_OK(prophet_txn_commit(t, NULL, NULL, &err), &err);
    return rc;
}

static inline prophet_doc *get(prophet_db *db, prophet_value name)
{
    prophet_doc *doc;
    REQUIRE(prophet_get(db, "ticket", name, &doc, &err) == PROPHET_OK);
    return doc;
}

static inline bool text_is(const prophet_doc *d, const char *field, const char *want)
{
    prophet_value v;
    return prophet_doc_get(d, field, &v) && v.kind == PROPHET_TEXT &&
           v.as.bytes.len == strlen(want) && memcmp(v.as.bytes.data, want, v.as.bytes.len) == 0;
}

static inline int64_t int_of(const prophet_doc *d, const char *field)
{
    prophet_value v;
    return prophet_doc_get(d, field, &v) && v.kind == PROPHET_INT ? v.as.integer : -1;
}

/* All chunks of a sink, NUL-terminated. */
typedef struct text_sink {
    char *text;
    size_t len;
} text_sink;
static inline prophet_code to_text(void *ctx, prophet_slice chunk, prophet_error *e)
{
    text_sink *s = ctx;
    (void)e;
    s->text = realloc(s->text, s->len + chunk.len + 1);
    memcpy(s->text + s->len, chunk.data, chunk.len);
    s->len += chunk.len;
    s->text[s->len] = 0;
    return PROPHET_OK;
}

static inline char *json_of(const prophet_doc *d)
{
    text_sink s = { NULL, 0 };
    REQUIRE_OK(prophet_doc_json(d, to_text, &s, &err), &err);
    return s.text;
}

/* The rows of a list by one of their text fields, joined by spaces; closes it. */
static inline char *listed(prophet_iter *it, const char *field)
{
    text_sink s = { NULL, 0 };
    const prophet_doc *row;
    prophet_code rc;
    (void)to_text(&s, (prophet_slice){ "", 0 }, NULL);
    while ((rc = prophet_iter_next(it, &row, &err)) == PROPHET_OK) {
        prophet_value v;
        if (s.len)
            (void)to_text(&s, (prophet_slice){ " ", 1 }, NULL);
        if (prophet_doc_get(row, field, &v) && v.kind == PROPHET_TEXT)
            (void)to_text(&s, v.as.bytes, NULL);
    }
    CHECK_CODE(rc, PROPHET_DONE, &err);
    CHECK_CODE(prophet_iter_next(it, &row, &err), PROPHET_DONE, &err);
    prophet_iter_close(it);
    return s.text;
}

#endif

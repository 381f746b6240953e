/* Reading the past, through prophet.h: a record that was written often, and a question to an index, both as of some versions ago.
 * Called by main.c; the database is the large one of prophet.c. */
#include "bench.h"
#include <prophet.h>
#include <stdio.h>
#include <string.h>

static prophet_error err;

static void must(prophet_code rc, const char *what)
{
    if (rc < 0)
        bench_die("%s: %s: %s %s", what, prophet_code_name(rc), err.message, err.hint);
}
#define MUST(call) must((call), #call)

static prophet_value question(prophet_value where[3], prophet_field spec[2])
{
    where[0] = prophet_text("eq");
    where[1] = prophet_text("owner");
    where[2] = prophet_text("person007@example.org");
    spec[0] = prophet_put("type", prophet_text("ticket"));
    spec[1] = prophet_put("where", prophet_list(where, 3));
    return prophet_map(spec, 2);
}

/* The first record: its id, and then so many versions of it. */
static prophet_uuid write_often(prophet_db *db, size_t versions)
{
    prophet_doc *doc = NULL;
    prophet_record of;
    char text[32];

    if (prophet_get(db, "ticket", prophet_int(1), &doc, &err) != PROPHET_OK ||
        !prophet_doc_record(doc, &of))
        bench_die("there is no first record: %s", err.message);
    prophet_uuid id = of.id;
    prophet_doc_free(doc);
    for (size_t i = 0; i < versions; i++) {
        prophet_txn *t = NULL;
        (void)snprintf(text, sizeof text, "version %zu", i);
        const prophet_edit edit = { PROPHET_SET, prophet_text("summary").as.bytes,
                                    prophet_text(text) };
        MUST(prophet_txn_begin(db, NULL, &t, &err));
        MUST(prophet_txn_update(t, "ticket", &id, 0, &edit, 1, NULL, &err));
        MUST(prophet_txn_commit(t, NULL, NULL, &err));
    }
    return id;
}

static double read_time(prophet_db *db, uint64_t version, prophet_uuid id, const char *want)
{
    prophet_db *then = NULL;
    prophet_doc *doc = NULL;
    prophet_value v;
    double start = bench_now();

    MUST(prophet_as_of(db, prophet_int((int64_t)version), &then, &err));
    if (prophet_get(then, "ticket", prophet_ref(id), &doc, &err) != PROPHET_OK ||
        !prophet_doc_get(doc, "summary", &v))
        bench_die("a read of the past found nothing");
    double seconds = bench_now() - start;
    if (v.as.bytes.len != strlen(want) || memcmp(v.as.bytes.data, want, v.as.bytes.len) != 0)
        bench_die("a read of the past found another value");
    prophet_doc_free(doc);
    prophet_close(then);
    return seconds;
}

static double query_time(prophet_db *db, uint64_t version, uint64_t *rows)
{
    prophet_value where[3];
    prophet_field spec[2];
    prophet_db *then = NULL;
    double start = bench_now();

    MUST(prophet_as_of(db, prophet_int((int64_t)version), &then, &err));
    MUST(prophet_count(then, question(where, spec), rows, &err));
    double seconds = bench_now() - start;
    prophet_close(then);
    return seconds;
}

void ours_past_begin(bench_past *p, const char *path, size_t versions)
{
    prophet_options o = PROPHET_OPTIONS_INIT;
    uint64_t last = 0;

    o.durability = PROPHET_RELAXED;
    MUST(prophet_open(path, &o, &p->db, &err));
    const prophet_uuid id = write_often(p->db, versions);
    memcpy(p->id, id.b, sizeof p->id);
    MUST(prophet_db_version(p->db, &last, &err));
    p->middle = last - versions / 2;
    p->half = (last - versions) / 2;
    (void)snprintf(p->summary, sizeof p->summary, "version %zu", versions - versions / 2 - 1);
}

void ours_past_take(bench_past *p, double *read, double *query, double *far)
{
    uint64_t rows = 0, then = 0, now = 0;
    prophet_value where[3];
    prophet_field spec[2];
    prophet_uuid id;

    memcpy(id.b, p->id, sizeof id.b);
    *read = read_time(p->db, p->middle, id, p->summary);
    *query = query_time(p->db, p->middle, &rows);
    *far = query_time(p->db, p->half, &then);
    MUST(prophet_count(p->db, question(where, spec), &now, &err));
    if (rows != now || then == 0 || then >= now)
        bench_die("a question to the past found %llu, %llu of %llu rows", (unsigned long long)rows,
                  (unsigned long long)then, (unsigned long long)now);
}

void ours_past_end(bench_past *p)
{
    prophet_close(p->db);
}

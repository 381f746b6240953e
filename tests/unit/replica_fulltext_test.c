/* The full-text index of a replica through edits, deletes, savepoints, pulls, conflicts and changed definitions: it has what the living
 * records show, and what an index built anew has. */
#include "replica/replica_impl.h"
#include "support/test.h"

static prophet_error err;
static const char *const words[] = { "crash",        "crashes",    "save",      "disk",
                                     "full",         "Speicher",   "caf\u00e9", "cafe",
                                     "\u6771\u4eac", "replicated", "x1",        "x2",
                                     "Fehler",       "database",   "databases" };
enum { WORDS = sizeof words / sizeof *words };

static prophet_slice kept(ph_arena *a, ph_buf *b)
{
    prophet_slice out = ph_arena_copy(a, ph_buf_slice(b), NULL);
    ph_buf_clear(b);
    return out;
}

static prophet_slice random_text(ph_arena *a)
{
    ph_buf text = PH_BUF_INIT, b = PH_BUF_INIT;
    uint64_t n = test_below(12) ? test_below(9) : 400; /* beyond what lies in the record's row */

    for (uint64_t i = 0; i < n; i++)
        ph_buf_printf(&text, "%s ", words[test_below(1 + test_below(WORDS))]);
    ph_put_text(&b, ph_buf_slice(&text));
    ph_buf_clear(&text);
    return kept(a, &b);
}

static prophet_slice random_tags(ph_arena *a)
{
    ph_buf b = PH_BUF_INIT;
    uint64_t n = test_below(8) ? test_below(4) : 25;

    ph_put_list(&b, n);
    for (uint64_t i = 0; i < n; i++) {
        char tag[40];
        int len =
            snprintf(tag, sizeof tag, "%s %llu", words[test_below(WORDS)], (unsigned long long)i);
        ph_put_text(&b, ph_slice(tag, (size_t)len));
    }
    return kept(a, &b);
}

/* {name=.., kind=.., fulltext=true, language=..}: keys in canonical order */
static void put_field(ph_buf *b, const char *name, const char *kind, bool fulltext,
                      const char *language)
{
    ph_put_map(b, 3u + (language != NULL));
    ph_put_text(b, ph_slice_str("kind")), ph_put_text(b, ph_slice_str(kind));
    ph_put_text(b, ph_slice_str("name")), ph_put_text(b, ph_slice_str(name));
    ph_put_text(b, ph_slice_str("fulltext")), ph_put_bool(b, fulltext);
    if (language)
        ph_put_text(b, ph_slice_str("language")), ph_put_text(b, ph_slice_str(language));
}

static void define(ph_replica *r, const char *type, int step)
{
    static const char *const languages[] = { NULL, "german", "none", "english" };
    ph_change_txn *c;
    ph_buf b = PH_BUF_INIT;

    ph_put_map(&b, 2);
    ph_put_text(&b, ph_slice_str("name")), ph_put_text(&b, ph_slice_str(type));
    ph_put_text(&b, ph_slice_str("fields")), ph_put_list(&b, 4);
    put_field(&b, "summary", "string", step != 4 && step != 6, NULL);
    put_field(&b, "body", "text", step != 4 && step != 6, languages[step % 4]);
    put_field(&b, "tags", "set", step == 2 || step == 3 || step == 5, NULL);
    put_field(&b, "status", "string", false, NULL);
    REQUIRE_OK(ph_change_begin(r, ph_slice_str("types"), &c, &err), &err);
    REQUIRE_OK(ph_change_define(c, ph_buf_slice(&b), &err), &err);
    REQUIRE_OK(ph_change_commit(c, NULL, NULL, &err), &err);
    ph_buf_clear(&b);
}

static ph_replica *opened(const char *name, const ph_uuid *database)
{
    ph_replica *r;
    char path[4096];

    (void)snprintf(path, sizeof path, "%s/%s", test_dir(), name);
    REQUIRE_OK(ph_replica_create(path, database, &err), &err);
    REQUIRE_OK(
        ph_replica_open(path, &(ph_replica_options){ .user = name, .relaxed = true }, &r, &err),
        &err);
    return r;
}

/* ---- pulling ------------------------------------------------------------------------------------------------ */

typedef struct pump {
    ph_intake *in;
    ph_frame_context ctx;
} pump;

static prophet_code take(void *ctx, ph_frame_type type, prophet_slice frame, const ph_id *signed_id,
                         prophet_error *e)
{
    pump *p = ctx;

    (void)signed_id;
    return ph_intake_frame(p->in, type, frame, &p->ctx, e);
}

static void pull(ph_replica *to, ph_replica *from)
{
    ph_view *v;
    pump p = { 0 };
    ph_intake_report rep;
    static uint64_t versions[20000];

    REQUIRE_OK(ph_replica_sign(from, &err), &err);
    REQUIRE_OK(ph_intake_begin(to, &p.in, &err), &err);
    REQUIRE_OK(ph_view_begin(from, &v, &err), &err);
    for (uint64_t i = 0; i < v->state.version; i++)
        versions[i] = i + 1;
    REQUIRE_OK(ph_view_stream(v, versions, v->state.version, true, take, &p, &err), &err);
    ph_view_end(v);
    REQUIRE_OK(ph_intake_finish(p.in, &rep, &err), &err);
    ph_intake_free(p.in);
}

/* ---- what is there ------------------------------------------------------------------------------------------ */

typedef struct wanted {
    prophet_slice term;
    bool found;
} wanted;

static prophet_code see_word(void *ctx, const ph_word *w, prophet_error *e)
{
    wanted *want = ctx;

    (void)e;
    want->found = want->found || ph_slice_eq(w->term, want->term);
    return PROPHET_OK;
}

static void look_in(ph_words *w, unsigned language, prophet_slice value, wanted *want)
{
    ph_item x, one;

    if (!ph_value_open(value, &x))
        return;
    if (x.kind == PH_TEXT)
        CHECK_OK(ph_words_cut(w, language, x.s, 0, see_word, want, &err), &err);
    ph_reader in = ph_reader_of(x.s);
    while (x.kind == PH_LIST && ph_read_item(&in, &one))
        look_in(w, language, one.raw, want);
}

static uint64_t count_by_reading(ph_view *v, const ph_text_layout *l, ph_words *w,
                                 prophet_slice term)
{
    ph_cursor *cur;
    prophet_slice key, bytes;
    ph_arena a = PH_ARENA_INIT;
    uint64_t count = 0;
    ph_row row;

    REQUIRE_OK(ph_cursor_open(v->txn, PH_T_RECORDS, &cur, &err), &err);
    for (prophet_code rc = ph_cursor_first(cur, &key, &bytes, &err); rc == PROPHET_OK;
         rc = ph_cursor_next(cur, &key, &bytes, &err)) {
        wanted want = { term, false };
        REQUIRE(ph_row_open(key, bytes, &row));
        for (uint32_t s = 0; s < l->slots && row.alive && row.type == l->type; s++) {
            ph_shown shown;
            REQUIRE_OK(ph_row_field(v->txn, &row, l->field[s], &a, &shown, &err), &err);
            if (shown.kind != PH_SHOWN_NONE)
                look_in(w, l->language[s], shown.value, &want);
        }
        count += want.found;
        ph_arena_reset(&a);
    }
    ph_cursor_close(cur);
    ph_arena_clear(&a);
    return count;
}

static prophet_code keep_term(void *ctx, const ph_word *w, prophet_error *e)
{
    ph_buf *b = ctx;

    (void)e;
    ph_buf_reset(b);
    ph_buf_put(b, w->term.data, w->term.len);
    return PROPHET_OK;
}

static void check_counts(ph_view *v, const ph_text_head *head)
{
    ph_words *w = NULL;
    ph_text_reader *r = NULL;
    ph_buf term = PH_BUF_INIT;
    uint64_t count;

    REQUIRE_OK(ph_words_new(&w, &err), &err);
    REQUIRE_OK(ph_text_reader_new(v->txn, head, &r, &err), &err);
    for (int i = 0; i < WORDS; i++) {
        unsigned language = head->layout.language[test_below(head->layout.slots)];
        REQUIRE_OK(ph_words_cut(w, language, ph_slice_str(words[i]), 0, keep_term, &term, &err),
                   &err);
        CHECK_OK(ph_text_records(r, ph_buf_slice(&term), &count, &err), &err);
        CHECK_EQ_UINT(count, count_by_reading(v, &head->layout, w, ph_buf_slice(&term)));
    }
    ph_text_reader_free(r);
    ph_buf_clear(&term);
    ph_words_free(w);
}

static void say(void *ctx, bool fault, const char *line)
{
    (void)ctx;
    if (fault)
        fprintf(stderr, "  check: %s\n", line);
}

static void check_index(ph_replica *r, bool there)
{
    ph_view *v;
    ph_check_report rep;
    const ph_schema *schema;
    ph_text_head head;

    REQUIRE_OK(ph_view_begin(r, &v, &err), &err);
    REQUIRE_OK(ph_view_schema(v, ph_slice_str("ticket"), &schema, &err), &err);
    if (CHECK_CODE(ph_fulltext_head(v, schema, &head, &err), there ? PROPHET_OK : PROPHET_DONE,
                   &err) &&
        there)
        check_counts(v, &head);
    ph_view_end(v);
    REQUIRE_OK(ph_replica_check(r, say, NULL, &rep, &err), &err);
    CHECK_EQ_UINT(rep.faults, 0);
}

/* ---- changing --------------------------------------------------------------------------------------------------- */

typedef struct known {
    ph_uuid id[600];
    size_t count;
} known;

static void change_one(ph_change_txn *c, ph_arena *a, known *k)
{
    prophet_slice ticket = ph_slice_str("ticket");
    ph_edit edits[] = { { PH_E_SET, ph_slice_str("summary"), random_text(a) },
                        { PH_E_SET, ph_slice_str("body"), random_text(a) },
                        { PH_E_SET, ph_slice_str("tags"), random_tags(a) },
                        { PH_E_SET, ph_slice_str("status"), random_text(a) } };
    const ph_uuid *id = &k->id[test_below(k->count + (k->count == 0))];
    ph_named named;

    if (k->count < 3 || (k->count < 600 && test_below(3) == 0)) {
        REQUIRE_OK(ph_change_create(c, ticket, NULL, edits, 4, &named, &err), &err);
        k->id[k->count++] = named.uuid;
        return;
    }
    switch (test_below(8)) {
    case 0: (void)ph_change_delete(c, ticket, id, &err); break;
    case 1: (void)ph_change_restore(c, ticket, id, &err); break;
    case 2:
        edits[0].kind = PH_E_UNSET;
        edits[0].value = ph_slice(NULL, 0);
        (void)ph_change_update(c, ticket, id, edits, 1, &err);
        break;
    default:
        (void)ph_change_update(c, ticket, id, edits + test_below(4), 1,
                               &err); /* dead, or not here yet */
    }
}

static void change(ph_replica *r, known *k)
{
    ph_arena a = PH_ARENA_INIT;
    ph_change_txn *c;
    uint64_t n = test_below(10) ? 1 + test_below(2) : test_below(50);

    REQUIRE_OK(ph_change_begin(r, ph_slice_str("edit"), &c, &err), &err);
    for (uint64_t i = 0; i < n; i++)
        change_one(c, &a, k);
    if (test_below(6) == 0) {
        known before = *k;
        REQUIRE_OK(ph_change_savepoint(c, &err), &err);
        for (uint64_t i = 0; i < n; i++)
            change_one(c, &a, k);
        if (test_below(2)) {
            REQUIRE_OK(ph_change_rollback(c, &err), &err);
            *k = before;
        } else
            REQUIRE_OK(ph_change_release(c, &err), &err);
    }
    if (test_below(12))
        REQUIRE_OK(ph_change_commit(c, NULL, NULL, &err), &err);
    else
        ph_change_abort(c);
    ph_arena_clear(&a);
}

TEST(an_index_has_what_the_living_records_show)
{
    static known k;
    ph_replica *at[2];

    k.count = 0;
    at[0] = opened("ann", NULL);
    define(at[0], "ticket", 0);
    at[1] = opened("bob", ph_replica_database(at[0]));
    pull(at[1], at[0]);
    for (int round = 0; round < 6; round++) {
        for (int i = 0; i < 25; i++) {
            known mine = k;
            ph_replica *r = at[test_below(2)];
            change(r, &mine);
            k = mine; /* an aborted change leaves ids nobody knows: updates of them do nothing */
        }
        if (round > 0 && round < 6)
            define(at[round % 2], "ticket", round);
        pull(at[0], at[1]);
        pull(at[1], at[0]);
        /* from the fourth round on nothing, then everything is declared again */
        check_index(at[0], round != 4);
        check_index(at[1], round != 4);
    }
    REQUIRE_OK(ph_replica_rebuild(at[0], NULL, NULL, &err), &err);
    check_index(at[0], true);
    for (int i = 0; i < 2; i++)
        ph_replica_close(at[i]);
}

/* Numbers of other types make late records settle as well. */
TEST(records_of_other_types_settle_an_index)
{
    ph_replica *r = opened("one", NULL);
    ph_arena a = PH_ARENA_INIT;
    known k = { .count = 0 };
    ph_change_txn *c;

    define(r, "ticket", 0);
    define(r, "other", 4);
    change(r, &k);
    for (int i = 0; i < 70; i++) {
        ph_edit e = { PH_E_SET, ph_slice_str("status"), random_text(&a) };
        REQUIRE_OK(ph_change_begin(r, ph_slice_str("x"), &c, &err), &err);
        REQUIRE_OK(ph_change_create(c, ph_slice_str("other"), NULL, &e, 1, NULL, &err), &err);
        REQUIRE_OK(ph_change_commit(c, NULL, NULL, &err), &err);
    }
    check_index(r, true);
    ph_replica_close(r);
    ph_arena_clear(&a);
}

enum { MANY = 5000 };

static prophet_slice own_words(ph_arena *a, int record, int count)
{
    ph_buf text = PH_BUF_INIT, b = PH_BUF_INIT;

    for (int i = 0; i < count; i++)
        ph_buf_printf(&text, "word%dx%d ", record, i);
    ph_put_text(&b, ph_buf_slice(&text));
    ph_buf_clear(&text);
    return kept(a, &b);
}

/* `own`: so many words that no other record has. */
static void create_many(ph_replica *r, ph_uuid *ids, int own)
{
    ph_arena a = PH_ARENA_INIT;
    ph_change_txn *c;
    ph_named named;

    for (int i = 0; i < MANY;) {
        REQUIRE_OK(ph_change_begin(r, ph_slice_str("fill"), &c, &err), &err);
        for (int n = 0; n < 500; n++) {
            ph_edit e[] = { { PH_E_SET, ph_slice_str("summary"), random_text(&a) },
                            { PH_E_SET, ph_slice_str("body"), own_words(&a, i, own) } };
            REQUIRE_OK(ph_change_create(c, ph_slice_str("ticket"), NULL, e, 2, &named, &err), &err);
            ids[i++] = named.uuid;
        }
        REQUIRE_OK(ph_change_commit(c, NULL, NULL, &err), &err);
        ph_arena_reset(&a);
    }
    ph_arena_clear(&a);
}

/* Of every few records one is changed, one deleted, and some are new. */
static void change_some(ph_replica *r, const ph_uuid *ids)
{
    ph_arena a = PH_ARENA_INIT;
    ph_change_txn *c;
    ph_named named;

    REQUIRE_OK(ph_change_begin(r, ph_slice_str("edit"), &c, &err), &err);
    for (int i = 0; i + 60 < MANY; i += 60) {
        ph_edit e = { PH_E_SET, ph_slice_str("summary"), random_text(&a) };
        CHECK_OK(ph_change_update(c, ph_slice_str("ticket"), &ids[i], &e, 1, &err), &err);
        CHECK_OK(ph_change_delete(c, ph_slice_str("ticket"), &ids[i + 30], &err), &err);
        if (i % 120 == 0)
            CHECK_OK(ph_change_create(c, ph_slice_str("ticket"), NULL, &e, 1, &named, &err), &err);
    }
    REQUIRE_OK(ph_change_commit(c, NULL, NULL, &err), &err);
    ph_arena_clear(&a);
}

static bool is_unfinished(ph_replica *r)
{
    const ph_schema *schema;
    ph_ix_job job;
    ph_view *v;

    REQUIRE_OK(ph_view_begin(r, &v, &err), &err);
    REQUIRE_OK(ph_view_schema(v, ph_slice_str("ticket"), &schema, &err), &err);
    prophet_code rc =
        schema->text ? ph_ix_job_get(v->txn, schema->text->index, &job, &err) : PROPHET_DONE;
    ph_view_end(v);
    CHECK(rc == PROPHET_OK || rc == PROPHET_DONE);
    return rc == PROPHET_OK;
}

TEST(an_index_of_many_records_is_built_in_steps)
{
    static ph_uuid ids[MANY];
    ph_replica *r = opened("ann", NULL);

    define(r, "ticket", 4);
    create_many(r, ids, 0);
    r->finishing = true; /* as if killed before what is left was done */
    define(r, "ticket", 0);
    CHECK(is_unfinished(r));
    change_some(r, ids);
    change_some(r, ids + 15);
    CHECK(is_unfinished(r));
    define(r, "ticket", 6); /* declared no more; an older definition would change nothing */
    CHECK(!is_unfinished(r));
    check_index(r, false);
    define(r, "ticket", 1);
    CHECK(is_unfinished(r));
    change_some(r, ids + 7);
    r->finishing = false;
    change_some(r, ids + 21);
    CHECK(!is_unfinished(r));
    check_index(r, true);
    ph_replica_close(r);
}

typedef struct intruder {
    ph_replica *other;
    bool wrote;
} intruder;

/* A note, as a server writes them, after the check has begun and before it makes its own index. */
static void write_meanwhile(void *ctx, bool fault, const char *line)
{
    intruder *i = ctx;
    ph_change_txn *c;
    say(NULL, fault, line);
    if (i->wrote || !strstr(line, "not finished"))
        return;
    REQUIRE_OK(ph_change_begin(i->other, ph_slice(NULL, 0), &c, &err), &err);
    REQUIRE_OK(ph_change_local(c, ph_slice_str("peer x"), ph_slice("\xa0", 1), &err), &err);
    REQUIRE_OK(ph_change_commit(c, NULL, NULL, &err), &err);
    i->wrote = true;
}

TEST(a_note_that_comes_while_a_check_runs_is_no_fault)
{
    static ph_uuid ids[MANY];
    ph_replica *r = opened("ann", NULL);
    intruder i = { .wrote = false };
    ph_check_report rep;

    define(r, "ticket", 4);
    create_many(r, ids, 0);
    r->finishing = true;
    define(r, "ticket", 0);
    REQUIRE_OK(ph_replica_open(test_path("ann"), NULL, &i.other, &err), &err);
    i.other->finishing = true;
    REQUIRE_OK(ph_replica_check(r, write_meanwhile, &i, &rep, &err), &err);
    CHECK(i.wrote);
    CHECK_EQ_UINT(rep.faults, 0);
    ph_replica_close(i.other);
    ph_replica_close(r);
}

static uint64_t word_rows(ph_replica *r)
{
    uint64_t rows = 0;
    ph_view *v;

    REQUIRE_OK(ph_view_begin(r, &v, &err), &err);
    CHECK_OK(ph_txn_count(v->txn, PH_T_WORDS, &rows, &err), &err);
    ph_view_end(v);
    return rows;
}

static ph_replica *reopened(ph_replica *r, const char *name)
{
    char path[4096];

    ph_replica_close(r);
    (void)snprintf(path, sizeof path, "%s/%s", test_dir(), name);
    REQUIRE_OK(
        ph_replica_open(path, &(ph_replica_options){ .user = name, .relaxed = true }, &r, &err),
        &err);
    return r;
}

TEST(an_index_of_many_words_is_dropped_in_steps)
{
    static ph_uuid ids[MANY];
    ph_replica *r = opened("bob", NULL);

    define(r, "ticket", 0);
    create_many(r, ids, 8);
    uint64_t rows = word_rows(r);
    CHECK(rows > 2 * PH_DROP_STEP);
    r->finishing = true; /* as if killed before what is left was done */
    define(r, "ticket", 4);
    CHECK_EQ_UINT(word_rows(r), rows - PH_DROP_STEP);
    check_index(r, false);
    change_some(r, ids);
    CHECK_EQ_UINT(word_rows(r), rows - PH_DROP_STEP);
    r = reopened(r, "bob");
    CHECK_EQ_UINT(word_rows(r), rows - PH_DROP_STEP);
    check_index(r, false);
    change_some(r, ids + 7); /* whoever commits next */
    CHECK_EQ_UINT(word_rows(r), 0);
    check_index(r, false);
    ph_replica_close(r);
}

TEST(an_index_that_is_declared_again_while_it_is_dropped_is_built_behind)
{
    static ph_uuid ids[MANY];
    ph_replica *r = opened("cid", NULL);

    define(r, "ticket", 0);
    create_many(r, ids, 8);
    r->finishing = true;
    define(r, "ticket", 1); /* words are cut otherwise now: those that were go first */
    CHECK(is_unfinished(r));
    check_index(r, false);
    change_some(r, ids);
    define(r, "ticket", 4);
    change_some(r, ids + 7);
    define(r, "ticket", 5);
    change_some(r, ids + 15);
    CHECK(is_unfinished(r));
    check_index(r, false);
    r = reopened(r, "cid");
    change_some(r, ids + 21);
    CHECK(!is_unfinished(r));
    check_index(r, true);
    ph_replica_close(r);
}

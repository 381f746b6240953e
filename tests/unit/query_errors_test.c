/* What a wrong query gets: a code, a message that names the thing, a way out. And how operands are read. */
#include "query_world.h"

static prophet_error err;

/* Compiles the text form. */
static prophet_code compile(const char *text, ph_query **q)
{
    ph_buf spec = PH_BUF_INIT;

    test_context("%s", text);
    prophet_code rc =
        ph_query_parse(ph_slice_str("ticket"), ph_slice_str(text), ph_slice(NULL, 0), &spec, &err);
    if (rc >= 0)
        rc = ph_query_compile(ph_buf_slice(&spec), &world_schema, q, &err);
    ph_buf_clear(&spec);
    return rc;
}

static void refused(const char *text, prophet_code code, const char *message, const char *hint)
{
    ph_query *q = NULL;

    err = (prophet_error){ .code = 0 };
    CHECK_CODE(compile(text, &q), code, &err);
    CHECK_EQ_STR(err.message, message);
    CHECK_EQ_STR(err.hint, hint);
    if (code == PROPHET_EFIELD)
        CHECK(err.field[0] != 0 && err.type[0] != 0);
}

#define QUOTE_IT "text to look for that has a sign in it stands in quotes"

TEST(unknown_names_are_errors_with_a_suggestion)
{
    refused("stauts=open", PROPHET_EFIELD, "column 1: ticket has no field \"stauts\"",
            "did you mean status?");
    refused("milestone.nmae=x", PROPHET_EFIELD, "column 11: milestone has no field \"nmae\"",
            "did you mean name?");
    refused("xyzzy=1", PROPHET_EFIELD, "column 1: ticket has no field \"xyzzy\"", QUOTE_IT);
    refused("a Status=open", PROPHET_EFIELD, "column 3: ticket has no field \"Status\"",
            "did you mean status?");
    refused("x-ray:hand", PROPHET_EFIELD, "column 1: ticket has no field \"x-ray\"", QUOTE_IT);
    refused("status.x=1", PROPHET_EFIELD,
            "column 1: ticket.status is no reference: no path leads on", "");
    refused("sort:-serverity", PROPHET_EFIELD, "column 7: ticket has no field \"serverity\"", "");
    refused("milestone.=1", PROPHET_EUSAGE, "column 11: \"milestone.\" is no field name", "");
    refused("overdue=true", PROPHET_EUSAGE, "column 1: ticket.overdue is computed, not stored",
            "test it with a function: q.fn");
}

TEST(values_have_to_fit_their_field)
{
    refused("due<soon", PROPHET_EUSAGE,
            "column 5: due wants a time, as in 2026-01-31 or 2026-01-31T10:00:00Z, not \"soon\"",
            "");
    refused("unused=x", PROPHET_EUSAGE, "column 8: unused wants a number, not \"x\"", "");
    refused("milestone=12", PROPHET_EUSAGE,
            "column 11: milestone wants a record: its id, the end of it, or its number, as in #12, "
            "not \"12\"",
            "");
    refused("n=twelve", PROPHET_EUSAGE, "column 3: n wants a number, not \"twelve\"", "");
}

static void no_word(const char *text, const char *message, const char *hint)
{
    refused(text, PROPHET_EUSAGE, message, hint);
}

TEST(what_looks_like_a_condition_is_no_word_to_look_for)
{
    static const char blanks[] =
        "column 8: a condition is written without spaces, as in field=value";
    static const char sign[] =
        "column 8: a condition on status is written with a sign, not with a word";
    static const char ways[] =
        "field=a,b  field~part  field^start  field=low..high  field= for none; "
        "a word to look for stands in quotes: \"status\"";

    no_word("status =3", blanks, "text to look for stands in quotes: \"=3\"");
    no_word("status = 3", blanks, "text to look for stands in quotes: \"=\"");
    no_word("status >=3 n=1", blanks, "text to look for stands in quotes: \">=3\"");
    no_word("status!3", "column 7: ! alone is no operator: other values are field!=value",
            "text to look for stands in quotes: \"status!3\"");
    no_word("!status", "column 1: what shall not be there is written -word, or field!=value",
            "text to look for stands in quotes: \"!status\"");
    no_word("status==open", "column 8: a value does not begin with the sign of an operator",
            "a text that begins so stands in quotes: field=\"=..\"");
    no_word("status=open,~x", "column 13: a value does not begin with the sign of an operator",
            "a text that begins so stands in quotes: field=\"~..\"");
    no_word("status in (open,new)", sign, ways);
    no_word("status LIKE cra%", sign, ways);
    no_word("status not in (open)", sign, ways);
    no_word("(status is open)",
            "column 9: a condition on status is written with a sign, not with a word", ways);
    no_word("n=9..2", "column 1: n is between no two values of which the first is the greater",
            "n=low..high");
}

TEST(errors_point_at_what_is_wrong)
{
    refused("status=open due<soon", PROPHET_EUSAGE,
            "column 17: due wants a time, as in 2026-01-31 or 2026-01-31T10:00:00Z, not \"soon\"",
            "");
    refused("due=2026-01-01..soon", PROPHET_EUSAGE,
            "column 17: due wants a time, as in 2026-01-31 or 2026-01-31T10:00:00Z, not \"soon\"",
            "");
    refused("unused=1,2,x", PROPHET_EUSAGE, "column 12: unused wants a number, not \"x\"", "");
    refused("status=unused unused=\"\xc3\xa4\",1", PROPHET_EUSAGE,
            "column 22: unused wants a number, not \"\xc3\xa4\"", "");
    refused("any=unused unused:1,2,x", PROPHET_EUSAGE,
            "column 23: unused wants a number, not \"x\"", "");
    refused("status=nmae milestone.nmae=x", PROPHET_EFIELD,
            "column 23: milestone has no field \"nmae\"", "did you mean name?");
    refused("status=open sort:due,-serverity", PROPHET_EFIELD,
            "column 23: ticket has no field \"serverity\"", "");
    refused("status=open sort:tags", PROPHET_EUSAGE,
            "column 18: tags orders nothing: it is a set field", "");
}

TEST(comparisons_have_to_fit_their_field)
{
    const char *hint = "list:x, or q.has \"x\", finds an element";

    refused("status=open list~x", PROPHET_EUSAGE,
            "column 13: list is a list: contains and prefix look into texts", hint);
    refused("list^x", PROPHET_EUSAGE,
            "column 1: list is a list: contains and prefix look into texts", hint);
    refused("list<3", PROPHET_EUSAGE,
            "column 1: list is a list: it comes before and behind no single value", "");
    refused("due~2026", PROPHET_EUSAGE,
            "column 1: due is no text: contains and prefix look into texts", "");
    refused("votes^1", PROPHET_EUSAGE,
            "column 1: votes is no text: contains and prefix look into texts", "");
    refused("status=open milestone<#3", PROPHET_EUSAGE,
            "column 13: milestone refers to records, which have no order of their own",
            "name a field of theirs, as in milestone.n<3");
    refused("comments>=#3", PROPHET_EUSAGE,
            "column 1: comments refers to records, which have no order of their own",
            "name a field of theirs, as in comments.n<3");
}

static void refused_spec(prophet_code code, const char *message, const char *hint,
                         void (*put)(ph_buf *b))
{
    ph_buf spec = PH_BUF_INIT;
    ph_query *q = NULL;

    put(&spec);
    err = (prophet_error){ .code = 0 };
    CHECK_CODE(ph_query_compile(ph_buf_slice(&spec), &world_schema, &q, &err), code, &err);
    CHECK_EQ_STR(err.message, message);
    CHECK_EQ_STR(err.hint, hint);
    ph_buf_clear(&spec);
}

static void put_where(ph_buf *b)
{
    ph_put_map(b, 2);
    ph_put_text(b, ph_slice_str("type"));
    ph_put_text(b, ph_slice_str("ticket"));
    ph_put_text(b, ph_slice_str("where"));
}

static void no_type(ph_buf *b)
{
    ph_put_map(b, 0);
}
static void not_a_map(ph_buf *b)
{
    ph_put_int(b, 1);
}
static void wrong_type(ph_buf *b)
{
    ph_put_map(b, 1);
    ph_put_text(b, ph_slice_str("type"));
    ph_put_text(b, ph_slice_str("tsk"));
}
static void wrong_member(ph_buf *b)
{
    ph_put_map(b, 1);
    ph_put_text(b, ph_slice_str("limt"));
    ph_put_int(b, 1);
}
static void wrong_op(ph_buf *b)
{
    put_where(b);
    ph_put_list(b, 2);
    ph_put_text(b, ph_slice_str("presnt"));
    ph_put_text(b, ph_slice_str("status"));
}
static void no_value(ph_buf *b)
{
    put_where(b);
    ph_put_list(b, 2);
    ph_put_text(b, ph_slice_str("eq"));
    ph_put_text(b, ph_slice_str("status"));
}
static void no_list(ph_buf *b)
{
    put_where(b);
    ph_put_list(b, 3);
    ph_put_text(b, ph_slice_str("in"));
    ph_put_text(b, ph_slice_str("status"));
    ph_put_text(b, ph_slice_str("open"));
}
static void too_deep(ph_buf *b)
{
    put_where(b);
    for (int i = 0; i < 100; i++) {
        ph_put_list(b, 2);
        ph_put_text(b, ph_slice_str("not"));
    }
    ph_put_list(b, 1);
    ph_put_text(b, ph_slice_str("true"));
}
static void bare(ph_buf *b)
{
    put_where(b);
    ph_put_text(b, ph_slice_str("status"));
}

TEST(specs_are_checked)
{
    refused_spec(PROPHET_EUSAGE, "a query is a map", "", not_a_map);
    refused_spec(PROPHET_EUSAGE, "a query names the type of its records", "", no_type);
    refused_spec(PROPHET_ETYPE, "no type \"tsk\"", "", wrong_type);
    refused_spec(PROPHET_EUSAGE, "a query has no \"limt\"", "did you mean limit?", wrong_member);
    refused_spec(PROPHET_EUSAGE, "no condition is called \"presnt\"", "did you mean present?",
                 wrong_op);
    refused_spec(PROPHET_EUSAGE, "the condition eq takes a field and a value", "", no_value);
    refused_spec(PROPHET_EUSAGE, "the condition on status takes a list of values", "", no_list);
    refused_spec(PROPHET_EUSAGE, "conditions are nested more than 32 deep", "", too_deep);
    refused_spec(PROPHET_EUSAGE, "a condition is a list that begins with its name", "", bare);
}

/* How many tickets fit. */
static uint64_t count(world *w, const char *text)
{
    ph_query *q = NULL;
    uint64_t n = 0;

    REQUIRE_OK(compile(text, &q), &err);
    CHECK_OK(ph_query_count(q, w->at.txn, NULL, &n, NULL, &err), &err);
    ph_query_free(q);
    return n;
}

static size_t plain(const world *w, bool (*fits)(const world_record *m))
{
    size_t n = 0;

    for (size_t i = 0; i < w->count; i++)
        n += w->records[i].type == TICKET && w->records[i].alive && fits(&w->records[i]);
    return n;
}

static bool text_is(const world_cell *c, const char *want)
{
    ph_item x;
    return c->there && ph_value_open(c->value, &x) && x.kind == PH_TEXT &&
           ph_slice_eq(x.s, ph_slice_str(want));
}
static bool is_open(const world_record *m)
{
    return text_is(&m->cells[F_STATUS], "open");
}
static bool is_crash(const world_record *m)
{
    return text_is(&m->cells[F_BODY], "Crash on save") ||
           text_is(&m->cells[F_BODY], "save the crash");
}
static bool is_phrase(const world_record *m)
{
    return text_is(&m->cells[F_BODY], "Crash on save");
}
static bool is_late(const world_record *m)
{
    ph_item x;
    return m->cells[F_DUE].there && ph_value_open(m->cells[F_DUE].value, &x) && x.i >= 2;
}
static bool is_none(const world_record *m)
{
    return !is_crash(m);
}
static bool no_votes(const world_record *m)
{
    ph_item x;
    return ph_value_open(m->cells[F_VOTES].value, &x) && x.i == 0;
}

TEST(words_are_read_as_the_field_wants_them)
{
    world *w = world_new();

    CHECK_EQ_UINT(count(w, "status=open"), plain(w, is_open));
    CHECK_EQ_UINT(count(w, "status=\"open\""), plain(w, is_open));
    CHECK_EQ_UINT(count(w, "due>=1970-01-01T00:00:00.002Z"), plain(w, is_late));
    CHECK_EQ_UINT(count(w, "votes=0"), plain(w, no_votes));
    CHECK_EQ_UINT(count(w, "votes=0.0"), plain(w, no_votes));
    CHECK_EQ_UINT(count(w, "crash save"), plain(w, is_crash));
    CHECK_EQ_UINT(count(w, "SAVE cra*"), plain(w, is_crash));
    CHECK_EQ_UINT(count(w, "\"crash on save\""), plain(w, is_phrase));
    CHECK_EQ_UINT(count(w, "-crash"), plain(w, is_none));
    CHECK_EQ_UINT(count(w, "crash -save"), 0);
    CHECK_EQ_UINT(count(w, "status:ope status~pen status^op"), plain(w, is_open));
    world_free(w);
}

static bool stop(void *ctx)
{
    return ++*(unsigned *)ctx > 1;
}

TEST(reads_are_counted_and_limited)
{
    world *w = world_new();
    ph_query_options o = { .reads = 20 };
    ph_query_stats stats;
    ph_query_iter *it = NULL;
    ph_query *q = NULL;
    uint64_t n;

    REQUIRE_OK(compile("milestone.name!= status=open", &q), &err);
    err = (prophet_error){ .code = 0 };
    CHECK_CODE(ph_query_open(q, w->at.txn, &o, &it, &err), PROPHET_ENEEDSSCAN, &err);
    CHECK_EQ_STR(err.message, "the query reads more than 20 keys of ticket: all records are read");
    CHECK_EQ_STR(err.hint, "an index on status would help; :scan() allows it as it is");
    CHECK_EQ_STR(err.field, "status");
    o.reads = 0;
    REQUIRE_OK(ph_query_open(q, w->at.txn, &o, &it, &err), &err);
    ph_query_stats_get(it, &stats);
    CHECK_EQ_UINT(stats.tested, W_RECORDS);
    CHECK(stats.keys >= W_RECORDS && stats.keys < W_RECORDS * 2 && stats.matched <= stats.tested);
    ph_query_close(it);
    unsigned asked = 0;
    o.stop = stop;
    o.stop_ctx = &asked;
    for (int i = 0; i < 20; i++) /* asked every 256 keys of a run: these are too few */
        CHECK_OK(ph_query_count(q, w->at.txn, &o, &n, NULL, &err), &err);
    CHECK_EQ_UINT(asked, 0);
    ph_query_free(q);
    world_free(w);
}

/* ---- many records: the best of them, interruption ----------------------------------------------------------- */

typedef struct numbers { /* the same 3 rows over and over, as a source would give them */
    world *w;
    uint64_t at, count;
    uint8_t row[64];
} numbers;

static prophet_code next_number(void *ctx, ph_query_hit *out, uint64_t *keys, prophet_error *e)
{
    numbers *s = ctx;
    ph_buf b = PH_BUF_INIT;

    (void)e;
    if (s->at == s->count)
        return PROPHET_DONE;
    uint64_t n = ++s->at, value = n * 7919 % s->count;
    ph_buf_varint(&b, n);
    ph_buf_varint(&b, 1);
    ph_buf_byte(&b, 3); /* alive, plain */
    ph_buf_byte(&b, 1);
    ph_buf_byte(&b, F_STATUS);
    ph_buf_byte(&b, 1);
    ph_put_uint(&b, value);
    memcpy(s->row, b.data, b.len);
    *out = (ph_query_hit){ .number = n, .row = ph_slice(s->row, b.len), .test = true };
    ph_buf_clear(&b);
    ph_u64be_put(out->uuid.b, value);
    ++*keys;
    return PROPHET_OK;
}

TEST(the_best_of_many_are_kept_in_little_memory)
{
    world *w = world_new();
    numbers n = { .w = w, .count = 100000 };
    ph_query_source source = { &n, true, next_number };
    ph_query_options o = { .source = &source };
    ph_query_iter *it = NULL;
    ph_query *q = NULL;
    ph_buf here = PH_BUF_INIT;
    uint64_t found;

    REQUIRE_OK(compile("sort:-status limit:700", &q), &err);
    REQUIRE_OK(ph_query_open(q, w->at.txn, &o, &it, &err), &err);
    ph_query_close(it);
    ph_query_free(q);
    /* Made up rows cannot be read again, but the cursor of a page tells where it stands. */
    n.at = 0;
    REQUIRE_OK(compile("limit:5", &q), &err);
    REQUIRE_OK(ph_query_open(q, w->at.txn, &o, &it, &err), &err);
    CHECK_EQ_UINT(n.at, 5); /* they come by number: no need to read on */
    CHECK_OK(ph_query_here(it, &here, &err), &err);
    CHECK_EQ_UINT(here.len, 2);
    ph_query_close(it);
    unsigned asked = 0;
    n.at = 0;
    o.stop = stop;
    o.stop_ctx = &asked;
    CHECK_CODE(ph_query_open(q, w->at.txn, &o, &it, &err) < 0 ? PROPHET_OK : PROPHET_DONE,
               PROPHET_DONE, &err);
    ph_query_close(it);
    ph_query_free(q);
    n.at = 0;
    REQUIRE_OK(compile("status!=5", &q), &err);
    CHECK_CODE(ph_query_count(q, w->at.txn, &o, &found, NULL, &err), PROPHET_EINTERRUPTED, &err);
    ph_query_free(q);
    ph_buf_clear(&here);
    world_free(w);
}

TEST(a_row_that_died_meanwhile_is_left_out)
{
    world *w = world_new();
    ph_query_iter *it = NULL;
    ph_query *q = NULL;
    ph_row row;
    unsigned n = 0;

    REQUIRE_OK(compile("sort:status", &q), &err);
    REQUIRE_OK(ph_query_open(q, w->at.txn, NULL, &it, &err), &err);
    REQUIRE_OK(ph_query_next(it, &row, &err), &err);
    CHECK_OK(ph_txn_empty(w->at.txn, PH_T_RECORDS, &err), &err); /* all gone */
    while (ph_query_next(it, &row, &err) == PROPHET_OK)
        n++;
    CHECK_EQ_UINT(n, 0);
    ph_query_close(it);
    ph_query_free(q);
    world_free(w);
}

static prophet_code next_number_only(void *ctx, ph_query_hit *out, uint64_t *keys, prophet_error *e)
{
    numbers *s = ctx;

    (void)e;
    while (s->at < s->count && s->w->records[s->at].type != TICKET)
        s->at++;
    if (s->at == s->count)
        return PROPHET_DONE;
    *out = (ph_query_hit){ .number = s->w->records[s->at++].number, .test = true };
    ++*keys;
    return PROPHET_OK;
}

TEST(remembered_ids_that_are_old_are_not_believed)
{
    world *w = world_new();
    ph_number_cache cache = { NULL };
    numbers n = { .w = w, .count = w->count };
    ph_query_source source = { &n, true, next_number_only };
    ph_query_options o = { .source = &source, .numbers = &cache };
    ph_query *q = NULL;

    REQUIRE_OK(compile("", &q), &err);
    for (int round = 0; round < 3; round++) {
        ph_query_iter *it = NULL;
        ph_row row;
        size_t living = 0, found = 0;
        for (size_t i = 0; i < w->count && round != 1; i++) /* in the last, of another record */
            ph_number_remember(round ? &cache : NULL, w->records[i].number,
                               &w->records[test_below(w->count)].uuid);
        n.at = 0;
        REQUIRE_OK(ph_query_open(q, w->at.txn, &o, &it, &err), &err);
        for (; ph_query_next(it, &row, &err) == PROPHET_OK; found++) {
            size_t at = 0;
            while (at < w->count && !ph_uuid_eq(&w->records[at].uuid, &row.uuid))
                at++;
            REQUIRE(at < w->count && w->records[at].number == row.number);
        }
        ph_query_close(it);
        for (size_t i = 0; i < w->count; i++)
            living += w->records[i].type == TICKET && w->records[i].alive;
        CHECK_EQ_UINT(found, living);
        CHECK(ph_number_cached(&cache, row.number) != NULL);
    }
    ph_number_cache_clear(&cache);
    ph_query_free(q);
    world_free(w);
}

TEST(the_first_few_are_found_among_records_of_other_types)
{
    world *w = world_new();
    ph_uuid none = { { 77 } };
    ph_query_iter *it = NULL;
    ph_query *q = NULL;
    ph_query_stats stats;
    ph_row row;

    for (uint64_t k = 0; k < 1000; k++)
        CHECK_OK(ph_numbers_put(w->at.txn, k * 200 + 199, MILESTONE, &none,
                                &(ph_history_entry){ 0 }, &err),
                 &err);
    for (unsigned limit = 1; limit < 40; limit++) {
        char text[20];
        uint64_t last = 0;
        unsigned n = 0;
        snprintf(text, sizeof text, "limit:%u", limit);
        REQUIRE_OK(compile(text, &q), &err);
        REQUIRE_OK(ph_query_open(q, w->at.txn, NULL, &it, &err), &err);
        ph_query_stats_get(it, &stats);
        for (; ph_query_next(it, &row, &err) == PROPHET_OK; n++) {
            for (size_t i = 0; i < w->count; i++) /* none was passed over */
                if (w->records[i].type == TICKET && w->records[i].alive)
                    CHECK(w->records[i].number <= last || w->records[i].number >= row.number);
            last = row.number;
        }
        CHECK_EQ_UINT(n, limit);
        ph_query_close(it);
        ph_query_free(q);
    }
    world_free(w);
}

/* Full text through the C interface: matches of single fields, refused questions, scores of today and of the past, snippets, and every
 * allocation of these failing once. */
#include "api_place.h"
#include "base/base.h"

static prophet_db *pages(const char *name)
{
    prophet_db *db = open_db(name, "ann@example.org");
    prophet_txn *t = NULL;

    REQUIRE_OK(prophet_txn_begin(db, NULL, &t, &err), &err);
    REQUIRE_OK(
        prophet_txn_define(
            t,
            M(P("name", T("page")),
              P("fields",
                L(M(P("name", T("title")), P("kind", T("string")), P("fulltext", prophet_int(3))),
                  M(P("name", T("body")), P("kind", T("text")), P("fulltext", prophet_bool(true))),
                  M(P("name", T("code")), P("kind", T("string")), P("fulltext", prophet_bool(true)),
                    P("language", T("none"))),
                  M(P("name", T("plain")), P("kind", T("string")))))),
            &err),
        &err);
    REQUIRE_OK(prophet_txn_commit(t, NULL, NULL, &err), &err);
    return db;
}

static void put(prophet_db *db, const char *title, const char *body, const char *code)
{
    prophet_field f[] = { P("title", T(title)), P("body", T(body)), P("code", T(code)) };
    prophet_txn *t = NULL;

    REQUIRE_OK(prophet_txn_begin(db, NULL, &t, &err), &err);
    REQUIRE_OK(prophet_txn_create(t, "page", NULL, f, 3, NULL, &err), &err);
    REQUIRE_OK(prophet_txn_commit(t, NULL, NULL, &err), &err);
}

/* Titles of what a condition finds, best first. */
static const char *ranked(prophet_db *db, prophet_value where)
{
    static char out[200];
    prophet_iter *it = NULL;
    const prophet_doc *row;
    prophet_value v;
    prophet_code rc;
    size_t n = 0;

    out[0] = 0;
    REQUIRE_OK(prophet_query(db,
                             M(P("type", T("page")), P("where", where), P("order", L(T("-score"))),
                               P("scan", prophet_bool(true))),
                             &it, &err),
               &err);
    while ((rc = prophet_iter_next(it, &row, &err)) == PROPHET_OK) {
        REQUIRE(prophet_doc_get(row, "title", &v));
        n += (size_t)snprintf(out + n, sizeof out - n, "%s%.*s", n ? "|" : "", PH_FMT(v.as.bytes));
    }
    REQUIRE_OK(rc, &err);
    prophet_iter_close(it);
    return out;
}

static bool is_planned(prophet_db *db, prophet_value where)
{
    prophet_doc *plan;

    REQUIRE_OK(prophet_explain(db, M(P("type", T("page")), P("where", where)), false, &plan, &err),
               &err);
    bool planned = text_is(plan, "plan", "match");
    prophet_doc_free(plan);
    return planned;
}

static prophet_db *filled(const char *name)
{
    prophet_db *db = pages(name);

    put(db, "one crash", "it crashes when saving", "crash");
    put(db, "two", "a crash, a crash, and one more: crash", "saved");
    put(db, "three crash crash", "", "crashes");
    return db;
}

TEST(a_match_may_be_of_one_field)
{
    prophet_db *db = filled("ann");

    CHECK_EQ_STR(ranked(db, L(T("match"), T("body"), T("crash"))), "two|one crash");
    CHECK_EQ_STR(ranked(db, L(T("match"), T("code"), T("crash"))), "one crash");
    CHECK_EQ_STR(ranked(db, L(T("match"), T("code"), T("crash*"))), "three crash crash|one crash");
    CHECK_EQ_STR(ranked(db, L(T("match"), T("body"), T("\"crash saving\""))), "");
    CHECK_EQ_STR(ranked(db, L(T("match"), T("body"), T("saving -one"))), "one crash");
    CHECK(is_planned(db, L(T("match"), T("body"), T("crash"))));
    CHECK(is_planned(db, L(T("match"), T("crash"))));
    CHECK(!is_planned(db, L(T("match"), T("plain"), T("crash")))); /* not in the index */
    CHECK(!is_planned(db, L(T("match"), T("-crash"))));
    CHECK_EQ_STR(ranked(db, L(T("match"), T("plain"), T("crash"))), "");
    prophet_close(db);
}

TEST(scores_of_the_past_are_of_its_records)
{
    prophet_db *db = filled("ann"), *old = NULL;

    REQUIRE_OK(prophet_as_of(db, prophet_int(4), &old, &err), &err);
    put(db, "four crash", "crash", "crash");
    CHECK_EQ_STR(ranked(old, L(T("match"), T("crash"))), "three crash crash|one crash|two");
    CHECK_EQ_STR(ranked(old, L(T("match"), T("crash -it"))), "three crash crash|two");
    CHECK(!is_planned(old, L(T("match"), T("crash"))));
    prophet_close(old);
    prophet_close(db);
}

TEST(what_has_no_score_or_snippet_is_refused)
{
    prophet_db *db = filled("ann");
    prophet_iter *it = NULL;
    prophet_doc *found = NULL;
    prophet_doc *row;

    CHECK_CODE(prophet_query(db, M(P("type", T("page")), P("order", L(T("-score")))), &it, &err),
               PROPHET_EUSAGE, &err);
    CHECK_CODE(prophet_query(db, M(P("type", T("page")), P("where", L(T("match"), T("- ! *")))),
                             &it, &err),
               PROPHET_EUSAGE, &err);
    CHECK_EQ_STR(err.message, "\"- ! *\" has no word to look for");
    REQUIRE_OK(prophet_get(db, "page", prophet_int(1), &row, &err), &err);
    CHECK_CODE(prophet_snippet(db, M(P("type", T("page"))), row, 9, &found, &err), PROPHET_EUSAGE,
               &err);
    CHECK_CODE(prophet_snippet(db, M(P("type", T("page")), P("where", L(T("match"), T("nowhere")))),
                               row, 9, &found, &err),
               PROPHET_DONE, &err);
    prophet_doc_free(row);
    prophet_close(db);
}

#ifdef PH_DEV
static prophet_code snippet_of(prophet_db *db, prophet_value spec, const prophet_doc *row)
{
    prophet_doc *found = NULL;
    prophet_code rc = prophet_snippet(db, spec, row, 9, &found, &err);

    if (rc == PROPHET_OK)
        prophet_doc_free(found);
    return rc;
}

static prophet_code ask(prophet_db *db, const char *text)
{
    prophet_iter *it = NULL;
    const prophet_doc *row;
    prophet_value spec = M(P("type", T("page")), P("where", L(T("match"), T(text))),
                           P("order", L(T("-score"))), P("scan", prophet_bool(true)));
    prophet_code rc = prophet_query(db, spec, &it, &err);

    if (rc < 0)
        return rc;
    while ((rc = prophet_iter_next(it, &row, &err)) == PROPHET_OK)
        if ((rc = snippet_of(db, spec, row)) < 0)
            break;
    prophet_iter_close(it);
    return rc < 0 ? rc : PROPHET_OK;
}

static void starve(prophet_db *db, const char *text)
{
    prophet_code rc;
    uint64_t nth = 0;

    test_context("%s", text);
    do {
        ph_alloc_fail_at(++nth);
        rc = ask(db, text);
        ph_alloc_fail_at(0);
        CHECK_MSG(rc >= 0 || rc == PROPHET_EMEMORY, "allocation %llu gave %s: %s",
                  (unsigned long long)nth, prophet_code_name(rc), err.message);
    } while (rc < 0 && nth < 20000);
    CHECK(rc >= 0 && nth > 3);
    test_context(NULL);
}
#endif

TEST(a_lack_of_memory_is_told)
{
#ifdef PH_DEV
    prophet_db *db = filled("ann"), *old = NULL;

    REQUIRE_OK(prophet_as_of(db, prophet_int(4), &old, &err), &err);
    starve(db, "crash OR \"one more\" -nowhere");
    starve(db, "sav* \"crashes when\"");
    starve(old, "crash OR sav*");
    prophet_close(old);
    prophet_close(db);
#else
    test_skip("a build without fault points");
#endif
}

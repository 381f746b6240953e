/* Lists through prophet.h: queries, history, blame, log, export. */
#include "api_place.h"

static prophet_db *filled(void)
{
    prophet_db *db = fresh("one");
    (void)make(db, "a", "new", 3);
    (void)make(db, "b", "open", 1);
    (void)make(db, "c", "closed", 5);
    (void)make(db, "d", "open", 2);
    return db;
}

static char *found(prophet_db *db, prophet_value spec)
{
    prophet_iter *it;
    REQUIRE_OK(prophet_query(db, spec, &it, &err), &err);
    return listed(it, "summary");
}

static void finds(prophet_db *db, prophet_value spec, const char *want)
{
    char *got = found(db, spec);
    CHECK_EQ_STR(got, want);
    free(got);
}

TEST(queries_filter_order_limit_and_go_on)
{
    prophet_db *db = filled();
    uint64_t n;
    finds(db, M(P("type", T("ticket"))), "a b c d");
    finds(db, M(P("type", T("ticket")), P("where", L(T("eq"), T("status"), T("open")))), "b d");
    finds(db, M(P("type", T("ticket")), P("order", L(T("-severity"))), P("limit", prophet_int(2))),
          "c a");
    finds(db,
          M(P("type", T("ticket")), P("order", L(T("severity"))),
            P("after", L(prophet_int(2), prophet_int(4)))),
          "a c");
    finds(db, M(P("type", T("ticket")), P("where", L(T("in"), T("status"), prophet_list(NULL, 0)))),
          "");
    finds(
        db,
        M(P("type", T("ticket")), P("where", L(T("and"), L(T("gt"), T("severity"), prophet_int(1)),
                                               L(T("not"), L(T("eq"), T("status"), T("closed")))))),
        "a d");
    REQUIRE_OK(prophet_count(
                   db,
                   M(P("type", T("ticket")), P("where", L(T("ge"), T("severity"), prophet_int(2)))),
                   &n, &err),
               &err);
    CHECK_EQ_UINT(n, 3);
    prophet_close(db);
}

TEST(queries_refuse_what_nobody_declared)
{
    prophet_db *db = filled();
    prophet_iter *it;
    CHECK_CODE(prophet_query(db, M(P("type", T("tikcet"))), &it, &err), PROPHET_ETYPE, &err);
    CHECK_HAS(err.hint, "ticket");
    CHECK_CODE(prophet_query(db,
                             M(P("type", T("ticket")), P("where", L(T("eq"), T("stauts"), T("x")))),
                             &it, &err),
               PROPHET_EFIELD, &err);
    CHECK_HAS(err.hint, "status");
    CHECK_CODE(prophet_query(db, M(P("type", T("ticket")), P("were", L(T("or")))), &it, &err),
               PROPHET_EUSAGE, &err);
    CHECK_CODE(prophet_query(db, prophet_nil(), &it, &err), PROPHET_EUSAGE, &err);
    prophet_close(db);
}

TEST(a_list_shows_one_state_while_the_handle_writes)
{
    prophet_db *db = filled();
    prophet_iter *it;
    const prophet_doc *row;
    prophet_doc *now;
    prophet_record rec;
    size_t n = 0;
    REQUIRE_OK(prophet_query(db, M(P("type", T("ticket"))), &it, &err), &err);
    while (prophet_iter_next(it, &row, &err) == PROPHET_OK) {
        CHECK(prophet_doc_record(row, &rec));
        CHECK(!text_is(row, "summary", "changed"));
        REQUIRE_OK(set(db, &rec.id, 0, "summary", T("changed")), &err);
        now = get(db, prophet_ref(rec.id));
        CHECK(text_is(now, "summary", "changed"));
        prophet_doc_free(now);
        n++;
    }
    CHECK_EQ_UINT(n, 4);
    prophet_iter_close(it);
    prophet_close(db);
}

TEST(a_query_in_a_change_sees_what_it_wrote)
{
    prophet_db *db = filled();
    prophet_txn *t;
    prophet_iter *it;
    prophet_field f[] = { P("summary", T("e")), P("status", T("open")) };
    REQUIRE_OK(prophet_txn_begin(db, NULL, &t, &err), &err);
    REQUIRE_OK(prophet_txn_create(t, "ticket", NULL, f, 2, NULL, &err), &err);
    REQUIRE_OK(
        prophet_query(db, M(P("type", T("ticket")), P("where", L(T("eq"), T("status"), T("open")))),
                      &it, &err),
        &err);
    REQUIRE_OK(prophet_txn_savepoint(t, &err), &err);
    REQUIRE_OK(prophet_txn_release(t, &err), &err);
    char *got = listed(it, "summary");
    CHECK_EQ_STR(got, "b d e");
    free(got);
    prophet_txn_abort(t);
    finds(db, M(P("type", T("ticket")), P("where", L(T("eq"), T("status"), T("open")))), "b d");
    prophet_close(db);
}

TEST(history_and_blame_tell_who_did_what)
{
    prophet_db *db = fresh("one");
    prophet_uuid id = make(db, "a", "new", 3);
    prophet_iter *it;
    const prophet_doc *row;
    prophet_doc *doc;
    prophet_value v;
    REQUIRE_OK(prophet_set_user(db, "bob", &err), &err);
    REQUIRE_OK(set(db, &id, 0, "status", T("open")), &err);
    REQUIRE_OK(prophet_history(db, "ticket", &id, &it, &err), &err);
    REQUIRE(prophet_iter_next(it, &row, &err) == PROPHET_OK);
    CHECK(text_is(row, "action", "create") && text_is(row, "author", "ann@example.org") &&
          text_is(row, "message", "new"));
    CHECK(prophet_doc_get(row, "changes", &v) && v.as.list.count == 3);
    REQUIRE(prophet_iter_next(it, &row, &err) == PROPHET_OK);
    char *json = json_of(row);
    CHECK_HAS(json, "\"changes\":[{\"field\":\"status\",\"op\":\"set\",\"value\":\"open\",\"old\":"
                    "\"new\",\"new\":\"open\"}],\"votes\":[]");
    free(json);
    CHECK_CODE(prophet_iter_next(it, &row, &err), PROPHET_DONE, &err);
    prophet_iter_close(it);
    REQUIRE_OK(prophet_blame(db, "ticket", &id, &doc, &err), &err);
    json = json_of(doc);
    CHECK_HAS(json, "\"status\":{\"value\":\"open\",\"version\":3,\"author\":\"bob\"");
    CHECK_HAS(json, "\"summary\":{\"value\":\"a\",\"version\":2,\"author\":\"ann@example.org\"");
    free(json);
    prophet_doc_free(doc);
    memset(&id, 7, sizeof id);
    CHECK_CODE(prophet_history(db, "ticket", &id, &it, &err), PROPHET_ENOTFOUND, &err);
    prophet_close(db);
}

static char *logged(prophet_db *db, prophet_value spec)
{
    prophet_iter *it;
    REQUIRE_OK(prophet_log(db, spec, &it, &err), &err);
    return listed(it, "message");
}

static void logs(prophet_db *db, prophet_value spec, const char *want)
{
    char *got = logged(db, spec);
    CHECK_EQ_STR(got, want);
    free(got);
}

TEST(the_log_is_filtered)
{
    prophet_db *db = fresh("one");
    prophet_uuid id = make(db, "a", "new", 1);
    prophet_txn *t;
    prophet_hash hash;
    prophet_iter *it;
    char hex[65];
    prophet_field f[] = { P("name", T("1.0")) };
    REQUIRE_OK(prophet_set_user(db, "bob@example.org", &err), &err);
    REQUIRE_OK(prophet_txn_begin(db, "stone", &t, &err), &err);
    REQUIRE_OK(prophet_txn_create(t, "milestone", NULL, f, 1, NULL, &err), &err);
    REQUIRE_OK(prophet_txn_commit(t, &hash, NULL, &err), &err);
    logs(db, prophet_nil(), "types new stone");
    logs(db, M(P("author", T("bob"))), "stone");
    logs(db, M(P("type", T("ticket"))), "new");
    logs(db, M(P("record", prophet_ref(id))), "new");
    logs(db, M(P("limit", prophet_int(2))), "new stone");
    logs(db, M(P("limit", prophet_int(2)), P("newest", prophet_bool(true))), "stone new");
    logs(db, M(P("after", prophet_int(2))), "stone");
    logs(db, M(P("since", T("2999-01-01"))), "");
    for (size_t i = 0; i < 32; i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", hash.b[i]);
    logs(db, M(P("id", T(hex))), "stone");
    hex[12] = 0;
    logs(db, M(P("id", T(hex))), "stone");
    CHECK_CODE(prophet_log(db, M(P("auhtor", T("x"))), &it, &err), PROPHET_EUSAGE, &err);
    CHECK_HAS(err.hint, "author");
    text_sink s = { NULL, 0 };
    REQUIRE_OK(prophet_log_json(db, M(P("type", T("milestone"))), to_text, &s, &err), &err);
    CHECK_HAS(s.text, "\"message\":\"stone\",\"changes\":[{\"type\":\"milestone\"");
    free(s.text);
    prophet_close(db);
}

TEST(the_export_is_sorted_and_says_what_docs_say)
{
    prophet_db *db = fresh("one");
    prophet_field f[] = { P("summary", T("x")), P("tags", L(T("b"), T("a"))),
                          P("due", prophet_time(0)), P("status", T("new")) };
    prophet_doc_free(create(db, f, 4));
    text_sink s = { NULL, 0 };
    REQUIRE_OK(prophet_export(db, false, to_text, &s, &err), &err);
    CHECK_HAS(s.text, "\"fields\":{\"due\":{\"$time\":\"1970-01-01T00:00:00.000Z\"},\"status\":"
                      "\"new\",\"summary\":\"x\","
                      "\"tags\":[\"a\",\"b\"]}}\n");
    CHECK(strstr(s.text, "_type") == NULL);
    free(s.text);
    s = (text_sink){ NULL, 0 };
    REQUIRE_OK(prophet_export(db, true, to_text, &s, &err), &err);
    CHECK_HAS(s.text, "{\"type\":\"_type\"");
    free(s.text);
    prophet_close(db);
}

TEST(what_is_not_declared_or_damaged_is_told_by_check)
{
    prophet_db *db = filled();
    prophet_doc *doc;
    REQUIRE_OK(prophet_check(db, &doc, &err), &err);
    CHECK_EQ_INT(int_of(doc, "faults"), 0);
    CHECK_EQ_INT(int_of(doc, "invalid"), 0);
    CHECK_EQ_INT(int_of(doc, "changesets"), 5);
    prophet_doc_free(doc);
    REQUIRE_OK(prophet_rebuild(db, NULL, NULL, &err), &err);
    REQUIRE_OK(prophet_stats(db, &doc, &err), &err);
    CHECK_EQ_INT(int_of(doc, "records"), 4);
    CHECK(int_of(doc, "log_bytes") > 0);
    prophet_doc_free(doc);
    finds(db, M(P("type", T("ticket"))), "a b c d");
    prophet_close(db);
}

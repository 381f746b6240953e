/* Records through prophet.h: what goes in comes out, what does not fit is refused by name, documents live on. */
#include "api_place.h"

TEST(values_of_all_kinds_come_back)
{
    prophet_db *db = fresh("one");
    prophet_uuid parent = make(db, "parent", "new", 1);
    prophet_field f[] = { P("summary", T("Crash")),
                          P("severity", prophet_int(2)),
                          P("tags", L(T("ui"), T("big"))),
                          P("due", prophet_time(1000)),
                          P("parent", prophet_ref(parent)),
                          P("extra", M(P("zz", prophet_float(1.5)),
                                       P("a", L(prophet_bool(true), prophet_bytes("\0x", 2))))) };
    prophet_doc *doc = create(db, f, 6);
    prophet_value v;
    prophet_slice name;
    prophet_record rec;
    CHECK(text_is(doc, "summary", "Crash"));
    CHECK(prophet_doc_get(doc, "tags", &v) && v.kind == PROPHET_LIST && v.as.list.count == 2);
    const prophet_value *items =
        v.as.list.items; /* however often it is asked for, it is decoded once */
    CHECK(prophet_doc_get(doc, "tags", &v) && v.as.list.items == items);
    CHECK(prophet_doc_get(doc, "due", &v) && v.kind == PROPHET_TIME && v.as.integer == 1000);
    CHECK(prophet_doc_get(doc, "parent", &v) && v.kind == PROPHET_REF &&
          memcmp(&v.as.ref, &parent, 16) == 0);
    CHECK(prophet_doc_get(doc, "extra", &v) && v.kind == PROPHET_MAP && v.as.map.count == 2);
    CHECK_SLICE(v.as.map.items[0].name, "a", 1);
    CHECK(v.as.map.items[1].value.as.number > 1.4);
    CHECK(!prophet_doc_get(doc, "status", &v) && v.kind == PROPHET_NIL);
    CHECK(!prophet_doc_get(doc, "nonsense", &v));
    CHECK(prophet_doc_at(doc, 0, &name, &v));
    CHECK_SLICE(name, "summary", 7);
    CHECK(prophet_doc_at(doc, 2, &name, &v)); /* declared order, absent ones passed over */
    CHECK_SLICE(name, "tags", 4);
    CHECK(!prophet_doc_at(doc, 6, &name, &v));
    CHECK(prophet_doc_record(doc, &rec));
    CHECK_EQ_STR(rec.type, "ticket");
    CHECK_EQ_UINT(rec.number, 2);
    CHECK_EQ_UINT(rec.version, 3);
    CHECK(!rec.deleted && !rec.conflict);
    prophet_close(db);
    CHECK(text_is(doc, "summary", "Crash")); /* outlives its handle */
    prophet_doc_free(doc);
}

TEST(long_values_and_large_sets_live_in_the_document)
{
    prophet_db *db = fresh("one");
    char *body = malloc(5001);
    char names[100][8];
    prophet_value tags[100], v;
    memset(body, 'x', 5000);
    body[5000] = 0;
    for (int i = 0; i < 100; i++) {
        (void)snprintf(names[i], sizeof names[i], "t%03d", i);
        tags[i] = T(names[i]);
    }
    prophet_field f[] = { P("summary", T("s")), P("body", T(body)),
                          P("tags", prophet_list(tags, 100)) };
    prophet_doc *doc = create(db, f, 3), *copy;
    REQUIRE_OK(prophet_doc_copy(doc, &copy, &err), &err);
    prophet_doc_free(doc);
    prophet_close(db);
    CHECK(text_is(copy, "body", body));
    CHECK(prophet_doc_get(copy, "tags", &v) && v.as.list.count == 100);
    prophet_doc_free(copy);
    free(body);
}

TEST(records_are_found_by_id_number_and_text)
{
    prophet_db *db = fresh("one");
    prophet_uuid id = make(db, "a", "new", 1);
    char text[37];
    prophet_doc *doc;
    prophet_uuid_format(&id, text);
    (void)make(db, "b", "new", 1);
    prophet_value names[] = { prophet_ref(id), prophet_int(1), T("#1"), T(text), T(text + 24) };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        doc = get(db, names[i]);
        CHECK(text_is(doc, "summary", "a"));
        prophet_doc_free(doc);
        REQUIRE(prophet_get(db, NULL, names[i], &doc, &err) == PROPHET_OK);
        prophet_doc_free(doc);
    }
    CHECK_CODE(prophet_get(db, "ticket", T("#77"), &doc, &err), PROPHET_DONE, &err);
    CHECK_CODE(prophet_get(db, "milestone", T("#1"), &doc, &err), PROPHET_DONE, &err);
    CHECK_CODE(prophet_get(db, "tickt", T("#1"), &doc, &err), PROPHET_ETYPE, &err);
    CHECK_HAS(err.hint, "ticket");
    prophet_close(db);
}

static void refused(prophet_db *db, const prophet_field *f, size_t n, prophet_code want,
                    const char *field, const char *part)
{
    prophet_txn *t;
    memset(&err, 0, sizeof err);
    REQUIRE_OK(prophet_txn_begin(db, NULL, &t, NULL), &err);
    CHECK_CODE(prophet_txn_create(t, "ticket", NULL, f, n, NULL, &err), want, &err);
    CHECK_EQ_STR(err.type, "ticket");
    CHECK_EQ_STR(err.field, field);
    CHECK_HAS(err.hint[0] ? err.hint : err.message, part);
    CHECK_CODE(prophet_txn_commit(t, NULL, NULL, NULL), PROPHET_DONE,
               NULL); /* nothing was written */
}

TEST(what_does_not_fit_is_refused_by_name)
{
    prophet_db *db = fresh("one");
    prophet_field unknown[] = { P("summary", T("x")), P("statsu", T("open")) };
    prophet_field value[] = { P("summary", T("x")), P("status", T("opne")) };
    prophet_field bound[] = { P("summary", T("x")), P("severity", prophet_int(9)) };
    prophet_field kind[] = { P("summary", prophet_int(1)) };
    prophet_field utf8[] = { P("summary", T("\xff")) };
    prophet_field missing[] = { P("status", T("open")) };
    prophet_field counter[] = { P("summary", T("x")), P("votes", prophet_int(1)) };
    prophet_field nan[] = { P("summary", T("x")), P("extra", M(P("n", prophet_float(0.0 / 0.0)))) };
    refused(db, unknown, 2, PROPHET_EFIELD, "statsu", "status");
    refused(db, value, 2, PROPHET_EVALIDATION, "status", "open");
    refused(db, bound, 2, PROPHET_EVALIDATION, "severity", "5");
    refused(db, kind, 1, PROPHET_EVALIDATION, "summary", "string");
    refused(db, utf8, 1, PROPHET_EVALIDATION, "summary", "bytes");
    refused(db, missing, 1, PROPHET_EVALIDATION, "summary", "required");
    prophet_field twice[] = { P("summary", T("x")), P("status", T("new")), P("status", T("open")) };
    refused(db, twice, 3, PROPHET_EUSAGE, "status", "given twice");
    refused(db, counter, 2, PROPHET_EUSAGE, "votes", "incr");
    refused(db, nan, 2, PROPHET_EVALIDATION, "extra", "finite");
    prophet_close(db);
}

TEST(an_update_sets_a_field_once_and_takes_many_elements)
{
    prophet_db *db = fresh("one");
    prophet_uuid id = make(db, "a", "new", 1);
    prophet_edit twice[] = { { PROPHET_SET, T("status").as.bytes, T("open") },
                             { PROPHET_ADD, T("tags").as.bytes, T("x") },
                             { PROPHET_UNSET, T("status").as.bytes, prophet_nil() } };
    prophet_edit whole[] = { { PROPHET_ADD, T("tags").as.bytes, T("x") },
                             { PROPHET_SET, T("tags").as.bytes, L(T("y")) } };
    prophet_edit many[] = { { PROPHET_ADD, T("tags").as.bytes, T("x") },
                            { PROPHET_ADD, T("tags").as.bytes, T("y") },
                            { PROPHET_REMOVE, T("tags").as.bytes, T("z") },
                            { PROPHET_INCR, T("votes").as.bytes, prophet_int(1) },
                            { PROPHET_INCR, T("votes").as.bytes, prophet_int(2) } };
    prophet_txn *t;
    prophet_doc *doc;
    prophet_value v;
    REQUIRE_OK(prophet_txn_begin(db, NULL, &t, &err), &err);
    CHECK_CODE(prophet_txn_update(t, "ticket", &id, 0, twice, 3, NULL, &err), PROPHET_EUSAGE, &err);
    CHECK_EQ_STR(err.field, "status");
    CHECK_CODE(prophet_txn_update(t, "ticket", &id, 0, whole, 2, NULL, &err), PROPHET_EUSAGE, &err);
    CHECK_EQ_STR(err.field, "tags");
    REQUIRE_OK(prophet_txn_update(t, "ticket", &id, 0, many, 5, &doc, &err), &err);
    CHECK(prophet_doc_get(doc, "tags", &v) && v.as.list.count == 2);
    CHECK(prophet_doc_get(doc, "votes", &v) && v.as.integer == 3);
    prophet_doc_free(doc);
    REQUIRE_OK(prophet_txn_commit(t, NULL, NULL, &err), &err);
    prophet_close(db);
}

TEST(an_update_of_something_stale_is_refused)
{
    prophet_db *db = fresh("one");
    prophet_uuid id = make(db, "a", "new", 1);
    CHECK_OK(set(db, &id, 2, "status", T("open")), &err);
    CHECK_CODE(set(db, &id, 2, "status", T("closed")), PROPHET_ESTALE, &err);
    CHECK_EQ_STR(err.field, "status");
    CHECK_OK(set(db, &id, 2, "severity", prophet_int(2)), &err); /* another field */
    CHECK_OK(set(db, &id, 0, "status", T("closed")), &err);
    prophet_close(db);
}

TEST(verbs_do_what_they_say)
{
    prophet_db *db = fresh("one");
    prophet_uuid id = make(db, "a", "new", 1);
    prophet_txn *t;
    prophet_doc *doc;
    prophet_record rec;
    prophet_value v;
    uint64_t version;
    const prophet_edit edits[] = { { PROPHET_ADD, T("tags").as.bytes, T("ui") },
                                   { PROPHET_ADD, T("tags").as.bytes, T("db") },
                                   { PROPHET_REMOVE, T("tags").as.bytes, T("ui") },
                                   { PROPHET_INCR, T("votes").as.bytes, prophet_int(3) },
                                   { PROPHET_UNSET, T("status").as.bytes, prophet_nil() },
                                   { PROPHET_SET, T("severity").as.bytes, prophet_nil() } };
    REQUIRE_OK(prophet_txn_begin(db, "edits", &t, &err), &err);
    REQUIRE_OK(prophet_txn_update(t, "ticket", &id, 0, edits, 6, &doc, &err), &err);
    CHECK(prophet_doc_get(doc, "tags", &v) && v.as.list.count == 1);
    CHECK_EQ_INT(int_of(doc, "votes"), 3);
    CHECK(!prophet_doc_get(doc, "status", &v) && !prophet_doc_get(doc, "severity", &v));
    prophet_doc_free(doc);
    REQUIRE_OK(prophet_txn_delete(t, "ticket", &id, &doc, &err), &err);
    CHECK(prophet_doc_record(doc, &rec) && rec.deleted);
    prophet_doc_free(doc);
    CHECK_CODE(prophet_txn_update(t, "ticket", &id, 0, edits, 1, NULL, &err), PROPHET_ENOTFOUND,
               &err);
    REQUIRE_OK(prophet_txn_restore(t, "ticket", &id, &doc, &err), &err);
    CHECK(prophet_doc_record(doc, &rec) && !rec.deleted);
    prophet_doc_free(doc);
    REQUIRE_OK(prophet_txn_commit(t, NULL, &version, &err), &err);
    CHECK_EQ_UINT(version, 3);
    REQUIRE_OK(prophet_db_version(db, &version, &err), &err);
    CHECK_EQ_UINT(version, 3);
    prophet_close(db);
}

TEST(a_savepoint_rolled_back_leaves_nothing_and_names_stay_right)
{
    prophet_db *db = fresh("one");
    prophet_txn *t;
    prophet_doc *doc;
    prophet_field f[] = { P("summary", T("kept")) };
    REQUIRE_OK(prophet_txn_begin(db, NULL, &t, &err), &err);
    REQUIRE_OK(prophet_txn_savepoint(t, &err), &err);
    REQUIRE_OK(prophet_txn_define(t,
                                  M(P("name", T("other")),
                                    P("fields", L(M(P("name", T("alpha")), P("kind", T("int")))))),
                                  &err),
               &err);
    REQUIRE_OK(prophet_txn_rollback(t, &err), &err);
    REQUIRE_OK(prophet_txn_define(t,
                                  M(P("name", T("third")),
                                    P("fields", L(M(P("name", T("beta")), P("kind", T("int")))))),
                                  &err),
               &err);
    prophet_field b[] = { P("beta", prophet_int(7)) };
    REQUIRE_OK(prophet_txn_create(t, "third", NULL, b, 1, &doc, &err), &err);
    CHECK_EQ_INT(int_of(doc, "beta"), 7);
    prophet_doc_free(doc);
    REQUIRE_OK(prophet_txn_create(t, "ticket", NULL, f, 1, NULL, &err), &err);
    REQUIRE_OK(prophet_txn_commit(t, NULL, NULL, &err), &err);
    CHECK_CODE(prophet_get(db, "other", prophet_int(1), &doc, &err), PROPHET_ETYPE, &err);
    prophet_close(db);
}

TEST(one_change_at_a_time_and_views_outside_of_it)
{
    prophet_db *db = fresh("one");
    prophet_txn *t, *second;
    prophet_uuid id = make(db, "a", "new", 1);
    REQUIRE_OK(prophet_view_begin(db, &err), &err);
    REQUIRE_OK(prophet_view_begin(db, &err), &err);
    prophet_view_end(db);
    prophet_doc_free(get(db, prophet_ref(id)));
    CHECK_CODE(prophet_pull(db, test_path("x"), NULL, NULL, &err), PROPHET_EUSAGE, &err);
    prophet_view_end(db);
    REQUIRE_OK(prophet_txn_begin(db, NULL, &t, &err), &err);
    CHECK_CODE(prophet_txn_begin(db, NULL, &second, &err), PROPHET_EUSAGE, &err);
    CHECK_CODE(prophet_view_begin(db, &err), PROPHET_EUSAGE, &err);
    prophet_txn_abort(t);
    prophet_close(db);
}

TEST(natural_keys_name_one_record)
{
    prophet_db *db = fresh("one");
    prophet_txn *t;
    prophet_doc *doc;
    prophet_record rec;
    prophet_uuid id;
    prophet_field f[] = { P("name", T("1.0")) };
    REQUIRE_OK(prophet_natural_id(db, "milestone", f, 1, &id, &err), &err);
    REQUIRE_OK(prophet_txn_begin(db, NULL, &t, &err), &err);
    REQUIRE_OK(prophet_txn_create(t, "milestone", NULL, f, 1, &doc, &err), &err);
    CHECK(prophet_doc_record(doc, &rec));
    CHECK_MEM(rec.id.b, id.b, 16);
    prophet_doc_free(doc);
    CHECK_CODE(prophet_txn_create(t, "milestone", NULL, f, 1, NULL, &err), PROPHET_EEXISTS, &err);
    CHECK_EQ_STR(err.type, "milestone");
    REQUIRE_OK(prophet_txn_commit(t, NULL, NULL, &err), &err);
    CHECK_CODE(prophet_natural_id(db, "milestone", f, 0, &id, &err), PROPHET_EVALIDATION, &err);
    CHECK_CODE(prophet_natural_id(db, "ticket", f, 1, &id, &err), PROPHET_DONE, &err);
    prophet_close(db);
}

TEST(documents_of_ones_own_are_deep_copies)
{
    prophet_doc *doc, *copy;
    char text[] = "abc";
    prophet_value list;
    REQUIRE_OK(prophet_doc_new(
                   M(P("a", T(text)), P("b", L(prophet_int(1), M(P("c", prophet_bool(true)))))),
                   &doc, &err),
               &err);
    text[0] = 'x';
    CHECK(text_is(doc, "a", "abc"));
    REQUIRE_OK(prophet_doc_copy(doc, &copy, &err), &err);
    prophet_doc_free(doc);
    char *json = json_of(copy);
    CHECK_EQ_STR(json, "{\"a\":\"abc\",\"b\":[1,{\"c\":true}]}");
    free(json);
    prophet_doc_free(copy);
    list = L(prophet_time(0), prophet_float(2));
    REQUIRE_OK(prophet_doc_new(list, &doc, &err), &err);
    json = json_of(doc);
    CHECK_EQ_STR(json, "[{\"$time\":\"1970-01-01T00:00:00.000Z\"},2.0]");
    free(json);
    prophet_doc_free(doc);
    CHECK_CODE(prophet_doc_new(prophet_int(1), &doc, &err), PROPHET_EUSAGE, &err);
}

TEST(types_are_told_as_they_were_defined)
{
    prophet_db *db = fresh("one");
    prophet_iter *it;
    prophet_doc *doc;
    prophet_value v;
    REQUIRE_OK(prophet_types(db, &it, &err), &err);
    char *names = listed(it, "name");
    CHECK_EQ_STR(names, "milestone ticket");
    free(names);
    REQUIRE_OK(prophet_schema(db, "milestone", &doc, &err), &err);
    CHECK(prophet_doc_get(doc, "key", &v) && v.as.list.count == 1);
    CHECK(prophet_doc_get(doc, "fields", &v) && v.as.list.count == 2);
    prophet_doc_free(doc);
    CHECK_CODE(prophet_schema(db, "milestne", &doc, &err), PROPHET_ETYPE, &err);
    CHECK_HAS(err.hint, "milestone");
    prophet_close(db);
}

TEST(an_interrupt_ends_what_comes_next_once)
{
    prophet_db *db = fresh("one");
    prophet_iter *it;
    const prophet_doc *row;
    (void)make(db, "a", "new", 1);
    REQUIRE_OK(prophet_query(db, M(P("type", T("ticket"))), &it, &err), &err);
    prophet_interrupt(db);
    CHECK_CODE(prophet_iter_next(it, &row, &err), PROPHET_EINTERRUPTED, &err);
    CHECK_CODE(prophet_iter_next(it, &row, &err), PROPHET_OK, &err);
    prophet_iter_close(it);
    prophet_close(db);
}

TEST(opening_says_what_is_wrong)
{
    prophet_db *db;
    prophet_options o = PROPHET_OPTIONS_INIT;
    CHECK_CODE(prophet_open(test_path("none"), NULL, &db, &err), PROPHET_ENOTFOUND, &err);
    CHECK_HAS(err.hint, "create");
    o.size = 3;
    CHECK_CODE(prophet_open(test_path("none"), &o, &db, &err), PROPHET_EUSAGE, &err);
    CHECK_EQ_STR(prophet_code_name(PROPHET_EUNSIGNED), "unsigned");
    CHECK_EQ_STR(prophet_code_name(PROPHET_DONE), "done");
}

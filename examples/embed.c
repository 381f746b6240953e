/* Prophet in a C program: define a type, write, query; two replicas disagree and vote; a script with limits asks the host.
 *
 *     cc embed.c $(pkg-config --cflags --libs prophet) && ./a.out /tmp/bugs.prophet
 */
#include <prophet.h>
#include <stdio.h>
#include <stdlib.h>

static prophet_error err;

static void must(prophet_code rc, const char *what)
{
    if (rc >= 0)
        return;
    fprintf(stderr, "%s: %s: %s%s%s\n", what, prophet_code_name(rc), err.message,
            err.hint[0] ? "; " : "", err.hint);
    exit(1);
}

#define LIST(...) \
    prophet_list((prophet_value[]){ __VA_ARGS__ }, \
                 sizeof((prophet_value[]){ __VA_ARGS__ }) / sizeof(prophet_value))
#define MAP(...) \
    prophet_map((prophet_field[]){ __VA_ARGS__ }, \
                sizeof((prophet_field[]){ __VA_ARGS__ }) / sizeof(prophet_field))

/* ---- types and records ------------------------------------------------------------------------ */

static prophet_value field(const char *name, const char *kind, prophet_field store[2])
{
    store[0] = prophet_put("name", prophet_text(name));
    store[1] = prophet_put("kind", prophet_text(kind));
    return prophet_map(store, 2);
}

static void define(prophet_db *db)
{
    prophet_field f[4][2];
    prophet_txn *t;
    prophet_value fields = LIST(field("summary", "string", f[0]), field("status", "string", f[1]),
                                field("tags", "set", f[2]), field("votes", "counter", f[3]));
    must(prophet_txn_begin(db, "what a ticket is", &t, &err), "begin");
    must(prophet_txn_define(
             t, MAP(prophet_put("name", prophet_text("ticket")), prophet_put("fields", fields)),
             &err),
         "define");
    must(prophet_txn_commit(t, NULL, NULL, &err), "commit");
}

static prophet_uuid create(prophet_db *db, const char *summary)
{
    const prophet_field fields[] = { prophet_put("summary", prophet_text(summary)),
                                     prophet_put("status", prophet_text("new")),
                                     prophet_put("tags", LIST(prophet_text("ui"))) };
    prophet_record record;
    prophet_txn *t;
    prophet_doc *doc;
    must(prophet_txn_begin(db, summary, &t, &err), "begin");
    must(prophet_txn_create(t, "ticket", NULL, fields, 3, &doc, &err), "create");
    must(prophet_txn_commit(t, NULL, NULL, &err), "commit");
    (void)prophet_doc_record(doc, &record);
    prophet_doc_free(doc);
    return record.id;
}

static void set_status(prophet_db *db, const prophet_uuid *id, const char *status)
{
    const prophet_edit edits[] = {
        { PROPHET_SET, prophet_text("status").as.bytes, prophet_text(status) },
        { PROPHET_INCR, prophet_text("votes").as.bytes, prophet_int(1) },
    };
    prophet_txn *t;
    must(prophet_txn_begin(db, NULL, &t, &err), "begin");
    must(prophet_txn_update(t, "ticket", id, 0, edits, 2, NULL, &err), "update");
    must(prophet_txn_commit(t, NULL, NULL, &err), "commit");
}

/* ---- reading ------------------------------------------------------------------------------------ */

static prophet_code to_stdout(void *ctx, prophet_slice chunk, prophet_error *e)
{
    (void)ctx, (void)e;
    (void)fwrite(chunk.data, 1, chunk.len, stdout);
    return PROPHET_OK;
}

static void show(prophet_code rc, prophet_iter *it, const char *what)
{
    const prophet_doc *row;
    must(rc, what);
    while ((rc = prophet_iter_next(it, &row, &err)) == PROPHET_OK) {
        printf("%-10s ", what);
        must(prophet_doc_json(row, to_stdout, NULL, &err), "json");
        printf("\n");
    }
    must(rc, what);
    prophet_iter_close(it);
}

static void show_open(prophet_db *db)
{
    prophet_iter *it = NULL;
    prophet_value where = LIST(prophet_text("eq"), prophet_text("status"), prophet_text("open"));
    prophet_value spec =
        MAP(prophet_put("type", prophet_text("ticket")), prophet_put("where", where));
    prophet_code rc = prophet_query(db, spec, &it, &err);
    show(rc, it, "open:");
}

/* ---- two replicas, one conflict ------------------------------------------------------------------- */

static void vote(prophet_db *db, const prophet_uuid *id, const char *status)
{
    const prophet_cell cell = { "ticket", *id, "status" };
    prophet_txn *t;
    must(prophet_txn_begin(db, "a vote", &t, &err), "begin");
    must(prophet_txn_vote(t, &cell, prophet_text(status), "it still fails here", &err), "vote");
    must(prophet_txn_commit(t, NULL, NULL, &err), "commit");
}

static void disagree(prophet_db *ann, const char *path, const prophet_uuid *id)
{
    char copy[4096];
    prophet_options o = PROPHET_OPTIONS_INIT;
    prophet_db *bob;
    prophet_iter *it = NULL;
    prophet_doc *report;
    (void)snprintf(copy, sizeof copy, "%s.bob", path);
    o.user = "bob@example.org";
    must(prophet_clone(path, copy, &o, &bob, NULL, &err), "clone");
    set_status(ann, id, "open");
    set_status(bob, id, "closed");
    must(prophet_pull(ann, copy, NULL, &report, &err), "pull");
    printf("%-10s ", "pulled:");
    must(prophet_doc_json(report, to_stdout, NULL, &err), "json");
    printf("\n");
    prophet_doc_free(report);
    vote(ann, id, "open");
    prophet_code rc =
        prophet_conflicts(ann, MAP(prophet_put("status", prophet_text("open"))), &it, &err);
    show(rc, it, "conflict:");
    must(prophet_push(ann, copy, NULL, NULL, &err), "push");
    prophet_close(bob);
}

/* ---- a script with limits --------------------------------------------------------------------------- */

static prophet_code twice(void *ctx, prophet_call *call, const prophet_value *args, size_t count,
                          prophet_error *e)
{
    (void)ctx, (void)e;
    return prophet_call_return(
        call, prophet_int(count && args[0].kind == PROPHET_INT ? 2 * args[0].as.integer : 0));
}

static void run_script(prophet_db *db)
{
    static const char source[] = "local t = db.types.ticket:must '#1'\n"
                                 "return t.summary, twice(t.votes)";
    prophet_vm *vm;
    prophet_doc *result;
    must(prophet_vm_new(db, NULL, &vm, &err), "vm");
    must(prophet_vm_register(vm, "twice", twice, NULL, &err), "register");
    must(
        prophet_vm_run(vm, (prophet_slice){ source, sizeof source - 1 }, "=example", &result, &err),
        "run");
    printf("%-10s ", "script:");
    must(prophet_doc_json(result, to_stdout, NULL, &err), "json");
    printf("\n");
    prophet_doc_free(result);
    if (prophet_vm_run(vm, (prophet_slice){ "while true do end", 17 }, "=loop", NULL, &err) !=
        PROPHET_EBUDGET)
        must(PROPHET_ESCRIPT, "a loop without an end");
    printf("%-10s %s\n", "a loop:", err.message);
    prophet_vm_free(vm);
}

int main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : "bugs.prophet";
    prophet_options o = PROPHET_OPTIONS_INIT;
    prophet_db *db;
    o.create = true;
    o.user = "ann@example.org";
    must(prophet_open(path, &o, &db, &err), "open");
    define(db);
    prophet_uuid id = create(db, "Crash on save");
    (void)create(db, "Typo in the manual");
    disagree(db, path, &id);
    show_open(db);
    run_script(db);
    prophet_close(db);
    return 0;
}

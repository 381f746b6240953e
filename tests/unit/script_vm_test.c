/* prophet_vm as a host uses it: values in and out, host functions, limits that hold, a database inside. */
#include "base/base.h"
#include "support/test.h"
#include <pthread.h>
#include <unistd.h>

static prophet_slice source(const char *text)
{
    return ph_slice_str(text);
}

static prophet_vm *make(prophet_db *db, uint64_t instructions, size_t memory, uint32_t ms)
{
    prophet_error err = { 0 };
    prophet_vm *vm = NULL;
    prophet_limits l = { sizeof l, instructions, memory, ms };
    REQUIRE_OK(prophet_vm_new(db, &l, &vm, &err), &err);
    return vm;
}

/* Runs a chunk; true: it gave at least one value, and *out is the first. The document must be freed. */
static prophet_doc *run(prophet_vm *vm, const char *text, prophet_value *out)
{
    prophet_error err = { 0 };
    prophet_doc *doc = NULL;
    REQUIRE_OK(prophet_vm_run(vm, source(text), "test", &doc, &err), &err);
    CHECK(prophet_doc_at(doc, 0, NULL, out));
    return doc;
}

static void run_fails(prophet_vm *vm, const char *text, prophet_code code, const char *part)
{
    prophet_error err = { 0 };
    test_context("%s", text);
    CHECK_CODE(prophet_vm_run(vm, source(text), "test", NULL, &err), code, &err);
    CHECK_HAS(err.message, part);
    test_context(NULL);
}

TEST(values_go_out_as_they_are)
{
    prophet_vm *vm = make(NULL, 0, 0, 0);
    prophet_value v;
    prophet_doc *doc = run(
        vm, "return 1, 2.5, 'x', true, nil, { 1, { a = 2 } }, prophet.time(5), prophet.bytes '\\0'",
        &v);
    CHECK_EQ_INT(v.kind, PROPHET_INT);
    CHECK(prophet_doc_at(doc, 1, NULL, &v) && v.kind == PROPHET_FLOAT);
    CHECK(prophet_doc_at(doc, 2, NULL, &v) && v.kind == PROPHET_TEXT);
    CHECK(prophet_doc_at(doc, 3, NULL, &v) && v.kind == PROPHET_BOOL && v.as.boolean);
    CHECK(prophet_doc_at(doc, 4, NULL, &v) && v.kind == PROPHET_NIL);
    CHECK(prophet_doc_at(doc, 5, NULL, &v) && v.kind == PROPHET_LIST && v.as.list.count == 2);
    CHECK(prophet_doc_at(doc, 6, NULL, &v) && v.kind == PROPHET_TIME && v.as.integer == 5);
    CHECK(prophet_doc_at(doc, 7, NULL, &v) && v.kind == PROPHET_BYTES && v.as.bytes.len == 1);
    CHECK(!prophet_doc_at(doc, 8, NULL, &v));
    prophet_vm_free(vm);
    prophet_doc_free(doc); /* it outlives the vm */
    prophet_vm_free(NULL);
}

TEST(globals_stay_from_run_to_run)
{
    prophet_vm *vm = make(NULL, 0, 0, 0);
    prophet_value v;
    prophet_doc_free(run(vm, "count = (count or 0) + 1 return count", &v));
    prophet_doc *doc = run(vm, "count = (count or 0) + 1 return count", &v);
    CHECK_EQ_INT(v.as.integer, 2);
    prophet_doc_free(doc);
    prophet_vm_free(vm);
}

/* ---- host functions ---------------------------------------------------------------------------------- */

static prophet_code add(void *ctx, prophet_call *call, const prophet_value *args, size_t count,
                        prophet_error *err)
{
    int64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        if (args[i].kind != PROPHET_INT)
            return ph_fail(err, PROPHET_EVALIDATION, "argument %zu is no integer", i + 1);
        sum += args[i].as.integer;
    }
    ++*(int *)ctx;
    return prophet_call_return(call, prophet_int(sum));
}

static prophet_code again(void *ctx, prophet_call *call, const prophet_value *args, size_t count,
                          prophet_error *err)
{
    (void)call;
    (void)args;
    (void)count;
    return prophet_vm_run(ctx, source("return 1"), "again", NULL, err);
}

static prophet_code mute(void *ctx, prophet_call *call, const prophet_value *args, size_t count,
                         prophet_error *err)
{
    (void)ctx, (void)call, (void)args, (void)count;
    err->code = PROPHET_EBUSY; /* and no word */
    return PROPHET_EBUSY;
}

TEST(host_functions_take_and_give_values)
{
    prophet_vm *vm = make(NULL, 0, 0, 0);
    prophet_error err = { 0 };
    prophet_value v;
    int calls = 0;
    REQUIRE_OK(prophet_vm_register(vm, "add", add, &calls, &err), &err);
    prophet_doc *doc = run(vm, "return add(1, 2, add(3))", &v);
    CHECK_EQ_INT(v.as.integer, 6);
    CHECK_EQ_INT(calls, 2);
    prophet_doc_free(doc);

    run_fails(vm, "add('x')", PROPHET_EVALIDATION, "argument 1 is no integer");
    doc = run(vm, "local ok, e = pcall(add, 'x') return e.code .. ' ' .. tostring(ok)", &v);
    CHECK_SLICE(v.as.bytes, "validation false", 16);
    prophet_doc_free(doc);
    run_fails(vm, "add(add)", PROPHET_EVALIDATION, "function");
    CHECK_CODE(prophet_vm_register(vm, "", add, NULL, &err), PROPHET_EUSAGE, &err);
    REQUIRE_OK(prophet_vm_register(vm, "again", again, vm, &err), &err);
    run_fails(vm, "again()", PROPHET_EUSAGE, "running");
    REQUIRE_OK(prophet_vm_register(vm, "mute", mute, NULL, &err), &err);
    run_fails(vm, "mute()", PROPHET_EBUSY, "busy");
    prophet_vm_free(vm);
}

/* ---- limits ---------------------------------------------------------------------------------------------- */

TEST(limits_hold_and_the_next_run_starts_afresh)
{
    prophet_vm *vm = make(NULL, 1000000, 4u << 20, 20000);
    prophet_value v;
    run_fails(vm, "while true do pcall(function() while true do end end) end", PROPHET_EBUDGET,
              "instructions");
    run_fails(vm, "local t = {} for i = 1, 1e9 do t[i] = { i } end", PROPHET_EBUDGET, "bytes");
    run_fails(vm, "return (('a'):rep(30)):find(('a?'):rep(30) .. ('a'):rep(30))", PROPHET_EBUDGET,
              "");
    prophet_doc_free(run(vm, "return 1", &v));
    CHECK_EQ_INT(v.as.integer, 1);
    prophet_vm_free(vm);

    vm = make(NULL, UINT64_C(1) << 60, 0, 50);
    run_fails(vm, "while true do end", PROPHET_EBUDGET, "50 ms");
    prophet_vm_free(vm);
}

TEST(wrong_limits_and_wrong_code_are_refused)
{
    prophet_error err = { 0 };
    prophet_limits l = { 3, 0, 0, 0 };
    prophet_vm *vm = NULL;
    CHECK_CODE(prophet_vm_new(NULL, &l, &vm, &err), PROPHET_EUSAGE, &err);
    vm = make(NULL, 0, 0, 0);
    run_fails(vm, "x x", PROPHET_ESCRIPT, "syntax error");
    run_fails(vm, "\x1bLua", PROPHET_ESCRIPT, "binary");
    run_fails(vm, "error 'boom'", PROPHET_ESCRIPT, "boom");
    run_fails(vm, "error {}", PROPHET_ESCRIPT, "table");
    prophet_vm_free(vm);
}

static void *interrupt_soon(void *vm)
{
    (void)usleep(20000);
    prophet_vm_interrupt(vm);
    return NULL;
}

TEST(another_thread_interrupts)
{
    prophet_vm *vm = make(NULL, UINT64_C(1) << 60, 0, 60000);
    pthread_t t;
    REQUIRE(pthread_create(&t, NULL, interrupt_soon, vm) == 0);
    run_fails(vm, "while true do pcall(function() while true do end end) end", PROPHET_EINTERRUPTED,
              "interrupted");
    (void)pthread_join(t, NULL);
    prophet_value v;
    prophet_doc_free(run(vm, "return 2", &v));
    prophet_vm_free(vm);
}

TEST(what_reaches_out_is_not_there)
{
    static const char *const gone[] = {
        "io",      "os",        "require",      "load",         "dofile",         "debug",
        "package", "coroutine", "setmetatable", "getmetatable", "collectgarbage", "next",
        "rawset",  "print"
    };
    prophet_vm *vm = make(NULL, 0, 0, 0);
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++) {
        char text[64];
        prophet_value v;
        (void)snprintf(text, sizeof text, "return tostring(%s)", gone[i]);
        prophet_doc *doc = run(vm, text, &v);
        CHECK_SLICE(v.as.bytes, "nil", 3);
        prophet_doc_free(doc);
    }
    run_fails(vm, "prophet.open('/tmp/x', { create = true })", PROPHET_EUNTRUSTED, "sealed");
    run_fails(vm, "prophet.clone('/tmp/x', '/tmp/y')", PROPHET_EUNTRUSTED, "sealed");
    prophet_vm_free(vm);
}

/* ---- a database inside -------------------------------------------------------------------------------------- */

TEST(a_script_reads_and_writes_the_hosts_database)
{
    prophet_error err = { 0 };
    prophet_options o = PROPHET_OPTIONS_INIT;
    prophet_db *db = NULL;
    prophet_value v;
    o.create = true;
    o.durability = PROPHET_RELAXED;
    o.user = "host";
    REQUIRE_OK(prophet_open(test_path("db"), &o, &db, &err), &err);
    prophet_vm *vm = make(db, 0, 0, 0);
    prophet_doc *doc =
        run(vm,
            "local f = prophet.fields "
            "db:define(f.record 'ticket' { f.string 'summary', f.set 'tags' }) "
            "local t = db:change('made by a script', function() "
            "  return db.types.ticket:create { summary = 'x', tags = { 'a' } } end) "
            "return t:add('tags', 'b').tags[2], db.types.ticket:find { tags = 'b' }:count()",
            &v);
    CHECK_SLICE(v.as.bytes, "b", 1);
    CHECK(prophet_doc_at(doc, 1, NULL, &v) && v.as.integer == 1);
    prophet_doc_free(doc);
    run_fails(vm, "db:pull('/tmp')", PROPHET_EUNTRUSTED, "sealed");
    run_fails(vm, "db:export { to = '/tmp/x' }", PROPHET_EUNTRUSTED, "sealed");
    run_fails(vm, "db:resolver('/etc/passwd.lua')", PROPHET_EUNTRUSTED, "sealed");
    run_fails(vm, "db:schema('/etc/')", PROPHET_EUNTRUSTED, "sealed");
    run_fails(vm, "db:change(function() while true do end end)", PROPHET_EBUDGET, "instructions");
    run_fails(vm, "db.types.tikcet:find {}", PROPHET_ETYPE, "tikcet");
    prophet_doc_free(run(vm, "db:close() return 1", &v)); /* the script's own handle on it */
    prophet_vm_free(vm);
    uint64_t version = 0;
    CHECK_OK(prophet_db_version(db, &version, &err), &err);
    CHECK_EQ_UINT(version, 3);
    prophet_close(db);
}

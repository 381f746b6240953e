/* vm: prophet_vm: a sealed Lua state for hosts that have no lua.h. The host registers functions; what goes in and out are plain values,
 * copied, so that no jump of Lua crosses a frame of the host. */
#include "script/script_impl.h"

struct prophet_vm {
    sandbox s;
    prophet_db *db;
    bool running;
};

struct prophet_call {
    prophet_doc *result;
};

#define DEFAULT_INSTRUCTIONS 10000000u
#define DEFAULT_MEMORY       (64u << 20)
#define DEFAULT_MS           10000u

/* ---- making ------------------------------------------------------------------------------------------- */

/* Argument 1: the vm. */
static int l_setup(lua_State *L)
{
    prophet_vm *vm = lua_touserdata(L, 1);
    sandbox_seal(L);
    script_module_open(L, true);
    lua_setglobal(L, "prophet");
    if (!vm->db)
        return 0;
    script_module_push(L, "prophet.db");
    lua_getfield(L, -1, "wrap");
    l_handle *h = script_handle_push(L);
    h->db = vm->db;
    h->borrowed = true;
    script_handle_opened(L, h);
    lua_call(L, 1, 1); /* inside prophet_vm_new's protected call */
    lua_setglobal(L, "db");
    return 0;
}

prophet_code prophet_vm_new(prophet_db *db, const prophet_limits *limits, prophet_vm **out,
                            prophet_error *err)
{
    prophet_limits given = PROPHET_LIMITS_INIT;
    if (limits && limits->size != sizeof given)
        return ph_fail(err, PROPHET_EUSAGE, "prophet_limits of %u bytes: set its size",
                       limits->size);
    if (limits)
        given = *limits;
    prophet_vm *vm = ph_zalloc(sizeof *vm);
    if (!vm)
        return ph_nomem(err);
    vm->db = db;
    const sandbox_limits l = { 0, given.memory ? given.memory : DEFAULT_MEMORY, 0, 0 };
    prophet_code rc = sandbox_init(&vm->s, &l, err);
    if (rc >= 0) {
        lua_pushcfunction(vm->s.L, l_setup);
        lua_pushlightuserdata(vm->s.L, vm);
        rc = script_call(vm->s.L, 1, 0, false, err);
    }
    if (rc < 0) {
        prophet_vm_free(vm);
        return rc;
    }
    vm->s.limits.instructions = given.instructions ? given.instructions : DEFAULT_INSTRUCTIONS;
    vm->s.limits.milliseconds = given.milliseconds ? given.milliseconds : DEFAULT_MS;
    *out = vm;
    return PROPHET_OK;
}

void prophet_vm_free(prophet_vm *vm)
{
    if (!vm)
        return;
    sandbox_clear(&vm->s);
    ph_free(vm);
}

void prophet_vm_interrupt(prophet_vm *vm)
{
    vm->s.interrupt = true;
}

/* ---- host functions ------------------------------------------------------------------------------------- */

typedef struct host_function {
    prophet_host_fn fn;
    void *ctx;
} host_function;

prophet_code prophet_call_return(prophet_call *call, prophet_value value)
{
    prophet_doc *doc = NULL;
    prophet_code rc = prophet_doc_new(prophet_list(&value, 1), &doc, NULL);
    if (rc < 0)
        return rc;
    prophet_doc_free(call->result);
    call->result = doc;
    return PROPHET_OK;
}

/* Upvalue 1: the host_function. */
static int l_host(lua_State *L)
{
    prophet_error err = { 0 };
    prophet_value v;
    const host_function *f = lua_touserdata(L, lua_upvalueindex(1));
    int count = lua_gettop(L);
    script_arena_box *memory = script_arena_box_push(L);
    script_doc_box *box = script_doc_box_push(L);
    prophet_value *args = ph_arena_alloc(&memory->arena, ((size_t)count + 1) * sizeof *args);
    if (!args)
        return script_fail(L, PROPHET_EMEMORY, NULL, "out of memory");
    for (int i = 0; i < count; i++)
        args[i] = script_to_value(L, i + 1, NULL, &memory->arena);
    prophet_call call = { NULL };
    prophet_code rc = f->fn(f->ctx, &call, args, (size_t)count, &err);
    box->doc = call.result;
    if (rc < 0) {
        (void)ph_fail_host(&err, rc, &err);
        return script_raise(L, &err);
    }
    if (!box->doc || !prophet_doc_at(box->doc, 0, NULL, &v))
        return 0;
    script_push_value(L, &v, true);
    return 1;
}

typedef struct registration {
    const char *name;
    host_function f;
} registration;

static int l_register(lua_State *L)
{
    const registration *r = lua_touserdata(L, 1);
    host_function *f = lua_newuserdatauv(L, sizeof *f, 0);
    *f = r->f;
    lua_pushcclosure(L, l_host, 1);
    lua_setglobal(L, r->name);
    return 0;
}

prophet_code prophet_vm_register(prophet_vm *vm, const char *name, prophet_host_fn fn, void *ctx,
                                 prophet_error *err)
{
    registration r = { name, { fn, ctx } };
    if (!name || !name[0] || !fn)
        return ph_fail(err, PROPHET_EUSAGE, "a host function has a name and a function");
    lua_pushcfunction(vm->s.L, l_register);
    lua_pushlightuserdata(vm->s.L, &r);
    return script_call(vm->s.L, 1, 0, false, err);
}

/* ---- running ----------------------------------------------------------------------------------------------- */

typedef struct vm_run {
    prophet_slice source;
    const char *chunk;
    bool want;
    prophet_doc *result;
} vm_run;

static int l_run(lua_State *L)
{
    prophet_error err = { 0 };
    vm_run *job = lua_touserdata(L, 1);
    lua_settop(L, 0);
    script_arena_box *memory = script_arena_box_push(L);
    lua_pushfstring(L, "=%s", job->chunk);
    if (luaL_loadbufferx(L, job->source.data, job->source.len, lua_tostring(L, -1), "t") != LUA_OK)
        return lua_error(L);
    lua_call(L, 0, LUA_MULTRET); /* inside prophet_vm_run's protected call */
    if (!job->want)
        return 0;
    int count = lua_gettop(L) - 2;
    prophet_value *items = ph_arena_alloc(&memory->arena, ((size_t)count + 1) * sizeof *items);
    if (!items)
        return script_fail(L, PROPHET_EMEMORY, NULL, "out of memory");
    for (int i = 0; i < count; i++)
        items[i] = script_to_value(L, i + 3, NULL, &memory->arena);
    if (prophet_doc_new(prophet_list(items, (size_t)count), &job->result, &err) < 0)
        return script_raise(L, &err);
    return 0;
}

prophet_code prophet_vm_run(prophet_vm *vm, prophet_slice source, const char *chunk,
                            prophet_doc **result, prophet_error *err)
{
    vm_run job = { source, chunk ? chunk : "chunk", result != NULL, NULL };
    if (vm->running)
        return ph_fail(err, PROPHET_EUSAGE,
                       "this vm is running: a host function must not run it again");
    vm->running = true;
    sandbox_refill(&vm->s);
    lua_pushcfunction(vm->s.L, l_run);
    lua_pushlightuserdata(vm->s.L, &job);
    prophet_code rc = script_call(vm->s.L, 1, 0, false, err);
    vm->running = false;
    vm->s.interrupt = false;
    if (rc < 0) {
        prophet_doc_free(job.result);
        return rc;
    }
    if (result)
        *result = job.result;
    return PROPHET_OK;
}

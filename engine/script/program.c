/* program: Lua for programs: `prophet-lua` and the `prophet` command. engine/cli reads the options, this makes the state, runs code and
 * reports what went wrong. */
#include "script/script_impl.h"
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

struct script_program {
    sandbox s;
    script_state *state;
    bool sealed, json;
    int first; /* of the arguments after the script */
    int count;
};

#define SEALED_INSTRUCTIONS 1000000000u
#define SEALED_MEMORY       (256u << 20)

/* ---- failures ------------------------------------------------------------------------------------------ */

int script_exit_status(prophet_code code)
{
    switch (code) {
    case PROPHET_OK:
    case PROPHET_DONE: return 0;
    case PROPHET_EUSAGE: return 2;
    case PROPHET_ENOTFOUND:
    case PROPHET_EAMBIGUOUS:
    case PROPHET_ETYPE:
    case PROPHET_EFIELD: return 3;
    case PROPHET_EVALIDATION:
    case PROPHET_EIMMUTABLE:
    case PROPHET_ESCHEMA:
    case PROPHET_EEXISTS: return 4;
    case PROPHET_ENETWORK:
    case PROPHET_EREMOTE:
    case PROPHET_EBLOBABSENT: return 6;
    case PROPHET_ESCRIPT: return 7;
    case PROPHET_EBUDGET:
    case PROPHET_ENEEDSSCAN: return 8;
    case PROPHET_EBUSY:
    case PROPHET_ESTALE:
    case PROPHET_EREADONLY: return 9;
    case PROPHET_EUNTRUSTED:
    case PROPHET_EUNSIGNED: return 10;
    case PROPHET_EUNRELATED:
    case PROPHET_EFORKED:
    case PROPHET_EVERSION: return 11;
    case PROPHET_ECORRUPT: return 12;
    case PROPHET_EFULL:
    case PROPHET_EIO:
    case PROPHET_EMEMORY: return 13;
    case PROPHET_EINTERRUPTED: return 130;
    }
    return 7;
}

/* Strangers get a traceback into their text; of error objects it is noted beside them. */
static int l_handler(lua_State *L)
{
    if (lua_type(L, 1) != LUA_TSTRING)
        return script_note_trace(L);
    luaL_traceback(L, L, lua_tostring(L, 1), 1);
    return 1;
}

static prophet_code to_stderr(void *ctx, prophet_slice bytes, prophet_error *err)
{
    (void)ctx, (void)err;
    (void)fwrite(bytes.data, 1, bytes.len, stderr);
    return PROPHET_OK;
}

/* {"error":{code,message,hint}}. false: it is no text. */
static bool say_json(const char *code, const char *message, const char *hint)
{
    const prophet_field all[] = { prophet_put("code", prophet_text(code)),
                                  prophet_put("message", prophet_text(message)),
                                  prophet_put("hint", prophet_text(hint)) };
    const prophet_field one = prophet_put("error", prophet_map(all, hint[0] ? 3 : 2));
    prophet_doc *doc = NULL;
    prophet_error ignored;
    bool said = prophet_doc_new(prophet_map(&one, 1), &doc, &ignored) >= 0 &&
                prophet_doc_json(doc, to_stderr, NULL, &ignored) >= 0;
    if (said)
        (void)fputc('\n', stderr);
    prophet_doc_free(doc);
    return said;
}

void script_report(const char *who, const prophet_error *err, bool json)
{
    const char *code = prophet_code_name(err->code);
    const bool one = strcmp(code, err->message) == 0; /* "interrupted" */
    if (!json || !say_json(code, err->message, err->hint))
        (void)fprintf(stderr, "%s: %s%s%s%s%s%s\n", who, one ? "" : code, one ? "" : ": ",
                      err->message, err->hint[0] ? " (" : "", err->hint, err->hint[0] ? ")" : "");
}

static void report(const script_program *p, const prophet_error *err)
{
    script_report("prophet-lua", err, p->json);
}

/* An error object (at the top), with where it was raised. */
static void report_object(const script_program *p, const prophet_error *err)
{
    const char *trace = p->json ? NULL : script_trace_push(p->s.L, -1);
    const char *rest = trace ? strchr(trace, '\n') : NULL;
    if (rest) {
        (void)fprintf(stderr, "prophet-lua: %.*s%s: %s%s%s%s%s\n", (int)(rest - trace), trace,
                      prophet_code_name(err->code), err->message, err->hint[0] ? " (" : "",
                      err->hint, err->hint[0] ? ")" : "", rest + 1);
    } else {
        report(p, err);
    }
    if (!p->json)
        lua_pop(p->s.L, 1);
}

/* Prints what was raised (at the top) in full: a traceback is longer than a prophet_error holds. */
static prophet_code report_raised(const script_program *p, int status)
{
    lua_State *L = p->s.L;
    prophet_error err = { 0 };
    sandbox *s = sandbox_of(L);
    if (s && status == LUA_ERRMEM && s->refused)
        s->stop = SANDBOX_MEMORY;
    if (s && s->stop != SANDBOX_RUNS && sandbox_why(s, &err)) {
        report(p, &err);
        return err.code;
    }
    if (status == LUA_ERRMEM) {
        (void)ph_nomem(&err);
        report(p, &err);
        return err.code;
    }
    prophet_code code = script_error_at(L, -1, &err);
    if (lua_type(L, -1) != LUA_TSTRING)
        report_object(p, &err);
    else if (!p->json || !say_json(prophet_code_name(code), lua_tostring(L, -1), ""))
        (void)fprintf(stderr, "prophet-lua: %s\n", lua_tostring(L, -1));
    return code;
}

static void on_interrupt(lua_State *L, lua_Debug *ar)
{
    (void)ar;
    lua_sethook(L, on_interrupt, LUA_MASKCOUNT,
                1); /* again and again, so that pcall does not swallow it */
    script_fail(L, PROPHET_EINTERRUPTED, NULL, "interrupted");
}

/* Function and arguments on the stack; returns the exit status. */
static int run(script_program *p, int nargs, int nresults)
{
    lua_State *L = p->s.L;
    int base = lua_gettop(L) - nargs;
    lua_pushcfunction(L, l_handler);
    lua_insert(L, base);
    int status = lua_pcall(L, nargs, nresults, base);
    int rc = 0;
    if (lua_gethook(L) == on_interrupt)
        lua_sethook(L, NULL, 0, 0);
    if (status != LUA_OK) {
        rc = script_exit_status(report_raised(p, status));
        lua_settop(L, base - 1);
        return rc;
    }
    lua_remove(L, base);
    return 0;
}

/* ---- making --------------------------------------------------------------------------------------------------- */

typedef struct making {
    script_program *p;
    const script_program_options *o;
    char **args;
    int count, script;
} making;

static void set_args(lua_State *L, const making *m)
{
    lua_createtable(L, m->count, m->script + 1);
    for (int i = 0; i < m->count; i++) {
        lua_pushstring(L, m->args[i]);
        lua_rawseti(L, -2, i - m->script);
    }
    lua_setglobal(L, "arg");
}

static int l_print(lua_State *L)
{
    int n = lua_gettop(L);
    for (int i = 1; i <= n; i++) {
        size_t len;
        const char *s = luaL_tolstring(L, i, &len);
        (void)fprintf(stdout, "%s", i > 1 ? "\t" : "");
        (void)fwrite(s, 1, len, stdout);
        lua_pop(L, 1);
    }
    (void)fputc('\n', stdout);
    return 0;
}

static void open_database(lua_State *L, const char *path)
{
    script_state *s = script_state_of(L);
    bool sealed = s->sealed;
    s->sealed = false; /* the person who typed --db opens it, not the script */
    script_module_push(L, "prophet");
    lua_getfield(L, -1, "open");
    lua_pushstring(L, path);
    lua_call(L, 1, 1);
    s->sealed = sealed;
    lua_setglobal(L, "db");
    lua_pop(L, 1);
}

/* __index of the globals: `db` is where commands find their database, opened when it is first asked for. */
static int l_find_database(lua_State *L)
{
    if (lua_type(L, 2) != LUA_TSTRING || strcmp(lua_tostring(L, 2), "db") != 0)
        return 0;
    script_module_push(L, "prophet.cli.script_db");
    lua_call(L, 0, 1);
    if (!lua_isnil(L, -1)) {
        lua_pushvalue(L, 2);
        lua_pushvalue(L, -2);
        lua_rawset(L, 1);
    }
    return 1;
}

static void find_database(lua_State *L)
{
    lua_pushglobaltable(L);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, l_find_database);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
    lua_pop(L, 1);
}

static int l_make(lua_State *L)
{
    const making *m = lua_touserdata(L, 1);
    if (m->o->sandbox) {
        sandbox_seal(L);
        lua_pushcfunction(L, l_print);
        lua_setglobal(L, "print");
        script_module_open(L, true);
    } else {
        luaL_openlibs(L);
        luaL_requiref(L, "prophet", luaopen_prophet, 1);
    }
    lua_setglobal(L, "prophet");
    if (!m->o->sandbox && (m->o->instructions || m->o->milliseconds))
        sandbox_guard(L);
    script_traces_open(L);
    set_args(L, m);
    m->p->state = script_state_of(L);
    if (m->o->database)
        open_database(L, m->o->database);
    else if (m->o->find && !m->o->sandbox)
        find_database(L);
    return 0;
}

prophet_code script_program_new(const script_program_options *o, char **args, int count, int script,
                                script_program **out, prophet_error *err)
{
    script_program *p = ph_zalloc(sizeof *p);
    if (!p)
        return ph_nomem(err);
    sandbox_limits limits = { o->instructions, o->memory, o->milliseconds, 0 };
    if (o->sandbox && !limits.instructions)
        limits.instructions = SEALED_INSTRUCTIONS;
    if (o->sandbox && !limits.memory)
        limits.memory = SEALED_MEMORY;
    p->sealed = o->sandbox;
    p->json = o->json;
    p->first = 1;
    p->count = count - script - 1 > 0 ? count - script - 1 : 0;
    prophet_code rc = sandbox_init(&p->s, &limits, err);
    if (rc >= 0) {
        making m = { p, o, args, count, script };
        lua_pushcfunction(p->s.L, l_make);
        lua_pushlightuserdata(p->s.L, &m);
        rc = script_call(p->s.L, 1, 0, false, err);
    }
    if (rc < 0) {
        script_program_free(p);
        return rc;
    }
    if (limits.instructions || limits.memory || limits.milliseconds)
        sandbox_refill(&p->s);
    *out = p;
    return rc;
}

void script_program_free(script_program *p)
{
    if (!p)
        return;
    sandbox_clear(&p->s);
    ph_free(p);
}

/* ---- interrupts ------------------------------------------------------------------------------------------------ */

void script_program_interrupt(script_program *p)
{
    bool ends_well = p->state && p->state->ends_well;
    p->s.interrupt = !ends_well;
    if (ends_well)
        p->state->interrupted = true;
    if (!p->s.counting && !ends_well)
        lua_sethook(p->s.L, on_interrupt, LUA_MASKCALL | LUA_MASKRET | LUA_MASKCOUNT, 1);
    for (l_handle *h = p->state ? p->state->open : NULL; h; h = h->next)
        if (h->db)
            prophet_interrupt(h->db);
}

/* ---- running ------------------------------------------------------------------------------------------------------ */

static int push_args(script_program *p)
{
    lua_State *L = p->s.L;
    if (!lua_checkstack(L, p->count + 4))
        return 0;
    lua_getglobal(L, "arg");
    int table = lua_gettop(L);
    for (int i = 1; i <= p->count; i++)
        lua_rawgeti(L, table, i);
    lua_remove(L, table);
    return p->count;
}

static int run_loaded(script_program *p, int load_status)
{
    if (load_status != LUA_OK) {
        prophet_code code = report_raised(p, load_status);
        lua_pop(p->s.L, 1);
        return script_exit_status(code);
    }
    return run(p, push_args(p), 0);
}

int script_program_file(script_program *p, const char *path)
{
    return run_loaded(p, luaL_loadfilex(p->s.L, strcmp(path, "-") == 0 ? NULL : path, "t"));
}

int script_program_text(script_program *p, const char *code)
{
    return run_loaded(p, luaL_loadbufferx(p->s.L, code, strlen(code), "=(command line)", "t"));
}

int script_program_command(script_program *p)
{
    lua_State *L = p->s.L;
    if (luaL_loadstring(L, "return require('prophet.cli.main')(...)") != LUA_OK)
        return 7;
    lua_getglobal(L, "arg");
    int rc = run(p, 1, 1);
    if (rc == 0) {
        rc = lua_isinteger(L, -1) ? (int)lua_tointeger(L, -1) : 0;
        lua_pop(L, 1);
    }
    return rc;
}

/* ---- a plain loop ---------------------------------------------------------------------------------------------------- */

static bool read_line(ph_buf *line, const char *prompt)
{
    if (isatty(0)) {
        (void)fputs(prompt, stdout);
        (void)fflush(stdout);
    }
    size_t before = line->len;
    for (int c; (c = getchar()) != EOF;) {
        if (c == '\n')
            return true;
        ph_buf_byte(line, (uint8_t)c);
    }
    return line->len > before;
}

/* As an expression first; then as statements, reading on while they are not complete. Leaves a function, or the message. */
static int load_lines(lua_State *L, ph_buf *line)
{
    size_t skip = line->len && line->data[0] == '='; /* as in lua(1) */
    lua_pushliteral(L, "return ");
    lua_pushlstring(L, (const char *)line->data + skip, line->len - skip);
    lua_concat(L, 2);
    size_t len;
    const char *text = lua_tolstring(L, -1, &len);
    if (luaL_loadbufferx(L, text, len, "=stdin", "t") == LUA_OK) {
        lua_remove(L, -2);
        return LUA_OK;
    }
    lua_pop(L, 2);
    for (;;) {
        int status = luaL_loadbufferx(L, (const char *)line->data, line->len, "=stdin", "t");
        if (status != LUA_ERRSYNTAX || !strstr(lua_tostring(L, -1), "<eof>"))
            return status;
        ph_buf_byte(line, '\n');
        if (!read_line(line, ">> "))
            return status;
        lua_pop(L, 1);
    }
}

static void print_results(script_program *p, int base)
{
    lua_State *L = p->s.L;
    int n = lua_gettop(L) - base;
    if (n <= 0)
        return;
    lua_pushcfunction(L, l_print);
    lua_insert(L, base + 1);
    (void)run(p, n, 0);
}

int script_program_repl(script_program *p)
{
    lua_State *L = p->s.L;
    ph_buf line = PH_BUF_INIT;
    if (isatty(0))
        (void)printf("prophet-lua %s, %s. Ends with ctrl-D.\n", prophet_version(), LUA_VERSION);
    while (read_line(&line, "> ") && !line.failed) {
        int base = lua_gettop(L);
        ph_buf_byte(&line, ' '); /* never NULL */
        if (load_lines(L, &line) != LUA_OK) {
            (void)fprintf(stderr, "%s\n", lua_tostring(L, -1));
        } else if (run(p, 0, LUA_MULTRET) == 0) {
            print_results(p, base);
        }
        lua_settop(L, base);
        ph_buf_reset(&line);
        p->s.interrupt = false;
    }
    ph_buf_clear(&line);
    return 0;
}

/* script_impl: what the files of engine/script share. */
#ifndef PH_SCRIPT_IMPL_H
#define PH_SCRIPT_IMPL_H
#include "script/script.h"
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

/* ---- one a Lua state: kept in the registry (state.c) -------------------------------------------- */

typedef struct script_state {
    size_t handles, iterators, records, refs; /* alive now; tests look at them */
    bool sealed;                              /* files and network are out of reach */
    bool stress;                              /* PROPHET_LUA_GCSTRESS */
    volatile bool ends_well; /* an interrupt ends what a database waits for, and nothing else .. */
    volatile bool interrupted; /* .. and whoever asks is told */
    unsigned calls;
    struct l_handle *open;    /* databases, for an interrupt */
    uint64_t change_deadline; /* of the outermost change, monotonic microseconds; 0: none */
} script_state;
script_state *script_state_of(lua_State *L); /* made at the first call */
void script_stress(
    lua_State
        *L); /* under PROPHET_LUA_GCSTRESS: now and then collects everything that nobody holds */
void script_require_unsealed(lua_State *L,
                             const char *what); /* raises `untrusted` in a sealed state */

/* Values kept for later, counted. */
int script_ref(lua_State *L); /* pops a value */
void script_unref(lua_State *L, int ref);

/* ---- errors (error.c) ------------------------------------------------------------------------------ */

/* Raises the error object of err. */
int script_raise(lua_State *L, const prophet_error *err);
/* The same from a format. */
int script_fail(lua_State *L, prophet_code code, const char *hint, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* The same about a field. */
int script_fail_field(lua_State *L, prophet_code code, const char *type, const char *field,
                      const char *hint, const char *fmt, ...) __attribute__((format(printf, 6, 7)));
void script_error_metatable(
    lua_State *L); /* pops the metatable of error objects: that of module prophet.error */
void script_push_error(lua_State *L, const prophet_error *err); /* pushes the error object */
/* What was raised (at idx), as a prophet_error; strangers are `script`. Returns its code. */
prophet_code script_error_at(lua_State *L, int idx,
                             prophet_error *err); /* may raise for lack of memory */
prophet_code script_code_of(const char *name);    /* PROPHET_ESCRIPT for a stranger */

/* Where error objects were raised (trace.c): noted in the states of programs alone. */
void script_traces_open(lua_State *L); /* from here on it is noted */
bool script_traces(lua_State *L);      /* is it? */
int script_note_trace(lua_State *L);   /* a message handler; leaves what was raised as it is */
const char *script_trace_push(
    lua_State *L,
    int idx); /* pushes "place: \ntraceback" of the value at idx, else nil, which is NULL */

/* The one place where C enters Lua (call.c): the function and its arguments are on the stack. Codes below 0: err is filled, nothing is left
 * on the stack. keep_error: the raised value is left instead (to be raised again untouched). */
prophet_code script_call(lua_State *L, int nargs, int nresults, bool keep_error,
                         prophet_error *err);

/* ---- arguments (args.c): mistakes raise `usage` and name the thing ----------------------------------- */

const char *script_text(lua_State *L, int idx, size_t *len,
                        const char *what);                            /* a string, else usage */
const char *script_opt_text(lua_State *L, int idx, const char *what); /* NULL: absent */
void script_table(lua_State *L, int idx, const char *what);
/* Raises `usage` for a key of the table at idx that is not in names (NULL-terminated), with the nearest one. */
void script_known_options(lua_State *L, int idx, const char *what, const char *const *names);
bool script_flag(lua_State *L, int idx,
                 const char *name); /* t[name] as a boolean; must be one or absent */
const char *script_text_option(
    lua_State *L, int idx,
    const char *name); /* leaves the string on the stack; NULL: absent (nil is pushed) */

/* ---- values (value_*.c) --------------------------------------------------------------------------------- */

#define SCRIPT_TIME  "prophet.time"
#define SCRIPT_BYTES "prophet.bytes"
#define SCRIPT_REF   "prophet.ref"

void script_values_open(
    lua_State *L); /* registers the metatables of values; needs no module loaded */
void script_push_time(lua_State *L, int64_t ms);
bool script_is_time(lua_State *L, int idx, int64_t *ms);
int64_t script_check_time(lua_State *L, int idx,
                          const char *what); /* a time or an RFC 3339 string, else validation */
void script_push_bytes(lua_State *L, prophet_slice bytes);
prophet_slice script_bytes_at(lua_State *L, int idx); /* of bytes or a string */
void script_push_ref(lua_State *L, const prophet_uuid *id);
void script_push_id(lua_State *L, const prophet_uuid *id); /* as text */
bool script_is_unset(lua_State *L, int idx);
void script_push_unset(lua_State *L);

/* Kinds of fields as schemas name them, as small numbers for tables that C reads; a list's or set's element kind is in the second byte. */
typedef enum script_kind {
    SCRIPT_ANY,
    SCRIPT_STRING,
    SCRIPT_LONGTEXT,
    SCRIPT_INT,
    SCRIPT_FLOAT,
    SCRIPT_BOOL,
    SCRIPT_BYTES_K,
    SCRIPT_TIME_K,
    SCRIPT_ENUM,
    SCRIPT_USER,
    SCRIPT_REF_K,
    SCRIPT_BLOB,
    SCRIPT_LIST,
    SCRIPT_MAP,
    SCRIPT_SET,
    SCRIPT_COUNTER,
    SCRIPT_COMPUTED,
    SCRIPT_MANY,
    SCRIPT_KINDS
} script_kind;
extern const char *const script_kind_names[]; /* by number, NULL at the end */
int script_kind_parse(const char *name);      /* -1: no such kind */

/* Where a value is going, for messages and for what a kind makes of it. */
typedef struct script_place {
    const char *type, *field;
    int kind;       /* script_kind, element kind << 8 */
    prophet_db *db; /* finds what "#12" names; NULL: only ids */
} script_place;
/* The Lua value at idx as plain data in the arena (strings are borrowed: keep them on the stack or in a table). Raises `validation` for what
 * is no value. Nothing here calls into Lua. */
prophet_value script_to_value(lua_State *L, int idx, const script_place *place, ph_arena *a);
/* refs: how references inside show, as prophet.ref objects (true) or as ids in text. */
void script_push_value(lua_State *L, const prophet_value *v, bool refs);
void script_push_doc(lua_State *L,
                     const prophet_doc *d); /* a fresh table; a list document becomes a list */

/* ---- JSON (json_read.c, json_write.c) ---------------------------------------------------------------------- */

int script_json_open(lua_State *L);              /* pushes the module json */
void script_json_object_metatable(lua_State *L); /* pushes what marks an empty table as an object */
/* Pushes the value; false: pushes nothing, fills err with line and column. */
bool script_json_decode(lua_State *L, const char *text, size_t len, prophet_error *err);

/* ---- handles: an open database (handle.c) -------------------------------------------------------------------- */

#define SCRIPT_HANDLE "prophet.handle"

struct l_iter;
struct l_record;
typedef struct lazy_table { /* records by id (record_lazy.c) */
    struct l_record **buckets;
    size_t mask, count;
} lazy_table;
typedef struct l_handle {
    prophet_db *db;        /* NULL: closed */
    struct l_handle *next; /* of the open ones */
    bool borrowed;         /* a host's: not closed here */
    prophet_txn *txn;      /* the open change */
    int depth;             /* changes and savepoints open */
    uint64_t changes;      /* begun so far */
    uint64_t pending;      /* version that the open change will be */
    lazy_table lazy;       /* records whose document was not asked for yet */
    int views;
    uint64_t
        calls; /* so far: who counts them learns whether a function asked the database for something */
    struct l_iter *iterators; /* open ones */
    ph_arena scratch;         /* of the call that runs now */
    lua_State *main;          /* for the clock */
    int clock;                /* script_ref, LUA_NOREF */
    uint64_t budget_us;       /* how long a change may take */
    char replica[72];
    int held; /* scratch is in use by a call that runs Lua */
    const char
        *inside; /* what runs Lua now, for messages; NULL: nothing that the database must outlive */
} l_handle;
l_handle *script_handle(lua_State *L, int idx); /* checked: an open one, else usage */
l_handle *script_handle_quick(
    lua_State *L, int idx); /* known to be a handle (private tables); raises when closed */
void script_handle_open(lua_State *L);                /* registers the metatable */
l_handle *script_handle_push(lua_State *L);           /* an empty box */
void script_handle_opened(lua_State *L, l_handle *h); /* db was put in: counts it, learns its id */
void script_handle_enlist(lua_State *L,
                          l_handle *h); /* the same for one that knows its replica's id */
void script_handle_close(lua_State *L, l_handle *h);
/* The protected call of what the database must outlive: until it returns l_close refuses, and a yield raises. Leaves an error on the stack. */
prophet_code script_call_inside(lua_State *L, l_handle *h, const char *what, int nargs);
void script_no_change(lua_State *L, const l_handle *h,
                      const char *what); /* raises usage inside a change */

/* Around a call of the engine that calls Lua back: the scratch and the database stay until it returns. */
static inline const char *script_hold(l_handle *h, const char *what)
{
    const char *around = h->inside;
    h->inside = what;
    h->held++;
    return around;
}

static inline void script_release(l_handle *h, const char *around)
{
    h->held--;
    h->inside = around;
}

static inline void script_scratch_reset(l_handle *h)
{
    if (!h->held)
        ph_arena_reset(&h->scratch);
}

/* A document that is freed whatever happens while it is read. */
typedef struct script_doc_box {
    prophet_doc *doc;
} script_doc_box;
script_doc_box *script_doc_box_push(lua_State *L);

typedef struct script_arena_box {
    ph_arena arena;
} script_arena_box; /* memory of one call that may raise */
script_arena_box *script_arena_box_push(lua_State *L);
ph_buf *script_buffer_push(lua_State *L);
void script_push_kinds(lua_State *L); /* name of a kind -> its number */

/* A type's private table (made by lua/prophet/types.lua); C reads these slots. */
enum {
    TS_HANDLE = 1,   /* l_handle */
    TS_NAME = 2,     /* text */
    TS_KINDS = 3,    /* field name -> kind number */
    TS_DEFAULTS = 4, /* list: name, value, name, value ..; or false */
    TS_CREATE = 5,   /* function(ts, fields, options): the way with hooks; or false */
    TS_UPDATE = 6,   /* function(ts, record, op, a, b, options): the same; or false */
    TS_MISSING =
        7, /* function(ts, record, name): a field that shows nothing: computed, many, unknown .. */
    TS_PAST = 8 /* function(ts, id, version): the fields as they were then */
};

/* ---- records (record.c, record_fields.c, record_create.c, record_write.c) -------------------------------------- */

#define SCRIPT_RECORD "prophet.record"

typedef struct l_record {
    uint32_t magic;
    bool lazy;             /* in its handle's table: doc is NULL until it is asked for */
    struct l_record *next; /* in that table */
    prophet_doc *doc;      /* use script_record_doc */
    prophet_record info;
    uint64_t change; /* it was read in: its number is not final; 0: it is */
} l_record;
void script_record_open(lua_State *L); /* registers the metatable; pushes the table of methods */
l_record *script_record_push(lua_State *L,
                             int ts); /* an empty box that keeps the type's table at ts */
l_record *script_record_at(lua_State *L, int idx);       /* NULL: no record */
l_record *script_record(lua_State *L, int idx);          /* checked */
bool script_record_fill(l_record *r, const l_handle *h); /* after doc was put in: reads info */
const prophet_doc *script_record_doc(lua_State *L, int idx, l_record *r);
bool script_lazy_add(l_handle *h,
                     l_record *r); /* info is filled but for its rarer parts; false: no memory */
void script_lazy_remove(l_handle *h, l_record *r);
void script_lazy_settle(l_handle *h,
                        const prophet_uuid *id); /* before something is written to that record */
void script_lazy_settle_all(
    l_handle *h); /* before changes of others come in, or ours are taken back */
void script_lazy_clear(l_handle *h);
void script_write_methods(lua_State *L); /* adds set, unset, .. to the table at the top */
int l_type_create(lua_State *L);         /* core: (ts, fields, options) */

/* Of the type whose table is at ts. The name stays valid: the table holds it. */
l_handle *script_type_handle(lua_State *L, int ts);
const char *script_type_name(lua_State *L, int ts);
/* The kind of the field named at `name`; raises for one that is not stored, and for a counter that is set. */
int script_writable_kind(lua_State *L, int ts, int name, bool setting);
/* Of the handle's scratch; raises when memory is out. */
void *script_scratch(lua_State *L, l_handle *h, size_t size);
/* The table of fields at idx as plain data in the handle's scratch; unknown names raise (or refresh the type). */
prophet_field *script_read_fields(lua_State *L, l_handle *h, int ts, int idx, bool with_defaults,
                                  size_t *count);
/* Raises: what went wrong is about this record, where the engine did not say more. */
int script_raise_about(lua_State *L, prophet_error *err, const char *type, const prophet_uuid *id);

int l_handle_get(lua_State *L); /* (handle, ts, name, deleted) */
/* Writes outside a change are a change of their own: begin, the call, end. */
prophet_code script_write_begin(l_handle *h, bool *own, prophet_error *err);
prophet_code script_write_end(l_handle *h, bool own, prophet_code rc, prophet_error *err);

/* ---- lists (iterator.c) ------------------------------------------------------------------------------------------ */

typedef struct l_iter {
    prophet_iter *it;
    l_handle *handle;
    struct l_iter *next, **link;
    int depth; /* of the change it was opened in, 0: none */
    bool ended, counted;
    bool kept; /* its end does not close it: it is read ahead from (query_beside) */
    bool
        records; /* rows are records (user value 2: the type's table), else tables (user value 2: their metatable or nil) */
} l_iter;
void script_iterator_open(lua_State *L);
/* Pushes an empty box for a list read through the handle at `handle`; `with` is the type's table or metatable (0: none). */
l_iter *script_iterator_push(lua_State *L, int handle, int with, bool records);
void script_iterator_start(l_iter *it, prophet_iter *rows);      /* takes rows */
const prophet_iter *script_iterator_check(lua_State *L, int at); /* an open one, else usage */
int script_iterator_return(lua_State *L, int at);    /* next function, state, nil, closing value */
void script_iterators_close(l_handle *h, int depth); /* all opened at this depth or deeper */

/* ---- the other methods of handles, by file -------------------------------------------------------------------------- */

extern const luaL_Reg script_handle_core[];    /* handle.c */
extern const luaL_Reg script_handle_reads[];   /* handle_read.c */
extern const luaL_Reg script_handle_changes[]; /* change.c */
extern const luaL_Reg script_handle_creates[]; /* record_create.c */
extern const luaL_Reg script_handle_writes[];  /* record_write.c */
void script_way(
    lua_State *L, int idx,
    prophet_net_options *way); /* token, cacert, proxy of the options at idx (exchange.c) */
/* Calls the function `progress` of the options at 3; ctx: the state (exchange.c). */
prophet_code script_progress(void *ctx, const char *stage, uint64_t done, uint64_t total,
                             prophet_error *err);
bool script_has_progress(lua_State *L); /* .. if there is one; raises for what is no function */
/* The arguments (handle, other, {dry_run, progress, seal, token, cacert, proxy, check}), checked; their texts stay on the stack. */
l_handle *script_exchange_arguments(lua_State *L, const char *what, prophet_exchange *o,
                                    prophet_net_options *way);
extern const luaL_Reg script_handle_exchange[]; /* exchange.c */
extern const luaL_Reg script_handle_live[];     /* live.c */
extern const luaL_Reg script_handle_serve[];    /* serve.c */
extern const luaL_Reg script_handle_remote[];   /* remote.c */
extern const luaL_Reg script_core_open[];       /* handle.c: functions of prophet.core */
extern const luaL_Reg script_handle_policies[]; /* policy.c */
extern const luaL_Reg script_handle_past[];     /* past.c */
extern const luaL_Reg script_core_files[];      /* files.c: functions of prophet.core */
extern const luaL_Reg script_core_transport[];  /* transport.c: functions of prophet.core */

/* ---- sealed states (sandbox*.c) ----------------------------------------------------------------------------------------- */

typedef enum sandbox_stop {
    SANDBOX_RUNS,
    SANDBOX_INSTRUCTIONS,
    SANDBOX_MEMORY,
    SANDBOX_TIME,
    SANDBOX_INTERRUPTED
} sandbox_stop;
typedef struct sandbox_limits {
    uint64_t instructions; /* 0: none */
    size_t memory;
    uint64_t milliseconds;
    size_t block; /* largest single allocation: more would outrun the clock */
} sandbox_limits;
typedef struct sandbox {
    lua_State *L;
    sandbox_limits limits;
    size_t used;
    int64_t left;      /* instructions */
    uint64_t deadline; /* monotonic microseconds, 0: none */
    bool refused;      /* an allocation was */
    bool counting;
    sandbox_stop stop;
    volatile bool interrupt;
} sandbox;
/* A state with this allocator and these budgets and nothing loaded. EMEMORY. `s` must not move. */
prophet_code sandbox_init(sandbox *s, const sandbox_limits *limits, prophet_error *err);
void sandbox_clear(sandbox *s);
void sandbox_refill(sandbox *s); /* budgets as at the start */
/* Puts the allowed functions into the globals (protected call: may raise for lack of memory). */
void sandbox_seal(lua_State *L);
/* For states that are limited, not sealed: an xpcall whose handler does not run where hooks are off. */
void sandbox_guard(lua_State *L);
void sandbox_strings(lua_State *L);  /* string and utf8, also as methods of strings */
void sandbox_patterns(lua_State *L); /* adds find match gmatch gsub to the table at the top */
void sandbox_tables(lua_State *L);   /* table, sorted pairs */
sandbox *sandbox_of(lua_State *L);   /* of a state made by sandbox_init */
bool sandbox_is(lua_State *L);
void sandbox_charge(lua_State *L, size_t work); /* C-side work in instructions; raises when spent */
/* For closures whose upvalue 1 is the stock function: charges, then calls it with the same arguments. */
int sandbox_stock(lua_State *L, size_t work);
/* "budget: .." for whatever stopped it; false: nothing did. */
bool sandbox_why(const sandbox *s, prophet_error *err);

/* ---- resolvers (resolver.c) ------------------------------------------------------------------------------------------------- */

typedef struct resolver resolver;
/* From its text; runs it once in a sealed state to read name, version and on. ESCRIPT, EBUDGET. */
prophet_code resolver_load(prophet_slice source, const char *chunk, resolver **out,
                           prophet_error *err);
void resolver_free(resolver *r);
const char *resolver_name(const resolver *r);
int64_t resolver_version(const resolver *r);
const prophet_hash *resolver_hash(const resolver *r);
const char *const *resolver_on(const resolver *r, size_t *count);
typedef struct resolver_answer {
    prophet_cast cast;
    prophet_value value; /* in the arena */
    char reason[1100];
} resolver_answer;
/* Asks it in a fresh sealed state. Never fails: what is wrong is an abstention with its reason. self: this replica's id. */
void resolver_ask(const resolver *r, const prophet_doc *conflict, const char *self, ph_arena *a,
                  resolver_answer *out);
/* A box in Lua: prophet.resolver (policy.c). */
void script_resolver_open(lua_State *L);
int l_resolver_load(lua_State *L); /* core: (source, chunk) -> box */

/* ---- the module (module.c) ------------------------------------------------------------------------------------------------------ */

void script_module_push(
    lua_State *L, const char *name); /* pushes a module of ours, loading it at first; raises */
void script_env_push(lua_State *L);  /* the environment of our modules */
/* Pushes the module `prophet`; sealed: into a state that sandbox_seal made. */
void script_module_open(lua_State *L, bool sealed);

#endif

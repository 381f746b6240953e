/* script: Prophet in Lua, and Lua in Prophet. A client of <prophet.h>, like any host. */
#ifndef PH_SCRIPT_H
#define PH_SCRIPT_H
#include "base/base.h"
#include <prophet_lua.h>

/* ---- programs: what engine/cli needs, without lua.h --------------------------------------------- */

typedef struct script_program script_program;
typedef struct script_program_options {
    bool        sandbox;      /* a sealed state: no files, no loading, no clock */
    bool        json;         /* messages of failures are {"error":{code,message,hint}} */
    uint64_t    instructions; /* 0: no limit; in a sandbox: 1,000,000,000 */
    uint64_t    memory;       /* bytes; 0: no limit; in a sandbox: 256 MiB */
    uint32_t    milliseconds; /* 0: no limit */
    const char *database;     /* directory opened as the global `db`; NULL: none */
    bool        find;         /* without it, and outside of a sandbox, `db` is what commands find here, when it is first asked for */
} script_program_options;

/* A Lua state with its libraries, `prophet` loaded and `arg` set from args (arg[0] = args[script]). Messages of failures go to stderr. */
prophet_code script_program_new(const script_program_options *o, char **args, int count, int script, script_program **out,
                                prophet_error *err);
/* Closes the database and the state. NULL is fine. */
void script_program_free(script_program *p);
/* Each runs code and returns the exit status: 0, or what the failure's code stands for (LUA_API, command line); its message is on stderr. */
int script_program_file(script_program *p, const char *path); /* "-": standard input; further args are its parameters */
int script_program_text(script_program *p, const char *code); /* -e */
int script_program_repl(script_program *p);                   /* a plain loop over standard input */
int script_program_command(script_program *p);                /* the `prophet` command: prophet.cli.main */
/* SIGINT arrived: what runs ends with `interrupted`. The one call allowed in a signal handler. */
void script_program_interrupt(script_program *p);
/* A failure on stderr, as people read it or as JSON. who: "prophet-lua". */
void script_report(const char *who, const prophet_error *err, bool json);
/* The exit status of a failure. */
int script_exit_status(prophet_code code);

#endif

/* What the fault tests share: starting fault_main, and turning what it said into what must be there. */
#ifndef FAULT_H
#define FAULT_H
#include "support/test.h"
#include <sys/types.h>

/* Starts build/tests/fault_main with these arguments (NULL-terminated); env: "NAME=value" strings, NULL-terminated, or NULL. */
pid_t fault_start(const char *const *args, const char *const *env);
/* The same and waits: true when it ended well. */
bool  fault_run(const char *const *args, const char *const *env);

/* A fault_main that inspects replicas on request. */
typedef struct fault_inspector {
    pid_t pid;
    int   in, out;
} fault_inspector;
bool fault_inspector_start(fault_inspector *i, const char *const *env);
/* NULL: all is well; else why not (valid until the next call). A dead inspector is a reason, and is started again. */
const char *fault_inspect(fault_inspector *i, const char *const *env, const char *dir, const char *expected,
                          const char *more); /* what fault_main.c, inspect takes behind these; or NULL */
void fault_inspector_stop(fault_inspector *i);

/* Writes the file `expected` from acknowledgements (see fault_main.c); how many records it names. */
size_t fault_expect(const char *acks, size_t len, const char *expected);
/* Adds the file's content to *text, which has len bytes; the new length. A file that is not there adds nothing. */
size_t fault_read(const char *path, char **text, size_t len);
/* How often: the number in this variable of the environment, else `otherwise`. */
size_t fault_count(const char *variable, size_t otherwise);
/* Skips the test when there is no fault_main beside it. */
void  fault_needs_program(void);
/* Under a sanitizer the preload library cannot be first. */
bool fault_sanitized(void);

#endif

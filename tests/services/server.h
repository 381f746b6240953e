/* server: a real server as a child of the test. The program prints one line when it is ready, and lives until its standard input ends: it cannot
 * outlive the test, however that ends. */
#ifndef SERVICES_SERVER_H
#define SERVICES_SERVER_H
#include "support/test.h"
#include <sys/types.h>

typedef struct server {
    pid_t pid;
    int   in;          /* its standard input */
    char  line[1024];  /* what it printed */
} server;

/* false: it ended without a line. argv[0] is looked up in PATH; a relative path of the repository goes through test_source. */
bool server_start(server *s, const char *const *argv);
void server_stop(server *s);
/* The program is there to be run. */
bool server_has(const char *program);

#endif

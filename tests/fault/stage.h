/* A scenario of fault_main on a replica whose disk is recorded (cut_preload.c), and what it looks like when it ends too soon. */
#ifndef STAGE_H
#define STAGE_H
#include "cut_disk.h"

typedef struct stage {
    const char *dir, *acks, *trace, *boot, *expected;
    char preload[4200], root_env[4200], trace_env[4200], acks_env[4200], boot_env[4200];
    char rare[3][4200]; /* what fault_main inspects then: the source and what is done first */
    cut_disk *disk;
    size_t events;
    char *text; /* acknowledgements: first those from before the scenario */
    size_t base_len;
} stage;

typedef struct stage_how {
    bool killed;    /* everything written is there: no power cut */
    bool same_boot; /* the machine was not started anew */
    bool rare;      /* the scenario damaged the log and changed the identity: see fault_main.c, inspect */
} stage_how;

/* Skips the test where this cannot work. */
void stage_needs(void);
/* Makes the replicas, keeps a copy of the disk, runs the scenario, reads its trace. pulls: the inspection pulls from the source,
 * so all that is there is expected. */
void stage_record(stage *s, const char *scenario, bool pulls);
/* How many of `states` ends were not survived; the first few are printed when they should have been. */
size_t stage_cut(stage *s, size_t states, const stage_how *how, bool print);
void stage_leave(stage *s);

#endif

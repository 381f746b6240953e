/* simulator: from one number, a little world of replicas that edit, vote, exchange, are copied, restored and rebuilt; at its end
 * everything the design promises about convergence is checked.
 *
 * main.c    options, one process a seed, shrinking          plan.c    the actions of a seed
 * world.c   replicas opened, copied, watched; randomness    edit.c    what people write
 * judge.c   votes, resolvers, rules and weights             exchange.c  changesets on their way
 * quarrel.c several at one cell                       ghost.c     writers that keep to the format only
 * revert.c  changesets taken back
 * carrier.c depots and bundles                        live.c      live peers
 * dump.c    everything a replica shows, as text
 * model.c   the same from the independent model             final.c   what must hold at the end
 *
 * Whatever is random is drawn from the seed and the action's number, also keys, salts and ids (world.c takes the place of
 * RAND_bytes): a seed with some actions left out runs the others as before. */
#ifndef SIMULATOR_H
#define SIMULATOR_H
#include "replica/replica.h"

#define SIM_NODES   14 /* replicas and copies of them */
#define SIM_RECORDS 64
#define SIM_BACKUPS 4
#define SIM_GHOSTS  4

typedef struct sim sim;

/* ---- the plan ------------------------------------------------------------------------------------------- */

typedef struct sim_verb {
    const char *name;
    unsigned    weight; /* how often, of all */
    void      (*run)(sim *s);
} sim_verb;
typedef struct sim_plan {
    size_t count;
    const sim_verb **verbs;
} sim_plan;
/* The actions of a seed; replicas: 2 to 9. */
void sim_plan_make(uint64_t seed, sim_plan *out, unsigned *replicas);

/* ---- the world ------------------------------------------------------------------------------------------- */

typedef struct sim_asked { /* (cell, question, resolvers) that were put to this replica's resolvers: FNV-1a, 128 bits */
    uint64_t *at;          /* pairs */
    size_t    count, cap;
} sim_asked;

typedef struct sim_node {
    sim        *world;
    char        dir[512];
    ph_replica *r;
    unsigned    group;    /* of the partition */
    int64_t     clock;    /* how wrong its clock is, ms */
    uint64_t    policy;   /* its resolvers; 0: none */
    bool        eager;
    sim_asked   asked;
    ph_id      *ids;      /* of its changesets, by version - 1, as far as seen */
    size_t      seen, room;
} sim_node;

typedef struct sim_backup {
    bool      used;
    char      dir[512];
    size_t    node;
    sim_asked asked;
} sim_backup;

typedef struct sim_record {
    const char *type;
    ph_uuid     id;
} sim_record;

typedef struct sim_known { /* a changeset that some replica had */
    ph_id id;
    bool  lost;            /* went with its only copies, on purpose */
} sim_known;

struct sim {
    uint64_t    seed;
    const char *dir;
    bool        verbose;
    ph_rng      rng;
    size_t      action;       /* number of the one that runs */
    const char *doing;
    int64_t     tick;
    sim_node    nodes[SIM_NODES];
    size_t      node_count;
    sim_backup  backups[SIM_BACKUPS];
    sim_record  records[SIM_RECORDS];
    size_t      record_count;
    ph_uuid     database;
    sim_known  *known;
    size_t      known_count, known_room;
    ph_keypair *ghosts[SIM_GHOSTS];
    ph_arena    arena;        /* of the action */
    unsigned    copies;
    prophet_error err;
};

/* Prints the seed, the action and the message; ends the process. */
_Noreturn void sim_fail(sim *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void sim_must_(sim *s, prophet_code rc, const char *call);
#define MUST(s, call) sim_must_((s), (call), #call) /* < 0 is a failure */
void sim_note(sim *s, const char *fmt, ...) __attribute__((format(printf, 2, 3))); /* with --verbose */

uint64_t  sim_below(sim *s, uint64_t n);
bool      sim_chance(sim *s, unsigned percent);
void      sim_reseed(sim *s, size_t action, const char *doing);
sim_node *sim_any(sim *s);              /* an open node */

void sim_start(sim *s, unsigned replicas);
void sim_stop(sim *s);
void sim_open(sim *s, sim_node *n);
void sim_close(sim_node *n);
void sim_watch(sim *s, sim_node *n);    /* notes what it has; nothing may have gone */
ph_view *sim_view(sim *s, sim_node *n);
void sim_copy_tree(sim *s, const char *from, const char *to, const char *without);

prophet_slice sim_text(sim *s, const char *text);
prophet_slice sim_int(sim *s, int64_t n);
prophet_slice sim_take(sim *s, ph_buf *b); /* into the arena of the action; empties b */

/* ---- verbs ------------------------------------------------------------------------------------------------ */

void sim_edit(sim *s);       /* edit.c */
void sim_edit_node(sim *s, sim_node *n);
void sim_define(sim *s, sim_node *n); /* with random rules */
prophet_slice sim_value_for(sim *s, prophet_slice type, prophet_slice field);
void sim_vote(sim *s);       /* judge.c */
void sim_resolve(sim *s);
void sim_ask(sim *s);
bool sim_ask_node(sim *s, sim_node *n); /* did it vote? */
void sim_policy(sim *s);
void sim_rules(sim *s);
void sim_quarrel(sim *s);    /* quarrel.c */
void sim_weight(sim *s);
bool sim_was_asked(const sim_node *n, const ph_conflict *c);
void sim_exchange(sim *s);   /* exchange.c */
void sim_partition(sim *s);
void sim_depot(sim *s);      /* carrier.c */
void sim_bundle(sim *s);
void sim_live(sim *s);       /* live.c */
void sim_carriers_come(sim *s); /* the last of them, before all is quiet */
void sim_carriers_end(sim *s);
void sim_ghost(sim *s);      /* ghost.c */
void sim_revert(sim *s);     /* revert.c */
void sim_crowd(sim *s);
void sim_lost_key(sim *s);   /* world.c */
void sim_second_handle(sim *s);
void sim_reopen(sim *s);     /* world.c */
void sim_rebuild(sim *s);
void sim_clock(sim *s);
void sim_copy(sim *s);
void sim_backup_take(sim *s);
void sim_backup_restore(sim *s);

/* ---- exchange ------------------------------------------------------------------------------------------------ */

typedef enum sim_way { /* how changesets travel */
    SIM_MISSING, SIM_COMPARED, SIM_ALL, SIM_DIRECTORY, SIM_TWICE, SIM_SHUFFLED, SIM_PREFIX, SIM_SOME, SIM_BROKEN_OFF, SIM_WAYS
} sim_way;
uint64_t sim_pull(sim *s, sim_node *to, sim_node *from, sim_way way, bool sign); /* changesets applied */
/* Everything `from` has, into a fresh replica, in a random causal order. */
/* The first `n` changesets of a replica (0: all), in another causal order, into an empty one. false: not all of these are proven by a signature among them. */
bool sim_replay(sim *s, ph_replica *to, sim_node *from, size_t n);
void sim_digest(sim *s, sim_node *n, uint8_t out[32]);

/* ---- looking ------------------------------------------------------------------------------------------------- */

/* Lines of DESIGN 9: all living records, reserved ones too. */
void sim_dump_export(sim *s, ph_view *v, ph_buf *out);
/* One line a cell that ever was in conflict, in order of type, record, field. full: with heads, votes, base and question. */
void sim_dump_conflicts(sim *s, ph_view *v, bool full, ph_buf *out);
void sim_dump_row(sim *s, ph_view *v, const ph_row *row, ph_buf *out);
void sim_dump_record(sim *s, ph_view *v, uint32_t type, const ph_uuid *id, ph_buf *out);
void sim_model_compare(sim *s, sim_node *n); /* model.c */
void sim_same(sim *s, const char *what, const ph_buf *got, const ph_buf *want);
void sim_meanwhile(sim *s, sim_node *a, sim_node *b); /* final.c: what must hold at any time */
void sim_final(sim *s);

#endif

/* A local change in the making. Inside engine/replica only. */
#ifndef PH_CHANGE_IMPL_H
#define PH_CHANGE_IMPL_H
#include "replica/replica_impl.h"

#define PH_SAVEPOINTS 8

typedef struct ph_life_head {
    uint64_t version;
    bool alive;
} ph_life_head;

typedef struct ph_pend_record { /* a record this change wrote, and its life before */
    prophet_slice type;
    uint32_t type_id;
    ph_uuid uuid;
    bool existed, was_alive;
    ph_life_head *life;
    uint32_t life_count;
} ph_pend_record;

typedef enum ph_note_kind {
    PH_N_CREATE,
    PH_N_UPDATE,
    PH_N_DELETE,
    PH_N_RESTORE,
    PH_N_OP
} ph_note_kind;
typedef struct ph_note { /* one thing that was done, in order */
    ph_pend_record *pend;
    ph_note_kind kind;
    ph_op_kind op;
    prophet_slice field, value; /* in the change's arena */
    int64_t amount;
    const uint64_t *over; /* versions named, without this change's own */
    uint32_t over_count;
    ph_op *ops; /* PH_N_CREATE: plain registers of a fresh record, each once */
    size_t op_count;
} ph_note;

typedef struct ph_noted_vote {
    ph_vote_cast cast; /* copied into the change's arena */
    const uint64_t *heads;
    uint32_t head_count;
} ph_noted_vote;

typedef struct ph_savepoint {
    ph_txn *parent;
    size_t notes, votes, payload;
    uint32_t frames;
    ph_state state;
} ph_savepoint;

struct ph_change_txn {
    ph_replica *r;
    ph_session *s;
    ph_arena arena;
    uint64_t version; /* the one it will get */
    uint64_t names;   /* names known when it began */
    uint64_t numbers; /* records numbered when it began */
    ph_buf message;
    PH_LIST(ph_note) notes;
    PH_LIST(ph_noted_vote) votes;
    bool
        twice; /* some cell was written more than once: the rows are made again from the netted changeset */
    bool voted_again; /* on a cell that had a vote before a savepoint */
    bool failed; /* a write broke off in the middle: no commit */
    ph_savepoint saved[PH_SAVEPOINTS];
    unsigned depth;
    ph_view view;
    ph_buf preview; /* the row of one record that is not stored yet */
};

/* change_net.c: the changeset's header and body, its encoding in `bytes`, and the versions of what it names. PROPHET_DONE: nothing was changed. */
prophet_code ph_change_net(ph_change_txn *c, ph_changeset *cs, uint64_t **names, ph_buf *bytes, prophet_error *err);
/* change_vote.c: no later vote of this change is on the same cell */
bool ph_change_vote_stands(const ph_change_txn *c, size_t at);
prophet_code ph_change_note(ph_change_txn *c, ph_work_record *wr, prophet_slice type, ph_note note,
                            prophet_error *err);
prophet_code ph_change_over(ph_change_txn *c, const ph_cell *cell, const uint64_t **over,
                            uint32_t *n, prophet_error *err);
prophet_code ph_change_life(ph_change_txn *c, ph_work_record *wr, prophet_slice type,
                            ph_note_kind kind, prophet_error *err);
/* edit.c: one edit of a field, checked before */
prophet_code ph_change_edit(ph_change_txn *c, ph_work_record *wr, const ph_schema *schema,
                            const ph_edit *e, bool *wrote, prophet_error *err);
/* id: the field's number, 0: not looked up yet */
prophet_code ph_change_write(ph_change_txn *c, ph_work_record *wr, prophet_slice type, uint32_t id,
                             prophet_slice field, prophet_slice value, prophet_error *err);
/* Clears a set: few elements one by one, many by an unset that names the changesets of their adds. */
prophet_code ph_change_clear_set(ph_change_txn *c, ph_work_record *wr, prophet_slice type,
                                 prophet_slice field, bool *wrote, prophet_error *err);
/* A copy that outlives the session's records. */
prophet_code ph_change_keep(ph_change_txn *c, prophet_slice in, prophet_slice *out, prophet_error *err);
/* The number of a field's name; nothing is done when the schema knew it. */
prophet_code ph_change_intern(ph_change_txn *c, prophet_slice field, uint32_t *id, prophet_error *err);
/* A cell with all it holds; NULL: the record has none. */
prophet_code ph_change_cell(ph_change_txn *c, ph_work_record *wr, uint32_t field, ph_cell **out,
                            prophet_error *err);
/* The schema that is in force for what this change writes. */
prophet_code ph_change_schema(ph_change_txn *c, prophet_slice type, const ph_schema **out,
                              prophet_error *err);
/* Finds a record that has a row. ENOTFOUND names it. */
prophet_code ph_change_record(ph_change_txn *c, prophet_slice type, const ph_uuid *id,
                              ph_work_record **out, prophet_error *err);

#endif

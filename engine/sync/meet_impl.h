/* What is remembered of others: the notes in the log, and the file `seen`. */
#ifndef PH_SYNC_MEET_IMPL_H
#define PH_SYNC_MEET_IMPL_H
#include "sync/sync_impl.h"

#define NOTE_PEER  "peer "  /* names of notes begin so: meet.c */
#define NOTE_DEPOT "depot " /* depot_note.c */
#define NOTE_VISITOR "visitor " /* the path of who came here and has no place: visits.c */
enum { NOTE_ROW = 32 + 8 + 32 }; /* of "beyond": replica, seq, id */

/* ---- notes (meet.c) --------------------------------------------------------------------------------------------- */

typedef prophet_code (*sync_note_fn)(void *ctx, prophet_slice name, prophet_slice note,
                                     prophet_error *err);
/* Each note of these; PROPHET_DONE from fn ends it. */
prophet_code sync_each_note(ph_view *v, const char *kind, sync_note_fn fn, void *ctx,
                            prophet_error *err);
bool sync_peer_of(prophet_slice name, ph_id *out); /* whose note it is; false: a depot's */
int64_t sync_written_at(prophet_slice note);       /* 0: it does not say */
/* The heads of chains that a note tells, 32 bytes each; in the arena. PROPHET_DONE: it tells none that could be read. */
prophet_code sync_note_heads(ph_view *v, prophet_slice note, ph_arena *a, prophet_slice *out,
                             prophet_error *err);
/* The heads beyond what was here, in the note of a peer at a place: rows of NOTE_ROW bytes. PROPHET_DONE: there is no such note. */
prophet_code sync_beyond_of(ph_view *v, const ph_id *peer, const char *place, prophet_slice *out,
                            prophet_error *err);

/* ---- when (seen.c) ---------------------------------------------------------------------------------------------- */

prophet_code sync_seen_read(ph_replica *r, char path[PH_PATH_MAX], ph_buf *out, prophet_error *err);
void sync_unsaw(ph_replica *r, const char *place); /* forgotten */
int64_t sync_seen_at(const ph_buf *seen, const char *place); /* 0: never */

#endif

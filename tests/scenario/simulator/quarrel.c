/* A quarrel: a few replicas at one cell, each with its own part of what the others said. Random edits alone seldom get so far as votes on
 * questions that grew out of questions. */
#include "simulator.h"

static const char *const item_cells[] = { "title", "n", "x", "note", "" };
static const char *const named_cells[] = { "value", "value", "" };

static void write_cell(sim *s, sim_node *n, const sim_record *rec, prophet_slice field)
{
    prophet_slice type = ph_slice_str(rec->type);
    ph_change_txn *c;
    prophet_code rc;
    MUST(s, ph_change_begin(n->r, ph_slice_str("quarrel"), &c, &s->err));
    if (field.len == 0) {
        rc = sim_chance(s, 50) ? ph_change_delete(c, type, &rec->id, &s->err)
                               : ph_change_restore(c, type, &rec->id, &s->err);
    } else {
        ph_edit e = { PH_E_SET, field, sim_value_for(s, type, field) };
        rc = ph_change_update(c, type, &rec->id, &e, 1, &s->err);
    }
    sim_note(s, "%s writes: %d", n->dir, (int)rc);
    if (rc < 0)
        ph_change_abort(c);
    else
        MUST(s, ph_change_commit(c, NULL, NULL, &s->err));
    sim_watch(s, n);
}

static void vote_cell(sim *s, sim_node *n, const sim_record *rec, prophet_slice field)
{
    ph_view *v = sim_view(s, n);
    ph_cell_key key = { ph_names_find(v->names, ph_slice_str(rec->type)), rec->id,
                        field.len ? ph_names_find(v->names, field) : PH_LIFE };
    ph_conflict con;
    ph_change_txn *c;
    prophet_code rc = key.type && (key.field || !field.len)
                          ? ph_view_conflict(v, &key, &s->arena, &con, &s->err)
                          : PROPHET_DONE;
    ph_view_end(v);
    MUST(s, rc);
    if (rc == PROPHET_DONE || !con.open)
        return;
    ph_vote_cast cast = { .type = con.type, .field = con.field, .record = rec->id };
    cast.choice = con.candidates[sim_below(s, con.candidate_count)].value;
    if (field.len && sim_chance(s, 40))
        cast.choice = sim_value_for(s, con.type, con.field);
    MUST(s, ph_change_begin(n->r, ph_slice_str("vote"), &c, &s->err));
    MUST(s, ph_change_vote(c, &cast, &s->err));
    MUST(s, ph_change_commit(c, NULL, NULL, &s->err));
    sim_note(s, "%s votes, %zu candidates", n->dir, con.candidate_count);
    sim_watch(s, n);
}

void sim_quarrel(sim *s)
{
    if (s->record_count == 0)
        return;
    const sim_record *rec = &s->records[sim_below(s, s->record_count)];
    bool item = strcmp(rec->type, "item") == 0;
    prophet_slice field =
        ph_slice_str(item ? item_cells[sim_below(s, 5)] : named_cells[sim_below(s, 3)]);
    sim_node *who[3] = { sim_any(s), sim_any(s), sim_any(s) };
    size_t steps = 6 + sim_below(s, 16);
    if (sim_chance(s, 60)) /* all know it */
        for (size_t i = 0; i < 3; i++)
            if (who[i] != who[0])
                (void)sim_pull(s, who[i], who[0], SIM_MISSING, true);
    size_t first = sim_chance(s, 70) ? 2 + sim_below(s, 2) : 0;
    for (size_t i = 0; i < first; i++) /* nobody has seen what the others say */
        write_cell(s, who[i], rec, field);
    for (size_t i = 0; i < steps; i++) {
        sim_node *n = who[sim_below(s, 3)], *from = who[sim_below(s, 3)];
        unsigned what = (unsigned)sim_below(s, 100);
        if (what < 18)
            write_cell(s, n, rec, field);
        else if (what < 55)
            vote_cell(s, n, rec, field);
        else if (what < 92 && n != from)
            (void)sim_pull(s, n, from, SIM_COMPARED, true);
        else
            (void)sim_ask_node(s, n);
    }
}

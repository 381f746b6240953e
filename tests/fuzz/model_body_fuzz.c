/* Fuzzes ph_body_decode: a body that is accepted is the one its encoding gives, each change is
 * found again by its offset, and its line of JSON is UTF-8. The first byte says how many names there are. */
#include "model/model.h"

static void check_changes(const ph_body *body, prophet_slice bytes, ph_arena *arena)
{
    for (size_t i = 0; i < body->change_count; i++) {
        const ph_change *c = &body->changes[i];
        ph_change again;
        ph_require(ph_change_decode_at(bytes, c->offset, arena, &again, NULL) >= 0);
        ph_require(again.op_count == c->op_count && ph_uuid_eq(&again.record, &c->record));
    }
}

static void check_json(const ph_body *body, uint8_t names)
{
    static ph_id refs[255];
    ph_changeset cs = { .header = { .format = 1, .seq = 1, .refs = refs, .ref_count = names } };
    ph_buf out = PH_BUF_INIT;

    cs.body = *body;
    cs.has_body = true;
    ph_json_changeset(&out, &cs, 1, 1);
    ph_require(!out.failed && ph_utf8_valid(out.data, out.len));
    ph_buf_clear(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ph_arena arena = PH_ARENA_INIT;
    ph_buf out = PH_BUF_INIT;
    ph_body body;
    prophet_error err;

    if (size == 0)
        return 0;
    prophet_slice bytes = ph_slice(data + 1, size - 1);
    if (ph_body_decode(bytes, data[0], &arena, &body, &err) >= 0) {
        check_changes(&body, bytes, &arena);
        check_json(&body, data[0]);
        ph_require(ph_body_encode(&body, data[0], &out, &err) >= 0);
        ph_require(ph_slice_eq(ph_buf_slice(&out), bytes));
    } else {
        ph_require(err.code == PROPHET_ECORRUPT && strstr(err.message, " at byte "));
        ph_change change;
        (void)ph_change_decode_at(bytes, data[0], &arena, &change, NULL); /* anything but a crash */
    }
    ph_buf_clear(&out);
    ph_arena_clear(&arena);
    return 0;
}

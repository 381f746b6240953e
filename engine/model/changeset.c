/* changeset: what a changeset is called. Its id, made of a domain string and the header's bytes;
 * the names its body uses, which are positions in prev, parents, refs; and sealing, the author's
 * last step. */
#include "model/header_impl.h"

static const char id_domain[] = "prophet changeset v1"; /* with its zero byte */

const ph_id *ph_changeset_name(const ph_header *h, uint32_t pos)
{
    size_t at = pos;

    if (h->has_prev && at == 0)
        return &h->prev;
    at -= h->has_prev;
    if (at < h->parent_count)
        return &h->parents[at];
    at -= h->parent_count;
    return at < h->ref_count ? &h->refs[at] : NULL;
}

static int64_t find(const ph_id *id, const ph_id *ids, size_t count)
{
    size_t low = 0, high = count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = ph_id_cmp(&ids[middle], id);
        if (order == 0)
            return (int64_t)middle;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return -1;
}

int64_t ph_changeset_position(const ph_header *h, const ph_id *id)
{
    int64_t at;

    if (h->has_prev && ph_id_eq(&h->prev, id))
        return 0;
    if ((at = find(id, h->parents, h->parent_count)) >= 0)
        return at + h->has_prev;
    if ((at = find(id, h->refs, h->ref_count)) >= 0)
        return at + h->has_prev + (int64_t)h->parent_count;
    return -1;
}

prophet_code ph_header_id(ph_hasher *h, const ph_header *header, ph_buf *scratch, ph_id *out,
                          prophet_error *err)
{
    ph_buf_reset(scratch);
    ph_header_encode(header, scratch);
    if (scratch->failed)
        return ph_nomem(err);
    const prophet_slice parts[2] = { ph_slice(id_domain, sizeof id_domain), ph_buf_slice(scratch) };
    return ph_hash_sha256(h, parts, 2, out->b, err);
}

prophet_code ph_changeset_seal(ph_hasher *h, ph_changeset *cs, ph_buf *scratch, prophet_error *err)
{
    const char *flaw = ph_header_flaw(&cs->header);
    prophet_code rc;

    if (flaw)
        return ph_fail(err, PROPHET_EUSAGE, "changeset header: %s", flaw);
    if ((rc = ph_hash_sha256(h, &cs->body_bytes, 1, cs->header.body.b, err)) < 0 ||
        (rc = ph_header_id(h, &cs->header, scratch, &cs->id, err)) < 0)
        return rc;
    if (scratch->len + cs->body_bytes.len > PH_CHANGESET_MAX)
        return ph_fail(err, PROPHET_EUSAGE, "changeset is larger than 8 MiB");
    return PROPHET_OK;
}

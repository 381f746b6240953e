/* http_get: reads a resource over HTTP: a whole, a part, or nothing when it is what the caller has. A transfer that breaks goes on where it stopped, if the server's
 * etag proves that the rest is of the same bytes. Nothing a server says about a part is believed before it fits what was asked for. Called by the
 * transports over HTTP. */
#include "net/http_impl.h"
#include <stdlib.h>
#include <time.h>

#define PROGRESS_MIN \
    65536u /* who brought so much before it broke starts to count its failures anew */

enum { H_ETAG, H_RANGE, H_MODIFIED, H_DATE, H_ENCODING, H_LENGTH, H_COUNT };

typedef struct reading {
    ph_http *h;
    const http_how *how;
    prophet_net_get *g;
    ph_http_request r;
    http_call c;
    prophet_error *err;
    ph_http_header wanted[H_COUNT];
    char etag[PROPHET_ETAG_MAX]; /* of the first answer, strong; "": none */
    uint64_t want;               /* bytes from g->offset on; PROPHET_WHOLE: to the end */
    uint64_t given;              /* to the sink, in all answers */
    uint64_t skip;               /* of this answer, when the server gives all for a part */
    uint64_t part;               /* bytes this answer must bring; PROPHET_WHOLE: not known */
    uint64_t came;               /* bytes of this answer, without those skipped */
    bool begun;                  /* this answer's headers were looked at */
    bool enough;                 /* stopped because all is there */
    bool ranged;                 /* a part was asked for */
    bool behind;                 /* the server says that there is no such part, not why */
} reading;

/* ---- what the headers say -------------------------------------------------------------------------------------------- */

bool http_is_etag(const char *etag)
{
    size_t len = strlen(etag);
    if (len < 3 || len >= PROPHET_ETAG_MAX || etag[0] != '"' || etag[len - 1] != '"')
        return false;
    for (size_t i = 1; i < len - 1; i++)
        if (etag[i] <= ' ' || etag[i] >= 127 || etag[i] == '"')
            return false;
    return true;
}

/* Many servers make an etag of a size and a time in seconds: of what was written within the last two, another state may have the same. */
static bool is_young(const curl_functions *curl, const char *modified, const char *date)
{
    if (!modified[0])
        return false;
    time_t then = curl->getdate(modified, NULL), now = curl->getdate(date, NULL);
    return then < 0 || now < 0 || now - then < 2;
}

/* A number of at most 18 digits and what follows it; false: there is none. */
static bool number(const char **at, uint64_t *out)
{
    const char *from = *at;
    *out = 0;
    while (**at >= '0' && **at <= '9' && *at - from < 19)
        *out = *out * 10 + (uint64_t)(*(*at)++ - '0');
    return *at > from && *at - from < 19;
}

/* bytes 10-19/200, bytes 10-19/<star>, bytes <star>/200 (first = end then) */
static bool parse_range(const char *s, uint64_t *first, uint64_t *end, uint64_t *total)
{
    *first = *end = 0;
    if (strncmp(s, "bytes ", 6) != 0)
        return false;
    s += 6;
    if (*s == '*') {
        s++;
    } else {
        if (!number(&s, first) || *s++ != '-' || !number(&s, end) || *end < *first)
            return false;
        ++*end;
    }
    if (*s++ != '/')
        return false;
    if (strcmp(s, "*") == 0) {
        *total = PROPHET_WHOLE;
        return *end > 0;
    }
    return number(&s, total) && *s == 0 && *end <= *total;
}

static prophet_code take_total(reading *d, uint64_t total)
{
    if (d->given > 0 && d->g->total != PROPHET_WHOLE && total != d->g->total)
        return ph_fail(d->err, PROPHET_ESTALE, "it has changed meanwhile");
    d->g->total = total;
    return PROPHET_OK;
}

static void keep_etag(char out[PROPHET_ETAG_MAX], const char *etag) /* one that fits */
{
    memcpy(out, etag, strlen(etag) + 1);
}

static prophet_code take_etag(reading *d)
{
    const char *etag = d->wanted[H_ETAG].value;
    if (!http_is_etag(etag))
        etag = "";
    if (d->given > 0) { /* going on: it must be the same */
        if (strcmp(etag, d->etag) != 0)
            return ph_fail(d->err, PROPHET_ESTALE, "it has changed meanwhile");
        return PROPHET_OK;
    }
    bool young =
        d->how->dated && is_young(d->h->curl, d->wanted[H_MODIFIED].value, d->wanted[H_DATE].value);
    keep_etag(d->etag, etag);
    keep_etag(d->g->etag, young ? "" : etag);
    if (d->g->expect && etag[0] && strcmp(etag, d->g->expect) != 0)
        return ph_fail(d->err, PROPHET_ESTALE, "it has changed meanwhile");
    return PROPHET_OK;
}

/* An answer of 206: exactly the part that was asked for, or less at the end. */
static prophet_code take_part(reading *d)
{
    uint64_t first, end, total, from = d->g->offset + d->given;
    if (!parse_range(d->wanted[H_RANGE].value, &first, &end, &total) || end == 0)
        return ph_fail(d->err, PROPHET_EREMOTE, "a part without saying which");
    if (!d->ranged || first != from)
        return ph_fail(d->err, PROPHET_EREMOTE, "another part than was asked for");
    uint64_t left = d->want == PROPHET_WHOLE ? PROPHET_WHOLE : d->want - d->given;
    uint64_t there = total == PROPHET_WHOLE ? end - first : total - first;
    d->part = end - first;
    if (d->part > left || (d->part < left && d->part < there))
        return ph_fail(d->err, PROPHET_EREMOTE, "another part than was asked for");
    return take_total(d, total);
}

static prophet_code take_whole(reading *d)
{
    const char *at = d->wanted[H_LENGTH].value;
    uint64_t total = PROPHET_WHOLE;
    if (*at && (!number(&at, &total) || *at))
        return ph_fail(d->err, PROPHET_EREMOTE, "a length that is none");
    d->skip = d->g->offset + d->given;
    d->part = total == PROPHET_WHOLE ? PROPHET_WHOLE : total > d->skip ? total - d->skip : 0;
    return take_total(d, total);
}

static prophet_code begin(reading *d)
{
    prophet_code rc;
    d->begun = true;
    const char *encoding = d->wanted[H_ENCODING].value;
    if (encoding[0] && strcmp(encoding, "identity") != 0)
        return ph_fail(d->err, PROPHET_EREMOTE, "it comes encoded, which nobody asked for");
    if ((rc = take_etag(d)) < 0 || (rc = d->r.status == 206 ? take_part(d) : take_whole(d)) < 0)
        return rc;
    d->c.total = d->want != PROPHET_WHOLE ? d->want : d->g->total;
    return PROPHET_OK;
}

/* ---- what comes ------------------------------------------------------------------------------------------------------- */

static prophet_code take(void *ctx, prophet_slice chunk, prophet_error *err)
{
    reading *d = ctx;
    prophet_code rc;
    if (!d->begun && (rc = begin(d)) < 0)
        return rc;
    if (chunk.len <= d->skip) {
        d->skip -= chunk.len;
        return PROPHET_OK;
    }
    chunk = ph_slice((const char *)chunk.data + d->skip, chunk.len - (size_t)d->skip);
    d->skip = 0;
    if (d->r.status == 206 && chunk.len > d->part - d->came)
        return ph_fail(err, PROPHET_EREMOTE, "more bytes than were asked for");
    uint64_t left = d->want == PROPHET_WHOLE ? PROPHET_WHOLE : d->want - d->given;
    d->enough = chunk.len > left || (chunk.len == left && d->came + chunk.len < d->part);
    if (chunk.len > left)
        chunk.len = (size_t)left;
    d->came += chunk.len;
    if ((rc = chunk.len ? d->g->sink(d->g->ctx, chunk, err) : PROPHET_OK) < 0) {
        d->enough = false;
        return rc;
    }
    d->given += chunk.len;
    return d->enough ? PROPHET_EINTERRUPTED : PROPHET_OK; /* ends the transfer, see attempt() */
}

/* ---- asking ------------------------------------------------------------------------------------------------------------ */

typedef struct headers { /* of a request */
    const char *lines[HTTP_HEADERS_MAX + 3];
    char range[64], condition[PROPHET_ETAG_MAX + 32], known[PROPHET_ETAG_MAX + 32];
} headers;

static void ask_for(reading *d, headers *out)
{
    const prophet_net_get *g = d->g;
    uint64_t from = g->offset + d->given;
    const char *match = d->given > 0 ? d->etag : g->expect;
    size_t n = 0;

    for (; d->how->headers && n < HTTP_HEADERS_MAX && d->how->headers[n]; n++)
        out->lines[n] = d->how->headers[n];
    d->ranged = from > 0 || d->want != PROPHET_WHOLE;
    if (d->want == 0) {
        d->ranged = false; /* a part of nothing cannot be asked for */
    } else if (d->ranged) {
        int len =
            snprintf(out->range, sizeof out->range, "Range: bytes=%llu-", (unsigned long long)from);
        if (d->want != PROPHET_WHOLE)
            (void)snprintf(out->range + len, sizeof out->range - (size_t)len, "%llu",
                           (unsigned long long)(g->offset + d->want - 1));
        out->lines[n++] = out->range;
    }
    if (match && http_is_etag(match)) {
        (void)snprintf(out->condition, sizeof out->condition, "If-Match: %s", match);
        out->lines[n++] = out->condition;
    }
    if (d->given == 0 && g->known && http_is_etag(g->known)) {
        (void)snprintf(out->known, sizeof out->known, "If-None-Match: %s", g->known);
        out->lines[n++] = out->known;
    }
    d->r.headers = out->lines;
    d->r.header_count = n;
}

/* What the status means; PROPHET_OK with c.temporary: try again. */
static prophet_code judge(reading *d)
{
    uint64_t first, end, total;
    switch (d->r.status) {
    case 200:
    case 206: return d->begun ? PROPHET_OK : begin(d);
    case 304:
        if (!d->g->known || d->given > 0)
            break;
        d->g->unchanged = true;
        if (http_is_etag(d->g->known))
            keep_etag(d->g->etag, d->g->known);
        return PROPHET_OK;
    case 404:
    case 410:
        return d->given > 0 ? ph_fail(d->err, PROPHET_ESTALE, "it has gone meanwhile")
                            : PROPHET_DONE;
    case 412: return ph_fail(d->err, PROPHET_ESTALE, "it has changed meanwhile");
    case 416:
        if (d->given > 0)
            return ph_fail(d->err, PROPHET_ESTALE, "it has changed meanwhile");
        if (!d->ranged)
            break;
        if (!parse_range(d->wanted[H_RANGE].value, &first, &end, &total) || end > 0 ||
            total == PROPHET_WHOLE) {
            d->behind = true; /* Apache does not say */
            return PROPHET_OK;
        }
        if (total > d->g->offset)
            break;
        d->g->total = total;
        return take_etag(d);
    default: break;
    }
    return http_refused(&d->r, d->err);
}

static prophet_code attempt(reading *d)
{
    headers lines;
    prophet_code rc;

    d->begun = d->enough = false;
    d->skip = d->came = 0;
    d->part = PROPHET_WHOLE;
    d->c.base = d->given;
    ask_for(d, &lines);
    rc = http_exchange(d->h, &d->c, d->err);
    if (d->enough)
        return PROPHET_OK;
    if (rc < 0 || d->c.temporary)
        return rc;
    rc = judge(d);
    if (rc != PROPHET_OK || d->g->unchanged || d->behind || strcmp(d->r.method, "HEAD") == 0)
        return rc;
    /* Chunked answers have no length of their own that libcurl could hold them to. */
    if (d->part != PROPHET_WHOLE && d->came < d->part && d->r.status == 206) {
        d->c.temporary = true;
        return ph_fail(d->err, PROPHET_ENETWORK, "the answer ends before its end");
    }
    return PROPHET_OK;
}

/* Asks how long it is, when a part was refused: behind the end there is nothing, and that is no error. */
static prophet_code look_behind(reading *d)
{
    d->r.method = "HEAD";
    d->want = 0;
    prophet_code rc = attempt(d);
    if (rc != PROPHET_OK || d->g->unchanged)
        return rc;
    if (d->c.temporary || d->g->total > d->g->offset)
        return ph_fail(d->err, PROPHET_EREMOTE, "the server refuses a part that is there");
    return PROPHET_OK;
}

prophet_code http_get(ph_http *h, const char *url, const http_how *how, prophet_net_get *g,
                      prophet_error *err)
{
    reading d = { .h = h, .how = how, .g = g, .err = err, .want = g->length };
    static const char *const names[H_COUNT] = { "ETag", "Content-Range",    "Last-Modified",
                                                "Date", "Content-Encoding", "Content-Length" };
    prophet_code rc;

    for (size_t i = 0; i < H_COUNT; i++)
        d.wanted[i].name = names[i];
    d.r = (ph_http_request){ .method = g->length == 0 ? "HEAD" : "GET",
                             .url = url,
                             .sink = take,
                             .sink_ctx = &d,
                             .wanted = d.wanted,
                             .wanted_count = H_COUNT };
    d.c = (http_call){ .r = &d.r, .stage = "get", .total = PROPHET_WHOLE, .follow = how->follow };
    for (uint32_t tried = 1;; tried++) {
        rc = attempt(&d);
        if (rc == PROPHET_OK && d.behind)
            return look_behind(&d);
        if (!d.c.temporary || d.enough)
            return rc;
        if (d.given > 0 && !d.etag[0]) /* nothing proves that the rest belongs to it */
            break;
        if (d.came >= PROGRESS_MIN)
            tried = 1;
        prophet_code wait = http_wait(h, &d.c, tried, err);
        if (wait < 0)
            return wait;
        if (wait == PROPHET_DONE)
            break;
    }
    return rc < 0 ? rc : http_refused(&d.r, err);
}

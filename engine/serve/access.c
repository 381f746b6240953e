/* Who may ask: tokens and their rights, and the names by which the server may be called. A page in a browser can make it send requests to
 * any address, also with a name that a stranger controls: so the Host must be an address or a name known here, and an Origin must be the
 * server itself. */
#include "serve/serve_impl.h"
#include <arpa/inet.h>
#include <strings.h>
#include <unistd.h>

static prophet_code hash(ph_hasher *h, const char *token, size_t len, uint8_t out[32],
                         prophet_error *err)
{
    const prophet_slice parts[] = { ph_slice_str("prophet token\n"), ph_slice(token, len) };
    return ph_hash_sha256(h, parts, 2, out, err);
}

static prophet_code add_tokens(serve_access *a, const ph_serve_options *o, ph_hasher *h,
                               prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    a->tokens = ph_zalloc((o->token_count + 1) * sizeof *a->tokens);
    a->write = ph_zalloc((o->token_count + 1) * sizeof *a->write);
    if (!a->tokens || !a->write)
        return ph_nomem(err);
    for (size_t i = 0; i < o->token_count && rc >= 0; i++) {
        const char *token = o->tokens[i].token;
        size_t len = token ? strlen(token) : 0;
        if (len == 0 || len > 512 || strcspn(token, " \t\r\n") != len)
            return ph_fail(err, PROPHET_EUSAGE,
                           "a token is 1 to 512 characters without spaces: number %zu is not",
                           i + 1);
        rc = hash(h, token, len, a->tokens[i], err);
        a->write[i] = o->tokens[i].write;
        a->read_needs_token = a->read_needs_token || !o->tokens[i].write;
        a->count = i + 1;
    }
    return rc;
}

prophet_code serve_access_init(serve_access *a, const ph_serve_options *o, ph_hasher *h,
                               prophet_error *err)
{
    char own[256] = "";
    *a = (serve_access){ 0 };
    prophet_code rc = add_tokens(a, o, h, err);
    if (rc < 0)
        return rc;
    if (!(a->hosts = ph_zalloc((o->host_count + 2) * sizeof *a->hosts)))
        return ph_nomem(err);
    for (size_t i = 0; i < o->host_count; i++)
        if (!(a->hosts[a->host_count++] = ph_strdup(o->hosts[i])))
            return ph_nomem(err);
    if (gethostname(own, sizeof own - 1) == 0 && *own &&
        !(a->hosts[a->host_count++] = ph_strdup(own)))
        return ph_nomem(err);
    return PROPHET_OK;
}

void serve_access_clear(serve_access *a)
{
    for (size_t i = 0; i < a->host_count; i++)
        ph_free(a->hosts[i]);
    ph_free(a->hosts);
    ph_free(a->tokens);
    ph_free(a->write);
    *a = (serve_access){ 0 };
}

/* ---- Host and Origin -------------------------------------------------------------------------------------------------- */

/* The name of "name:port", without brackets; false: it is none. */
static bool host_name(const char *host, char out[256])
{
    struct in6_addr six;
    size_t len = strlen(host);
    if (host[0] == '[') {
        const char *end = strchr(host, ']');
        if (!end || (end[1] && end[1] != ':') || end - host > 255)
            return false;
        (void)snprintf(out, 256, "%.*s", (int)(end - host - 1), host + 1);
        return inet_pton(AF_INET6, out, &six) == 1;
    }
    len = strcspn(host, ":");
    if (len == 0 || len > 255 ||
        (host[len] && strspn(host + len + 1, "0123456789") != strlen(host + len + 1)))
        return false;
    (void)snprintf(out, 256, "%.*s", (int)len, host);
    return true;
}

bool serve_host_allowed(const serve_access *a, const char *host)
{
    struct in_addr four;
    char name[256];
    if (!host || !host_name(host, name))
        return false;
    if (host[0] == '[' || inet_pton(AF_INET, name, &four) == 1 ||
        strcasecmp(name, "localhost") == 0)
        return true;
    for (size_t i = 0; i < a->host_count; i++)
        if (strcasecmp(name, a->hosts[i]) == 0)
            return true;
    return false;
}

bool serve_origin_allowed(const char *origin, const char *host)
{
    if (!origin)
        return true;
    const char *at = strstr(origin, "://");
    return at && host && strcasecmp(at + 3, host) == 0;
}

/* ---- tokens --------------------------------------------------------------------------------------------------------------- */

/* Every token is looked at in full, so that time tells nothing; hashes, so that length does not either. */
static bool find(const serve_access *a, const uint8_t given[32], bool *write)
{
    bool found = false;
    for (size_t i = 0; i < a->count; i++) {
        unsigned differs = 0;
        for (size_t k = 0; k < 32; k++)
            differs |= (unsigned)(a->tokens[i][k] ^ given[k]);
        if (differs == 0) {
            found = true;
            *write = *write || a->write[i];
        }
    }
    return found;
}

int serve_allowed(const serve_access *a, ph_hasher *h, const char *authorization, bool write)
{
    static const char bearer[] = "Bearer ";
    uint8_t given[32];
    bool may_write = false;
    if (!write && !a->read_needs_token)
        return 0;
    if (a->count == 0)
        return 403; /* there is nothing that would open it */
    if (!authorization || strncasecmp(authorization, bearer, sizeof bearer - 1) != 0)
        return 401;
    const char *token = authorization + sizeof bearer - 1;
    size_t len = strlen(token);
    if (len > 512 || hash(h, token, len, given, NULL) < 0 || !find(a, given, &may_write))
        return 401;
    return write && !may_write ? 403 : 0;
}

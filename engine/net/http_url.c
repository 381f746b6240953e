/* http_url: URLs that libcurl talks to, taken apart by libcurl's own parser, so that what is compared here is what is connected to there. */
#include "net/http_impl.h"
#include <strings.h>

static char *part_of(const curl_functions *curl, CURLU *u, CURLUPart part, unsigned flags)
{
    char *s = NULL;
    return curl->url_get(u, part, &s, flags) == CURLUE_OK ? s : NULL;
}

static CURLU *parse(const curl_functions *curl, const char *url)
{
    CURLU *u = curl->url();
    if (u && curl->url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK)
        return u;
    curl->url_cleanup(u);
    return NULL;
}

/* Both there, and the same. */
static bool same_part(const curl_functions *curl, CURLU *a, CURLU *b, CURLUPart part)
{
    char *x = part_of(curl, a, part, CURLU_DEFAULT_PORT),
         *y = part_of(curl, b, part, CURLU_DEFAULT_PORT);
    bool same = x && y && strcasecmp(x, y) == 0;
    curl->free(x);
    curl->free(y);
    return same;
}

bool http_same_origin(const curl_functions *curl, const char *a, const char *b)
{
    CURLU *x = parse(curl, a), *y = parse(curl, b);
    bool same = x && y && same_part(curl, x, y, CURLUPART_SCHEME) &&
                same_part(curl, x, y, CURLUPART_HOST) && same_part(curl, x, y, CURLUPART_PORT);
    curl->url_cleanup(x);
    curl->url_cleanup(y);
    return same;
}

static bool is_scheme(const char *url, const char *want)
{
    char scheme[32];
    return ph_net_is_url(url, scheme) && strcmp(scheme, want) == 0;
}

bool http_may_redirect(const curl_functions *curl, const char *from, const char *to)
{
    CURLU *u = parse(curl, to);
    bool may = u && (is_scheme(to, "https") || (is_scheme(from, "http") && is_scheme(to, "http")));
    curl->url_cleanup(u);
    return may;
}

/* ---- bases of places --------------------------------------------------------------------------------------------------- */

static bool has_part(const curl_functions *curl, CURLU *u, CURLUPart part)
{
    char *s = part_of(curl, u, part, 0);
    curl->free(s);
    return s != NULL;
}

/* What was refused, by its reason; NULL: nothing. */
static const char *refuse(const curl_functions *curl, CURLU *u, bool user)
{
    if (has_part(curl, u, CURLUPART_QUERY) || has_part(curl, u, CURLUPART_FRAGMENT))
        return "must have no query and no fragment";
    if (has_part(curl, u, CURLUPART_PASSWORD))
        return "must have no password in it: give it as the token";
    if (!user && has_part(curl, u, CURLUPART_USER))
        return "must have no user in it";
    return NULL;
}

static char *with_slash(const char *s)
{
    size_t len = strlen(s);
    while (len > 0 && s[len - 1] == '/')
        len--;
    char *out = ph_alloc(len + 2);
    if (out)
        (void)snprintf(out, len + 2, "%.*s/", (int)len, s);
    return out;
}

prophet_code http_base(const curl_functions *curl, const char *url, const char *scheme, char **base,
                       char **user, prophet_error *err)
{
    char shown[160];
    ph_buf whole = PH_BUF_INIT;
    char *s = NULL, *name = NULL;
    CURLU *u = NULL;
    prophet_code rc = PROPHET_OK;

    ph_net_show(url, shown, sizeof shown);
    const char *rest = strstr(url, "://");
    if (!rest || rest[3] == '/') /* libcurl would take the next word for the host */
        return ph_fail(err, PROPHET_EUSAGE, "%s is not of the form scheme://host/path", shown);
    if (scheme)
        ph_buf_printf(&whole, "%s%s", scheme, rest);
    else
        ph_buf_str(&whole, url);
    ph_buf_byte(&whole, 0);
    if (whole.failed) {
        rc = ph_nomem(err);
        goto done;
    }
    if (!(u = parse(curl, (const char *)whole.data))) {
        rc = ph_fail(err, PROPHET_EUSAGE, "%s is no URL", shown);
        goto done;
    }
    const char *why = refuse(curl, u, user != NULL);
    if (why) {
        rc = ph_fail(err, PROPHET_EUSAGE, "%s %s", shown, why);
        goto done;
    }
    name = part_of(curl, u, CURLUPART_USER, CURLU_URLDECODE);
    (void)curl->url_set(u, CURLUPART_USER, NULL, 0); /* taking away cannot fail */
    s = part_of(curl, u, CURLUPART_URL, 0);
    *base = s ? with_slash(s) : NULL;
    if (user)
        *user = name ? ph_strdup(name) : ph_strdup("");
    if (!*base || (user && !*user)) {
        ph_free(*base);
        *base = NULL;
        rc = ph_nomem(err);
    }

done:
    curl->free(s);
    curl->free(name);
    curl->url_cleanup(u);
    ph_buf_clear(&whole);
    return rc;
}

prophet_code http_path(const curl_functions *curl, const char *base, char **path,
                       prophet_error *err)
{
    CURLU *u = parse(curl, base);
    char *s = u ? part_of(curl, u, CURLUPART_PATH, CURLU_URLDECODE) : NULL;
    *path = s ? ph_strdup(s) : NULL;
    curl->free(s);
    curl->url_cleanup(u);
    return *path ? PROPHET_OK : ph_nomem(err);
}

prophet_code http_join(const char *base, const char *name, char **url, prophet_error *err)
{
    size_t len = strlen(base) + strlen(name) + 1;
    if (!(*url = ph_alloc(len)))
        return ph_nomem(err);
    (void)snprintf(*url, len, "%s%s", base, name);
    return PROPHET_OK;
}

prophet_code http_login(ph_http *h, const char *user, const char *password, prophet_error *err)
{
    if (!user[0])
        return PROPHET_OK;
    for (const char *c = user; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 127 || *c == ':')
            return ph_fail(err, PROPHET_EUSAGE, "the user of that URL cannot be");
    size_t len = strlen(user) + (password ? strlen(password) : 0) + 2;
    if (!(h->login = ph_alloc(len)))
        return ph_nomem(err);
    (void)snprintf(h->login, len, "%s:%s", user, password ? password : "");
    return PROPHET_OK;
}

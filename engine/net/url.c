/* url: takes URLs apart for transports that hand the parts to a program or to the file system, and makes URLs fit to be shown. What libcurl talks to, libcurl
 * parses itself. A URL comes from a person or from a database, so nothing in it is trusted: every part is checked for what it could be taken for. */
#include "net/net_impl.h"

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool ph_net_is_url(const char *url, char scheme[32])
{
    size_t n = 0;
    while (is_alpha(url[n]) || (n > 0 && (is_digit(url[n]) || strchr("+.-", url[n]) != NULL)))
        if (url[n] == 0 || ++n == 31)
            break;
    if (n == 0 || url[n] != ':')
        return false;
    for (size_t i = 0; scheme && i <= n; i++)
        scheme[i] = (char)(i == n ? 0 : is_alpha(url[i]) ? url[i] | 0x20 : url[i]);
    return true;
}

/* Nothing that a terminal would obey. */
static char plain(char c)
{
    return (char)((unsigned char)c < ' ' || c == 127 ? '?' : c);
}

void ph_net_show(const char *url, char *out, size_t size)
{
    bool is_url = ph_net_is_url(url, NULL);
    const char *slashes = is_url ? strstr(url, "://") : NULL; /* also in rt:https://.. */
    const char *from = url;
    size_t n = 0;

    if (slashes) {
        const char *host = slashes + 3;
        size_t authority = strcspn(host, "/?#"), skip = 0;
        for (size_t i = 0; i < authority; i++)
            if (host[i] == '@')
                skip = i + 1;
        for (; from < host && n + 1 < size; from++)
            out[n++] = plain(*from);
        from = host + skip;
    }
    for (; *from && n + 1 < size && !(is_url && (*from == '?' || *from == '#')); from++)
        out[n++] = plain(*from);
    out[n] = 0;
}

/* ---- what is nearly one ----------------------------------------------------------------------------------------- */

/* Where digits end, and a path or nothing follows. */
static bool is_port(const char *s)
{
    size_t n = strspn(s, "0123456789");
    return n > 0 && n <= 5 && (s[n] == 0 || s[n] == '/');
}

bool ph_net_guess(const char *text, char *out, size_t size)
{
    const char *colon = strchr(text, ':'), *at = strchr(text, '@');
    size_t host = colon ? (size_t)(colon - text) : 0;
    int n = -1;
    for (size_t i = 0; i < host; i++)
        if (!is_alpha(text[i]) && !is_digit(text[i]) && !strchr(".-_@", text[i]))
            return false;
    if (host > 0 && !at && is_port(colon + 1))
        n = snprintf(out, size, "http://%s", text);
    else if (host > 0 && at && at > text && at + 1 < colon && colon[1] != 0)
        n = snprintf(out, size, "ssh://%.*s%s%s", (int)host, text, colon[1] == '/' ? "" : "/~/",
                     colon + 1); /* as scp has it */
    return n > 0 && (size_t)n < size;
}

static bool has_user(const char *url, bool *password)
{
    const char *host = strstr(url, "://");
    size_t len = host ? strcspn(host + 3, "/?#") : 0;
    const char *at = host ? memchr(host + 3, '@', len) : NULL;
    *password = at && memchr(host + 3, ':', (size_t)(at - host - 3));
    return at;
}

prophet_code ph_net_check_user(const char *url, prophet_error *err)
{
    char scheme[32], shown[160];
    bool password = false;
    if (!ph_net_is_url(url, scheme) || !has_user(url, &password) ||
        (!password && strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0))
        return PROPHET_OK;
    ph_net_show(url, shown, sizeof shown);
    prophet_code rc = ph_fail(err, PROPHET_EUSAGE, "the URL of %s has a %s in it", shown,
                              password ? "password" : "user");
    ph_hint(err,
            "leave it out, and give the secret as its token: --token-file, or the option token");
    return rc;
}

/* ---- parsing ------------------------------------------------------------------------------------------------- */

static int hex_digit(char c)
{
    return is_digit(c)                              ? c - '0'
           : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                    : -1;
}

/* Decodes %xx; no control characters, and no encoded "/". */
static bool decode(const char *from, size_t len, char *out, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        int c = (unsigned char)from[i];
        if (c == '%') {
            int high = i + 2 < len ? hex_digit(from[i + 1]) : -1;
            int low = i + 2 < len ? hex_digit(from[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = high << 4 | low;
            i += 2;
            if (c == '/')
                return false;
        }
        if (c < ' ' || c == 127 || n + 1 >= size)
            return false;
        out[n++] = (char)c;
    }
    out[n] = 0;
    return true;
}

/* What could be taken for an option, or for the end of a word, by a program that gets it. */
static bool is_safe_word(const char *s)
{
    for (size_t i = 0; s[i]; i++)
        if (!is_alpha(s[i]) && !is_digit(s[i]) && !strchr("._-:%", s[i]))
            return false;
    return s[0] != '-';
}

static bool parse_port(const char *s, size_t len, uint16_t *out)
{
    uint32_t port = 0;
    for (size_t i = 0; i < len; i++)
        if (!is_digit(s[i]) || (port = port * 10 + (uint32_t)(s[i] - '0')) > 65535)
            return false;
    *out = (uint16_t)port;
    return len > 0 && port > 0;
}

/* [user@]host[:port] */
static bool parse_authority(const char *s, size_t len, net_url *out)
{
    const char *at = memchr(s, '@', len);
    if (at) {
        size_t n = (size_t)(at - s);
        if (n == 0 || memchr(s, ':', n) || !decode(s, n, out->user, sizeof out->user))
            return false;
        s = at + 1;
        len -= n + 1;
    }
    const char *end = s + len, *colon = NULL;
    if (len > 0 && s[0] == '[') {
        const char *close = memchr(s, ']', len);
        if (!close || (close + 1 < end && close[1] != ':'))
            return false;
        colon = close + 1 < end ? close + 1 : NULL;
        if (!decode(s + 1, (size_t)(close - s - 1), out->host, sizeof out->host))
            return false;
    } else {
        colon = memchr(s, ':', len);
        size_t n = colon ? (size_t)(colon - s) : len;
        if (!decode(s, n, out->host, sizeof out->host) || strchr(out->host, ':'))
            return false;
    }
    return !colon || parse_port(colon + 1, (size_t)(end - colon - 1), &out->port);
}

prophet_code net_url_parse(const char *url, net_url *out, prophet_error *err)
{
    char shown[160];
    net_url u = { 0 };
    ph_net_show(url, shown, sizeof shown);
    if (!ph_net_is_url(url, u.scheme) || strncmp(url + strlen(u.scheme), "://", 3) != 0)
        return ph_fail(err, PROPHET_EUSAGE, "%s is not of the form scheme://host/path", shown);

    const char *s = url + strlen(u.scheme) + 3;
    size_t len = strcspn(s, "/?#"), rest = strlen(s + len);
    if (strpbrk(s + len, "?#"))
        return ph_fail(err, PROPHET_EUSAGE, "%s must have no query and no fragment", shown);
    const char *at = memchr(s, '@', len);
    if (at && memchr(s, ':', (size_t)(at - s)))
        return ph_fail(err, PROPHET_EUSAGE, "%s must have no password in it", shown);
    if (!parse_authority(s, len, &u) || !is_safe_word(u.host) || !is_safe_word(u.user))
        return ph_fail(err, PROPHET_EUSAGE, "%s: that host, user or port cannot be", shown);
    if (!decode(s + len, rest, u.path, sizeof u.path))
        return ph_fail(err, PROPHET_EUSAGE, "%s: that path cannot be", shown);
    *out = u;
    return PROPHET_OK;
}

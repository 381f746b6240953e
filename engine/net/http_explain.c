/* http_explain: why an exchange failed: libcurl's codes as ours, and its words without what is secret or different each time. */
#include "net/http_impl.h"

typedef struct verdict {
    CURLcode from;
    prophet_code to;
    bool
        temporary; /* a refused connection or an unknown name is not: whoever is offline wants to hear it at once */
    const char *hint;
} verdict;

static const verdict verdicts[] = {
    { CURLE_UNSUPPORTED_PROTOCOL, PROPHET_EREMOTE, false, NULL }, /* HTTP/0.9: no status line */
    { CURLE_URL_MALFORMAT, PROPHET_EUSAGE, false, NULL },
    { CURLE_LOGIN_DENIED, PROPHET_EUSAGE, false, "the URL must have no user in it" },
    { CURLE_SSL_CACERT_BADFILE, PROPHET_EUSAGE, false,
      "cacert names a file of certificates (PEM)" },
    { CURLE_BAD_FUNCTION_ARGUMENT, PROPHET_EUSAGE, false, NULL },
    { CURLE_PEER_FAILED_VERIFICATION, PROPHET_EREMOTE, false,
      "if you know its certificate, or the authority that signed it, give that as cacert" },
    { CURLE_SSL_CONNECT_ERROR, PROPHET_EREMOTE, false,
      "does the server speak TLS? else its URL begins with http://" },
    { CURLE_WEIRD_SERVER_REPLY, PROPHET_EREMOTE, false, NULL },
    { CURLE_OUT_OF_MEMORY, PROPHET_EMEMORY, false, NULL },
    { CURLE_PARTIAL_FILE, PROPHET_ENETWORK, true, NULL },
    { CURLE_GOT_NOTHING, PROPHET_ENETWORK, true, NULL },
    { CURLE_SEND_ERROR, PROPHET_ENETWORK, true, NULL },
    { CURLE_RECV_ERROR, PROPHET_ENETWORK, true, NULL },
    { CURLE_HTTP2, PROPHET_ENETWORK, true, NULL },
    { CURLE_HTTP2_STREAM, PROPHET_ENETWORK, true, NULL },
    { CURLE_SEND_FAIL_REWIND, PROPHET_ENETWORK, false, NULL },
};

/* "failed to connect to host port 1 after 3 ms: .." would be another reason each time. */
static void drop_time(char *words)
{
    static const char after[] = " after ";
    char *at = strstr(words, after), *from = at ? at + sizeof after - 1 : NULL;
    char *unit = from ? from + strspn(from, "0123456789") : NULL;
    if (!unit || unit == from)
        return;
    for (size_t i = 0; i < 2; i++) {
        const char *name = i == 0 ? " milliseconds" : " ms";
        if (strncmp(unit, name, strlen(name)) == 0) {
            const char *rest = unit + strlen(name);
            memmove(at, rest, strlen(rest) + 1);
            return;
        }
    }
}

/* "OpenSSL/3.0.19: error:0A00010B:SSL routines::wrong version number": the last part is for people. */
static void drop_library(char *words)
{
    char *error = strstr(words, ": error:"), *last = NULL;
    for (char *at = error; at && (at = strstr(at, "::")) != NULL; at += 2)
        last = at + 2;
    if (!last || !*last)
        return;
    static const char what[] = "TLS fails: ";
    size_t len = strlen(last), n = sizeof what - 1;
    if (n > (size_t)(last - words))
        return;
    memmove(words + n, last, len + 1);
    memcpy(words, what, n);
}

/* What stands before the last "@" of a proxy's URL, which libcurl repeats where it is none; of one that it cut off, all. */
static void scrub_proxy(char *words)
{
    char *end = words + strlen(words), *quote = strchr(words, '\'');
    char *at = end > words && end[-1] == '\'' ? strrchr(words, '@') : end;
    if (!at || !quote || quote > at || !strstr(words, "proxy"))
        return;
    char *slashes = strstr(quote, "://");
    char *from = slashes && slashes < at ? slashes + 3 : quote + 1;
    memset(from, '*', (size_t)(at - from));
}

/* libcurl's own words, as one of ours: printable, without a capital, the same each time. */
prophet_code http_explain(ph_http *h, CURLcode code, http_call *c, prophet_error *err)
{
    char words[CURL_ERROR_SIZE];
    const verdict *v = NULL;
    size_t n = 0;
    for (size_t i = 0; i < sizeof verdicts / sizeof *verdicts; i++)
        if (verdicts[i].from == code)
            v = &verdicts[i];
    const char *from = h->error[0] ? h->error : h->curl->easy_strerror(code);
    for (; from[n] && n < sizeof words - 1; n++)
        words[n] = (char)(from[n] >= ' ' && from[n] < 127 ? from[n] : '?');
    words[n] = 0;
    while (n > 0 && words[n - 1] == ' ')
        words[--n] = 0;
    if (words[0] >= 'A' && words[0] <= 'Z' && words[1] >= 'a' && strncmp(words, "OpenSSL", 7) != 0)
        words[0] = (char)(words[0] | 0x20);
    drop_time(words);
    drop_library(words);
    http_scrub(words, h->options.token); /* of a redirect: the host it names */
    scrub_proxy(words);
    c->temporary = v && v->temporary;
    prophet_code rc = ph_fail(err, v ? v->to : PROPHET_ENETWORK, "%s", words);
    if (v && v->hint)
        ph_hint(err, "%s", v->hint);
    else if (code == CURLE_GOT_NOTHING && strncasecmp(c->r->url, "http:", 5) == 0)
        ph_hint(err, "does the server speak TLS? then its URL begins with https://");
    return rc;
}

/* A server that repeats what it was sent must not bring a secret into a message: not the token, nor what follows a word by which one is sent. */
void http_scrub(char *text, const char *secret)
{
    static const char *const words[] = { "Bearer ", "Basic ", "Signature=" };
    size_t len = secret ? strlen(secret) : 0;
    for (char *at = text; len > 0 && (at = strstr(at, secret)) != NULL; at += len)
        memset(at, '*', len);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        for (char *at = text; (at = strcasestr(at, words[i])) != NULL;)
            for (at += strlen(words[i]); *at > ' ' && *at != ',' && *at != '"'; at++)
                *at = '*';
}

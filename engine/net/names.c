/* names: what may be the name of bytes at a place. A name becomes part of a path or of a URL, so it is checked here, once, before any transport sees it,
 * and again when a place lists what it has. Called by place.c, and by whoever takes names from a peer. */
#include "net/net_impl.h"

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

/* Shows what came, with nothing in it that a terminal would obey. */
static prophet_code refuse(const char *name, const char *why, prophet_error *err)
{
    char shown[48];
    size_t n = 0;
    for (; name[n] && n < sizeof shown - 1; n++)
        shown[n] = (char)(name[n] > ' ' && name[n] < 127 ? name[n] : '?');
    shown[n] = 0;
    return ph_fail(err, PROPHET_EUSAGE, "\"%s\" cannot name something at a place: %s", shown, why);
}

prophet_code ph_net_name_check(const char *name, prophet_error *err)
{
    size_t len = strlen(name);
    if (len == 0)
        return refuse(name, "it is empty", err);
    if (len > NET_NAME_MAX)
        return refuse(name, "it is longer than 255 bytes", err);
    for (size_t i = 0; i < len; i++) {
        bool starts = i == 0 || name[i - 1] == '/';
        if (name[i] == '/' && (starts || i == len - 1))
            return refuse(name, "an empty folder", err);
        if (name[i] == '.' && starts)
            return refuse(name, "a leading dot", err);
        if (name[i] != '/' && !is_plain(name[i]))
            return refuse(name, "only A-Z a-z 0-9 . _ - and / may be in it", err);
    }
    return PROPHET_OK;
}

/* URLs and names: what is accepted has nothing in it that a program could take for an option or a path could climb by, and nothing is shown that a terminal obeys. */
#include "net/net_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_shown(const char *url)
{
    char shown[80], all[4096];
    ph_net_show(url, shown, sizeof shown);
    ph_require(strlen(shown) < sizeof shown);
    ph_net_show(url, all, sizeof all);
    for (const char *c = all; *c; c++)
        ph_require((unsigned char)*c >= ' ' && *c != 127);
    const char *host = ph_net_is_url(url, NULL) ? strstr(all, "://") : NULL;
    if (host) { /* no user, no password, no query */
        size_t authority = strcspn(host + 3, "/");
        ph_require(!memchr(host + 3, '@', authority) && !strchr(host, '#'));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[1200], path[1200];
    net_url u;
    if (size >= sizeof text)
        return 0;
    memcpy(text, data, size);
    text[size] = 0;
    check_shown(text);
    if (net_url_parse(text, &u, NULL) >= 0) {
        ph_require(u.host[0] != '-' && u.user[0] != '-');
        ph_require(u.path[0] == 0 || u.path[0] == '/');
        ph_require(!strpbrk(u.path, "\r\n") && !strpbrk(u.host, " \r\n'\"\\;$`"));
        if (ph_pipe_ssh_path(text, path, sizeof path, NULL) >= 0)
            ph_require(path[0] != '-' && path[0] != 0);
    }
    if (ph_net_name_check(text, NULL) >= 0)
        ph_require(text[0] != '/' && text[0] != '.' && !strstr(text, "/.") &&
                   strlen(text) <= NET_NAME_MAX);
    return 0;
}

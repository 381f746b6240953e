/* ssh: the words that start a program at the far end of an ssh URL. ssh asks nobody anything (BatchMode): keys and known hosts are the user's, set up beforehand.
 * It hands the far end one line for a shell, so every word is quoted for one. Called by sync (prophet serve --stdio) and rsync.c. */
#include "net/pipe_impl.h"
#include <stdlib.h>

const char *net_ssh_program(void)
{
    const char *program = getenv("PROPHET_SSH");
    return program && program[0] ? program : "ssh";
}

static bool is_plain(const char *word)
{
    for (const char *c = word; *c; c++)
        if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
              strchr("._-/:=@%+,", *c)))
            return false;
    return word[0] != 0;
}

/* 'it'\''s' */
static void quote(ph_buf *line, const char *word)
{
    if (is_plain(word)) {
        ph_buf_str(line, word);
        return;
    }
    ph_buf_byte(line, '\'');
    for (const char *c = word; *c; c++)
        if (*c == '\'')
            ph_buf_str(line, "'\\''");
        else
            ph_buf_byte(line, (uint8_t)*c);
    ph_buf_byte(line, '\'');
}

static prophet_code line_of(const char *const *argv, ph_buf *line, prophet_error *err)
{
    for (size_t i = 0; argv[i]; i++) {
        if (strpbrk(argv[i], "\r\n"))
            return ph_fail(err, PROPHET_EUSAGE, "a word with a line end cannot go through ssh");
        if (i > 0)
            ph_buf_byte(line, ' ');
        quote(line, argv[i]);
    }
    ph_buf_byte(line, 0);
    return line->failed ? ph_nomem(err) : PROPHET_OK;
}

static prophet_code parse_ssh(const char *url, net_url *u, prophet_error *err)
{
    prophet_code rc = net_url_parse(url, u, err);
    if (rc < 0)
        return rc;
    if (!u->host[0])
        return ph_fail(err, PROPHET_EUSAGE, "%s:// names no host", u->scheme);
    return PROPHET_OK;
}

prophet_code ph_pipe_open_ssh(const char *url, const char *const *argv, ph_pipe **out,
                              prophet_error *err)
{
    const char *words[16];
    size_t n = 0;
    char port[8];
    net_url u;
    ph_buf line = PH_BUF_INIT;
    prophet_code rc;

    if ((rc = parse_ssh(url, &u, err)) < 0 || (rc = line_of(argv, &line, err)) < 0)
        goto done;
    words[n++] = net_ssh_program();
    words[n++] = "-T";
    words[n++] = "-oBatchMode=yes";
    words[n++] = "-oConnectTimeout=15";
    words[n++] = "-oServerAliveInterval=15"; /* a network that went away ends it within a minute */
    if (u.port) {
        (void)snprintf(port, sizeof port, "%u", u.port);
        words[n++] = "-p";
        words[n++] = port;
    }
    if (u.user[0]) {
        words[n++] = "-l";
        words[n++] = u.user;
    }
    words[n++] = "--";
    words[n++] = u.host;
    words[n++] = (const char *)line.data;
    words[n] = NULL;
    if ((rc = ph_pipe_open(words, out, err)) == PROPHET_ENOTFOUND)
        ph_hint(err, "install ssh, or set PROPHET_SSH to one");

done:
    ph_buf_clear(&line);
    return rc;
}

prophet_code ph_pipe_ssh_path(const char *url, char *out, size_t size, prophet_error *err)
{
    net_url u;
    prophet_code rc = parse_ssh(url, &u, err);
    if (rc < 0)
        return rc;
    const char *path = u.path, *before = "";
    if (strcmp(path, "/~") == 0 || strcmp(path, "/~/") == 0)
        path = ".";
    else if (strncmp(path, "/~/", 3) == 0)
        path += 3;
    if (!path[0] || strcmp(path, "/") == 0)
        return ph_fail(err, PROPHET_EUSAGE, "%s://%s names no path", u.scheme, u.host);
    if (path[0] == '-') /* a program could take it for an option */
        before = "./";
    int n = snprintf(out, size, "%s%s", before, path);
    return n >= 0 && (size_t)n < size ? PROPHET_OK
                                      : ph_fail(err, PROPHET_EUSAGE, "a path that is too long");
}

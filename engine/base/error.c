/* error: fills the flat error struct of the caller.
 *
 * Nothing here allocates, so it works when memory is gone. Texts that do not fit are cut at a
 * character, so that a message is valid UTF-8 whenever its parts were. */
#include "base/base.h"
#include <errno.h>
#include <stdlib.h>

_Noreturn void ph_bug(const char *cond, const char *file, int line)
{
    fprintf(stderr, "prophet: bug at %s:%d: %s\n", file, line, cond);
    abort();
}

/* Where to cut text of `len` bytes that was truncated: not inside a character. */
static size_t cut_at(const char *text, size_t len)
{
    size_t start = len;

    while (start > 0 && len - start < 3 && ((uint8_t)text[start - 1] & 0xc0) == 0x80)
        start--;
    if (start == 0 || (uint8_t)text[start - 1] < 0xc0)
        return len; /* ends in ASCII or in no character at all */
    start--;
    uint8_t lead = (uint8_t)text[start];
    size_t need = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    return len - start < need ? start : len;
}

__attribute__((format(printf, 3, 0))) static void format_into(char *out, size_t size,
                                                              const char *fmt, va_list ap)
{
    int n = vsnprintf(out, size, fmt, ap);

    if (n < 0)
        out[0] = 0;
    else if ((size_t)n >= size)
        out[cut_at(out, size - 1)] = 0;
}

static void copy_into(char *out, size_t size, prophet_slice s)
{
    size_t n = s.len;

    if (n == 0)
        return;
    if (n > size - 1)
        n = cut_at(s.data, size - 1);
    memcpy(out, s.data, n);
    out[n] = 0;
}

static void set(prophet_error *err, prophet_code code, const char *message)
{
    size_t len = strlen(message);

    memset(err, 0, sizeof *err);
    err->code = code;
    memcpy(err->message, message, len + 1);
}

prophet_code ph_fail(prophet_error *err, prophet_code code, const char *fmt, ...)
{
    char message[sizeof err->message]; /* the arguments may point into err */
    va_list ap;

    if (!err)
        return code;
    va_start(ap, fmt);
    format_into(message, sizeof message, fmt, ap);
    va_end(ap);
    set(err, code, message);
    return code;
}

static prophet_code code_of_sys(int sys)
{
    switch (sys) {
    case ENOSPC:
    case EDQUOT: return PROPHET_EFULL;
    case ENOMEM: return PROPHET_EMEMORY;
    default: return PROPHET_EIO;
    }
}

/* The way out, where the reason tells one. */
static const char *hint_of_sys(int sys)
{
    switch (sys) {
    case ENOSPC: return "make room on the disk and try again";
    case EDQUOT: return "make room in your quota and try again";
    case EROFS: return "it lies on a disk that is mounted for reading only: open it so (readonly)";
    case EACCES:
    case EPERM: return "look who owns it and who may read and write there";
    case EMFILE: return "this process has too many files open: ulimit -n says how many it may";
    case EFBIG:
        return "a file may not grow that large here: ulimit -f, or the file system, says how large";
    case ENFILE: return "the machine has too many files open";
    default: return "";
    }
}

prophet_code ph_fail_sys(prophet_error *err, int sys, const char *fmt, ...)
{
    prophet_code code = code_of_sys(sys);
    char message[sizeof err->message], reason[128];
    va_list ap;
    size_t room, len;

    if (!err)
        return code;
    va_start(ap, fmt);
    format_into(message, sizeof message, fmt, ap);
    va_end(ap);
    errno = sys;
    (void)snprintf(reason, sizeof reason, ": %m"); /* the thread-safe strerror; cut is fine */
    len = strlen(reason);
    room = sizeof message - 1 - len; /* the reason is worth more than the end of a long path */
    if (strlen(message) > room)
        message[cut_at(message, room)] = 0;
    memcpy(message + strlen(message), reason, len + 1);
    set(err, code, message);
    err->sys = sys;
    ph_hint(err, "%s", hint_of_sys(sys));
    return code;
}

prophet_code ph_fail_writing(prophet_error *err, int sys, const char *what, const char *path)
{
    prophet_code rc = ph_fail_sys(err, sys, "%s %s", what, path);
    if (sys != EACCES && sys != EPERM && sys != EROFS)
        return rc;
    if (err)
        err->code = PROPHET_EREADONLY;
    return PROPHET_EREADONLY;
}

prophet_code ph_fail_create(prophet_error *err, int sys, const char *path)
{
    prophet_code rc;
    if (sys == EEXIST)
        return ph_fail(err, PROPHET_EEXISTS, "%s exists already", path);
    if (sys != ENOENT && sys != ENOTDIR)
        return ph_fail_writing(err, sys, "create", path);
    rc = ph_fail(err, PROPHET_ENOTFOUND, "there is no directory to make %s in", path);
    ph_hint(err, "make the directory above it first");
    return rc;
}

prophet_code ph_fail_host(prophet_error *err, prophet_code code, const prophet_error *why)
{
    if (!why->message[0])
        return ph_fail(err, code, "%s", ph_code_name(code));
    if (err) {
        *err = *why;
        err->code = code;
    }
    return code;
}

prophet_code ph_nomem(prophet_error *err)
{
    return ph_fail(err, PROPHET_EMEMORY, "out of memory");
}

void ph_context(prophet_error *err, const char *fmt, ...)
{
    char prefix[sizeof err->message];
    va_list ap;
    size_t have, len, room = sizeof prefix - 1;

    if (!err)
        return;
    va_start(ap, fmt);
    format_into(prefix, sizeof prefix - 64, fmt, ap); /* leaves room for the start of the message */
    va_end(ap);
    len = strlen(prefix);
    memcpy(prefix + len, ": ", 3);
    len += 2;
    have = strlen(err->message);
    if (have > room - len)
        have = cut_at(err->message, room - len);
    memmove(err->message + len, err->message, have);
    memcpy(err->message, prefix, len);
    err->message[len + have] = 0;
}

void ph_hint(prophet_error *err, const char *fmt, ...)
{
    char hint[sizeof err->hint];
    va_list ap;

    if (!err)
        return;
    va_start(ap, fmt);
    format_into(hint, sizeof hint, fmt, ap);
    va_end(ap);
    memcpy(err->hint, hint, strlen(hint) + 1);
}

void ph_error_at(prophet_error *err, prophet_slice type, prophet_slice field)
{
    if (!err)
        return;
    copy_into(err->type, sizeof err->type, type);
    copy_into(err->field, sizeof err->field, field);
}

const char *ph_code_name(prophet_code code)
{
    static const char *const names[] = {
        "ok",          "usage",     "not_found",    "ambiguous",   "unknown_type", "unknown_field",
        "validation",  "immutable", "schema",       "stale",       "readonly",     "busy",
        "needs_scan",  "forked",    "unrelated",    "untrusted",   "network",      "remote",
        "blob_absent", "script",    "budget",       "interrupted", "corrupt",      "full",
        "io",          "memory",    "version_skew", "exists",      "unsigned"
    };
    int n = -(int)code;
    if (code == PROPHET_DONE)
        return "done";
    return n >= 0 && n < (int)(sizeof names / sizeof *names) ? names[n] : "unknown";
}

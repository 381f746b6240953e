/* The oracle's own reading of values: canonical CBOR opened into a tree, compared and printed. Shares no code with the engine. */
#include "oracle_impl.h"
#include <float.h>
#include <math.h>
#include <time.h>

enum { BOOL, NUMBER, TEXT, BYTES, TIME, REF, BLOB, LIST, MAP };

typedef struct node {
    int rank; /* the kind in index order */
    int is_float;
    int64_t number; /* integers, times, booleans, sizes */
    double real;
    const unsigned char *data; /* texts, bytes, references, hashes */
    size_t len;
    struct node
        *child; /* list: entries; map: key, value, key, value; blob: hash, size, media, name */
    size_t children;
} node;

/* ---- reading --------------------------------------------------------------------------------------------- */

static uint64_t argument(const unsigned char **p)
{
    int more = **p & 31, bytes = more < 24 ? 0 : 1 << (more - 24);
    uint64_t v = more < 24 ? (uint64_t)more : 0;

    for (++*p; bytes-- > 0; ++*p)
        v = v << 8 | **p;
    return v;
}

static node read_node(const unsigned char **p);

static void read_children(node *n, const unsigned char **p, size_t count)
{
    n->children = count;
    n->child = calloc(count + 1, sizeof *n->child);
    if (!n->child)
        abort();
    for (size_t i = 0; i < count; i++)
        n->child[i] = read_node(p);
}

static void read_tagged(node *n, const unsigned char **p, uint64_t tag)
{
    node inner = read_node(p);

    *n = inner;
    n->rank = tag == 37 ? REF : tag == 20564 ? TIME : BLOB;
}

static void read_simple(node *n, const unsigned char **p)
{
    union {
        uint64_t i;
        double d;
    } bits;

    if (**p == 0xfb) {
        bits.i = argument(p);
        n->rank = NUMBER, n->is_float = 1, n->real = bits.d;
        return;
    }
    n->rank = BOOL, n->number = **p == 0xf5;
    ++*p;
}

static node read_node(const unsigned char **p)
{
    node n = { 0 };
    int major = **p >> 5;
    uint64_t v;

    if (major == 7) {
        read_simple(&n, p);
        return n;
    }
    v = argument(p);
    if (major < 2) {
        n.rank = NUMBER, n.number = major ? -1 - (int64_t)v : (int64_t)v;
    } else if (major < 4) {
        n.rank = major == 3 ? TEXT : BYTES, n.data = *p, n.len = (size_t)v;
        *p += v;
    } else if (major < 6) {
        n.rank = major == 4 ? LIST : MAP;
        read_children(&n, p, (size_t)(major == 4 ? v : 2 * v));
    } else {
        read_tagged(&n, p, v);
    }
    return n;
}

static node open_value(oracle_bytes value)
{
    const unsigned char *p = value.data;

    return read_node(&p);
}

static void free_node(node *n)
{
    for (size_t i = 0; i < n->children; i++)
        free_node(&n->child[i]);
    free(n->child);
}

int oracle_text(oracle_bytes value, oracle_bytes *text)
{
    node n;

    if (value.len == 0)
        return 0;
    n = open_value(value);
    *text = (oracle_bytes){ n.data, n.len };
    free_node(&n);
    return n.rank == TEXT;
}

int oracle_int(oracle_bytes value, int64_t *number)
{
    node n;

    if (value.len == 0)
        return 0;
    n = open_value(value);
    *number = n.number;
    free_node(&n);
    return n.rank == NUMBER && !n.is_float;
}

/* ---- order ------------------------------------------------------------------------------------------------- */

_Static_assert(LDBL_MANT_DIG >= 64, "a long double holds every 64-bit integer");

static int number_order(const node *a, const node *b)
{
    long double x = a->is_float ? (long double)a->real : (long double)a->number;
    long double y = b->is_float ? (long double)b->real : (long double)b->number;

    return (x > y) - (x < y);
}

static int string_order(const node *a, const node *b)
{
    oracle_bytes x = { a->data, a->len }, y = { b->data, b->len };

    return bytes_order(x, y);
}

static int node_order(const node *a, const node *b);

/* Entries step by step from `first`; who has fewer comes first. */
static int children_order(const node *a, const node *b, size_t first, size_t step)
{
    for (size_t i = first; i < a->children && i < b->children; i += step) {
        int c = node_order(&a->child[i], &b->child[i]);

        if (c)
            return c;
    }
    return (a->children > b->children) - (a->children < b->children);
}

static int node_order(const node *a, const node *b)
{
    int c;

    if (a->rank != b->rank)
        return a->rank < b->rank ? -1 : 1;
    switch (a->rank) {
    case BOOL:
    case TIME:
    case NUMBER: return number_order(a, b);
    case TEXT:
    case BYTES:
    case REF: return string_order(a, b);
    case MAP:
        c = children_order(a, b, 0, 2); /* all keys, then all values */
        return c ? c : children_order(a, b, 1, 2);
    default: return children_order(a, b, 0, 1);
    }
}

int oracle_compare(oracle_bytes a, oracle_bytes b)
{
    node x, y;
    int c;

    if (a.len == 0 || b.len == 0)
        return (a.len > 0) - (b.len > 0);
    x = open_value(a);
    y = open_value(b);
    c = node_order(&x, &y);
    free_node(&x);
    free_node(&y);
    return c;
}

/* ---- JSON --------------------------------------------------------------------------------------------------- */

static void print_text(FILE *out, const unsigned char *p, size_t len)
{
    putc('"', out);
    for (size_t i = 0; i < len; i++) {
        if (p[i] < 32)
            fprintf(out, "\\u%04x", p[i]);
        else
            fprintf(out, p[i] == '"' || p[i] == '\\' ? "\\%c" : "%c", p[i]);
    }
    putc('"', out);
}

/* The shortest digits that read back; where the rounded ones do not, a neighbour may. */
static void shortest(double d, char digits[32], int *exponent)
{
    char text[64], at[64];

    for (int count = 1; count <= 17; count++) {
        for (int step = 0; step < 3; step++) { /* as rounded, one up, one down */
            unsigned long long whole;

            snprintf(text, sizeof text, "%.*e", count - 1, d);
            *exponent = atoi(strchr(text, 'e') + 1); /* NOLINT: our own text */
            size_t n = 0;
            for (char *p = text; *p != 'e'; p++)
                if (*p != '.')
                    digits[n++] = *p;
            digits[n] = 0;
            whole = strtoull(digits, NULL, 10) + (step == 1) - (step == 2);
            snprintf(digits, 32, "%llu", whole);
            if ((int)strlen(digits) != count)
                continue; /* 99 became 100: found with fewer digits, or not at all */
            snprintf(at, sizeof at, "%se%d", digits, *exponent - count + 1);
            if (strtod(at, NULL) == d)
                return;
        }
    }
    abort(); /* 17 digits always do */
}

static void print_float(FILE *out, double d)
{
    char digits[32];
    int exponent, n;

    if (d < 0)
        putc('-', out);
    if (d == 0) {
        fputs("0.0", out);
        return;
    }
    shortest(fabs(d), digits, &exponent);
    for (n = (int)strlen(digits); n > 1 && digits[n - 1] == '0'; n--)
        digits[n - 1] = 0;
    if (exponent < -4 || exponent >= 16) {
        fprintf(out, n > 1 ? "%c.%se%c%02d" : "%c%se%c%02d", digits[0], digits + 1,
                exponent < 0 ? '-' : '+', abs(exponent));
    } else if (exponent < 0) {
        fprintf(out, "0.%.*s%s", -exponent - 1, "000", digits);
    } else {
        for (int i = 0; i <= exponent; i++)
            putc(i < n ? digits[i] : '0', out);
        fprintf(out, ".%s", n > exponent + 1 ? digits + exponent + 1 : "0");
    }
}

static void print_time(FILE *out, int64_t ms)
{
    int64_t rest = ms % 1000 < 0 ? ms % 1000 + 1000 : ms % 1000;
    time_t seconds = (time_t)(ms / 1000 - (ms % 1000 < 0));
    struct tm t;
    long year;

    if (!gmtime_r(&seconds, &t))
        abort();
    year = (long)t.tm_year + 1900;
    fputs("{\"$time\":\"", out);
    if (year >= 0 && year <= 9999)
        fprintf(out, "%04ld", year);
    else
        fprintf(out, "%+07ld", year);
    fprintf(out, "-%02d-%02dT%02d:%02d:%02d.%03dZ\"}", t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min,
            t.tm_sec, (int)rest);
}

static void print_base64(FILE *out, const unsigned char *p, size_t len)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t bit = 0; bit < len * 8; bit += 6) {
        unsigned v = 0;

        for (size_t i = bit; i < bit + 6; i++)
            v = v << 1 | (i < len * 8 ? (unsigned)p[i / 8] >> (7 - i % 8) & 1u : 0);
        putc(letters[v], out);
    }
    fputs(len % 3 == 1 ? "==" : len % 3 == 2 ? "=" : "", out);
}

static void print_hex(FILE *out, const unsigned char *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        fprintf(out, "%02x", p[i]);
}

static void print_uuid(FILE *out, const unsigned char *p)
{
    for (size_t i = 0; i < 16; i++)
        fprintf(out, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", p[i]);
}

static void print_node(FILE *out, const node *n);

/* Keys by their bytes: the least not yet printed, again and again. */
static void print_map(FILE *out, const node *n)
{
    const node *last = NULL;

    putc('{', out);
    for (size_t done = 0; done < n->children / 2; done++) {
        const node *next = NULL;

        for (size_t i = 0; i < n->children; i += 2)
            if ((!last || string_order(&n->child[i], last) > 0) &&
                (!next || string_order(&n->child[i], next) < 0))
                next = &n->child[i];
        if (!next)
            abort();
        if (last)
            putc(',', out);
        print_node(out, next);
        putc(':', out);
        print_node(out, next + 1);
        last = next;
    }
    putc('}', out);
}

static void print_node(FILE *out, const node *n)
{
    switch (n->rank) {
    case BOOL: fputs(n->number ? "true" : "false", out); break;
    case NUMBER:
        if (n->is_float)
            print_float(out, n->real);
        else
            fprintf(out, "%lld", (long long)n->number);
        break;
    case TEXT: print_text(out, n->data, n->len); break;
    case BYTES:
        fputs("{\"$bytes\":\"", out);
        print_base64(out, n->data, n->len);
        fputs("\"}", out);
        break;
    case TIME: print_time(out, n->number); break;
    case REF:
        fputs("{\"$ref\":\"", out);
        print_uuid(out, n->data);
        fputs("\"}", out);
        break;
    case BLOB:
        fputs("{\"$blob\":\"", out);
        print_hex(out, n->child[0].data, n->child[0].len);
        fputs("\",\"media\":", out);
        print_node(out, &n->child[2]);
        fputs(",\"name\":", out);
        print_node(out, &n->child[3]);
        fprintf(out, ",\"size\":%lld}", (long long)n->child[1].number);
        break;
    case LIST:
        for (size_t i = 0; i < n->children; i++) {
            putc(i ? ',' : '[', out);
            print_node(out, &n->child[i]);
        }
        fputs(n->children ? "]" : "[]", out);
        break;
    default: print_map(out, n);
    }
}

void oracle_print(FILE *out, oracle_bytes value)
{
    node n = open_value(value);

    print_node(out, &n);
    free_node(&n);
}

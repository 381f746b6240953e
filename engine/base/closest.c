/* closest: "did you mean". Finds the nearest known name to a mistyped one.
 *
 * Optimal string alignment (Damerau: insert, delete, replace, swap of neighbours), over bytes.
 * Names are at most 96 bytes; longer ones are never suggested. */
#include "base/base.h"

#define LONGEST 128

static size_t min2(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t distance(const char *a, size_t alen, const char *b, size_t blen)
{
    size_t rows[3][LONGEST + 1];
    size_t *before = rows[0], *last = rows[1], *row = rows[2], *spare;

    for (size_t j = 0; j <= blen; j++) {
        before[j] = 0;
        last[j] = j;
    }
    for (size_t i = 1; i <= alen; i++) {
        row[0] = i;
        for (size_t j = 1; j <= blen; j++) {
            size_t replace = last[j - 1] + (a[i - 1] != b[j - 1]);
            row[j] = min2(replace, min2(last[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = min2(row[j], before[j - 2] + 1);
        }
        spare = before;
        before = last;
        last = row;
        row = spare;
    }
    return last[blen];
}

const char *ph_closest(const char *name, const char *const *names, size_t count)
{
    size_t len = strlen(name), limit = 1 + len / 5, best = limit + 1;
    const char *found = NULL;

    if (len > LONGEST)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        size_t other = strlen(names[i]), longer = other > len ? other : len, d;
        if (other > LONGEST || longer - min2(other, len) > limit)
            continue;
        d = distance(name, len, names[i], other);
        if (d < best && (d < longer || d == 0)) { /* a name with no letter in common is no help */
            best = d;
            found = names[i];
        }
    }
    return found;
}

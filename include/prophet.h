/* prophet.h: the C face of Prophet.
 *
 * Every call that can fail takes `err` last (NULL is fine) and returns a code: 0 done, > 0 a normal
 * outcome without a value, < 0 failed and *out untouched. `T **out` is yours to free; `const T *`
 * is borrowed. Handles belong to one thread at a time. */
#ifndef PROPHET_H
#define PROPHET_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif
#ifndef PROPHET_API
#define PROPHET_API __attribute__((visibility("default")))
#endif

/* ---- results ------------------------------------------------------------------------------- */

/* What went wrong, for programs to branch on; prophet_code_name gives the name Lua shows. */
typedef enum prophet_code {
    PROPHET_OK = 0,
    PROPHET_DONE = 1,           /* the end of a list; not an error */
    PROPHET_EUSAGE = -1,        /* the caller broke a documented rule */
    PROPHET_ENOTFOUND = -2,
    PROPHET_EAMBIGUOUS = -3,
    PROPHET_ETYPE = -4,         /* unknown_type */
    PROPHET_EFIELD = -5,        /* unknown_field */
    PROPHET_EVALIDATION = -6,
    PROPHET_EIMMUTABLE = -7,
    PROPHET_ESCHEMA = -8,
    PROPHET_ESTALE = -9,
    PROPHET_EREADONLY = -10,
    PROPHET_EBUSY = -11,
    PROPHET_ENEEDSSCAN = -12,
    PROPHET_EFORKED = -13,
    PROPHET_EUNRELATED = -14,
    PROPHET_EUNTRUSTED = -15,
    PROPHET_ENETWORK = -16,
    PROPHET_EREMOTE = -17,
    PROPHET_EBLOBABSENT = -18,
    PROPHET_ESCRIPT = -19,
    PROPHET_EBUDGET = -20,
    PROPHET_EINTERRUPTED = -21,
    PROPHET_ECORRUPT = -22,
    PROPHET_EFULL = -23,
    PROPHET_EIO = -24,
    PROPHET_EMEMORY = -25,
    PROPHET_EVERSION = -26,     /* version_skew: written by a format we do not read */
    PROPHET_EEXISTS = -27,
    PROPHET_EUNSIGNED = -28
} prophet_code;

/* Filled once by whoever first knows; owned by the caller, nothing to free. Unused members are "". */
typedef struct prophet_error {
    prophet_code code;
    int          sys;           /* errno or a library's code underneath, or 0 */
    char         message[320];
    char         hint[200];     /* the way out */
    char         type[72];
    char         field[104];
    char         record[40];
    char         value[80];     /* the offending value, shortened, as JSON */
    char         cause[160];
} prophet_error;

/* Borrowed bytes. */
typedef struct prophet_slice {
    const void *data;
    size_t      len;
} prophet_slice;

#ifdef __cplusplus
}
#endif
#endif

/* What the files of crypto share. */
#ifndef PH_CRYPTO_IMPL_H
#define PH_CRYPTO_IMPL_H
#include "crypto/crypto.h"

/* Turns OpenSSL's error queue into err (and empties it): EMEMORY when memory ran out, else EIO with
 * the library's words as cause. `what` names what we wanted. */
prophet_code ph_crypto_fail(prophet_error *err, const char *what);
/* True when the queue says that memory ran out. Does not empty it. */
bool ph_crypto_starved(void);

#endif

/* What the files of full text share inside index/: stemmers by language. */
#ifndef PH_WORDS_IMPL_H
#define PH_WORDS_IMPL_H
#include "index/index_impl.h"

typedef struct stems stems; /* stemmers, opened when first asked for */

prophet_code ph_stems_new(stems **out, prophet_error *err);
void         ph_stems_free(stems *s);
/* The stem of a folded word, in memory of the stemmer until the next call; the word itself where a language has none. len 0: no memory. */
prophet_slice ph_stems_of(stems *s, unsigned language, prophet_slice word);

#endif

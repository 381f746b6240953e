/* What writes and reads ordered values shares: the codes of their kinds, in order. */
#ifndef PH_INDEX_ORDERED_IMPL_H
#define PH_INDEX_ORDERED_IMPL_H
#include "index/index_impl.h"

enum {
    CODE_ABSENT = PH_IX_ABSENT,
    CODE_BOOL = 0x10,
    CODE_NUMBER = 0x20,
    CODE_TEXT = 0x30,
    CODE_BYTES = 0x40,
    CODE_TIME = 0x50,
    CODE_REF = 0x60,
    CODE_BLOB = 0x70,
    CODE_LIST = 0x80,
    CODE_MAP = 0x90
};

#define PH_ORDERED_WIDE 9007199254740992.0 /* 2^53: up to here floats have every integer */

#endif

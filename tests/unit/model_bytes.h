/* Bytes for the tests of model: written as hex with spaces where a reader wants them. Each lies in
 * a heap block of its exact size until the program ends, so that a sanitizer sees a read too far. */
#ifndef MODEL_BYTES_H
#define MODEL_BYTES_H
#include "model/model.h"
#include "support/test.h"
#include <stdlib.h>

/* The parts bodies are made of; names are 0 1 2 where positions are used. */
#define SALT    "01 50 000102030405060708090a0b0c0d0e0f "
#define TIME    "02 1b 0000018bcfe56800 "
#define TICKET  "01 66 7469636b6574 " /* type "ticket" */
#define RECORD  "02 50 11111111111111111111111111111111 "
#define RECORD2 "02 50 22222222222222222222222222222222 "
#define CREATE  "03 00 "
#define UPDATE  "03 01 "
#define DELETE  "03 02 "
#define A32(b)  b b b b b b b b b b b b b b b b b b b b b b b b b b b b b b b b

static inline prophet_slice bytes_of(const char *hex)
{
    size_t len = 0, digits = 0;
    char *text = malloc(strlen(hex) + 1);
    uint8_t *out;

    REQUIRE(text != NULL);
    for (const char *p = hex; *p; p++)
        if (*p != ' ')
            text[digits++] = *p;
    len = digits / 2;
    out = malloc(len ? len : 1);
    REQUIRE(out && ph_unhex(text, digits, out, len));
    free(text);
    return ph_slice(out, len);
}

static inline void done_with(prophet_slice bytes)
{
    free((void *)(uintptr_t)bytes.data);
}

static inline prophet_slice text_of(const char *s)
{
    return ph_slice_str(s);
}

#endif

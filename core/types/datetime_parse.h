/*
 * Inside of date and time input: tokens and the state of one parse.
 */
#ifndef CORE_TYPES_DATETIME_PARSE_H
#define CORE_TYPES_DATETIME_PARSE_H

#include "core/types/datetime_int.h"

#define TOKENS_MAX 25
#define TOKEN_BYTES_MAX 256

typedef enum TokenKind {
    TOK_NUMBER,
    TOK_WORD,
    TOK_DATE,
    TOK_TIME,
    TOK_ZONE,
    TOK_SPECIAL
} TokenKind;

typedef struct Tokens {
    int n;
    TokenKind kind[TOKENS_MAX];
    char *text[TOKENS_MAX]; /* lower case, zero-terminated */
    char bytes[TOKEN_BYTES_MAX];
} Tokens;

/* Splits text; at most `cap` bytes of tokens and their zeros. */
ParseError scan_tokens(const char *text, size_t cap, Tokens *t);

/* ".123" to a fraction below 1; p at the point. */
ParseError parse_fraction(const char *p, double *out);
/* "hh:mm[:ss[.fff]]" as a time of day or, with wide hours, as an interval's time. range: interval
 * field mask. Fields go to hour, minute, second, us. */
ParseError parse_clock(const char *s, int range, int64_t *hour, int *minute, int *second, int *us);

/* ---- dates and times: what datetime_parse.c and datetime_parse_fields.c share ---- */

/* Fields seen so far. */
#define H_YEAR 1u
#define H_MONTH 2u
#define H_DAY 4u
#define H_DATE (H_YEAR | H_MONTH | H_DAY)
#define H_DOY 8u
#define H_HOUR 16u
#define H_MINUTE 8192u
#define H_SECOND 16384u
#define H_FRACTION 32768u
#define H_TIME (H_HOUR | H_MINUTE | H_SECOND | H_FRACTION)
#define H_TZ 32u
#define H_DTZ 64u
#define H_DTZMOD 128u
#define H_DYNTZ 256u
#define H_AMPM 512u
#define H_ADBC 1024u
#define H_DOW 2048u
#define H_SPECIAL 4096u

typedef struct Parse {
    Tokens tok;
    Civil *c;
    bool time_only;
    ParsedKind kind;
    unsigned have;
    int i;                   /* token at hand */
    DtUnit prefix;           /* a word that labels the next number: "j", "t" */
    bool text_month;         /* the month came as a name */
    bool two_digits;         /* the year has at most two digits */
    bool julian, bc;
    int ampm;                /* 0 none, 1 am, 2 pm */
    const Zone *named;       /* zone whose offset needs the date */
    const Zone *dynamic;     /* the same for an abbreviation */
    const char *abbrev;
    int offset;              /* east */
    bool date_first;         /* time_only: the first token was read as a date */
} Parse;

/* Takes token p->i into the fields; *got says which. *ignored: a word without meaning. */
ParseError parse_token(Parse *p, char *s, unsigned *got, bool *ignored);

#endif

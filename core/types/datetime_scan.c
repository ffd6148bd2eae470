/*
 * Date, time and interval input, first step: text to tokens.
 *
 * A token is a run that belongs together: digits with ':' (a time), digits or a month name with
 * '-', '/' or '.' (a date, or a zone name such as america/new_york), a signed number (a zone
 * offset, or an interval's signed number), a word, a signed word, a plain number. Other punctuation
 * and white space only separate. What a token means is decided later.
 */
#include "core/types/datetime_parse.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

typedef struct Scanner {
    const char *p;
    char *out, *end;
    bool full;
} Scanner;

static inline void
take(Scanner *s)
{
    if (s->out + 1 < s->end)
        *s->out++ = to_lower(*s->p);
    else
        s->full = true;
    s->p++;
}

static inline void
take_digits(Scanner *s)
{
    while (is_digit(*s->p))
        take(s);
}

static inline bool
is_alnum(char c)
{
    return is_digit(c) || is_alpha(c);
}

static TokenKind
scan_from_digit(Scanner *s)
{
    take_digits(s);
    if (*s->p == ':') {
        while (is_digit(*s->p) || *s->p == ':' || *s->p == '.')
            take(s);
        return TOK_TIME;
    }
    if (*s->p == '-' || *s->p == '/' || *s->p == '.') {
        char delim = *s->p;
        take(s);
        if (is_digit(*s->p)) {
            TokenKind kind = delim == '.' ? TOK_NUMBER : TOK_DATE;
            take_digits(s);
            if (*s->p == delim) { /* three fields need equal delimiters */
                kind = TOK_DATE;
                take(s);
                while (is_digit(*s->p) || *s->p == delim)
                    take(s);
            }
            return kind;
        }
        while (is_alnum(*s->p) || *s->p == delim) /* a month's name inside */
            take(s);
        return TOK_DATE;
    }
    return TOK_NUMBER;
}

static TokenKind
scan_from_letter(Scanner *s, const char *start)
{
    while (is_alpha(*s->p))
        take(s);
    bool date = *s->p == '-' || *s->p == '/' || *s->p == '.';
    if (!date && (*s->p == '+' || is_digit(*s->p))) {
        int value;
        *s->out = 0;
        /* A word we know, run together with what follows ("T1010"), or part of a zone's name
         * ("gmt+1"). */
        date = word_find(start, &value) == W_UNKNOWN;
    }
    if (!date)
        return TOK_WORD;
    do
        take(s);
    while (*s->p == '+' || *s->p == '-' || *s->p == '/' || *s->p == '_' || *s->p == '.' ||
           *s->p == ':' || is_alnum(*s->p));
    return TOK_DATE;
}

ParseError
scan_tokens(const char *text, size_t cap, Tokens *t)
{
    Scanner s = {text, t->bytes, t->bytes + MIN(cap, sizeof t->bytes), false};
    t->n = 0;
    while (*s.p) {
        if (is_space(*s.p)) {
            s.p++;
            continue;
        }
        TokenKind kind;
        if (t->n >= TOKENS_MAX)
            return PARSE_BAD_FORMAT;
        char *start = s.out;
        t->text[t->n] = start;
        if (is_digit(*s.p))
            kind = scan_from_digit(&s);
        else if (*s.p == '.') {
            take(&s);
            take_digits(&s);
            kind = TOK_NUMBER;
        } else if (is_alpha(*s.p))
            kind = scan_from_letter(&s, start);
        else if (*s.p == '+' || *s.p == '-') {
            take(&s);
            while (is_space(*s.p))
                s.p++;
            if (is_digit(*s.p)) {
                kind = TOK_ZONE;
                while (is_digit(*s.p) || *s.p == ':' || *s.p == '.' || *s.p == '-')
                    take(&s);
            } else if (is_alpha(*s.p)) {
                kind = TOK_SPECIAL;
                while (is_alpha(*s.p))
                    take(&s);
            } else
                return PARSE_BAD_FORMAT;
        } else if (is_punct(*s.p)) {
            s.p++;
            continue;
        } else
            return PARSE_BAD_FORMAT;
        if (s.full || s.out >= s.end)
            return PARSE_BAD_FORMAT;
        *s.out++ = 0;
        t->kind[t->n++] = kind;
    }
    return PARSE_OK;
}

double
scan_double(const char *s, const char **end, bool *range_error)
{
    char *stop;
    errno = 0;
    double v = strtod(s, &stop);
    *end = stop;
    *range_error = errno != 0;
    return v;
}

ParseError
parse_fraction(const char *p, double *out)
{
    ASSERT(*p == '.');
    *out = 0;
    if (p[1] == 0)
        return PARSE_OK;
    const char *end;
    bool range;
    *out = scan_double(p, &end, &range);
    return *end || range ? PARSE_BAD_FORMAT : PARSE_OK;
}

ParseError
parse_clock(const char *s, int range, int64_t *hour, int *minute, int *second, int *us)
{
    const char *p;
    int64_t h;
    int m, sec = 0;
    double frac = 0;
    ParseError e;
    if (!scan_int64(s, &p, &h))
        return PARSE_OVERFLOW;
    if (*p != ':')
        return PARSE_BAD_FORMAT;
    if (!scan_int(p + 1, &p, &m))
        return PARSE_OVERFLOW;
    bool shift = false; /* the two fields are minutes and seconds */
    if (*p == 0)
        shift = range == (IMASK_MINUTE | IMASK_SECOND);
    else if (*p == '.') {
        if ((e = parse_fraction(p, &frac)) != PARSE_OK)
            return e;
        shift = true;
    } else if (*p == ':') {
        if (!scan_int(p + 1, &p, &sec))
            return PARSE_OVERFLOW;
        if (*p == '.') {
            if ((e = parse_fraction(p, &frac)) != PARSE_OK)
                return e;
        } else if (*p)
            return PARSE_BAD_FORMAT;
    } else
        return PARSE_BAD_FORMAT;
    if (shift) {
        if (h > INT32_MAX || h < INT32_MIN)
            return PARSE_OVERFLOW;
        sec = m;
        m = (int)h;
        h = 0;
    }
    *us = (int)rint(frac * 1000000);
    if (h < 0 || m < 0 || m > 59 || sec < 0 || sec > 60 || *us < 0 || *us > US_PER_SEC)
        return PARSE_OVERFLOW;
    *hour = h;
    *minute = m;
    *second = sec;
    return PARSE_OK;
}

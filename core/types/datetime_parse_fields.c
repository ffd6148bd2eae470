/*
 * Date and time input, second step: what each token says.
 *
 * A token fills one or more fields of the parse. What a bare number means depends on the fields
 * already there, on its digits, and on DateStyle's order. The rules are PostgreSQL's (its
 * documentation, appendix B), including the odd ones: tests/types_datetime_cases_test.c holds them
 * to its answers.
 */
#include "core/types/datetime_parse.h"

#include <math.h>

ParseError
parse_zone_offset(const char *s, int *offset)
{
    const char *p;
    int h, m = 0, sec = 0;
    if (*s != '+' && *s != '-')
        return PARSE_BAD_FORMAT;
    if (!scan_int(s + 1, &p, &h))
        return PARSE_ZONE_OVERFLOW;
    if (*p == ':') {
        if (!scan_int(p + 1, &p, &m))
            return PARSE_ZONE_OVERFLOW;
        if (*p == ':' && !scan_int(p + 1, &p, &sec))
            return PARSE_ZONE_OVERFLOW;
    } else if (*p == 0 && strlen(s) > 3) {
        m = h % 100;
        h /= 100;
    }
    if (h < 0 || h > 15 || m < 0 || m > 59 || sec < 0 || sec > 59)
        return PARSE_ZONE_OVERFLOW;
    int v = (h * 60 + m) * 60 + sec;
    *offset = *s == '-' ? -v : v;
    return *p ? PARSE_BAD_FORMAT : PARSE_OK;
}

static void
set_julian(Civil *c, int64_t julian)
{
    civil_from_days(julian - JULIAN_OF_PG_EPOCH, &c->year, &c->month, &c->day);
}

static int
digits_value(const char *s, size_t n)
{
    int64_t v = 0; /* as a 32-bit atoi of a long would leave it */
    for (size_t i = 0; i < n; i++)
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, s[i] - '0', &v))
            return -1;
    return (int)v;
}

/* A run of digits that is a whole date (yymmdd, yyyymmdd ...) or a whole time (hhmm, hhmmss). */
static ParseError
take_digit_run(Parse *p, char *s, unsigned have, unsigned *got, bool *is_time)
{
    Civil *c = p->c;
    size_t n = strlen(s);
    char *point = strchr(s, '.');
    *is_time = false;
    if (point) {
        if (point[1] == 0)
            c->us = 0;
        else {
            const char *end;
            bool range;
            double frac = scan_double(point, &end, &range);
            if (range)
                return PARSE_BAD_FORMAT;
            c->us = (int)rint(frac * 1000000);
        }
        *point = 0;
        n = (size_t)(point - s);
    } else if ((have & H_DATE) != H_DATE && n >= 6) {
        c->day = digits_value(s + n - 2, 2);
        c->month = digits_value(s + n - 4, 2);
        c->year = digits_value(s, n - 4);
        if (n - 4 == 2)
            p->two_digits = true;
        *got = H_DATE;
        return PARSE_OK;
    }
    if ((have & H_TIME) != H_TIME && (n == 6 || n == 4)) {
        c->second = n == 6 ? digits_value(s + 4, 2) : 0;
        c->minute = digits_value(s + 2, 2);
        c->hour = digits_value(s, 2);
        *got = H_TIME;
        *is_time = true;
        return PARSE_OK;
    }
    return PARSE_BAD_FORMAT;
}

/* One number that is a single field of the date, chosen by what is known already. */
static ParseError
take_number(Parse *p, char *s, bool text_month, unsigned have, unsigned *got)
{
    Civil *c = p->c;
    const char *end;
    int v;
    size_t n = strlen(s);
    bool is_time;
    *got = 0;
    if (!scan_int(s, &end, &v))
        return PARSE_OVERFLOW;
    if (end == s)
        return PARSE_BAD_FORMAT;
    if (*end == '.') {
        if (end - s > 2) /* 2001.360, 20011225.5, 040506.789 */
            return take_digit_run(p, s, have | H_DATE, got, &is_time);
        double frac;
        ParseError e = parse_fraction(end, &frac);
        if (e != PARSE_OK)
            return e;
        c->us = (int)rint(frac * 1000000);
    } else if (*end)
        return PARSE_BAD_FORMAT;

    if (n == 3 && (have & H_DATE) == H_YEAR && v >= 1 && v <= 366) {
        *got = H_DOY | H_MONTH | H_DAY;
        c->yday = v;
        return PARSE_OK;
    }
    switch (have & H_DATE) {
    case 0:
        *got = n >= 3 || date_order == ORDER_YMD ? H_YEAR
               : date_order == ORDER_DMY         ? H_DAY
                                                 : H_MONTH;
        break;
    case H_YEAR:
        *got = H_MONTH;
        break;
    case H_MONTH:
        /* After a month's name a long number is the year. */
        *got = text_month && (n >= 3 || date_order == ORDER_YMD) ? H_YEAR : H_DAY;
        break;
    case H_YEAR | H_MONTH:
        *got = H_DAY;
        if (text_month && n >= 3 && p->two_digits) { /* DD-MON-YYYY while YMD was expected */
            c->day = c->year;
            c->year = v;
            p->two_digits = false;
            return PARSE_OK;
        }
        break;
    case H_DAY:
        *got = H_MONTH;
        break;
    case H_MONTH | H_DAY:
        *got = H_YEAR;
        break;
    case H_DATE:
        return take_digit_run(p, s, have, got, &is_time);
    default:
        return PARSE_BAD_FORMAT;
    }
    if (*got == H_YEAR) {
        c->year = v;
        p->two_digits = n <= 2;
    } else if (*got == H_MONTH)
        c->month = v;
    else
        c->day = v;
    return PARSE_OK;
}

/* A token that is a date by itself: parts in any order, one of them perhaps a month's name. */
static ParseError
take_date(Parse *p, char *s, unsigned *got)
{
    char *part[TOKENS_MAX];
    int n = 0;
    bool text_month = false;
    unsigned have = p->have, one;
    *got = 0;
    while (*s && n < TOKENS_MAX) {
        while (*s && !is_digit(*s) && !is_alpha(*s))
            s++;
        if (!*s)
            return PARSE_BAD_FORMAT; /* ends in a separator */
        part[n++] = s;
        if (is_digit(*s))
            while (is_digit(*s))
                s++;
        else
            while (is_alpha(*s))
                s++;
        if (*s)
            *s++ = 0;
    }
    for (int i = 0; i < n; i++) {
        if (!is_alpha(*part[i]))
            continue;
        int v;
        WordKind k = word_find(part[i], &v);
        if (k == W_IGNORE)
            continue;
        if (k != W_MONTH || (have & H_MONTH))
            return PARSE_BAD_FORMAT;
        p->c->month = v;
        text_month = true;
        have |= H_MONTH;
        *got |= H_MONTH;
        part[i] = NULL;
    }
    for (int i = 0; i < n; i++) {
        if (!part[i])
            continue;
        if (!*part[i])
            return PARSE_BAD_FORMAT;
        ParseError e = take_number(p, part[i], text_month, have, &one);
        if (e != PARSE_OK)
            return e;
        if (have & one)
            return PARSE_BAD_FORMAT;
        have |= one;
        *got |= one;
    }
    return (have & ~(H_DOY | H_TZ)) == H_DATE ? PARSE_OK : PARSE_BAD_FORMAT;
}

static NORETURN void
raise_unknown_zone(const char *name)
{
    RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "time zone \"%s\" not recognized", name);
}

/* "040506-08": digits of a time with a zone offset behind. */
static ParseError
take_time_with_zone(Parse *p, char *s, unsigned have, unsigned *got)
{
    bool is_time;
    char *sign = strchr(s, '-');
    if ((p->have & H_TIME) == H_TIME || !sign)
        return PARSE_BAD_FORMAT;
    ParseError e = parse_zone_offset(sign, &p->offset);
    if (e != PARSE_OK)
        return e;
    *sign = 0;
    e = take_digit_run(p, s, have, got, &is_time);
    if (e != PARSE_OK)
        return e;
    if (p->time_only)
        p->tok.kind[p->i] = is_time ? TOK_TIME : TOK_DATE;
    *got |= H_TZ;
    return PARSE_OK;
}

static ParseError
on_date(Parse *p, char *s, unsigned *got)
{
    const Tokens *t = &p->tok;
    if (p->time_only) {
        if (p->i == 0 && t->n >= 2 && (t->kind[t->n - 1] == TOK_DATE || t->kind[1] == TOK_TIME))
            return take_date(p, s, got);
        if (is_digit(*s))
            return take_time_with_zone(p, s, p->have | H_DATE, got);
    } else if (p->prefix == U_JULIAN) { /* "J2451187-08" */
        const char *end;
        int day;
        if (!scan_int(s, &end, &day) || day < 0)
            return PARSE_OVERFLOW;
        set_julian(p->c, day);
        p->julian = true;
        p->prefix = U_NONE;
        *got = H_DATE | H_TIME | H_TZ;
        return parse_zone_offset(end, &p->offset);
    } else if (p->prefix != U_NONE || (p->have & (H_MONTH | H_DAY)) == (H_MONTH | H_DAY)) {
        if (is_digit(*s) || p->prefix != U_NONE) {
            if (p->prefix != U_NONE && p->prefix != U_TIME)
                return PARSE_BAD_FORMAT;
            p->prefix = U_NONE;
            return take_time_with_zone(p, s, p->have, got);
        }
    } else
        return take_date(p, s, got);
    /* A zone's name with punctuation in it. */
    p->named = zone_find(s);
    if (!p->named)
        raise_unknown_zone(s);
    if (p->time_only)
        p->tok.kind[p->i] = TOK_ZONE;
    *got = H_TZ;
    return PARSE_OK;
}

static ParseError
on_time(Parse *p, const char *s, unsigned *got)
{
    Civil *c = p->c;
    int64_t hour;
    if (p->prefix != U_NONE) {
        if (p->prefix != U_TIME)
            return PARSE_BAD_FORMAT;
        p->prefix = U_NONE;
    }
    ParseError e = parse_clock(s, IRANGE_FULL, &hour, &c->minute, &c->second, &c->us);
    if (e != PARSE_OK)
        return e;
    if (hour > INT32_MAX)
        return PARSE_OVERFLOW;
    c->hour = (int)hour;
    *got = H_TIME;
    if (!p->time_only && !time_fields_ok(c->hour, c->minute, c->second, c->us))
        return PARSE_OVERFLOW;
    return PARSE_OK;
}

/* The fraction of a labelled number; end at its point, or at the end. */
static ParseError
labelled_fraction(Parse *p, const char *end, unsigned *got)
{
    bool range;
    double frac;
    if (*end == 0)
        return PARSE_OK;
    if (p->prefix == U_SECOND) {
        ParseError e = parse_fraction(end, &frac);
        p->c->us = (int)rint(frac * 1000000);
        *got |= H_FRACTION;
        return e;
    }
    frac = scan_double(end, &end, &range);
    if (*end || range)
        return PARSE_BAD_FORMAT;
    civil_set_time(p->c, (int64_t)(frac * (double)US_PER_DAY));
    *got |= H_TIME;
    return PARSE_OK;
}

/* A number whose meaning the word before it gave: "julian 2451187.5", "t 040506", "y2001m02d03". */
static ParseError
on_labelled_number(Parse *p, char *s, unsigned *got)
{
    Civil *c = p->c;
    const char *end;
    int v;
    bool is_time;
    ParseError e = PARSE_OK;
    if (!scan_int(s, &end, &v))
        return PARSE_OVERFLOW;
    if (*end != '.' && *end)
        return PARSE_BAD_FORMAT;
    if (*end == '.' && p->prefix != U_JULIAN && p->prefix != U_TIME && p->prefix != U_SECOND)
        return PARSE_BAD_FORMAT;
    switch (p->prefix) {
    case U_YEAR:
        c->year = v;
        *got = H_YEAR;
        break;
    case U_MONTH: /* "m" after an hour means minutes */
        if ((p->have & H_MONTH) && (p->have & H_HOUR)) {
            c->minute = v;
            *got = H_MINUTE;
        } else {
            c->month = v;
            *got = H_MONTH;
        }
        break;
    case U_DAY:
        c->day = v;
        *got = H_DAY;
        break;
    case U_HOUR:
        c->hour = v;
        *got = H_HOUR;
        break;
    case U_MINUTE:
        c->minute = v;
        *got = H_MINUTE;
        break;
    case U_SECOND:
        c->second = v;
        *got = H_SECOND;
        e = labelled_fraction(p, end, got);
        break;
    case U_JULIAN:
        if (v < 0)
            return PARSE_OVERFLOW;
        *got = H_DATE;
        set_julian(c, v);
        p->julian = true;
        e = labelled_fraction(p, end, got);
        break;
    case U_TIME:
        e = take_digit_run(p, s, p->have | H_DATE, got, &is_time);
        if (e == PARSE_OK && *got != H_TIME)
            e = PARSE_BAD_FORMAT;
        break;
    default:
        return PARSE_BAD_FORMAT;
    }
    p->prefix = U_NONE;
    if (!p->time_only)
        p->kind = PARSED_DATE;
    return e;
}

static ParseError
on_number(Parse *p, char *s, unsigned *got)
{
    const Tokens *t = &p->tok;
    bool is_time;
    if (p->prefix != U_NONE)
        return on_labelled_number(p, s, got);
    size_t n = strlen(s);
    const char *point = strchr(s, '.');
    if (p->time_only) {
        unsigned have = p->have | H_DATE;
        ParseError e;
        if (point && p->i == 0 && t->n >= 2 && t->kind[t->n - 1] == TOK_DATE)
            return take_date(p, s, got);
        if (point ? point - s > 2 : n > 4) {
            e = take_digit_run(p, s, have, got, &is_time);
            if (e == PARSE_OK)
                p->tok.kind[p->i] = is_time ? TOK_TIME : TOK_DATE;
            return e;
        }
        return point ? PARSE_BAD_FORMAT : take_number(p, s, false, have, got);
    }
    if (point && !(p->have & H_DATE))
        return take_date(p, s, got);
    if (point && point - s > 2)
        return take_digit_run(p, s, p->have, got, &is_time);
    /* Six digits or more are a whole date or time, fewer are one field. */
    if (n >= 6 && (!(p->have & H_DATE) || !(p->have & H_TIME)))
        return take_digit_run(p, s, p->have, got, &is_time);
    return take_number(p, s, p->text_month, p->have, got);
}

static ParseError
on_reserved(Parse *p, int word, unsigned *got)
{
    Civil *c = p->c, now;
    switch (word) {
    case U_NOW:
        civil_now(&now);
        if (p->time_only) {
            c->hour = now.hour;
            c->minute = now.minute;
            c->second = now.second;
            c->us = now.us;
            *got = H_TIME;
        } else {
            *c = now;
            p->offset = now.offset;
            p->kind = PARSED_DATE;
            *got = H_DATE | H_TIME | H_TZ;
        }
        return PARSE_OK;
    case U_ZULU:
        c->hour = c->minute = c->second = 0;
        p->offset = 0;
        *got = H_TIME | H_TZ;
        p->kind = PARSED_DATE;
        return PARSE_OK;
    default:
        break;
    }
    if (p->time_only)
        return PARSE_BAD_FORMAT;
    *got = H_DATE;
    switch (word) {
    case U_TODAY:
    case U_YESTERDAY:
    case U_TOMORROW:
        civil_now(&now);
        p->kind = PARSED_DATE;
        civil_from_days(days_from_civil(now.year, now.month, now.day) + (word == U_TOMORROW) -
                            (word == U_YESTERDAY),
                        &c->year, &c->month, &c->day);
        break;
    default:
        p->kind = word == U_EPOCH  ? PARSED_EPOCH
                  : word == U_LATE ? PARSED_INFINITY
                                   : PARSED_NEG_INFINITY;
        *got = H_SPECIAL;
    }
    return PARSE_OK;
}

static ParseError
on_word(Parse *p, char *s, unsigned *got, bool *ignored)
{
    Civil *c = p->c;
    const Tokens *t = &p->tok;
    int v = 0, offset = 0;
    const Zone *zone = NULL;
    AbbrevKind zk = abbrev_find(s, &offset, &zone);
    *got = 0;
    if (zk != ABBREV_NONE) {
        if (p->time_only)
            p->tok.kind[p->i] = TOK_ZONE;
        *got = H_TZ;
        if (zk == ABBREV_ZONE) {
            p->dynamic = zone;
            p->abbrev = s;
            *got |= H_DYNTZ;
        } else {
            if (zk == ABBREV_DST)
                *got |= H_DTZ;
            p->offset = offset;
        }
        return PARSE_OK;
    }
    switch (word_find(s, &v)) {
    case W_IGNORE:
        *ignored = true;
        return PARSE_OK;
    case W_RESERVED:
        return on_reserved(p, v, got);
    case W_MONTH:
        if (p->time_only)
            return PARSE_BAD_FORMAT;
        *got = H_MONTH;
        /* "8 Jan": the number taken for a month was the day. */
        if ((p->have & H_MONTH) && !p->text_month && !(p->have & H_DAY) && c->month >= 1 &&
            c->month <= 31) {
            c->day = c->month;
            *got = H_DAY;
        }
        p->text_month = true;
        c->month = v;
        return PARSE_OK;
    case W_DTZMOD: /* "MET DST" */
        *got = H_DTZMOD | H_DTZ;
        p->offset += 3600;
        return PARSE_OK;
    case W_AMPM:
        p->ampm = 1 + v;
        *got = H_AMPM;
        return PARSE_OK;
    case W_ADBC:
        p->bc = v;
        *got = H_ADBC;
        return PARSE_OK;
    case W_DOW:
        *got = H_DOW;
        return p->time_only ? PARSE_BAD_FORMAT : PARSE_OK;
    case W_UNITS:
        p->prefix = (DtUnit)v;
        return PARSE_OK;
    case W_ISOTIME:
        if (!p->time_only && (p->have & H_DATE) != H_DATE)
            return PARSE_BAD_FORMAT;
        if (p->i >= t->n - 1 || (t->kind[p->i + 1] != TOK_NUMBER && t->kind[p->i + 1] != TOK_TIME &&
                                 t->kind[p->i + 1] != TOK_DATE))
            return PARSE_BAD_FORMAT;
        p->prefix = U_TIME;
        return PARSE_OK;
    case W_UNKNOWN: /* perhaps a zone's name of letters only */
        p->named = zone_find(s);
        *got = H_TZ;
        return p->named ? PARSE_OK : PARSE_BAD_FORMAT;
    default:
        return PARSE_BAD_FORMAT;
    }
}

ParseError
parse_token(Parse *p, char *s, unsigned *got, bool *ignored)
{
    switch (p->tok.kind[p->i]) {
    case TOK_DATE:
        return on_date(p, s, got);
    case TOK_TIME:
        return on_time(p, s, got);
    case TOK_ZONE:
        *got = H_TZ;
        return parse_zone_offset(s, &p->offset);
    case TOK_NUMBER:
        return on_number(p, s, got);
    default:
        return on_word(p, s, got, ignored);
    }
}

/*
 * Date and time input, last step: the tokens in order, each filling fields
 * (datetime_parse_fields.c); a field filled twice is an error. Then the fields become a moment. The
 * form that machines write, 2001-02-03 04:05:06.789-08, is read without tokens.
 */
#include "core/types/datetime_parse.h"

void
parse_error_raise(ParseError e, const char *text, const char *type)
{
    switch (e) {
    case PARSE_OVERFLOW:
        RAISE(SQLSTATE_DATETIME_FIELD_OVERFLOW, "date/time field value out of range: \"%s\"", text);
    case PARSE_MD_OVERFLOW:
        RAISE_ERR(SQLSTATE_DATETIME_FIELD_OVERFLOW,
                  err_message("date/time field value out of range: \"%s\"", text),
                  err_hint("Perhaps you need a different \"datestyle\" setting."));
    case PARSE_INTERVAL_OVERFLOW:
        RAISE(SQLSTATE_INTERVAL_FIELD_OVERFLOW, "interval field value out of range: \"%s\"", text);
    case PARSE_ZONE_OVERFLOW:
        RAISE(SQLSTATE_INVALID_TIME_ZONE_DISPLACEMENT_VALUE,
              "time zone displacement out of range: \"%s\"", text);
    default:
        RAISE(SQLSTATE_INVALID_DATETIME_FORMAT, "invalid input syntax for type %s: \"%s\"", type,
              text);
    }
}

/* All fields are there: are they a date? */
static ParseError
check_date(Parse *p)
{
    Civil *c = p->c;
    if (p->have & H_YEAR) {
        if (p->julian) {
            /* computed, so right by construction */
        } else if (p->bc) {
            if (c->year <= 0)
                return PARSE_OVERFLOW;
            c->year = -(c->year - 1);
        } else if (p->two_digits) {
            if (c->year < 0)
                return PARSE_OVERFLOW;
            if (c->year < 70)
                c->year += 2000;
            else if (c->year < 100)
                c->year += 1900;
        } else if (c->year <= 0)
            return PARSE_OVERFLOW;
    }
    if (p->have & H_DOY)
        civil_from_days(days_from_civil(c->year, 1, 1) + c->yday - 1, &c->year, &c->month, &c->day);
    if ((p->have & H_MONTH) && (c->month < 1 || c->month > 12))
        return PARSE_MD_OVERFLOW;
    if ((p->have & H_DAY) && (c->day < 1 || c->day > 31))
        return PARSE_MD_OVERFLOW;
    if ((p->have & H_DATE) == H_DATE && c->day > days_in_month(c->year, c->month))
        return PARSE_OVERFLOW;
    return PARSE_OK;
}

static ParseError
run_tokens(Parse *p)
{
    for (p->i = 0; p->i < p->tok.n; p->i++) {
        char *s = p->tok.text[p->i];
        unsigned got = 0;
        bool ignored = false;
        ParseError e = parse_token(p, s, &got, &ignored);
        if (e != PARSE_OK)
            return e;
        if (!ignored && (got & p->have))
            return PARSE_BAD_FORMAT;
        p->have |= got;
    }
    ParseError e = check_date(p);
    if (e != PARSE_OK)
        return e;
    Civil *c = p->c;
    if (p->ampm && c->hour > 12)
        return PARSE_OVERFLOW;
    if (p->ampm == 1 && c->hour == 12)
        c->hour = 0;
    else if (p->ampm == 2 && c->hour != 12)
        c->hour += 12;
    return PARSE_OK;
}

static void
parse_init(Parse *p, Civil *c, bool time_only)
{
    memset(&p->c, 0, sizeof *p - offsetof(Parse, c));
    memset(c, 0, sizeof *c);
    p->c = c;
    p->time_only = time_only;
    p->kind = PARSED_DATE;
}

/* ---- the common form, without tokens: 2001-02-03[ T]04:05:06[.123456][+05[:30]] ---- */

static inline int
two_digits_at(const char *s)
{
    return is_digit(s[0]) && is_digit(s[1]) ? (s[0] - '0') * 10 + (s[1] - '0') : -1;
}

static bool
parse_iso_fast(const char *s, Civil *c, bool *zone_given)
{
    *zone_given = false;
    int century = two_digits_at(s);
    if (century < 0)
        return false;
    int yy = two_digits_at(s + 2);
    if (yy < 0 || s[4] != '-')
        return false;
    int month = two_digits_at(s + 5);
    if (month < 1 || month > 12 || s[7] != '-')
        return false;
    int day = two_digits_at(s + 8), year = century * 100 + yy;
    if (day < 1 || year < 1 || (day > 28 && day > days_in_month(year, month)))
        return false;
    c->year = year;
    c->month = month;
    c->day = day;
    c->hour = c->minute = c->second = c->us = 0;
    s += 10;
    if (*s == 0)
        return true;
    if (*s != ' ' && *s != 'T')
        return false;
    s++;
    int h = two_digits_at(s);
    if (h < 0 || h > 23 || s[2] != ':')
        return false;
    int m = two_digits_at(s + 3);
    if (m < 0 || m > 59 || s[5] != ':')
        return false;
    int sec = two_digits_at(s + 6);
    if (sec < 0 || sec > 59)
        return false;
    c->hour = h;
    c->minute = m;
    c->second = sec;
    s += 8;
    if (*s == '.') {
        int us = 0, n = 0;
        for (s++; is_digit(*s) && n < 6; n++)
            us = us * 10 + (*s++ - '0');
        if (is_digit(*s))
            return false; /* needs rounding */
        for (; n < 6; n++)
            us *= 10;
        c->us = us;
    }
    if (*s == '+' || *s == '-') {
        int zh = two_digits_at(s + 1), zm = 0;
        const char *end = s + 3;
        if (zh < 0 || zh > 15)
            return false;
        if (*end == ':') {
            zm = two_digits_at(end + 1);
            if (zm < 0 || zm > 59)
                return false;
            end += 3;
        }
        c->offset = (zh * 3600 + zm * 60) * (*s == '-' ? -1 : 1);
        *zone_given = true;
        s = end;
    }
    return *s == 0;
}

ParseError
parse_datetime(const char *text, bool zone_wanted, ParsedKind *kind, Civil *c)
{
    bool zone_given;
    c->has_zone = c->dst = false;
    c->abbrev = NULL;
    c->offset = 0;
    *kind = PARSED_DATE;
    if (parse_iso_fast(text, c, &zone_given)) {
        if (zone_wanted && !zone_given)
            c->offset = zone_local_offset(c, session_zone);
        return PARSE_OK;
    }
    Parse p;
    ParseError e = scan_tokens(text, 128 + TOKENS_MAX, &p.tok);
    if (e != PARSE_OK)
        return e;
    parse_init(&p, c, false);
    e = run_tokens(&p);
    if (e != PARSE_OK)
        return e;
    *kind = p.kind;
    if (p.kind != PARSED_DATE)
        return PARSE_OK;
    if ((p.have & H_DATE) != H_DATE)
        return PARSE_BAD_FORMAT;
    if ((p.named || p.dynamic || !(p.have & H_TZ)) && (p.have & H_DTZMOD))
        return PARSE_BAD_FORMAT;
    c->offset = p.offset;
    if (p.named)
        c->offset = zone_local_offset(c, p.named);
    if (p.dynamic)
        c->offset = zone_abbrev_local_offset(c, p.abbrev, p.dynamic);
    if (zone_wanted && !(p.have & H_TZ))
        c->offset = zone_local_offset(c, session_zone);
    return PARSE_OK;
}

/* The offset needs a date: the one given, or today's when none of it was. */
static ParseError
date_for_zone(const Parse *p, const Civil *c, Civil *out)
{
    if ((p->have & H_DATE) == 0)
        civil_now(out);
    else if ((p->have & H_DATE) == H_DATE)
        *out = *c;
    else
        return PARSE_BAD_FORMAT;
    out->hour = c->hour;
    out->minute = c->minute;
    out->second = c->second;
    out->us = c->us;
    return PARSE_OK;
}

ParseError
parse_time(const char *text, Civil *c)
{
    Parse p;
    Civil day;
    ParseError e = scan_tokens(text, 129, &p.tok);
    if (e != PARSE_OK)
        return e;
    if (p.tok.n == 0)
        return PARSE_BAD_FORMAT;
    parse_init(&p, c, true);
    e = run_tokens(&p);
    if (e != PARSE_OK)
        return e;
    if (!time_fields_ok(c->hour, c->minute, c->second, c->us))
        return PARSE_OVERFLOW;
    if ((p.have & H_TIME) != H_TIME)
        return PARSE_BAD_FORMAT;
    if ((p.named || p.dynamic || !(p.have & H_TZ)) && (p.have & H_DTZMOD))
        return PARSE_BAD_FORMAT;
    c->offset = p.offset;
    if (p.named) {
        if (!zone_is_fixed(p.named, &c->offset)) {
            if ((p.have & H_DATE) != H_DATE)
                return PARSE_BAD_FORMAT;
            c->offset = zone_local_offset(c, p.named);
        }
    }
    if (p.dynamic) {
        if ((e = date_for_zone(&p, c, &day)) != PARSE_OK)
            return e;
        c->offset = zone_abbrev_local_offset(&day, p.abbrev, p.dynamic);
    }
    if (!(p.have & H_TZ)) {
        if ((e = date_for_zone(&p, c, &day)) != PARSE_OK)
            return e;
        c->offset = zone_local_offset(&day, session_zone);
    }
    return PARSE_OK;
}

/*
 * What must hold of dates and times for any value: text in every style and binary read back as the
 * same value; keys order as comparisons do; equal values hash alike; batch kernels agree with their
 * scalar forms; aggregates agree with sums by hand; no text whatever does more than raise.
 * A seed may be given as argument.
 */
#include "types_datetime_util.h"

#include <CUnit/Basic.h>

static uint64_t seed = 20260726;

static uint64_t
next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed * UINT64_C(0x2545F4914F6CDD1D);
}

static int64_t
random_in(int64_t low, int64_t high)
{
    return (int64_t)((uint64_t)low + next_random() % ((uint64_t)high - (uint64_t)low));
}

/* Values of all magnitudes, the ends of the range and the special ones among them. */
static Datum
random_value(Arena *a, Oid type)
{
    bool edge = next_random() % 16 == 0;
    switch (type) {
    case DATE_OID:
        if (edge) {
            static const int32_t edges[] = {
                DATE_INFINITY, DATE_NEG_INFINITY, DATE_MIN, DATE_END - 1, 0, -1, -730119, -730120};
            return int32_datum(edges[next_random() % COUNT_OF(edges)]);
        }
        return int64_datum(next_random() % 2 ? random_in(DATE_MIN, DATE_END)
                                             : random_in(-60000, 60000));
    case TIME_OID:
        return int64_datum(edge ? US_PER_DAY * (int64_t)(next_random() % 2)
                                : random_in(0, US_PER_DAY));
    case TIMETZ_OID:
        return timetz_datum(a,
                            (TimeTz){random_in(0, US_PER_DAY), (int32_t)random_in(-57599, 57600)});
    case INTERVAL_OID: {
        Interval v = {(int64_t)(next_random() >> next_random() % 62),
                      (int32_t)((int64_t)next_random() >> (33 + next_random() % 30)),
                      (int32_t)((int64_t)next_random() >> (33 + next_random() % 30))};
        v.us = next_random() % 2 ? v.us >> 1 : -(v.us >> 1);
        return interval_datum(a, v);
    }
    default:
        if (edge) {
            static const int64_t edges[] = {
                TS_INFINITY, TS_NEG_INFINITY, TS_MIN, TS_END - 1, 0, -1, 1};
            return int64_datum(edges[next_random() % COUNT_OF(edges)]);
        }
        return int64_datum(next_random() % 2 ? random_in(TS_MIN, TS_END)
                                             : random_in(-3000000000000000, 3000000000000000));
    }
}

static const struct { const char *name; Oid oid; } types[] = {
    {"date", DATE_OID}, {"time", TIME_OID}, {"timetz", TIMETZ_OID},
    {"timestamp", TIMESTAMP_OID}, {"timestamptz", TIMESTAMPTZ_OID}, {"interval", INTERVAL_OID}};

static bool
same_bytes(Datum x, Datum y, const TypeOps *t)
{
    return t->byval ? x == y : memcmp(datum_ptr(x), datum_ptr(y), (size_t)t->len) == 0;
}

/* Prints a value and reads it back; says what went wrong, NULL if nothing. */
static const char *
read_back(Arena *a, const TypeOps *t, Datum d)
{
    FnCtx c = {.arena = a, .state_arena = a};
    StrBuf s;
    const char *volatile problem = NULL;
    str_init(&s, a);
    t->out(&c, d, &s);
    ERR_TRY
    {
        if (!same_bytes(d, t->in(&c, s.data, s.len, 0, -1), t))
            problem = s.data;
    }
    ERR_CATCH
    {
        problem = error_text(a);
    }
    ERR_END;
    return problem;
}

/* Is this a value whose text may be more than its input takes? */
static bool
beyond_text(Oid type, Datum d)
{
    if (type == INTERVAL_OID) {
        Interval v = datum_interval(d);
        return v.us == INT64_MIN || v.days == INT32_MIN;
    }
    /* local time beyond the range */
    return type == TIMESTAMPTZ_OID && ts_is_finite((int64_t)d) &&
           ((int64_t)d < TS_MIN + US_PER_DAY || (int64_t)d > TS_END - US_PER_DAY);
}

static void
text_reads_back(void)
{
    static const char *const styles[] = {"ISO, MDY",      "ISO, DMY",   "ISO, YMD",
                                         "SQL, MDY",      "SQL, DMY",   "Postgres, MDY",
                                         "Postgres, DMY", "German, DMY"};
    static const char *const interval_styles[] = {"postgres", "postgres_verbose", "sql_standard",
                                                  "iso_8601"};
    /* Zones without two local times for one offset name, so that abbreviations read back. */
    static const char *const zones[] = {"GMT", "Asia/Kolkata", "<-03:30>+03:30"};
    Arena *a = arena_create(NULL, "test");
    int wrong = 0;
    for (size_t z = 0; z < COUNT_OF(zones); z++) {
        set_setting("TimeZone", zones[z]);
        for (size_t i = 0; i < COUNT_OF(styles); i++) {
            set_setting("DateStyle", styles[i]);
            set_setting("IntervalStyle", interval_styles[i % COUNT_OF(interval_styles)]);
            for (size_t k = 0; k < COUNT_OF(types); k++) {
                if (types[k].oid == TIMESTAMPTZ_OID && i >= 3 && z > 0)
                    continue; /* printed with abbreviations whose input has another meaning (IST) or
                                 none */
                for (int n = 0; n < 400; n++) {
                    Datum d = random_value(a, types[k].oid);
                    const char *problem = beyond_text(types[k].oid, d)
                                              ? NULL
                                              : read_back(a, type_ops(types[k].oid), d);
                    if (problem && wrong++ < 20)
                        printf("%s [%s, %s]: %s\n", types[k].name, styles[i], zones[z], problem);
                    arena_reset(a);
                }
            }
        }
    }
    set_setting("DateStyle", "ISO, MDY");
    set_setting("IntervalStyle", "postgres");
    CU_ASSERT_EQUAL(wrong, 0);
    arena_destroy(a);
}

/* In the ISO style the offset is printed, so any zone's text reads back. */
static void
iso_text_reads_back_in_every_zone(void)
{
    static const char *const zones[] = {"America/New_York",    "Europe/Moscow",
                                        "Australia/Lord_Howe", "Africa/Monrovia",
                                        "Pacific/Apia",        "EST5EDT,M3.2.0,M11.1.0"};
    Arena *a = arena_create(NULL, "test");
    FnCtx c = {.arena = a, .state_arena = a};
    const TypeOps *t = type_ops(TIMESTAMPTZ_OID);
    int wrong = 0;
    for (size_t z = 0; z < COUNT_OF(zones); z++) {
        set_setting("TimeZone", zones[z]);
        for (int n = 0; n < 3000; n++) {
            StrBuf s;
            str_init(&s, a);
            Datum d = int64_datum(random_in(TS_MIN + US_PER_DAY, TS_END - US_PER_DAY));
            if (n % 2)
                d = int64_datum(random_in(-5000000000000000, 5000000000000000));
            t->out(&c, d, &s);
            if (t->in(&c, s.data, s.len, 0, -1) != d && wrong++ < 20)
                printf("'%s' in %s\n", s.data, zones[z]);
            arena_reset(a);
        }
    }
    set_setting("TimeZone", "GMT");
    CU_ASSERT_EQUAL(wrong, 0);
    arena_destroy(a);
}

static void
calendar_goes_there_and_back(void)
{
    int y, m, d, wrong = 0;
    int64_t before = INT64_MIN;
    for (int64_t day = DATE_MIN; day < DATE_END; day += day > -800000 && day < 800000 ? 1 : 9973) {
        civil_from_days(day, &y, &m, &d);
        if (days_from_civil(y, m, d) != day || m < 1 || m > 12 || d < 1 || d > days_in_month(y, m))
            wrong++;
        if (before == day - 1 && dow_of_days(day) != (dow_of_days(before) + 1) % 7)
            wrong++;
        before = day;
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(days_from_civil(2000, 1, 1), 0);
    CU_ASSERT_EQUAL(days_from_civil(1970, 1, 1), -DAYS_UNIX_TO_PG);
    CU_ASSERT_EQUAL(days_from_civil(-4713, 11, 24), DATE_MIN);
    CU_ASSERT_EQUAL(days_from_civil(1999, 13, 1), 0);
    CU_ASSERT_EQUAL(dow_of_days(0), 6);
}

static int
sign(int v)
{
    return (v > 0) - (v < 0);
}

static void
keys_and_hashes_follow_order(void)
{
    Arena *a = arena_create(NULL, "test");
    int wrong = 0;
    for (size_t k = 0; k < COUNT_OF(types); k++) {
        const TypeOps *t = type_ops(types[k].oid);
        for (int n = 0; n < 5000; n++) {
            Datum x = random_value(a, types[k].oid), y = n % 8 ? random_value(a, types[k].oid) : x;
            if (types[k].oid == INTERVAL_OID && n % 16 == 8) { /* equal, but not the same */
                Interval v = datum_interval(x);
                if (v.months > -1000 && v.months < 1000 && v.days > -1000 && v.days < 1000)
                    y = interval_datum(a, (Interval){v.us, v.days + 30, v.months - 1});
            }
            StrBuf kx, ky;
            str_init(&kx, a);
            str_init(&ky, a);
            t->key_encode(x, 0, &kx);
            t->key_encode(y, 0, &ky);
            int order = t->cmp(x, y, 0);
            if (kx.len != ky.len || sign(memcmp(kx.data, ky.data, kx.len)) != sign(order) ||
                t->eq(x, y, 0) != (order == 0) || (order == 0 && t->hash(x, 0) != t->hash(y, 0)))
                wrong++;
            if (t->key_decode) {
                const char *p = kx.data;
                Datum back = t->key_decode(a, &p, kx.data + kx.len);
                if (!same_bytes(x, back, t) || p != kx.data + kx.len ||
                    t->key_skip(kx.data, kx.data + kx.len) != p)
                    wrong++;
            }
            StrBuf b;
            str_init(&b, a);
            FnCtx c = {.arena = a, .state_arena = a};
            t->send(&c, x, &b);
            if (!same_bytes(x, t->recv(&c, b.data, b.len, 0, -1), t))
                wrong++;
            arena_reset(a);
        }
    }
    CU_ASSERT_EQUAL(wrong, 0);
    arena_destroy(a);
}

static bool
scalar_raises(const FnDef *fn, FnCtx *c, const Datum *pair, Datum *result)
{
    volatile bool raised = false;
    ERR_TRY
    {
        bool isnull = false;
        *result = fn->scalar(c, pair, &isnull);
    }
    ERR_CATCH
    {
        raised = true;
        err_clear();
    }
    ERR_END;
    return raised;
}

/* Runs one kernel over random rows and its scalar form row by row. */
static int
check_batch(Arena *a, const FnDef *fn, int n, bool right_const, bool selected)
{
    size_t left = strcspn(fn->args, " ");
    Oid x_type = datetime_type(fn->args, left),
        y_type = datetime_type(fn->args + left + 1, strlen(fn->args + left + 1));
    Vec *x = vec_new(a), *y = vec_new(a), *out = vec_new(a);
    const Vec *args[2] = {x, y};
    uint16_t sel[BATCH_ROWS];
    bool nulls[2] = {false, false};
    Oid arg_types[2] = {x_type, y_type};
    FnCtx c = {.arena = a,
               .state_arena = a,
               .argnull = nulls,
               .nargs = 2,
               .fn_oid = fn->oid,
               .arg_types = arg_types};
    y->is_const = right_const;
    for (int i = 0; i < n; i++) {
        x->v[i] = random_value(a, x_type);
        y->v[i] =
            y_type == INT4_OID ? int64_datum(random_in(-100000, 100000)) : random_value(a, y_type);
        if (y_type == INTERVAL_OID)
            y->v[i] = interval_datum(a, (Interval){random_in(-US_PER_DAY, US_PER_DAY),
                                                   (int32_t)random_in(-100, 100),
                                                   next_random() % 2 ? 0 : 3});
    }
    int count = 0;
    for (int i = 0; i < n; i++)
        if (!selected || next_random() % 3 == 0)
            sel[count++] = (uint16_t)i;
    int wrong = 0, bad, first_bad = -1;
    bad = fn->batch(&c, count, selected ? sel : NULL, args, out); /* may not raise */
    for (int k = 0; k < count && first_bad < 0; k++) {
        int row = sel[k];
        Datum pair[2] = {x->v[row], vec_get(y, row)}, want;
        if (scalar_raises(fn, &c, pair, &want))
            first_bad = row;
        else if (bad < 0 && out->v[row] != want)
            wrong++;
    }
    if (bad != first_bad)
        wrong++;
    return wrong;
}

static void
batches_agree_with_rows(void)
{
    Arena *a = arena_create(NULL, "test");
    int kernels = 0;
    for (size_t i = 0; i < COUNT_OF(datetime_fns); i++) {
        const FnDef *fn = &datetime_fns[i];
        if (!fn->batch)
            continue;
        kernels++;
        int wrong = 0;
        for (int round = 0; round < 24; round++) {
            wrong += check_batch(a, fn, 1 + (int)(next_random() % (round % 2 ? 12 : 200)),
                                 round & 1, round & 2);
            arena_reset(a);
        }
        if (wrong)
            printf("%s(%s): %d\n", fn->name, fn->args, wrong);
        CU_ASSERT_EQUAL(wrong, 0);
    }
    CU_ASSERT(kernels >= 25);
    arena_destroy(a);
}

static void
aggregates_agree_with_sums(void)
{
    Arena *a = arena_create(NULL, "test");
    static const char *const values[] = {"1 day", "-2:30", "1 mon 3 days", "00:00:00.5", "40 days"};
    Vec *v = vec_new(a);
    const Vec *args[1] = {v};
    FnCtx c = {.arena = a, .state_arena = a};
    for (size_t i = 0; i < COUNT_OF(values); i++)
        v->v[i] = type_ops(INTERVAL_OID)->in(&c, values[i], strlen(values[i]), 0, -1);
    static const struct { Oid oid; const char *want;
    } expected[] = {{2113, "1 mon 44 days -02:29:59.5"},
                    {2106, "14 days 18:42:00.1"},
                    {2144, "-02:30:00"},
                    {2128, "40 days"}};
    for (size_t k = 0; k < COUNT_OF(expected); k++) {
        const AggImpl *agg = datetime_fn(expected[k].oid)->agg;
        AggCtx ac = {.fn = c, .arena = a};
        uint64_t state[16] = {0}, other[16] = {0};
        CU_ASSERT_FATAL(agg->state_bytes <= sizeof state);
        bool isnull = false, no_nulls[1] = {false};
        agg->final(&ac, state, &isnull);
        CU_ASSERT_TRUE(isnull);
        for (size_t i = 0; i < COUNT_OF(values); i++)
            agg->step(&ac, i < 2 ? state : other, &args[0]->v[i], no_nulls);
        agg->merge(&ac, state, other);
        StrBuf s;
        str_init(&s, a);
        isnull = false;
        type_ops(INTERVAL_OID)->out(&c, agg->final(&ac, state, &isnull), &s);
        CU_ASSERT_FALSE(isnull);
        CU_ASSERT_STRING_EQUAL(s.data, expected[k].want);
    }
    arena_destroy(a);
}

/* Any bytes at all: a value or an error, and nothing else. */
static void
malformed_input_only_raises(void)
{
    static const char *const seeds[] = {"2001-02-03 04:05:06.789-08",
                                        "Sat Feb 03 04:05:06 2001 PST",
                                        "J2451187 04:05",
                                        "1 year 2 mons -3 days 04:05:06",
                                        "P1Y2M3DT4H5M6.7S",
                                        "y2001m02d03h04mm05s06",
                                        "@ 1 day ago",
                                        "America/New_York",
                                        "9999999999999999999999"};
    Arena *a = arena_create(NULL, "test");
    int values = 0, errors = 0;
    for (int n = 0; n < 60000; n++) {
        char text[200];
        const char *base = seeds[next_random() % COUNT_OF(seeds)];
        size_t len = strlen(base);
        memcpy(text, base, len);
        for (uint64_t edits = next_random() % 6; edits > 0 && len < 150; edits--) {
            size_t at = next_random() % (len + 1);
            switch (next_random() % 4) {
            case 0:
                if (at < len)
                    text[at] = (char)(1 + next_random() % 255);
                break;
            case 1:
                memmove(text + at + 1, text + at, len - at);
                text[at] = "0123456789-+:./ ,tTzZjJ@aebPYMD"[next_random() % 31];
                len++;
                break;
            case 2:
                len = at;
                break;
            default: {
                const char *more = seeds[next_random() % COUNT_OF(seeds)];
                size_t k = next_random() % (strlen(more) + 1);
                memcpy(text + len, more, k);
                len += k;
            }
            }
        }
        text[len] = 0;
        const char *got =
            eval_input(a, types[next_random() % COUNT_OF(types)].name, -1, text, false);
        if (*got == '!')
            errors++;
        else
            values++;
        if (*got == '!' && strncmp(got, "!22", 3) != 0) {
            printf("'%s': %s\n", text, got);
            CU_FAIL("an error of another class");
        }
        if (next_random() % 8 == 0) { /* and as templates */
            const char *const args[] = {"2001-02-03 04:05:06", text, NULL}, *const in[] = {
                                                                                text, base, NULL};
            eval_call(a, 1770, args);
            eval_call(a, 1778, in);
        }
        arena_reset(a);
    }
    CU_ASSERT(values > 1000);
    CU_ASSERT(errors > 1000);
    arena_destroy(a);
}

static bool
recv_raises(const TypeOps *t, FnCtx *c, const char *bytes, size_t len)
{
    volatile bool raised = false;
    ERR_TRY
    {
        t->recv(c, bytes, len, 0, -1);
    }
    ERR_CATCH
    {
        raised = true;
        err_clear();
    }
    ERR_END;
    return raised;
}

static void
binary_input_is_checked(void)
{
    Arena *a = arena_create(NULL, "test");
    FnCtx c = {.arena = a, .state_arena = a};
    char bytes[17];
    memset(bytes, 0x7f, sizeof bytes);
    for (size_t k = 0; k < COUNT_OF(types); k++) {
        const TypeOps *t = type_ops(types[k].oid);
        for (size_t len = 0; len <= sizeof bytes; len++) {
            /* The right length is not enough: 0x7f7f... is a time and a moment out of range. */
            bool fits = len == (size_t)t->len && types[k].oid == INTERVAL_OID;
            bool in_range =
                len == (size_t)t->len && types[k].oid == DATE_OID && date_in_range(0x7f7f7f7f);
            if (len == (size_t)t->len &&
                (types[k].oid == TIMESTAMP_OID || types[k].oid == TIMESTAMPTZ_OID))
                in_range = ts_in_range(INT64_C(0x7f7f7f7f7f7f7f7f));
            CU_ASSERT_EQUAL(recv_raises(t, &c, bytes, len), !fits && !in_range);
        }
    }
    arena_destroy(a);
}

static const char *
setting_error(Arena *a, const char *name, const char *value)
{
    const char *volatile got = "no error";
    ERR_TRY
    {
        set_setting(name, value);
    }
    ERR_CATCH
    {
        got = error_text(a);
    }
    ERR_END;
    return got;
}

static void
settings_show_canonical_forms(void)
{
    static const struct { const char *name, *value, *shown;
    } set[] = {{"DateStyle", "iso", "ISO, MDY"},
               {"DateStyle", "dmy", "ISO, DMY"},
               {"DateStyle", "SQL, us", "SQL, MDY"},
               {"DateStyle", "European", "SQL, DMY"},
               {"DateStyle", "german", "German, DMY"},
               {"DateStyle", "ymd,postgres", "Postgres, YMD"},
               {"DateStyle", "default", "ISO, MDY"},
               {"IntervalStyle", "ISO_8601", "iso_8601"},
               {"IntervalStyle", "postgres", "postgres"},
               {"TimeZone", "europe/berlin", "Europe/Berlin"},
               {"TimeZone", "-5", "<-05>+05"},
               {"TimeZone", "5.5", "<+05:30>-05:30"},
               {"TimeZone", "INTERVAL '-08:00'", "<-08>+08"},
               {"TimeZone", "foo5bar", "FOO5BAR"},
               {"TimeZone", "utc", "UTC"},
               {"timezone_abbreviations", "India", "India"},
               {"timezone_abbreviations", "Default", "Default"}};
    static const struct { const char *name, *value, *error;
    } bad[] = {
        {"DateStyle", "foo",
         "!22023 invalid value for parameter \"DateStyle\": \"foo\" | Unrecognized key word: "
         "\"foo\"."},
        {"DateStyle", "iso, sql",
         "!22023 invalid value for parameter \"DateStyle\": \"iso, sql\" | Conflicting "
         "\"datestyle\" specifications."},
        {"TimeZone", "nowhere", "!22023 invalid value for parameter \"TimeZone\": \"nowhere\""},
        {"TimeZone", "../etc/passwd",
         "!22023 invalid value for parameter \"TimeZone\": \"../etc/passwd\""},
        {"TimeZone", "interval '1 day'",
         "!22023 invalid value for parameter \"TimeZone\": \"interval '1 day'\" | Cannot specify "
         "days in time zone interval."}};
    Arena *a = arena_create(NULL, "test");
    for (size_t i = 0; i < COUNT_OF(set); i++) {
        set_setting(set[i].name, set[i].value);
        CU_ASSERT_STRING_EQUAL(settings_get(a, set[i].name, false), set[i].shown);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        CU_ASSERT_STRING_EQUAL(setting_error(a, bad[i].name, bad[i].value), bad[i].error);
    set_setting("TimeZone", "GMT");
    arena_destroy(a);
}

static void
current_moment_has_all_forms(void)
{
    Arena *a = arena_create(NULL, "test");
    FnCtx c = {.arena = a, .state_arena = a};
    set_setting("TimeZone", "America/New_York");
    StrBuf s;
    str_init(&s, a);
    format_date(&s, datum_int32(sqlvalue_current_date(&c)));
    str_add_char(&s, '|');
    format_tstz(&s, datum_int64(sqlvalue_current_timestamp(&c, 3)), STYLE_ISO);
    str_add_char(&s, '|');
    format_ts(&s, datum_int64(sqlvalue_localtimestamp(&c, -1)), STYLE_ISO);
    str_add_char(&s, '|');
    format_timetz(&s, datum_timetz(sqlvalue_current_time(&c, 0)));
    str_add_char(&s, '|');
    format_time(&s, datum_int64(sqlvalue_localtime(&c, 1)));
    CU_ASSERT_STRING_EQUAL(
        s.data,
        "2020-10-26|2020-10-26 09:00:00.123-04|2020-10-26 09:00:00.123456|09:00:00-04|09:00:00.1");
    CU_ASSERT_STRING_EQUAL(eval_input(a, "timestamptz", -1, "tomorrow 01:02", false),
                           "2020-10-27 01:02:00-04");
    CU_ASSERT_STRING_EQUAL(eval_input(a, "timestamptz", -1, "now", false),
                           "2020-10-26 09:00:00.123456-04");
    CU_ASSERT_STRING_EQUAL(eval_input(a, "date", -1, "yesterday", false), "2020-10-25");
    CU_ASSERT_STRING_EQUAL(eval_input(a, "time", -1, "now", false), "09:00:00.123456");
    CU_ASSERT_STRING_EQUAL(
        eval_input(a, "timetz", -1, "10:00 America/New_York", false),
        "!22007 invalid input syntax for type time with time zone: \"10:00 America/New_York\"");
    set_setting("TimeZone", "GMT");
    arena_destroy(a);
}

int
main(int argc, char **argv)
{
    if (argc > 1)
        seed = strtoull(argv[1], NULL, 10) | 1;
    printf("seed %llu\n", (unsigned long long)seed);
    datetime_test_init();
    CU_initialize_registry();
    CU_pSuite s = CU_add_suite("types_datetime_property", NULL, NULL);
    CU_add_test(s, "text_reads_back", text_reads_back);
    CU_add_test(s, "iso_text_reads_back_in_every_zone", iso_text_reads_back_in_every_zone);
    CU_add_test(s, "calendar_goes_there_and_back", calendar_goes_there_and_back);
    CU_add_test(s, "keys_and_hashes_follow_order", keys_and_hashes_follow_order);
    CU_add_test(s, "batches_agree_with_rows", batches_agree_with_rows);
    CU_add_test(s, "aggregates_agree_with_sums", aggregates_agree_with_sums);
    CU_add_test(s, "malformed_input_only_raises", malformed_input_only_raises);
    CU_add_test(s, "binary_input_is_checked", binary_input_is_checked);
    CU_add_test(s, "settings_show_canonical_forms", settings_show_canonical_forms);
    CU_add_test(s, "current_moment_has_all_forms", current_moment_has_all_forms);
    CU_basic_set_mode(CU_BRM_NORMAL);
    CU_basic_run_tests();
    unsigned failed = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failed != 0;
}

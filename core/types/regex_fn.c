/*
 * SQL's regular expression operators and functions, and SIMILAR TO.
 */
#include "core/types/array.h"
#include "core/types/collation.h"
#include "core/types/regex.h"

#define INT(i) datum_int32(args[i])
#define HAS(i) (c->nargs > (i))

static Regex *
get(FnCtx *c, Span pattern, unsigned flags)
{
    if (UNLIKELY(c->collation == 0))
        collation_require(0, "regular expression");
    if (UNLIKELY(!collation_is_deterministic(c->collation)))
        UNSUPPORTED("nondeterministic collations are not supported for regular expressions");
    return regex_get(pattern, flags, c->collation);
}

/* ---- operators ---- */

#define TEST_FN(name, span, flags, expected)                                                         \
    Datum name(FnCtx *c, const Datum *args, bool *isnull)                                            \
    {                                                                                                \
        return bool_datum(regex_test(get(c, var_span(args[1]), flags), span(args[0])) == (expected)); \
    }
TEST_FN(fn_textregexeq, var_span, 0, true)
TEST_FN(fn_textregexne, var_span, 0, false)
TEST_FN(fn_texticregexeq, var_span, RE_ICASE, true)
TEST_FN(fn_texticregexne, var_span, RE_ICASE, false)
TEST_FN(fn_nameregexeq, name_span, 0, true)
TEST_FN(fn_nameregexne, name_span, 0, false)
TEST_FN(fn_nameicregexeq, name_span, RE_ICASE, true)
TEST_FN(fn_nameicregexne, name_span, RE_ICASE, false)

static int
test_batch(FnCtx *c, int n, const uint16_t *sel, const Vec *const *args, Vec *out, unsigned flags,
           bool expected)
{
    if (!args[1]->is_const) {
        FOR_ROWS(row, n, sel)
            out->v[row] = regex_test(get(c, var_span(args[1]->v[row]), flags),
                                     var_span(vec_get(args[0], row))) == expected;
        return -1;
    }
    if (n == 0)
        return -1;
    Regex *r = get(c, var_span(args[1]->v[0]), flags);
    FOR_ROWS(row, n, sel)
        out->v[row] = regex_test(r, var_span(vec_get(args[0], row))) == expected;
    return -1;
}

#define TEST_BATCH(name, flags, expected)                                                            \
    int name(FnCtx *c, int n, const uint16_t *sel, const Vec *const *args, Vec *out)                 \
    {                                                                                                \
        return test_batch(c, n, sel, args, out, flags, expected);                                    \
    }
TEST_BATCH(fnb_textregexeq, 0, true)
TEST_BATCH(fnb_textregexne, 0, false)
TEST_BATCH(fnb_texticregexeq, RE_ICASE, true)
TEST_BATCH(fnb_texticregexne, RE_ICASE, false)

/* ---- arguments ---- */

static RegexFlags
flags_argument(FnCtx *c, const Datum *args, int i, const char *function, const char *instead)
{
    RegexFlags f = {0, false};

    if (HAS(i))
        f = regex_parse_flags(var_span(args[i]));
    if (f.global && function) {
        if (instead)
            RAISE_ERR(SQLSTATE_INVALID_PARAMETER_VALUE,
                      err_message("%s does not support the \"global\" option", function),
                      err_hint("%s", instead));
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "%s does not support the \"global\" option",
              function);
    }
    return f;
}

static int32_t
at_least(FnCtx *c, const Datum *args, int i, int32_t least, int32_t otherwise, const char *name)
{
    int32_t v = HAS(i) ? INT(i) : otherwise;

    if (v < least)
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "invalid value for parameter \"%s\": %d", name, v);
    return v;
}

/* Byte where character number `start` (1-based) begins, or SIZE_MAX when the text ends before. */
static size_t
start_offset(Span s, int32_t start)
{
    size_t at = utf8_offset(s.p, s.n, (size_t)start - 1);

    if (at == s.n && (int64_t)utf8_count_chars(s.p, s.n) < (int64_t)start - 1)
        return SIZE_MAX;
    return at;
}

static size_t
after_char(Span s, size_t at)
{
    return at < s.n ? at + (size_t)utf8_len((unsigned char)s.p[at]) : s.n + 1;
}

/* Where the next search begins: an empty match must not be found again. */
static size_t
after_match(Span s, Span match)
{
    size_t end = (size_t)(match.p - s.p) + match.n;
    return match.n == 0 ? after_char(s, end) : end;
}

/* ---- whether and what ---- */

Datum
fn_regexp_like(FnCtx *c, const Datum *args, bool *isnull)
{
    RegexFlags f = flags_argument(c, args, 2, "regexp_like()", NULL);
    return bool_datum(regex_test(get(c, var_span(args[1]), f.flags), var_span(args[0])));
}

/* substring(text from pattern): the first group if there is one. */
static Datum
substring(FnCtx *c, Span s, Span pattern, bool *isnull)
{
    Regex *r = get(c, pattern, 0);
    int room = regex_groups(r) > 0 ? 2 : 1;
    Span m[2];

    if (!regex_search(r, s, 0, m, room) || !m[room - 1].p) {
        *isnull = true;
        return 0;
    }
    return span_datum(c->arena, m[room - 1]);
}

Datum
fn_textregexsubstr(FnCtx *c, const Datum *args, bool *isnull)
{
    return substring(c, var_span(args[0]), var_span(args[1]), isnull);
}

static Datum similar_to_regex(FnCtx *c, Span p, Span escape);

/* substring(text similar pattern escape e) */
Datum
fn_textregexsubstr_similar(FnCtx *c, const Datum *args, bool *isnull)
{
    Datum re = similar_to_regex(c, var_span(args[1]), var_span(args[2]));
    return substring(c, var_span(args[0]), var_span(re), isnull);
}

static Datum
groups_array(FnCtx *c, const Regex *r, const Span *m)
{
    int groups = regex_groups(r), n = MAX(groups, 1);
    Datum *values = arena_alloc(c->arena, sizeof(Datum) * (size_t)n);
    bool *nulls = arena_alloc(c->arena, (size_t)n);

    for (int i = 0; i < n; i++) {
        Span g = m[groups > 0 ? i + 1 : 0];
        nulls[i] = g.p == NULL;
        values[i] = nulls[i] ? 0 : span_datum(c->arena, g);
    }
    return array_construct_1d(c->arena, TEXT_OID, values, nulls, n);
}

static Span *
match_room(Arena *a, const Regex *r)
{
    return arena_alloc(a, sizeof(Span) * (size_t)(regex_groups(r) + 1));
}

Datum
fn_regexp_match(FnCtx *c, const Datum *args, bool *isnull)
{
    RegexFlags f =
        flags_argument(c, args, 2, "regexp_match()", "Use the regexp_matches function instead.");
    Regex *r = get(c, var_span(args[1]), f.flags);
    Span *m = match_room(c->arena, r);

    if (!regex_search(r, var_span(args[0]), 0, m, regex_groups(r) + 1)) {
        *isnull = true;
        return 0;
    }
    return groups_array(c, r, m);
}

/* Match number n at or after character `start`; subexpr is the group wanted (0: all of it). */
static bool
nth_match(FnCtx *c, Span s, Span pattern, int32_t start, int32_t n, int32_t subexpr, unsigned flags,
          Span *out)
{
    Regex *r = get(c, pattern, flags);
    Span *m = match_room(c->arena, r);
    size_t at = start_offset(s, start);
    int room = subexpr > 0 ? regex_groups(r) + 1 : 1;

    if (subexpr > regex_groups(r))
        return false;
    for (; at <= s.n; at = after_match(s, m[0])) {
        if (!regex_search(r, s, at, m, room))
            return false;
        if (--n == 0) {
            *out = m[subexpr];
            return out->p != NULL;
        }
    }
    return false;
}

/* (string, pattern, start, N, endoption, flags, subexpr) */
Datum
fn_regexp_instr(FnCtx *c, const Datum *args, bool *isnull)
{
    int32_t start = at_least(c, args, 2, 1, 1, "start");
    int32_t n = at_least(c, args, 3, 1, 1, "n");
    int32_t end = at_least(c, args, 4, 0, 0, "endoption");
    if (end > 1)
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "invalid value for parameter \"%s\": %d",
              "endoption", end);
    RegexFlags f = flags_argument(c, args, 5, "regexp_instr()", NULL);
    int32_t subexpr = at_least(c, args, 6, 0, 0, "subexpr");
    Span s = var_span(args[0]), m;

    if (!nth_match(c, s, var_span(args[1]), start, n, subexpr, f.flags, &m))
        return int32_datum(0);
    size_t at = (size_t)(m.p - s.p) + (end ? m.n : 0);
    return int32_datum((int32_t)utf8_count_chars(s.p, at) + 1);
}

/* (string, pattern, start, N, flags, subexpr) */
Datum
fn_regexp_substr(FnCtx *c, const Datum *args, bool *isnull)
{
    int32_t start = at_least(c, args, 2, 1, 1, "start");
    int32_t n = at_least(c, args, 3, 1, 1, "n");
    RegexFlags f = flags_argument(c, args, 4, "regexp_substr()", NULL);
    int32_t subexpr = at_least(c, args, 5, 0, 0, "subexpr");
    Span m;

    if (!nth_match(c, var_span(args[0]), var_span(args[1]), start, n, subexpr, f.flags, &m)) {
        *isnull = true;
        return 0;
    }
    return span_datum(c->arena, m);
}

Datum
fn_regexp_count(FnCtx *c, const Datum *args, bool *isnull)
{
    int32_t start = at_least(c, args, 2, 1, 1, "start"), count = 0;
    RegexFlags f = flags_argument(c, args, 3, "regexp_count()", NULL);
    Span s = var_span(args[0]), m;
    Regex *r = get(c, var_span(args[1]), f.flags);

    for (size_t at = start_offset(s, start); at <= s.n; at = after_match(s, m)) {
        if (!regex_search(r, s, at, &m, 1))
            break;
        count++;
    }
    return int32_datum(count);
}

/* ---- sets ---- */

/*
 * Position in the text between the calls of one set. The compiled expression is asked for anew each
 * time: it may have left the cache in between.
 */
typedef struct SetState {
    bool active, done;
    size_t at;       /* next search; beyond the end: no more */
    size_t piece;    /* split: where the current piece began */
    size_t prev_end; /* split: end of the match before, empty ones counted */
} SetState;

static SetState *
set_state(FnCtx *c)
{
    SetState *t = c->state;

    if (!t)
        t = c->state = arena_alloc0(c->state_arena, sizeof *t);
    if (!t->active)
        *t = (SetState){.active = true};
    return t;
}

bool
fn_regexp_matches(FnCtx *c, const Datum *args, Datum *out, bool *outnull)
{
    RegexFlags f = flags_argument(c, args, 2, NULL, NULL);
    Regex *r = get(c, var_span(args[1]), f.flags);
    Span s = var_span(args[0]), *m = match_room(c->arena, r);
    SetState *t = set_state(c);

    if (t->done || t->at > s.n || !regex_search(r, s, t->at, m, regex_groups(r) + 1)) {
        t->active = false;
        return false;
    }
    t->at = after_match(s, m[0]);
    t->done = !f.global;
    *out = groups_array(c, r, m);
    *outnull = false;
    return true;
}

/*
 * The next piece between matches. Empty matches at the ends of the text or right after another
 * match do not split.
 */
static bool
next_piece(Regex *r, Span s, SetState *t, Span *piece)
{
    Span m;

    if (t->done)
        return false;
    while (t->at <= s.n && regex_search(r, s, t->at, &m, 1)) {
        size_t from = (size_t)(m.p - s.p), end = from + m.n;
        bool splits = from < s.n && end > t->prev_end;
        t->prev_end = end;
        t->at = after_match(s, m);
        if (splits) {
            *piece = (Span){s.p + t->piece, from - t->piece};
            t->piece = end;
            return true;
        }
    }
    *piece = (Span){s.p + t->piece, s.n - t->piece};
    t->done = true;
    return true;
}

bool
fn_regexp_split_to_table(FnCtx *c, const Datum *args, Datum *out, bool *outnull)
{
    RegexFlags f = flags_argument(c, args, 2, "regexp_split_to_table()", NULL);
    Regex *r = get(c, var_span(args[1]), f.flags);
    SetState *t = set_state(c);
    Span piece;

    if (!next_piece(r, var_span(args[0]), t, &piece)) {
        t->active = false;
        return false;
    }
    *out = span_datum(c->arena, piece);
    *outnull = false;
    return true;
}

Datum
fn_regexp_split_to_array(FnCtx *c, const Datum *args, bool *isnull)
{
    RegexFlags f = flags_argument(c, args, 2, "regexp_split_to_array()", NULL);
    Regex *r = get(c, var_span(args[1]), f.flags);
    SetState t = {.active = true};
    ArrayBuilder b;
    Span piece;

    array_builder_init(&b, c->arena);
    while (next_piece(r, var_span(args[0]), &t, &piece))
        array_builder_add(&b, span_datum(c->arena, piece), false);
    return array_construct_1d(c->arena, TEXT_OID, b.v, b.nulls, b.n);
}

/* ---- replace ---- */

/* \1 .. \9 and \& in the replacement stand for groups and the whole match. */
static void
add_replacement(StrBuf *out, Span with, const Span *m, int groups)
{
    for (size_t i = 0; i < with.n;) {
        const char *slash = memchr(with.p + i, '\\', with.n - i);
        size_t plain = slash ? (size_t)(slash - with.p) - i : with.n - i;
        str_add_bytes(out, with.p + i, plain);
        i += plain;
        if (i >= with.n)
            return;
        char next = i + 1 < with.n ? with.p[i + 1] : 0;
        int group = next >= '1' && next <= '9' ? next - '0' : next == '&' ? 0 : -1;
        if (group >= 0) {
            if (group <= groups && m[group].p)
                str_add_bytes(out, m[group].p, m[group].n);
            i += 2;
        } else if (next == '\\') {
            str_add_char(out, '\\');
            i += 2;
        } else {
            str_add_char(out, '\\');
            i++;
        }
    }
}

/* n: the match to replace, 0 all of them. */
static Datum
replace(FnCtx *c, Datum source, Span pattern, Span with, int32_t start, int32_t n, unsigned flags)
{
    Span s = var_span(source);
    size_t at = start_offset(s, start), done = 0;
    bool uses_groups = memchr(with.p, '\\', with.n) != NULL;
    Regex *r = get(c, pattern, flags);
    int groups = regex_groups(r), room = uses_groups ? groups + 1 : 1;
    Span *m = match_room(c->arena, r);
    int32_t seen = 0;
    StrBuf out;

    str_init(&out, c->arena);
    while (at <= s.n && regex_search(r, s, at, m, room)) {
        at = after_match(s, m[0]);
        if (++seen < n)
            continue;
        size_t from = (size_t)(m[0].p - s.p);
        str_add_bytes(&out, s.p + done, from - done);
        if (uses_groups)
            add_replacement(&out, with, m, groups);
        else
            str_add_bytes(&out, with.p, with.n);
        done = from + m[0].n;
        if (n > 0)
            break;
    }
    if (seen == 0)
        return source;
    str_add_bytes(&out, s.p + done, s.n - done);
    return str_datum(c->arena, &out);
}

/* (source, pattern, replacement [, flags]) */
Datum
fn_textregexreplace(FnCtx *c, const Datum *args, bool *isnull)
{
    RegexFlags f = {0, false};

    if (HAS(3)) {
        Span l = var_span(args[3]);
        if (l.n > 0 && l.p[0] >= '0' && l.p[0] <= '9')
            RAISE_ERR(
                SQLSTATE_INVALID_PARAMETER_VALUE,
                err_message("invalid regular expression option: \"%.1s\"", l.p),
                err_hint("If you meant to use regexp_replace() with a start parameter, cast the "
                         "fourth argument to integer explicitly."));
        f = regex_parse_flags(l);
    }
    return replace(c, args[0], var_span(args[1]), var_span(args[2]), 1, f.global ? 0 : 1, f.flags);
}

/* (source, pattern, replacement, start [, N [, flags]]) */
Datum
fn_textregexreplace_extended(FnCtx *c, const Datum *args, bool *isnull)
{
    int32_t start = at_least(c, args, 3, 1, 1, "start");
    int32_t n = at_least(c, args, 4, 0, 1, "n");
    RegexFlags f = flags_argument(c, args, 5, NULL, NULL);

    return replace(c, args[0], var_span(args[1]), var_span(args[2]), start, n, f.flags);
}

/* ---- SIMILAR TO ---- */

/* SQL's pattern as an ARE: % and _ are wildcards, | * + ? { } ( ) [ ] work, the rest is literal. */
static Datum
similar_to_regex(FnCtx *c, Span p, Span esc)
{
    StrBuf out;
    bool after = false, in_class = false;
    int quotes = 0;

    if (esc.n > 0 && esc.n != (size_t)utf8_len((unsigned char)esc.p[0]))
        RAISE_ERR(SQLSTATE_INVALID_ESCAPE_SEQUENCE, err_message("invalid escape string"),
                  err_hint("Escape string must be empty or one character."));
    str_init(&out, c->arena);
    str_add(&out, "^(?:");
    for (size_t i = 0; i < p.n;) {
        size_t len = (size_t)utf8_len((unsigned char)p.p[i]);
        char ch = p.p[i];
        if (after) {
            if (ch == '"' && !in_class) { /* parts before, inside and after the wanted one */
                if (quotes > 1)
                    RAISE(
                        SQLSTATE_INVALID_USE_OF_ESCAPE_CHARACTER,
                        "SQL regular expression may not contain more than two escape-double-quote "
                        "separators");
                str_add(&out, quotes == 0 ? "){1,1}?(" : "){1,1}(?:");
                quotes++;
            } else {
                if (len == 1)
                    str_add_char(&out, '\\'); /* also gives \d and the like, as in PostgreSQL */
                str_add_bytes(&out, p.p + i, len);
            }
            after = false;
        } else if (esc.n > 0 && len == esc.n && memcmp(p.p + i, esc.p, len) == 0) {
            after = true;
        } else if (in_class) {
            if (ch == '\\')
                str_add_char(&out, '\\');
            str_add_bytes(&out, p.p + i, len);
            in_class = ch != ']';
        } else if (ch == '[') {
            str_add_char(&out, '[');
            in_class = true;
        } else if (ch == '%') {
            str_add(&out, ".*");
        } else if (ch == '_') {
            str_add_char(&out, '.');
        } else if (ch == '(') {
            str_add(&out, "(?:");
        } else {
            if (ch == '\\' || ch == '.' || ch == '^' || ch == '$')
                str_add_char(&out, '\\');
            str_add_bytes(&out, p.p + i, len);
        }
        i += len;
    }
    str_add(&out, ")$");
    return str_datum(c->arena, &out);
}

/* (pattern [, escape]), strict */
Datum
fn_similar_to_escape(FnCtx *c, const Datum *args, bool *isnull)
{
    return similar_to_regex(c, var_span(args[0]), HAS(1) ? var_span(args[1]) : (Span){"\\", 1});
}

/* The older form: a null escape means the default one. */
Datum
fn_similar_escape(FnCtx *c, const Datum *args, bool *isnull)
{
    if (c->argnull[0]) {
        *isnull = true;
        return 0;
    }
    return similar_to_regex(c, var_span(args[0]),
                            c->argnull[1] ? (Span){"\\", 1} : var_span(args[1]));
}

/*
 * LIKE and ILIKE.
 *
 * A pattern that is a literal with % only at its ends (nearly all that are written) becomes a
 * memcmp or memmem. Any other is matched in one walk that remembers only the last %: a % may stop
 * at the first place from which the rest up to the next % matches, since a later % can make up for
 * it, so no deeper backtracking is ever needed and the cost is bounded by text times pattern.
 * ILIKE folds ASCII while matching, and lowers both sides first where the collation knows more.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* memmem */
#endif
#include "core/types/like.h"

#include "core/types/collation.h"

#define ESCAPE '\\'

static bool is_simple(Span p, size_t *escapes);

void
like_compile(Arena *a, Span pattern, LikePattern *out)
{
    Span p = pattern;
    bool head = false, tail = false;
    size_t escapes;

    out->pattern = pattern;
    while (p.n > 0 && p.p[0] == '%') {
        head = true;
        p.p++;
        p.n--;
    }
    /* A % at the end counts unless an odd number of escapes stands before it. */
    while (p.n > 0 && p.p[p.n - 1] == '%') {
        size_t k = p.n - 1;
        while (k > 0 && p.p[k - 1] == ESCAPE)
            k--;
        if ((p.n - 1 - k) % 2 == 1)
            break;
        tail = true;
        p.n--;
    }
    if (p.n == 0) {
        out->kind = head || tail ? LIKE_ANY : LIKE_EXACT;
        out->literal = p;
        return;
    }
    if (!is_simple(p, &escapes)) {
        out->kind = LIKE_GENERAL;
        return;
    }
    out->kind = head && tail ? LIKE_CONTAINS : head ? LIKE_SUFFIX : tail ? LIKE_PREFIX : LIKE_EXACT;
    out->literal = p;
    if (escapes > 0) {
        char *to = arena_alloc(a, p.n);
        out->literal.p = to;
        for (size_t i = 0; i < p.n; i++) {
            if (p.p[i] == ESCAPE)
                i++;
            *to++ = p.p[i];
        }
        out->literal.n = (size_t)(to - out->literal.p);
    }
}

/* No wildcard inside, and no escape without a character after it. */
static bool
is_simple(Span p, size_t *escapes)
{
    *escapes = 0;
    for (size_t i = 0; i < p.n; i++) {
        if (p.p[i] == '%' || p.p[i] == '_')
            return false;
        if (p.p[i] == ESCAPE) {
            if (++i == p.n)
                return false;
            ++*escapes;
        }
    }
    return true;
}

static inline char
fold_ascii(char c)
{
    return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

NORETURN static void
raise_escape_at_end(void)
{
    RAISE(SQLSTATE_INVALID_ESCAPE_SEQUENCE, "LIKE pattern must not end with escape character");
}

/*
 * The walk; the flags are constants at every call, so each use is a loop of its own. *bad is set
 * when an escape at the very end of the pattern is reached.
 */
static inline __attribute__((always_inline)) bool
match_general(Span text, Span pattern, bool chars, bool fold, bool *bad)
{
    const char *t = text.p, *tend = t + text.n;
    const char *p = pattern.p, *pend = p + pattern.n;
    const char *star_p = NULL, *star_t = NULL;

    while (t < tend) {
        if (p < pend && *p == '%') {
            while (p < pend && *p == '%')
                p++;
            if (p == pend)
                return true;
            star_p = p;
            star_t = t;
            continue;
        }
        if (p < pend && *p == '_') {
            t += chars ? utf8_len((unsigned char)*t) : 1;
            p++;
            continue;
        }
        if (p < pend) {
            int width = 1;
            char literal = *p;
            if (literal == ESCAPE) {
                if (p + 1 == pend) {
                    *bad = true;
                    return false;
                }
                literal = p[1];
                width = 2;
            }
            if (fold ? fold_ascii(literal) == fold_ascii(*t) : literal == *t) {
                t++;
                p += width;
                continue;
            }
        }
        if (!star_p)
            return false;
        /* Try the rest one character later; when it starts with a literal, at its next place. */
        star_t += chars ? utf8_len((unsigned char)*star_t) : 1;
        if (star_t >= tend)
            return false;
        if (!fold && *star_p != '_' && *star_p != ESCAPE) {
            star_t = memchr(star_t, *star_p, (size_t)(tend - star_t));
            if (!star_t)
                return false;
        }
        t = star_t;
        p = star_p;
    }
    while (p < pend && *p == '%')
        p++;
    return p == pend;
}

static inline __attribute__((always_inline)) bool
match_compiled(const LikePattern *p, Span s, bool chars, bool *bad)
{
    Span l = p->literal;

    switch (p->kind) {
    case LIKE_EXACT:
        return s.n == l.n && memcmp(s.p, l.p, l.n) == 0;
    case LIKE_PREFIX:
        return s.n >= l.n && memcmp(s.p, l.p, l.n) == 0;
    case LIKE_SUFFIX:
        return s.n >= l.n && memcmp(s.p + s.n - l.n, l.p, l.n) == 0;
    case LIKE_CONTAINS:
        return memmem(s.p, s.n, l.p, l.n) != NULL;
    case LIKE_ANY:
        return true;
    default:
        return match_general(s, p->pattern, chars, false, bad);
    }
}

bool
like_match(const LikePattern *p, Span s)
{
    bool bad = false, r = match_compiled(p, s, true, &bad);
    if (bad)
        raise_escape_at_end();
    return r;
}

bool
like_match_bytes(const LikePattern *p, Span s)
{
    bool bad = false, r = match_compiled(p, s, false, &bad);
    if (bad)
        raise_escape_at_end();
    return r;
}

bool
like_fixed_prefix(Span p, StrBuf *out)
{
    for (size_t i = 0; i < p.n; i++) {
        if (p.p[i] == '%' || p.p[i] == '_')
            return false;
        if (p.p[i] == ESCAPE && ++i == p.n)
            return false;
        str_add_char(out, p.p[i]);
    }
    return true;
}

/* ---- SQL ---- */

static bool
like(FnCtx *c, Span s, Span pattern)
{
    LikePattern p;

    if (UNLIKELY(!collation_is_deterministic(c->collation)))
        UNSUPPORTED("nondeterministic collations are not supported for LIKE");
    like_compile(c->arena, pattern, &p);
    return like_match(&p, s);
}

static bool
ilike(FnCtx *c, Span s, Span pattern)
{
    bool bad = false, r;

    if (UNLIKELY(c->collation == 0))
        collation_require(0, "ILIKE");
    if (UNLIKELY(!collation_is_deterministic(c->collation)))
        UNSUPPORTED("nondeterministic collations are not supported for ILIKE");
    if (collation_ctype_is_c(c->collation) ||
        (bytes_are_ascii(s.p, s.n) && bytes_are_ascii(pattern.p, pattern.n))) {
        r = match_general(s, pattern, true, true, &bad);
        if (bad)
            raise_escape_at_end();
        return r;
    }
    StrBuf a, b;
    str_init(&a, c->arena);
    str_init(&b, c->arena);
    collation_lower(c->collation, s.p, s.n, &a);
    collation_lower(c->collation, pattern.p, pattern.n, &b);
    r = match_general((Span){a.data, a.len}, (Span){b.data, b.len}, true, false, &bad);
    if (bad)
        raise_escape_at_end();
    return r;
}

static bool
like_bytes(FnCtx *c, Span s, Span pattern)
{
    LikePattern p;

    like_compile(c->arena, pattern, &p);
    return like_match_bytes(&p, s);
}

#define LIKE_FN(name, test, span, expected)                                                          \
    Datum name(FnCtx *c, const Datum *args, bool *isnull)                                            \
    {                                                                                                \
        return bool_datum(test(c, span(args[0]), var_span(args[1])) == (expected));                  \
    }
LIKE_FN(fn_textlike, like, var_span, true)
LIKE_FN(fn_textnlike, like, var_span, false)
LIKE_FN(fn_namelike, like, name_span, true)
LIKE_FN(fn_namenlike, like, name_span, false)
LIKE_FN(fn_bytealike, like_bytes, var_span, true)
LIKE_FN(fn_byteanlike, like_bytes, var_span, false)
LIKE_FN(fn_texticlike, ilike, var_span, true)
LIKE_FN(fn_texticnlike, ilike, var_span, false)
LIKE_FN(fn_nameiclike, ilike, name_span, true)
LIKE_FN(fn_nameicnlike, ilike, name_span, false)

static inline int
like_batch(FnCtx *c, int n, const uint16_t *sel, const Vec *const *args, Vec *out, bool expected)
{
    const Vec *s = args[0], *p = args[1];
    LikePattern compiled;
    bool bad = false;

    if (UNLIKELY(!collation_is_deterministic(c->collation)))
        return n > 0 ? (sel ? sel[0] : 0) : -1;
    if (p->is_const)
        like_compile(c->arena, var_span(p->v[0]), &compiled);
    FOR_ROWS(row, n, sel) {
        if (!p->is_const)
            like_compile(c->arena, var_span(p->v[row]), &compiled);
        out->v[row] = match_compiled(&compiled, var_span(vec_get(s, row)), true, &bad) == expected;
        if (UNLIKELY(bad))
            return row;
    }
    return -1;
}

int
fnb_textlike(FnCtx *c, int n, const uint16_t *sel, const Vec *const *args, Vec *out)
{
    return like_batch(c, n, sel, args, out, true);
}

int
fnb_textnlike(FnCtx *c, int n, const uint16_t *sel, const Vec *const *args, Vec *out)
{
    return like_batch(c, n, sel, args, out, false);
}

/* Rewrites a pattern with another escape character to one that uses the backslash. */
static Datum
convert_escape(FnCtx *c, Span p, Span esc, bool chars)
{
    StrBuf out;
    bool after = false;

    if (esc.n > 0 && esc.n != (chars ? (size_t)utf8_len((unsigned char)esc.p[0]) : 1))
        RAISE_ERR(SQLSTATE_INVALID_ESCAPE_SEQUENCE, err_message("invalid escape string"),
                  err_hint("Escape string must be empty or one character."));
    if (esc.n == 1 && esc.p[0] == ESCAPE)
        return span_datum(c->arena, p);
    str_init(&out, c->arena);
    for (size_t i = 0; i < p.n;) {
        size_t len = chars ? (size_t)utf8_len((unsigned char)p.p[i]) : 1;
        if (esc.n > 0 && !after && len == esc.n && memcmp(p.p + i, esc.p, len) == 0) {
            str_add_char(&out, ESCAPE);
            after = true;
        } else {
            if (p.p[i] == ESCAPE && !after)
                str_add_char(&out, ESCAPE);
            str_add_bytes(&out, p.p + i, len);
            after = false;
        }
        i += len;
    }
    return str_datum(c->arena, &out);
}

Datum
fn_like_escape(FnCtx *c, const Datum *args, bool *isnull)
{
    return convert_escape(c, var_span(args[0]), var_span(args[1]), true);
}

Datum
fn_like_escape_bytea(FnCtx *c, const Datum *args, bool *isnull)
{
    return convert_escape(c, var_span(args[0]), var_span(args[1]), false);
}

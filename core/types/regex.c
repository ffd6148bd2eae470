/*
 * Compiled regular expressions: cache, test, search.
 *
 * A test (does it match at all?) and a search whose answer PCRE2 gives as PostgreSQL would
 * (RegexShape.direct) run PCRE2's JIT code. For the others the extent of the match comes from
 * pcre2_dfa_match, which follows all alternatives at once and so knows the longest (or shortest);
 * groups, when wanted, from a second form of the pattern that ends in a callout which turns down
 * every way of matching that ends elsewhere.
 *
 * A pattern that makes PCRE2 backtrack beyond its limit is given to the DFA matcher too, whose time
 * is bounded; only one with back references cannot be, and raises.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "core/types/regex.h"

#include <pcre2.h>

#include "core/base/hash.h"
#include "core/base/interrupt.h"
#include "core/types/collation.h"

#define CACHE_MAX 64
#define MATCH_LIMIT 20000000u
#define JIT_STACK_MAX (8u * 1024 * 1024)

struct Regex {
    Arena *arena;
    Span pattern;
    uint64_t hash;
    unsigned flags;
    bool ctype_is_c;
    Oid collation;
    RegexShape shape;
    const char *translated;
    uint32_t options;
    pcre2_code *code;
    pcre2_code *code_ends_at; /* with the callout; compiled when first needed */
    pcre2_match_data *match;
    int *dfa_work;
    size_t dfa_work_count;
};

static Regex *cache[CACHE_MAX]; /* most recently used first */
static int cache_count;
static pcre2_match_context *match_context;

static Regex *compile(Span pattern, unsigned flags, Oid collation, uint64_t hash);
static void forget(void *arg);
static int run(Regex *r, pcre2_code *code, Span s, size_t start, uint32_t options);
static bool find_extent(Regex *r, Span s, size_t start, size_t *from, size_t *to);

Regex *
regex_get(Span pattern, unsigned flags, Oid collation)
{
    for (int i = 0; i < cache_count; i++) {
        Regex *r = cache[i];
        if (r->flags != flags || r->collation != collation || !span_equal(r->pattern, pattern))
            continue;
        if (i > 0) {
            memmove(cache + 1, cache, sizeof cache[0] * (size_t)i);
            cache[0] = r;
        }
        return r;
    }
    Regex *r = compile(pattern, flags, collation, 0);
    if (cache_count == CACHE_MAX)
        arena_destroy(cache[--cache_count]->arena);
    memmove(cache + 1, cache, sizeof cache[0] * (size_t)cache_count++);
    cache[0] = r;
    return r;
}

int
regex_groups(const Regex *r)
{
    return r->shape.groups;
}

bool
regex_test(Regex *r, Span s)
{
    return run(r, r->code, s, 0, 0) >= 0;
}

/* Accepts only the way of matching that ends where it is told. */
static int
ends_at(pcre2_callout_block *block, void *want)
{
    return block->current_position == *(const size_t *)want ? 0 : 1;
}

static void
take_groups(Regex *r, int got, Span s, Span *spans, int room)
{
    const size_t *o = pcre2_get_ovector_pointer(r->match);

    for (int i = 0; i < room && i <= r->shape.groups; i++) {
        if (i < got && o[2 * i] != PCRE2_UNSET)
            spans[i] = (Span){s.p + o[2 * i], o[2 * i + 1] - o[2 * i]};
        else
            spans[i] = (Span){NULL, 0};
    }
}

bool
regex_search(Regex *r, Span s, size_t start, Span *spans, int room)
{
    size_t from, to;

    if (r->shape.direct) {
        int got = run(r, r->code, s, start, 0);
        if (got < 0)
            return false;
        take_groups(r, got, s, spans, room);
        return true;
    }
    if (!find_extent(r, s, start, &from, &to))
        return false;
    for (int i = 1; i < room && i <= r->shape.groups; i++)
        spans[i] = (Span){NULL, 0};
    if (room > 1 && r->shape.groups > 0) {
        if (!r->code_ends_at) {
            int error;
            size_t offset;
            char *text = arena_printf(r->arena, "(?:%s)(?C1)", r->translated);
            r->code_ends_at =
                pcre2_compile((PCRE2_SPTR)text, strlen(text), r->options, &error, &offset, NULL);
            if (r->code_ends_at)
                pcre2_jit_compile(r->code_ends_at, PCRE2_JIT_COMPLETE);
        }
        if (r->code_ends_at) {
            pcre2_set_callout(match_context, ends_at, &to);
            int got = run(r, r->code_ends_at, s, from, PCRE2_ANCHORED);
            pcre2_set_callout(match_context, NULL, NULL);
            if (got > 0)
                take_groups(r, got, s, spans, room);
        }
    }
    spans[0] = (Span){s.p + from, to - from};
    return true;
}

RegexFlags
regex_parse_flags(Span l)
{
    RegexFlags f = {0, false};

    for (size_t i = 0; i < l.n; i++) {
        switch (l.p[i]) {
        case 'g': f.global = true; break;
        case 'b': UNSUPPORTED("basic regular expressions are not supported");
        case 'c': f.flags &= ~RE_ICASE; break;
        case 'e': f.flags |= RE_ERE; break;
        case 'i': f.flags |= RE_ICASE; break;
        case 'm':
        case 'n': f.flags |= RE_NEWLINE_DOT | RE_NEWLINE_ANCHOR; break;
        case 'p': f.flags = (f.flags | RE_NEWLINE_DOT) & ~RE_NEWLINE_ANCHOR; break;
        case 'q': f.flags |= RE_LITERAL; break;
        case 's': f.flags &= ~(RE_NEWLINE_DOT | RE_NEWLINE_ANCHOR); break;
        case 't': f.flags &= ~RE_EXPANDED; break;
        case 'w': f.flags = (f.flags | RE_NEWLINE_ANCHOR) & ~RE_NEWLINE_DOT; break;
        case 'x': f.flags |= RE_EXPANDED; break;
        default:
            RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "invalid regular expression option: \"%.*s\"",
                  utf8_len((unsigned char)l.p[i]), l.p + i);
        }
    }
    return f;
}

/* ---- compiling ---- */

static void
forget(void *arg)
{
    Regex *r = arg;

    pcre2_code_free(r->code);
    pcre2_code_free(r->code_ends_at);
    pcre2_match_data_free(r->match);
}

static Regex *
compile(Span pattern, unsigned flags, Oid collation, uint64_t hash)
{
    StrBuf out;
    int error;
    size_t offset;

    if (!match_context) {
        match_context = pcre2_match_context_create(NULL);
        pcre2_jit_stack *stack = pcre2_jit_stack_create(32 * 1024, JIT_STACK_MAX, NULL);
        if (!match_context || !stack)
            RAISE(SQLSTATE_OUT_OF_MEMORY, "out of memory");
        pcre2_set_match_limit(match_context, MATCH_LIMIT);
        pcre2_jit_stack_assign(match_context, NULL, stack);
    }
    /* The arena owns what is allocated, so a raise below leaves only an unused arena to destroy. */
    Arena *a = arena_create(arena_top(), "regex");
    Regex *volatile made = NULL;
    ERR_TRY {
        Regex *r = ARENA_NEW(a, Regex);
        r->arena = a;
        r->flags = flags;
        r->collation = collation;
        r->hash = hash;
        r->ctype_is_c = collation_ctype_is_c(collation);
        r->pattern = (Span){pattern.n ? arena_memdup(a, pattern.p, pattern.n) : arena_strdup(a, ""), pattern.n};
        str_init(&out, a);
        regex_translate(r->pattern, flags, r->ctype_is_c, &out, &r->shape);
        r->translated = out.data;
        r->options = PCRE2_UTF | PCRE2_NO_UTF_CHECK | PCRE2_DOTALL | PCRE2_NEVER_BACKSLASH_C;
        if (!r->shape.direct)
            r->options |=
                PCRE2_NO_AUTO_POSSESS; /* it would hide shorter matches from the DFA matcher */
        if (!r->ctype_is_c)
            r->options |= PCRE2_UCP | (r->shape.icase ? PCRE2_CASELESS : 0);
        r->code = pcre2_compile((PCRE2_SPTR)out.data, out.len, r->options, &error, &offset, NULL);
        if (!r->code) {
            char text[128];
            pcre2_get_error_message(error, (PCRE2_UCHAR *)text, sizeof text);
            if (error == PCRE2_ERROR_LOOKBEHIND_NOT_FIXED_LENGTH)
                UNSUPPORTED(
                    "lookbehind of variable length is not supported in regular expressions");
            if (error == PCRE2_ERROR_HEAP_FAILED)
                RAISE(SQLSTATE_OUT_OF_MEMORY, "out of memory");
            if (error == PCRE2_ERROR_PATTERN_TOO_LARGE)
                regex_raise("regular expression is too complex");
            regex_raise(arena_strdup(a, text));
        }
        arena_on_reset(a, forget, r);
        pcre2_jit_compile(r->code,
                          PCRE2_JIT_COMPLETE); /* without it matching is slower, not wrong */
        r->match = pcre2_match_data_create((uint32_t)r->shape.groups + 1, NULL);
        if (!r->match)
            RAISE(SQLSTATE_OUT_OF_MEMORY, "out of memory");
        made = r;
    }
    ERR_CATCH {
        arena_destroy(a);
        err_rethrow();
    }
    ERR_END;
    return made;
}

/* ---- matching ---- */

static void
raise_failed(int rc)
{
    char text[128];

    pcre2_get_error_message(rc, (PCRE2_UCHAR *)text, sizeof text);
    RAISE(SQLSTATE_INVALID_REGULAR_EXPRESSION, "regular expression failed: %s", text);
}

/* Number of groups set (0: more than fit, which counts as a match), or a negative number: none. */
static int
run(Regex *r, pcre2_code *code, Span s, size_t start, uint32_t options)
{
    CHECK_INTERRUPTS();
    int rc = pcre2_match(code, (PCRE2_SPTR)s.p, s.n, start, options | PCRE2_NO_UTF_CHECK, r->match,
                         match_context);
    if (LIKELY(rc >= 0 || rc == PCRE2_ERROR_NOMATCH))
        return rc;
    if ((rc == PCRE2_ERROR_MATCHLIMIT || rc == PCRE2_ERROR_JIT_STACKLIMIT ||
         rc == PCRE2_ERROR_HEAPLIMIT || rc == PCRE2_ERROR_DEPTHLIMIT) &&
        !r->shape.backrefs) {
        size_t from, to;
        if (!find_extent(r, s, start, &from, &to))
            return PCRE2_ERROR_NOMATCH;
        size_t *o = pcre2_get_ovector_pointer(r->match);
        o[0] = from;
        o[1] = to;
        return 1;
    }
    raise_failed(rc);
    return rc;
}

static bool
find_extent(Regex *r, Span s, size_t start, size_t *from, size_t *to)
{
    uint32_t options = PCRE2_NO_UTF_CHECK | (r->shape.prefer_short ? PCRE2_DFA_SHORTEST : 0);

    if (!r->dfa_work) {
        r->dfa_work_count = 1024;
        r->dfa_work = arena_alloc(r->arena, sizeof(int) * r->dfa_work_count);
    }
    for (;;) {
        CHECK_INTERRUPTS();
        int rc = r->shape.backrefs
                     ? PCRE2_ERROR_DFA_UITEM
                     : pcre2_dfa_match(r->code, (PCRE2_SPTR)s.p, s.n, start, options, r->match,
                                       match_context, r->dfa_work, r->dfa_work_count);
        if (rc == PCRE2_ERROR_NOMATCH)
            return false;
        if (rc == PCRE2_ERROR_DFA_WSSIZE && r->dfa_work_count < (1u << 22)) {
            r->dfa_work_count *= 4;
            r->dfa_work = arena_alloc(r->arena, sizeof(int) * r->dfa_work_count);
            continue;
        }
        if (rc == PCRE2_ERROR_DFA_UITEM || rc == PCRE2_ERROR_DFA_UCOND ||
            rc == PCRE2_ERROR_DFA_UINVALID_UTF) {
            /* Back references: the first match PCRE2 finds has to do. */
            rc = pcre2_match(r->code, (PCRE2_SPTR)s.p, s.n, start, PCRE2_NO_UTF_CHECK, r->match,
                             match_context);
            if (rc == PCRE2_ERROR_NOMATCH)
                return false;
        }
        if (rc < 0)
            raise_failed(rc);
        const size_t *o = pcre2_get_ovector_pointer(r->match);
        *from = o[0];
        *to = o[1];
        return true;
    }
}

/*
 * PostgreSQL's regular expression syntax rewritten in PCRE2's.
 *
 * A recursive descent over the expression, which emits as it goes: atoms and quantifiers look alike
 * in both, but ^ $ . and brackets depend on the newline mode, escapes differ, and without regard to
 * case under a C ctype only ASCII folds, so letters are written out as [aA].
 *
 * What cannot be expressed in syntax is PostgreSQL's choice among matches: leftmost, then longest
 * (or shortest, when the first quantifier is non-greedy), whatever the order of alternatives. The
 * walk notes whether the order PCRE2 tries things in gives that same match (`direct`): one branch,
 * or branches told apart by their first letter, variable quantifiers on single characters only and
 * all of one kind, or both ends anchored. Otherwise regex.c finds the end of the match first.
 */
#include "core/types/regex_internal.h"

/* What an atom was, for the quantifier after it. */
typedef struct Atom {
    bool constraint; /* takes no quantifier */
    bool group;
    Prefer prefer;
    bool is_start_anchor, is_end_anchor;
    bool literal; /* a character that stands for itself, once */
    int first; /* that character when it is ASCII, or -1 */
} Atom;

#define DUP_MAX 255
#define DEPTH_MAX 1000
#define BRANCHES_SEEN 64 /* alternatives looked at closely; more are taken as they come */

static Prefer parse_alternatives(Tr *t, bool top);

void
regex_raise(const char *what)
{
    RAISE(SQLSTATE_INVALID_REGULAR_EXPRESSION, "invalid regular expression: %s", what);
}

/* ---- atoms ---- */

static const char *const word_start = "\\b(?=\\w)", *const word_end = "\\b(?<=\\w)";

static void
skip_ignored(Tr *t)
{
    for (;;) {
        if ((t->flags & RE_EXPANDED) && t->p < t->end) {
            if (*t->p == ' ' || (*t->p >= '\t' && *t->p <= '\r')) {
                t->p++;
                continue;
            }
            if (*t->p == '#') {
                while (t->p < t->end && *t->p != '\n')
                    t->p++;
                continue;
            }
        }
        if (t->end - t->p >= 3 && memcmp(t->p, "(?#", 3) == 0 && !(t->flags & RE_ERE)) {
            while (t->p < t->end && *t->p != ')')
                t->p++;
            if (t->p < t->end)
                t->p++;
            continue;
        }
        return;
    }
}

static void
parse_backref(Tr *t, char first)
{
    const char *save = t->p;
    int n = first - '0';

    while (t->p < t->end && *t->p >= '0' && *t->p <= '9' && n < 100000)
        n = n * 10 + (*t->p++ - '0');
    if (t->p - save > 0 && n > t->closed_groups) { /* several digits, no such group: octal */
        t->p = save;
        if (first > '7')
            regex_raise("invalid backreference number");
        uint32_t v = (uint32_t)(first - '0');
        for (int i = 0; i < 2 && t->p < t->end && *t->p >= '0' && *t->p <= '7'; i++)
            v = v * 8 + (uint32_t)(*t->p++ - '0');
        re_emit_literal(t, v);
        return;
    }
    if (n > t->closed_groups || t->open_lookarounds > 0)
        regex_raise("invalid backreference number");
    t->shape->backrefs = true;
    if ((t->flags & RE_ICASE) && t->ctype_is_c)
        str_printf(t->out, "(?i:\\g{%d})", n);
    else
        str_printf(t->out, "\\g{%d}", n);
}

static Atom
parse_escape(Tr *t)
{
    Atom a = {.first = -1};

    if (++t->p >= t->end)
        regex_raise("invalid escape \\ sequence");
    if (!re_is_alnum(*t->p) || (t->flags & RE_ERE)) {
        uint32_t c = re_take_char(t);
        re_emit_literal(t, c);
        a.literal = true;
        a.first = c < 0x80 ? (int)c : -1;
        return a;
    }
    char letter = *t->p++;
    switch (letter) {
    case 'A': str_add(t->out, "\\A"); a.constraint = true; return a;
    case 'Z': str_add(t->out, "\\z"); a.constraint = true; return a;
    case 'm': str_add(t->out, word_start); a.constraint = true; return a;
    case 'M': str_add(t->out, word_end); a.constraint = true; return a;
    case 'y': str_add(t->out, "\\b"); a.constraint = true; return a;
    case 'Y': str_add(t->out, "\\B"); a.constraint = true; return a;
    case 'd': str_add(t->out, "[0-9]"); return a;
    case 'D': str_add(t->out, "[^0-9]"); return a;
    case 's': case 'S': case 'w': case 'W': str_printf(t->out, "\\%c", letter); return a;
    default:
        break;
    }
    if (letter >= '1' && letter <= '9') {
        parse_backref(t, letter);
        return a;
    }
    int64_t c = re_char_escape(t, letter);
    if (c < 0)
        regex_raise("invalid escape \\ sequence");
    re_emit_literal(t, (uint32_t)c);
    return a;
}

static void
close_paren(Tr *t)
{
    if (t->p >= t->end || *t->p != ')')
        regex_raise("parentheses () not balanced");
    t->p++;
    str_add_char(t->out, ')');
}

static Atom
parse_group(Tr *t)
{
    Atom a = {.first = -1, .group = true};
    bool captures = !(t->flags & RE_NO_GROUPS) && t->open_lookarounds == 0;
    bool counts = t->open_lookarounds == 0;

    if (++t->depth > DEPTH_MAX)
        regex_raise("regular expression is too complex");
    t->p++;
    if (t->p < t->end && *t->p == '?' && !(t->flags & RE_ERE)) {
        static const char *const looks[] = {"?=", "?!", "?<=", "?<!"};
        for (size_t i = 0; i < COUNT_OF(looks); i++) {
            size_t n = strlen(looks[i]);
            if ((size_t)(t->end - t->p) < n || memcmp(t->p, looks[i], n) != 0)
                continue;
            str_printf(t->out, "(%s", looks[i]);
            t->p += n;
            t->open_lookarounds++;
            bool greedy = t->any_greedy, lazy = t->any_lazy, complex = t->complex;
            parse_alternatives(t, false);
            t->any_greedy = greedy; /* what a look-around matches does not show */
            t->any_lazy = lazy;
            t->complex = complex;
            t->open_lookarounds--;
            close_paren(t);
            t->depth--;
            a.constraint = true;
            return a;
        }
        if (t->end - t->p < 2 || t->p[1] != ':')
            regex_raise("quantifier operand invalid");
        t->p += 2;
        captures = counts = false;
    }
    if (counts)
        t->shape->groups++;
    str_add(t->out, captures ? "(" : "(?:");
    a.prefer = parse_alternatives(t, false);
    close_paren(t);
    if (counts)
        t->closed_groups++;
    t->depth--;
    return a;
}

static Atom
parse_atom(Tr *t)
{
    Atom a = {.first = -1};

    switch (*t->p) {
    case '^':
        t->p++;
        str_add(t->out, t->flags & RE_NEWLINE_ANCHOR ? "(?<![^\\n])" : "\\A");
        a.constraint = true;
        a.is_start_anchor = !(t->flags & RE_NEWLINE_ANCHOR);
        return a;
    case '$':
        t->p++;
        str_add(t->out, t->flags & RE_NEWLINE_ANCHOR ? "(?![^\\n])" : "\\z");
        a.constraint = true;
        a.is_end_anchor = !(t->flags & RE_NEWLINE_ANCHOR);
        return a;
    case '.':
        t->p++;
        str_add(t->out, t->flags & RE_NEWLINE_DOT ? "[^\\n]" : ".");
        return a;
    case '(':
        return parse_group(t);
    case '[':
        if (t->end - t->p >= 7 &&
            (memcmp(t->p, "[[:<:]]", 7) == 0 || memcmp(t->p, "[[:>:]]", 7) == 0)) {
            str_add(t->out, t->p[3] == '<' ? word_start : word_end);
            t->p += 7;
            a.constraint = true;
            return a;
        }
        t->p++;
        re_parse_bracket(t);
        return a;
    case '\\':
        return parse_escape(t);
    case '*':
    case '+':
    case '?':
        regex_raise("quantifier operand invalid");
    case '{':
        if (t->p + 1 < t->end && t->p[1] >= '0' && t->p[1] <= '9')
            regex_raise("quantifier operand invalid");
        break;
    default:
        break;
    }
    uint32_t c = re_take_char(t);
    re_emit_literal(t, c);
    a.literal = true;
    a.first = c < 0x80 ? (int)c : -1;
    return a;
}

/* ---- quantifiers ---- */

static int
bound(Tr *t)
{
    int n = 0;

    if (t->p >= t->end)
        regex_raise("braces {} not balanced");
    while (t->p < t->end && *t->p >= '0' && *t->p <= '9') {
        n = n * 10 + (*t->p++ - '0');
        if (n > DUP_MAX)
            regex_raise("invalid repetition count(s)");
    }
    if (t->p >= t->end)
        regex_raise("braces {} not balanced");
    return n;
}

/* Returns false when no quantifier follows. max -1: no limit. */
static bool
take_quantifier(Tr *t, int *min, int *max, bool *lazy)
{
    if (t->p >= t->end)
        return false;
    char c = *t->p;
    if (c == '*' || c == '+' || c == '?') {
        *min = c == '+';
        *max = c == '?' ? 1 : -1;
        t->p++;
    } else if (c == '{' && t->p + 1 < t->end && t->p[1] >= '0' && t->p[1] <= '9') {
        t->p++;
        *min = *max = bound(t);
        if (*t->p == ',') {
            t->p++;
            *max = t->p < t->end && *t->p == '}' ? -1 : bound(t);
        }
        if (*t->p != '}' || (*max >= 0 && *max < *min))
            regex_raise("invalid repetition count(s)");
        t->p++;
    } else {
        return false;
    }
    *lazy = t->p < t->end && *t->p == '?' && !(t->flags & RE_ERE);
    if (*lazy)
        t->p++;
    return true;
}

static void
emit_quantifier(Tr *t, int min, int max, bool lazy)
{
    if (min == 0 && max == -1)
        str_add_char(t->out, '*');
    else if (min == 1 && max == -1)
        str_add_char(t->out, '+');
    else if (min == 0 && max == 1)
        str_add_char(t->out, '?');
    else if (min == max)
        str_printf(t->out, "{%d}", min);
    else if (max < 0)
        str_printf(t->out, "{%d,}", min);
    else
        str_printf(t->out, "{%d,%d}", min, max);
    if (lazy && min != max)
        str_add_char(t->out, '?');
}

/* One atom with its quantifier. */
static Atom
parse_piece(Tr *t)
{
    Tr before = *t;
    RegexShape shape = *t->shape;
    size_t out_len = t->out->len;
    Atom a = parse_atom(t);
    int min, max;
    bool lazy;

    skip_ignored(t);
    if (!take_quantifier(t, &min, &max, &lazy))
        return a;
    if (a.constraint)
        regex_raise("quantifier operand invalid");
    a.literal = false;
    skip_ignored(t);
    if (t->p < t->end && (*t->p == '*' || *t->p == '+' || *t->p == '?'))
        regex_raise("quantifier operand invalid");
    if (a.group && min == 1 && max == 1 && !lazy) {
        /* No repetition, only a preference for the longest match of what is inside. */
        t->any_greedy = true;
        a.prefer = PREFER_LONG;
        return a;
    }
    if (a.group && min == 1 && max == 1 && t->force == PREFER_NONE) {
        /* For the shortest: read the group again with all its quantifiers made to prefer that. */
        const char *after = t->p;
        *t = before;
        *t->shape = shape;
        t->out->len = out_len;
        t->out->data[out_len] = 0;
        t->force = PREFER_SHORT;
        parse_atom(t);
        t->force = PREFER_NONE;
        t->p = after;
        a.prefer = PREFER_SHORT;
        a.first = -1;
        return a;
    }
    if (t->force != PREFER_NONE)
        lazy = t->force == PREFER_SHORT;
    emit_quantifier(t, min, max, lazy);
    if (min != max) {
        a.prefer = lazy ? PREFER_SHORT : PREFER_LONG;
        if (lazy)
            t->any_lazy = true;
        else
            t->any_greedy = true;
        t->complex |= a.group;
    }
    if (min == 0)
        a.first = -1;
    return a;
}

/*
 * Puts branches that are plain strings in order of falling length: a group prefers its longest
 * match, PCRE2 its first. starts[i] is where branch i begins in the output.
 */
static void
longest_first(Tr *t, const size_t *starts, int n)
{
    size_t base = starts[0], total = t->out->len - base, lens[BRANCHES_SEEN];
    char *copy = arena_memdup(t->out->arena, t->out->data + base, total + 1);
    bool used[BRANCHES_SEEN] = {false};

    for (int i = 0; i < n; i++)
        lens[i] = (i + 1 < n ? starts[i + 1] - 1 : base + total) - starts[i];
    t->out->len = base;
    for (int k = 0; k < n; k++) {
        int best = -1;
        for (int i = 0; i < n; i++)
            if (!used[i] && (best < 0 || lens[i] > lens[best]))
                best = i;
        used[best] = true;
        if (k > 0)
            str_add_char(t->out, '|');
        str_add_bytes(t->out, copy + (starts[best] - base), lens[best]);
    }
}

/* Branches up to the end or a closing parenthesis; returns what the whole prefers. */
static Prefer
parse_alternatives(Tr *t, bool top)
{
    Prefer prefer = PREFER_NONE;
    int branches = 1, firsts[BRANCHES_SEEN], first = -1;
    size_t starts[BRANCHES_SEEN];
    bool start_of_branch = true, distinct = true, anchored_start = false, anchored_end = false;
    bool literal = true;

    starts[0] = t->out->len;

    for (;;) {
        skip_ignored(t);
        bool at_end = t->p >= t->end || *t->p == ')';
        if (at_end || *t->p == '|') {
            if (branches <= BRANCHES_SEEN)
                firsts[branches - 1] = start_of_branch ? -1 : first;
            if (branches > BRANCHES_SEEN || firsts[branches - 1] < 0)
                distinct = false;
            for (int i = 0; distinct && i + 1 < branches; i++)
                distinct = firsts[i] != firsts[branches - 1];
            if (at_end)
                break;
            t->p++;
            str_add_char(t->out, '|');
            if (branches < BRANCHES_SEEN)
                starts[branches] = t->out->len;
            branches++;
            start_of_branch = true;
            continue;
        }
        Atom a = parse_piece(t);
        if (start_of_branch) {
            first = a.first;
            if (first >= 0 && (t->flags & RE_ICASE) && re_is_letter((uint32_t)first))
                first |= 0x20;
            anchored_start = a.is_start_anchor;
        }
        anchored_end = a.is_end_anchor;
        literal &= a.literal;
        start_of_branch = false;
        if (prefer == PREFER_NONE)
            prefer = a.prefer;
    }
    if (top && t->p < t->end)
        regex_raise("parentheses () not balanced");
    if (branches > 1) {
        prefer = PREFER_LONG;
        t->any_greedy = true;
        t->complex |= !distinct;
        if (!distinct && literal && branches <= BRANCHES_SEEN)
            longest_first(t, starts, branches);
    }
    if (top && branches == 1 && anchored_start && anchored_end) {
        t->complex = false; /* there is only one place the match can begin and end */
        t->any_lazy = false;
    }
    return prefer;
}

/* ---- prefixes and options ---- */

static void
parse_embedded_options(Tr *t)
{
    const char *p = t->p;

    if (t->end - p < 3 || p[0] != '(' || p[1] != '?' || !re_is_letter((unsigned char)p[2]))
        return;
    for (p += 2; p < t->end && re_is_letter((unsigned char)*p); p++) {
        switch (*p) {
        case 'c': t->flags &= ~RE_ICASE; break;
        case 'e': t->flags |= RE_ERE; break;
        case 'i': t->flags |= RE_ICASE; break;
        case 'm':
        case 'n': t->flags |= RE_NEWLINE_DOT | RE_NEWLINE_ANCHOR; break;
        case 'p': t->flags = (t->flags | RE_NEWLINE_DOT) & ~RE_NEWLINE_ANCHOR; break;
        case 'q': t->flags |= RE_LITERAL; break;
        case 's': t->flags &= ~(RE_NEWLINE_DOT | RE_NEWLINE_ANCHOR); break;
        case 't': t->flags &= ~RE_EXPANDED; break;
        case 'w': t->flags = (t->flags | RE_NEWLINE_ANCHOR) & ~RE_NEWLINE_DOT; break;
        case 'x': t->flags |= RE_EXPANDED; break;
        case 'b': UNSUPPORTED("basic regular expressions are not supported");
        default: regex_raise("invalid embedded option");
        }
    }
    if (p >= t->end || *p != ')')
        regex_raise("invalid embedded option");
    t->p = p + 1;
}

void
regex_translate(Span pattern, unsigned flags, bool ctype_is_c, StrBuf *out, RegexShape *shape)
{
    Tr t = {.p = pattern.p, .end = pattern.p + pattern.n, .out = out, .flags = flags,
            .ctype_is_c = ctype_is_c, .shape = shape};

    *shape = (RegexShape){0};
    if (!(t.flags & RE_LITERAL)) {
        if (pattern.n >= 4 && memcmp(t.p, "***=", 4) == 0) {
            t.p += 4;
            t.flags |= RE_LITERAL;
        } else if (pattern.n >= 3 && memcmp(t.p, "***", 3) == 0) {
            if (pattern.n < 4 || t.p[3] != ':')
                regex_raise("quantifier operand invalid");
            t.p += 4;
            parse_embedded_options(&t);
        } else if (!(t.flags & RE_ERE)) {
            parse_embedded_options(&t);
        }
    }
    shape->icase = t.flags & RE_ICASE;
    if (t.flags & RE_LITERAL) {
        while (t.p < t.end)
            re_emit_literal(&t, re_take_char(&t));
        shape->direct = true;
        return;
    }
    Prefer prefer = parse_alternatives(&t, true);
    shape->prefer_short = prefer == PREFER_SHORT;
    shape->direct = !t.complex && !(t.any_greedy && t.any_lazy);
}

/*
 * Choosing among overloaded functions and operators, by the rules of PostgreSQL's chapter "Type
 * Conversion": exact match, most exact, most preferred, categories of unknown literals, and last the
 * assumption that unknowns are of the known arguments' type.
 */
#include "core/sql/analyze/analyze_internal.h"

typedef struct Cand {
    const void *what;   /* FnInfo or OpInfo */
    const Oid *args;
} Cand;

static int
keep_castable(const Oid *types, int nargs, Cand *c, int n)
{
    int kept = 0;
    for (int i = 0; i < n; i++)
        if (can_coerce(types, c[i].args, nargs, COERCE_IMPLICIT))
            c[kept++] = c[i];
    return kept;
}

/* Keeps the candidates with the highest score. */
static int
keep_best(Cand *c, int n, const int *score)
{
    int best = 0, kept = 0;
    for (int i = 0; i < n; i++)
        best = MAX(best, score[i]);
    for (int i = 0; i < n; i++)
        if (score[i] == best)
            c[kept++] = c[i];
    return kept;
}

static int
select_by_unknown_category(const Oid *base, int nargs, Cand *c, int n)
{
    char cat[MAX_FN_ARGS];
    bool need_preferred[MAX_FN_ARGS];

    for (int i = 0; i < nargs; i++) {
        if (base[i] != UNKNOWN_OID)
            continue;
        bool have_conflict = false;
        need_preferred[i] = false;
        cat[i] = 0;
        for (int k = 0; k < n; k++) {
            const TypeInfo *t = type_info(c[k].args[i]);
            if (cat[i] == 0) {
                cat[i] = t->category;
                need_preferred[i] = t->preferred;
            } else if (t->category == cat[i])
                need_preferred[i] |= t->preferred;
            else if (t->category == 'S') {
                cat[i] = 'S';
                need_preferred[i] = t->preferred;
                have_conflict = false;
                continue;
            } else if (cat[i] != 'S')
                have_conflict = true;
        }
        /* a string type anywhere wins over a conflict */
        for (int k = 0; k < n && have_conflict; k++)
            if (type_info(c[k].args[i])->category == 'S') {
                cat[i] = 'S';
                have_conflict = false;
            }
        if (have_conflict)
            return n;
        if (cat[i] == 'S') {
            need_preferred[i] = false;
            for (int k = 0; k < n; k++) {
                const TypeInfo *t = type_info(c[k].args[i]);
                if (t->category == 'S' && t->preferred)
                    need_preferred[i] = true;
            }
        }
    }
    int kept = 0;
    Cand out[n];
    for (int k = 0; k < n; k++) {
        bool keep = true;
        for (int i = 0; i < nargs && keep; i++) {
            if (base[i] != UNKNOWN_OID)
                continue;
            const TypeInfo *t = type_info(c[k].args[i]);
            keep = t->category == cat[i] && (!need_preferred[i] || t->preferred);
        }
        if (keep)
            out[kept++] = c[k];
    }
    if (kept == 0)
        return n;
    memcpy(c, out, sizeof(Cand) * (size_t)kept);
    return kept;
}

/* Returns the number of candidates left; 1 means chosen (c[0]). */
static int
select_candidate(int nargs, const Oid *types, Cand *c, int n)
{
    Oid base[MAX_FN_ARGS];
    int unknowns = 0;

    for (int i = 0; i < nargs; i++) {
        base[i] = types[i] == UNKNOWN_OID ? UNKNOWN_OID : type_base(types[i], NULL);
        unknowns += types[i] == UNKNOWN_OID;
    }
    int *score = __builtin_alloca(sizeof(int) * (size_t)(n + 1));
    for (int k = 0; k < n; k++) {
        score[k] = 0;
        for (int i = 0; i < nargs; i++)
            score[k] += base[i] != UNKNOWN_OID && c[k].args[i] == base[i];
    }
    n = keep_best(c, n, score);
    if (n == 1)
        return 1;
    for (int k = 0; k < n; k++) {
        score[k] = 0;
        for (int i = 0; i < nargs; i++) {
            if (base[i] == UNKNOWN_OID)
                continue;
            const TypeInfo *t = type_info(c[k].args[i]);
            score[k] += c[k].args[i] == base[i] || (t->preferred && t->category == type_info(base[i])->category);
        }
    }
    n = keep_best(c, n, score);
    if (n == 1 || unknowns == 0)
        return n;
    n = select_by_unknown_category(base, nargs, c, n);
    if (n == 1)
        return 1;
    if (unknowns < nargs) {
        Oid known = 0;
        for (int i = 0; i < nargs; i++) {
            if (base[i] == UNKNOWN_OID)
                continue;
            if (known == 0)
                known = base[i];
            else if (known != base[i])
                return n;
        }
        for (int i = 0; i < nargs; i++)
            base[i] = known;
        int found = -1, matches = 0;
        for (int k = 0; k < n; k++)
            if (can_coerce(base, c[k].args, nargs, COERCE_IMPLICIT)) {
                matches++;
                found = k;
            }
        if (matches == 1) {
            c[0] = c[found];
            return 1;
        }
    }
    return n;
}

int
op_match_candidates(int nargs, const Oid *types, const OpInfo **ops, int n)
{
    Cand *c = __builtin_alloca(sizeof(Cand) * (size_t)(n + 1));
    Oid(*args)[2] = __builtin_alloca(sizeof(Oid) * 2 * (size_t)(n + 1));
    for (int i = 0; i < n; i++) {
        args[i][0] = nargs == 2 ? ops[i]->left : ops[i]->right;
        args[i][1] = ops[i]->right;
        c[i] = (Cand){ops[i], args[i]};
    }
    n = keep_castable(types, nargs, c, n);
    if (n > 1)
        n = select_candidate(nargs, types, c, n);
    for (int i = 0; i < n; i++)
        ops[i] = c[i].what;
    return n;
}

/* ---- functions ---- */

/*
 * The places of a call's arguments where some are given by name: places[i] is the declared argument that
 * the i-th given one is for; after the given ones those that take their default. False: does not fit.
 */
static bool
match_names(const FnInfo *f, int nargs, const char *const *names, int *places)
{
    bool taken[MAX_FN_ARGS] = {false};
    int n = nargs;

    if (nargs > f->nargs || f->arg_names == NULL)
        return false;
    for (int i = 0; i < nargs; i++) {
        int at = i;
        if (names[i] != NULL)
            for (at = 0; at < f->nargs && strcmp(f->arg_names[at], names[i]) != 0;)
                at++;
        if (at == f->nargs || taken[at])
            return false;
        taken[at] = true;
        places[i] = at;
    }
    for (int at = 0; at < f->nargs; at++) {
        if (taken[at])
            continue;
        if (at < f->nargs - f->ndefaults)
            return false;
        places[n++] = at;
    }
    return true;
}

/*
 * Declared argument types of fn in the order of a call with nargs arguments: variadic expanded, named ones
 * where they stand. NULL: does not fit.
 */
static Oid *
args_for_call(Arena *a, const FnInfo *f, int nargs, const char *const *names, bool expand_variadic, int *ndefaults,
              int *nvargs, int **places)
{
    *ndefaults = 0;
    *nvargs = 0;
    *places = NULL;
    if (names != NULL) {
        int *p = ARENA_ARRAY(a, int, f->nargs + 1);
        Oid *t = ARENA_ARRAY(a, Oid, f->nargs + 1);
        if ((f->variadic && expand_variadic) || !match_names(f, nargs, names, p))
            return NULL; /* the elements of an expanded array have no names */
        for (int i = 0; i < f->nargs; i++)
            t[i] = f->args[p[i]];
        *ndefaults = f->nargs - nargs;
        *places = p;
        return t;
    }
    if (f->variadic && expand_variadic && nargs >= f->nargs) {
        Oid *t = ARENA_ARRAY(a, Oid, nargs + 1);
        memcpy(t, f->args, sizeof(Oid) * (size_t)(f->nargs - 1));
        for (int i = f->nargs - 1; i < nargs; i++)
            t[i] = f->variadic;
        *nvargs = nargs - f->nargs + 1;
        return t;
    }
    if (f->nargs == nargs || (f->nargs > nargs && nargs >= f->nargs - f->ndefaults)) {
        Oid *t = ARENA_ARRAY(a, Oid, f->nargs + 1);
        memcpy(t, f->args, sizeof(Oid) * (size_t)f->nargs);
        *ndefaults = f->nargs - nargs;
        return t;
    }
    return NULL;
}

static bool
exact_match(const Oid *types, const Oid *args, int n)
{
    return n == 0 || memcmp(types, args, sizeof(Oid) * (size_t)n) == 0;
}

/* name(x) as a cast: a type of that name, and x an unknown literal, binary coercible, or to or from a string. */
static bool
is_cast_call(const char *nsp, const char *name, const Oid *types, Oid *target)
{
    Oid t = type_lookup(nsp, name);
    if (t == 0)
        return false;
    Oid from = types[0];
    if (type_info(t)->typtype == 'c')
        return false;
    if (from != UNKNOWN_OID && !is_binary_coercible(from, t)) {
        /* I/O coercion with a string on one side counts too, unless composite */
        if (!((type_info(from)->category == 'S' || type_info(t)->category == 'S') && cast_lookup(from, t) == NULL))
            return false;
    }
    *target = t;
    return true;
}

FnLookup
fn_choose(Scope *s, const char *nsp, const char *name, bool may_cast, const Oid *types, int nargs, const char *const *names,
          bool expand_variadic, FnChoice *out)
{
    const FnInfo **all;
    int n = fn_candidates(nsp, name, s->arena, &all), kept = 0;
    memset(out, 0, sizeof *out);
    struct Info { const FnInfo *f; Oid *args; int ndefaults, nvargs, *places; } *info = ARENA_ARRAY(s->arena, struct Info, n + 1);
    for (int i = 0; i < n; i++) {
        int nd, nv, *places;
        Oid *t = args_for_call(s->arena, all[i], nargs, names, expand_variadic, &nd, &nv, &places);
        if (t == NULL)
            continue;
        info[kept++] = (struct Info){all[i], t, nd, nv, places};
    }
    int chosen = -1;
    for (int i = 0; i < kept && chosen < 0; i++)
        if (exact_match(types, info[i].args, nargs) && info[i].ndefaults == 0 && info[i].nvargs == 0)
            chosen = i;
    for (int i = 0; i < kept && chosen < 0; i++)
        if (exact_match(types, info[i].args, nargs))
            chosen = i;
    if (chosen < 0) {
        if (nargs == 1 && may_cast && names == NULL && is_cast_call(nsp, name, types, &out->coercion_target))
            return FN_COERCION;
        Cand *c = ARENA_ARRAY(s->arena, Cand, kept + 1);
        for (int i = 0; i < kept; i++)
            c[i] = (Cand){&info[i], info[i].args};
        int m = keep_castable(types, nargs, c, kept);
        if (m > 1)
            m = select_candidate(nargs, types, c, m);
        if (m > 1) { /* a non-variadic match beats a variadic one, then one without defaults */
            int best = -1, count = 0;
            for (int i = 0; i < m; i++) {
                const struct Info *x = c[i].what;
                if (x->nvargs == 0 && x->ndefaults == 0) {
                    best = i;
                    count++;
                }
            }
            if (count == 1) {
                c[0] = c[best];
                m = 1;
            }
        }
        if (m == 0)
            return FN_NOTFOUND;
        if (m > 1)
            return FN_MULTIPLE;
        chosen = (int)((const struct Info *)c[0].what - info);
    }
    out->fn = info[chosen].f;
    out->true_args = info[chosen].args;
    out->nargs = out->fn->nargs > nargs ? out->fn->nargs : nargs;
    out->nvargs = info[chosen].nvargs;
    out->places = info[chosen].places;
    out->ret = out->fn->ret;
    out->retset = out->fn->retset;
    return FN_NORMAL;
}

char *
signature_text(Arena *a, const char *name, const Oid *types, int n, const char *const *names)
{
    StrBuf b;
    str_init(&b, a);
    str_printf(&b, "%s(", name);
    for (int i = 0; i < n; i++)
        str_printf(&b, "%s%s%s%s", i ? ", " : "", names && names[i] ? names[i] : "", names && names[i] ? " => " : "",
                   type_format(a, types[i], -1, false));
    str_add(&b, ")");
    return b.data;
}

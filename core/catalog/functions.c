/*
 * Functions and casts: built-in ones from the tables in memory, others from pg_proc and pg_cast.
 *
 * Names of functions are asked for far more often than functions are made: for each name looked up the
 * OIDs of its functions outside the built-in tables are remembered (mostly none), until pg_proc changes.
 * A FnInfo made from a row stays at its address for the life of the process (as TypeInfo, types.c).
 */
#include "core/base/hash.h"
#include "core/catalog/cat_internal.h"

typedef struct FnEntry {
    FnInfo info;
    bool fresh;
} FnEntry;

typedef struct NameEntry {
    struct NameEntry *next;
    char name[NAME_BYTES];
    int n;
    Oid *oids; /* functions of this name in pg_proc that are not built in */
} NameEntry;

#define NAME_BUCKETS 512
#define NAMES_MAX 4096

static FnEntry **fns;
static uint32_t fn_slots, fn_used;
static NameEntry *names[NAME_BUCKETS];
static Arena *names_arena;
static int names_count;

/* ---- by OID ---- */

static FnEntry **
slot_of(Oid oid)
{
    for (uint32_t i = (uint32_t)hash_u64(oid) & (fn_slots - 1);; i = (i + 1) & (fn_slots - 1))
        if (!fns[i] || fns[i]->info.oid == oid)
            return &fns[i];
}

static FnEntry *
entry_for(Oid oid)
{
    FnEntry **s;

    if (fn_used * 2 >= fn_slots) {
        FnEntry **old = fns;
        uint32_t n = fn_slots;

        fn_slots = n ? n * 2 : 256;
        fns = ARENA_ARRAY(arena_top(), FnEntry *, fn_slots);
        for (uint32_t i = 0; i < n; i++)
            if (old[i])
                *slot_of(old[i]->info.oid) = old[i];
    }
    s = slot_of(oid);
    if (!*s) {
        *s = ARENA_NEW(arena_top(), FnEntry);
        (*s)->info.oid = oid;
        fn_used++;
    }
    return *s;
}

static char **
text_list(Arena *a, Datum array, int *n)
{
    Datum *v;
    bool *nulls;
    char **out;

    array_deconstruct(a, array, &v, &nulls, n);
    out = ARENA_ARRAY(a, char *, MAX(*n, 1));
    for (int i = 0; i < *n; i++)
        out[i] = nulls[i] ? arena_strdup(a, "") : var_to_cstring(a, v[i]);
    return out;
}

/* OUT, TABLE and INOUT arguments make the columns of the result. */
static void
load_outs(Arena *a, FnInfo *f, const CatRow *r)
{
    Oid all[MAX_FN_ARGS], types[MAX_FN_ARGS];
    char *out_names[MAX_FN_ARGS];
    ArrayView modes;
    int n, out = 0;

    if (cat_null(r, PG_PROC_PROALLARGTYPES) || cat_null(r, PG_PROC_PROARGMODES))
        return;
    n = cat_oid_list(cat_val(r, PG_PROC_PROALLARGTYPES), all, MAX_FN_ARGS);
    array_view(cat_val(r, PG_PROC_PROARGMODES), &modes);
    for (int i = 0; i < n && i < modes.count; i++)
        if (strchr("obt", modes.data[i])) {
            types[out] = all[i];
            out_names[out++] = f->arg_names ? f->arg_names[i] : arena_strdup(a, "");
        }
    f->nout = out;
    f->out_types = arena_memdup(a, types, sizeof(Oid) * (size_t)MAX(out, 1));
    f->out_names = arena_memdup(a, out_names, sizeof(char *) * (size_t)MAX(out, 1));
}

static bool
load(FnEntry *e)
{
    const CatRow *r = cat_get_by_oid(CAT_PG_PROC, e->info.oid);
    Arena *a = arena_top();
    FnInfo *f = &e->info;
    Oid args[MAX_FN_ARGS];
    int n;

    if (!r)
        return false;
    f->name = cat_name(a, r, PG_PROC_PRONAME);
    f->nsp = cat_oid(r, PG_PROC_PRONAMESPACE);
    f->owner = cat_oid(r, PG_PROC_PROOWNER);
    f->lang = cat_oid(r, PG_PROC_PROLANG);
    f->ret = cat_oid(r, PG_PROC_PRORETTYPE);
    f->variadic = cat_oid(r, PG_PROC_PROVARIADIC);
    f->nargs = cat_oid_list(cat_val(r, PG_PROC_PROARGTYPES), args, MAX_FN_ARGS);
    f->args = arena_memdup(a, args, sizeof(Oid) * (size_t)MAX(f->nargs, 1));
    f->ndefaults = datum_int16(cat_val(r, PG_PROC_PRONARGDEFAULTS));
    f->kind = cat_char(r, PG_PROC_PROKIND);
    f->strict = cat_bool(r, PG_PROC_PROISSTRICT);
    f->retset = cat_bool(r, PG_PROC_PRORETSET);
    f->leakproof = cat_bool(r, PG_PROC_PROLEAKPROOF);
    f->volatility = cat_char(r, PG_PROC_PROVOLATILE);
    f->parallel = cat_char(r, PG_PROC_PROPARALLEL);
    f->cost = datum_float4(cat_val(r, PG_PROC_PROCOST));
    f->rows = datum_float4(cat_val(r, PG_PROC_PROROWS));
    f->source = cat_name(a, r, PG_PROC_PROSRC);
    f->default_tree = cat_name(a, r, PG_PROC_PROARGDEFAULTS);
    f->arg_names = cat_null(r, PG_PROC_PROARGNAMES) ? NULL : text_list(a, cat_val(r, PG_PROC_PROARGNAMES), &n);
    load_outs(a, f, r);
    e->fresh = true;
    return true;
}

static const FnInfo *
fn_info_or_null(Oid oid)
{
    const FnInfo *f = builtin_fn_info(oid);
    FnEntry *e;

    if (LIKELY(f != NULL))
        return f;
    if (oid == 0 || catalog_database == 0 || catalog_bootstrapping)
        return NULL;
    inval_own();
    e = fns ? *slot_of(oid) : NULL;
    if (e && e->fresh)
        return &e->info;
    if (!e) {
        if (!cat_get_by_oid(CAT_PG_PROC, oid))
            return NULL;
        e = entry_for(oid);
    }
    return load(e) ? &e->info : NULL;
}

const FnInfo *
fn_info(Oid oid)
{
    const FnInfo *f = fn_info_or_null(oid);

    if (UNLIKELY(!f))
        INTERNAL_ERROR("cache lookup failed for function %u", oid);
    return f;
}

bool
fn_exists(Oid oid)
{
    return fn_info_or_null(oid) != NULL;
}

void
functions_invalidate(Oid table, Oid object)
{
    if (table != CAT_PG_PROC && table != 0)
        return;
    for (uint32_t i = 0; i < fn_slots; i++)
        if (fns[i] && (object == 0 || fns[i]->info.oid == object))
            fns[i]->fresh = false;
    if (names_arena) {
        arena_reset(names_arena);
        memset(names, 0, sizeof names);
        names_count = 0;
    }
}

/* ---- by name ---- */

static const NameEntry *
name_entry(const char *name)
{
    uint32_t b = (uint32_t)hash_bytes(name, strlen(name)) % NAME_BUCKETS;
    uint64_t epoch;
    NameEntry *e;
    Oid found[256];
    int n = 0;
    CatScan *s;
    const CatRow *r;
    Datum key;

    for (e = names[b]; e; e = e->next)
        if (strcmp(e->name, name) == 0)
            return e;
    if (!names_arena)
        names_arena = arena_create(arena_top(), "function names");
    if (names_count >= NAMES_MAX)
        functions_invalidate(CAT_PG_PROC, OID_FIRST_USER - 1); /* no function's number: only the names go */
    epoch = inval_epoch;
    key = cat_name_datum(txn_current_arena(), name);
    s = cat_scan_begin(CAT_PG_PROC, IDX_PG_PROC_PRONAME_ARGS_NSP_INDEX, 1, &key);
    while ((r = cat_scan_next(s)) != NULL) {
        Oid oid = cat_oid(r, PG_PROC_OID);

        if (!builtin_fn_info(oid) && n < (int)COUNT_OF(found))
            found[n++] = oid;
    }
    cat_scan_end(s);
    e = ARENA_NEW(epoch == inval_epoch ? names_arena : txn_current_arena(), NameEntry);
    memcpy(e->name, name, strnlen(name, NAME_BYTES - 1));
    e->n = n;
    e->oids = arena_memdup(epoch == inval_epoch ? names_arena : txn_current_arena(), found, sizeof(Oid) * (size_t)MAX(n, 1));
    if (epoch == inval_epoch) {
        e->next = names[b];
        names[b] = e;
        names_count++;
    }
    return e;
}

static int
path_rank(Oid nsp, const Oid *path, int n)
{
    for (int i = 0; i < n; i++)
        if (path[i] == nsp)
            return i;
    return -1;
}

static bool
same_args(const FnInfo *x, const FnInfo *y)
{
    return x->nargs == y->nargs && memcmp(x->args, y->args, sizeof(Oid) * (size_t)x->nargs) == 0;
}

int
fn_candidates(const char *nsp, const char *name, Arena *a, const FnInfo ***out)
{
    int npath, n = 0, cap = 16;
    const Oid *path = search_path_oids(&npath);
    Oid only = 0;
    const FnInfo **list;
    const NameEntry *e;

    *out = NULL;
    if (strlen(name) >= NAME_BYTES)
        return 0;
    if (nsp) {
        only = nsp_oid(nsp, true);
        if (!only)
            return 0;
        path = &only;
        npath = 1;
    }
    list = arena_alloc(a, sizeof *list * (size_t)cap);
    if (path_rank(NSP_PG_CATALOG, path, npath) >= 0)
        for (const FnInfo *f = builtin_fn_first(name); f; f = builtin_fn_next(f)) {
            if (n == cap) {
                list = arena_realloc(a, list, sizeof *list * (size_t)cap, sizeof *list * (size_t)cap * 2);
                cap *= 2;
            }
            list[n++] = f;
        }
    if (catalog_database != 0 && !catalog_bootstrapping && (e = name_entry(name))->n > 0) {
        for (int i = 0; i < e->n; i++) {
            const FnInfo *f = fn_info_or_null(e->oids[i]);
            int rank = f ? path_rank(f->nsp, path, npath) : -1;
            bool hidden = rank < 0;

            for (int k = 0; k < n && !hidden; k++)
                if (same_args(list[k], f)) { /* the earlier schema hides the later one */
                    if (path_rank(list[k]->nsp, path, npath) > rank)
                        list[k] = f;
                    hidden = true;
                }
            if (hidden)
                continue;
            if (n == cap) {
                list = arena_realloc(a, list, sizeof *list * (size_t)cap, sizeof *list * (size_t)cap * 2);
                cap *= 2;
            }
            list[n++] = f;
        }
    }
    *out = list;
    return n;
}

bool
fn_is_visible(Oid oid)
{
    const FnInfo *f = fn_info_or_null(oid), **c;
    int n;

    if (!f)
        return false;
    n = fn_candidates(NULL, f->name, txn_current_arena(), &c);
    for (int i = 0; i < n; i++)
        if (c[i]->oid == oid)
            return true;
    return false;
}

/* ---- casts ---- */

const CastInfo *
cast_lookup(Oid source, Oid target)
{
    const CastInfo *b = builtin_cast(source, target);
    CastInfo *c;
    const CatRow *r;

    if (b || catalog_database == 0)
        return b;
    r = cat_get(IDX_PG_CAST_SOURCE_TARGET_INDEX, oid_datum(source), oid_datum(target), 0, 0);
    if (LIKELY(!r))
        return NULL;
    c = ARENA_NEW(txn_arena(), CastInfo);
    *c = (CastInfo){source, target, cat_oid(r, PG_CAST_CASTFUNC), cat_char(r, PG_CAST_CASTCONTEXT), cat_char(r, PG_CAST_CASTMETHOD)};
    return c;
}

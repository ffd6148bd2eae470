/*
 * Operators, and what the operator families say of them: order, equality, hashing.
 *
 * Built-in operators come from memory. Those of pg_operator are looked for by name only where a schema
 * outside pg_catalog is on the path, and only if pg_operator has rows beyond the built-in ones, which is
 * remembered until it changes.
 */
#include "core/base/hash.h"
#include "core/catalog/cat_internal.h"

/* The families that give types their default order; the others order the same types in another way. */
static bool
is_default_family(Oid family)
{
    return family != 2095 /* text_pattern_ops */ && family != 2097 /* bpchar_pattern_ops */ && family != 3194 /* record_image_ops */;
}

/* ---- operators ---- */

static const OpInfo *
op_from_row(const CatRow *r)
{
    Arena *a = txn_arena();
    OpInfo *o = ARENA_NEW(a, OpInfo);

    o->oid = cat_oid(r, PG_OPERATOR_OID);
    o->name = cat_name(a, r, PG_OPERATOR_OPRNAME);
    o->nsp = cat_oid(r, PG_OPERATOR_OPRNAMESPACE);
    o->left = cat_oid(r, PG_OPERATOR_OPRLEFT);
    o->right = cat_oid(r, PG_OPERATOR_OPRRIGHT);
    o->ret = cat_oid(r, PG_OPERATOR_OPRRESULT);
    o->fn = cat_oid(r, PG_OPERATOR_OPRCODE);
    o->commutator = cat_oid(r, PG_OPERATOR_OPRCOM);
    o->negator = cat_oid(r, PG_OPERATOR_OPRNEGATE);
    o->merges = cat_bool(r, PG_OPERATOR_OPRCANMERGE);
    o->hashes = cat_bool(r, PG_OPERATOR_OPRCANHASH);
    o->restrict_est = o->join_est = "";
    return o;
}

static const OpInfo *
op_info_or_null(Oid op)
{
    const OpInfo *o = builtin_op_info(op);
    const CatRow *r;

    if (LIKELY(o != NULL) || op == 0 || catalog_database == 0)
        return o;
    r = cat_get_by_oid(CAT_PG_OPERATOR, op);
    return r ? op_from_row(r) : NULL;
}

const OpInfo *
op_info(Oid op)
{
    const OpInfo *o = op_info_or_null(op);

    if (UNLIKELY(!o))
        INTERNAL_ERROR("cache lookup failed for operator %u", op);
    return o;
}

bool
op_exists(Oid op)
{
    return op_info_or_null(op) != NULL;
}

static int
path_rank(Oid nsp, const Oid *path, int n)
{
    for (int i = 0; i < n; i++)
        if (path[i] == nsp)
            return i;
    return -1;
}

/* Operators of a name that are not built in; rows live with the transaction. */
static int
user_operators(const char *name, const Oid *path, int npath, Arena *a, const OpInfo ***out)
{
    Datum key = cat_name_datum(a, name);
    CatScan *s = cat_scan_begin(CAT_PG_OPERATOR, IDX_PG_OPERATOR_OPRNAME_L_R_N_INDEX, 1, &key);
    const CatRow *r;
    int n = 0, cap = 0;

    *out = NULL;
    while ((r = cat_scan_next(s)) != NULL) {
        if (builtin_op_info(cat_oid(r, PG_OPERATOR_OID)) || path_rank(cat_oid(r, PG_OPERATOR_OPRNAMESPACE), path, npath) < 0)
            continue;
        if (n == cap) {
            *out = arena_realloc(a, *out, sizeof **out * (size_t)cap, sizeof **out * (size_t)(cap + 16));
            cap += 16;
        }
        (*out)[n++] = op_from_row(r);
    }
    cat_scan_end(s);
    return n;
}

/* Are there operators outside of the built-in tables at all? Scans the table once per change of it. */
static bool
any_user_operators(void)
{
    static uint64_t asked_at;
    static bool any;
    CatScan *s;
    const CatRow *r;

    if (catalog_database == 0 || catalog_bootstrapping)
        return false;
    if (asked_at == catalog_version())
        return any;
    any = false;
    s = cat_scan_begin(CAT_PG_OPERATOR, 0, 0, NULL);
    while (!any && (r = cat_scan_next(s)) != NULL)
        any = cat_oid(r, PG_OPERATOR_OID) >= OID_FIRST_USER;
    cat_scan_end(s);
    asked_at = catalog_version();
    return any;
}

int
op_candidates(const char *nsp, const char *name, char kind, Arena *a, const OpInfo ***out)
{
    int npath, n = 0, cap = 64, nuser;
    const Oid *path = search_path_oids(&npath);
    Oid only;
    const OpInfo **list = arena_alloc(a, sizeof *list * (size_t)cap), **user;

    *out = list;
    if (strlen(name) >= NAME_BYTES)
        return 0;
    if (nsp) {
        only = nsp_oid(nsp, true);
        if (!only)
            return 0;
        path = &only;
        npath = 1;
    }
#define PUSH(o)                                                                                      \
    do {                                                                                             \
        if (n == cap) {                                                                              \
            list = arena_realloc(a, list, sizeof *list * (size_t)cap, sizeof *list * (size_t)cap * 2); \
            cap *= 2;                                                                                \
        }                                                                                            \
        list[n++] = (o);                                                                             \
    } while (0)
    if (path_rank(NSP_PG_CATALOG, path, npath) >= 0)
        for (const OpInfo *o = builtin_op_first(name); o; o = builtin_op_next(o))
            if ((o->left == 0) == (kind == 'l'))
                PUSH(o);
    if (any_user_operators()) {
        nuser = user_operators(name, path, npath, a, &user);
        for (int i = 0; i < nuser; i++) {
            const OpInfo *o = user[i];
            bool hidden = (o->left == 0) != (kind == 'l');

            for (int k = 0; k < n && !hidden; k++)
                if (list[k]->left == o->left && list[k]->right == o->right) {
                    if (path_rank(list[k]->nsp, path, npath) > path_rank(o->nsp, path, npath))
                        list[k] = o;
                    hidden = true;
                }
            if (!hidden)
                PUSH(o);
        }
    }
#undef PUSH
    *out = list;
    return n;
}

Oid
op_lookup_exact(const char *name, Oid left, Oid right)
{
    const OpInfo **c;
    int n;

    if (!any_user_operators()) {
        for (const OpInfo *o = builtin_op_first(name); o; o = builtin_op_next(o))
            if (o->left == left && o->right == right)
                return o->oid;
        return 0;
    }
    n = op_candidates(NULL, name, left ? 'b' : 'l', txn_current_arena(), &c);
    for (int i = 0; i < n; i++)
        if (c[i]->left == left && c[i]->right == right)
            return c[i]->oid;
    return 0;
}

/* ---- operator classes ---- */

/* The type whose default btree class serves `type`: itself, what it is binary coercible to, or the
 * polymorphic stand-in of its kind. */
static const OpClassDef *
default_class_uncached(Oid type, Oid am)
{
    const OpClassDef *via_cast = NULL;
    bool via_preferred = false;
    const TypeInfo *t = type_info_or_null(type);
    Oid stand_in = 0;

    if (!t)
        return NULL;
    if (type_element_of(type))
        stand_in = ANYARRAY_OID;
    else if (t->typtype == 'e')
        stand_in = ANYENUM_OID;
    else if (t->typtype == 'r')
        stand_in = ANYRANGE_OID;
    else if (t->typtype == 'm')
        stand_in = ANYMULTIRANGE_OID;
    else if (t->typtype == 'c')
        stand_in = RECORD_OID;
    for (int i = 0; i < builtin_opclass_count; i++) {
        const OpClassDef *d = &builtin_opclasses[i];
        const CastInfo *c;
        Oid on;

        if (d->am != am || !d->is_default)
            continue;
        on = builtin_type_oid(d->type);
        if (on == type)
            return d;
        if (on == stand_in) {
            via_cast = d;
            via_preferred = true;
            continue;
        }
        c = builtin_cast(type, on);
        if (c && c->method == 'b' && c->context == 'i' && !via_preferred) {
            via_cast = d;
            via_preferred = type_info(on)->preferred;
        }
    }
    return via_cast;
}

static const OpClassDef *
default_class(Oid type, Oid am)
{
    static struct { Oid type, am; const OpClassDef *d; } cache[256];
    uint32_t i = (uint32_t)hash_u64((uint64_t)am << 32 | type) % COUNT_OF(cache);

    /* Classes are all built in, and a type never changes its kind: entries stay true. */
    if (cache[i].type != type || cache[i].am != am || !cache[i].d) {
        cache[i].d = default_class_uncached(type, am);
        cache[i].type = type;
        cache[i].am = am;
    }
    return cache[i].d;
}

Oid
opclass_default(Oid type, Oid am)
{
    const OpClassDef *d = default_class(type_base(type, NULL), am);

    return d ? d->oid : 0;
}

Oid
opclass_input_type(Oid opclass)
{
    const OpClassDef *d = builtin_opclass(opclass);

    return d ? builtin_type_oid(d->type) : 0;
}

Oid
opclass_family(Oid opclass)
{
    const OpClassDef *d = builtin_opclass(opclass);

    return d ? d->family : 0;
}

/* Classes that order text by bytes, whatever the collation. */
bool
opclass_is_pattern(Oid opclass)
{
    Oid f = opclass_family(opclass);

    return f != 0 && !is_default_family(f) && f != 3194;
}

Oid
opclass_lookup(const char *nsp, const char *name, Oid am)
{
    if (nsp && strcmp(nsp, "pg_catalog") != 0)
        return 0;
    for (int i = 0; i < builtin_opclass_count; i++)
        if (builtin_opclasses[i].am == am && strcmp(builtin_opclasses[i].name, name) == 0)
            return builtin_opclasses[i].oid;
    return 0;
}

Oid
opfamily_member(Oid family, Oid left, Oid right, int strategy)
{
    for (int i = 0; i < builtin_amop_count; i++) {
        const AmOpDef *m = &builtin_amops[i];

        if (m->family == family && m->strategy == strategy && m->left == left && m->right == right && m->purpose == 's')
            return m->op;
    }
    return 0;
}

int
opfamily_strategy(Oid family, Oid op)
{
    for (int i = 0; i < builtin_amop_count; i++)
        if (builtin_amops[i].family == family && builtin_amops[i].op == op && builtin_amops[i].purpose == 's')
            return builtin_amops[i].strategy;
    return 0;
}

/* ---- order ---- */

static bool
type_is_hashable(Oid type)
{
    const OpClassDef *d = default_class(type, AM_HASH);
    const TypeInfo *t = type_info_or_null(type);
    Oid elem;

    if (!d || !t || !t->ops || !t->ops->hash)
        return false;
    elem = type_element_of(type);
    return elem == 0 || type_is_hashable(type_base(elem, NULL));
}

/* A row type has an order, equality and hash if all its columns have. */
static void
limit_by_columns(Oid row_type, TypeSortOps *ops)
{
    Datum key = oid_datum(type_info(row_type)->rel);
    CatScan *s = cat_scan_begin(CAT_PG_ATTRIBUTE, IDX_PG_ATTRIBUTE_RELID_ATTNUM_INDEX, 1, &key);
    Oid types[MAX_COLUMNS];
    const CatRow *r;
    int n = 0;

    while ((r = cat_scan_next(s)) != NULL && n < MAX_COLUMNS)
        if (datum_int16(cat_val(r, PG_ATTRIBUTE_ATTNUM)) > 0 && !cat_bool(r, PG_ATTRIBUTE_ATTISDROPPED))
            types[n++] = cat_oid(r, PG_ATTRIBUTE_ATTTYPID);
    cat_scan_end(s);
    for (int i = 0; i < n; i++) {
        TypeSortOps one = type_sort_ops(types[i]);

        ops->lt = one.lt ? ops->lt : 0;
        ops->gt = one.gt ? ops->gt : 0;
        ops->eq = one.eq ? ops->eq : 0;
        ops->hashable &= one.hashable;
    }
}

TypeSortOps
type_sort_ops(Oid type)
{
    static struct { Oid type; TypeSortOps ops; } cache[256];
    uint32_t slot = (uint32_t)hash_u64(type) % COUNT_OF(cache);
    TypeSortOps ops = {0, 0, 0, false};
    const OpClassDef *d;
    Oid base, on, elem;

    if (LIKELY(cache[slot].type == type && type != 0))
        return cache[slot].ops;
    base = type_base(type, NULL);
    d = default_class(base, AM_BTREE);
    elem = type_element_of(base);
    if (elem && type_sort_ops(elem).lt == 0)
        return ops;
    if (d) {
        on = builtin_type_oid(d->type);
        ops.lt = opfamily_member(d->family, on, on, 1);
        ops.eq = opfamily_member(d->family, on, on, 3);
        ops.gt = opfamily_member(d->family, on, on, 5);
        /* An operator of a family not in the tree orders nothing. */
        if (!builtin_op_info(ops.lt) || !builtin_op_info(ops.eq) || !builtin_op_info(ops.gt))
            return (TypeSortOps){0, 0, 0, false};
        /* What an anonymous record holds is known at run time only: sorting is possible more often. */
        ops.hashable = base != RECORD_OID && type_is_hashable(base);
        if (type_info(base)->typtype == 'c')
            limit_by_columns(base, &ops);
    } else {
        const OpClassDef *h = default_class(base, AM_HASH);

        if (h) {
            on = builtin_type_oid(h->type);
            ops.eq = opfamily_member(h->family, on, on, 1);
            if (!builtin_op_info(ops.eq))
                ops.eq = 0;
            ops.hashable = ops.eq != 0 && type_is_hashable(base);
        }
    }
    if (type < OID_FIRST_USER) {
        cache[slot].type = type;
        cache[slot].ops = ops;
    }
    return ops;
}

/* For each built-in operator its place in a default family, plus one. */
static uint16_t amop_of_op[BUILTIN_OIDS];

static void
amop_index(void)
{
    static bool done;

    if (LIKELY(done))
        return;
    for (int i = builtin_amop_count - 1; i >= 0; i--)
        if (builtin_amops[i].am == AM_BTREE && builtin_amops[i].purpose == 's' && is_default_family(builtin_amops[i].family))
            amop_of_op[builtin_amops[i].op] = (uint16_t)(i + 1);
    done = true;
}

int
op_btree_strategy(Oid op, Oid *left_type, Oid *right_type)
{
    int i;

    amop_index();
    i = op < BUILTIN_OIDS ? amop_of_op[op] : 0;
    if (i == 0)
        return 0;
    if (left_type)
        *left_type = builtin_amops[i - 1].left;
    if (right_type)
        *right_type = builtin_amops[i - 1].right;
    return builtin_amops[i - 1].strategy;
}

Oid
op_for_strategy(Oid left_type, Oid right_type, int strategy)
{
    Oid l = type_base(left_type, NULL), r = type_base(right_type, NULL);

    for (int pass = 0; pass < 2; pass++) {
        const OpClassDef *d = default_class(l, AM_BTREE);
        Oid op = d ? opfamily_member(d->family, l, r, strategy) : 0;

        if (op && builtin_op_info(op))
            return op;
        /* varchar as text, arrays as anyarray ... */
        if (d)
            l = builtin_type_oid(d->type);
        d = default_class(r, AM_BTREE);
        if (d)
            r = builtin_type_oid(d->type);
    }
    return 0;
}

/* Hash functions of different types need not agree; integers are one family of lanes. */
static bool
is_integer(Oid t)
{
    return t == INT2_OID || t == INT4_OID || t == INT8_OID;
}

bool
op_is_equality_hashable(Oid op)
{
    const OpInfo *o = op_info_or_null(op);
    const TypeInfo *t;

    if (!o || !o->hashes)
        return false;
    if (o->left != o->right && !(is_integer(o->left) && is_integer(o->right)))
        return false;
    t = type_info_or_null(o->left);
    return t && t->ops && t->ops->hash;
}

/*
 * Tables of everything built in. The .def files are included several times with different meanings of
 * their macros: once to declare the functions they name, once to lay out the arrays.
 *
 * OIDs of built-in objects are below 16384, so an OID leads to its entry through one array of 16-bit
 * numbers; names go through chained hash tables. Type names inside the definitions are resolved once,
 * when builtins_init builds the FnInfo and OpInfo structs, which never change after.
 */
#include "core/catalog/builtins.h"

#include <stdlib.h>

#include "core/base/hash.h"

/* ---- declarations of what the tables point at ---- */

#define FN(oid, name, ret, args, flags, scalar) extern Datum scalar(FnCtx *, const Datum *, bool *);
#define FNB(oid, name, ret, args, flags, scalar, batch)                                              \
    extern Datum scalar(FnCtx *, const Datum *, bool *);                                             \
    extern int batch(FnCtx *, int, const uint16_t *, const Vec *const *, Vec *);
#define SRF(oid, name, ret, args, outs, flags, set) extern bool set(FnCtx *, const Datum *, Datum *, bool *);
#define AGG(oid, name, ret, args, flags, agg) extern const AggImpl agg;
#define WIN(oid, name, ret, args, flags)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wredundant-decls"
#include "core/catalog/fn_all.def"
#pragma GCC diagnostic pop
#undef FN
#undef FNB
#undef SRF
#undef AGG
#undef WIN

/* ---- the arrays ---- */

#define FN(oid, name, ret, args, flags, scalar) {oid, #name, ret, args, "", flags, FNKIND_SCALAR, scalar, NULL, NULL, NULL},
#define FNB(oid, name, ret, args, flags, scalar, batch) {oid, #name, ret, args, "", flags, FNKIND_SCALAR, scalar, batch, NULL, NULL},
#define SRF(oid, name, ret, args, outs, flags, set) {oid, #name, ret, args, outs, flags, FNKIND_SET, NULL, NULL, set, NULL},
#define AGG(oid, name, ret, args, flags, agg) {oid, #name, ret, args, "", flags, FNKIND_AGG, NULL, NULL, NULL, &agg},
#define WIN(oid, name, ret, args, flags) {oid, #name, ret, args, "", (flags) | FN_WINDOW, FNKIND_WINDOW, NULL, NULL, NULL, NULL},
static const FnDef fn_defs[] = {
#include "core/catalog/fn_all.def"
};

#define OP(oid, name, left, right, ret, fn, com, neg, restr, join, flags) {oid, name, left, right, ret, fn, com, neg, restr, join, flags},
static const OpDef op_defs[] = {
#include "core/catalog/op_all.def"
};

#define CAST(source, target, fn, context, method) {source, target, fn, context, method},
static const CastDef cast_defs[] = {
#include "core/catalog/cast_all.def"
};

#define TYPE(oid, name, len, byval, type, category, preferred, delim, elem, array, in, out, recv, send, modin, modout, align, \
             storage, collation, subscript)                                                                                 \
    {oid, name, len, byval, type, category, preferred, delim, elem, array, in, out, recv, send, modin, modout, align, storage, collation, subscript},
const TypeDef builtin_types[] = {
#include "core/catalog/type.def"
};
const int builtin_type_count = COUNT_OF(builtin_types);

#define AM(oid, name, handler, type)
#define OPFAMILY(oid, am, name)
#define OPCLASS(oid, am, name, family, type, is_default, key_type)
#define AMOP(oid, family, left, right, strategy, purpose, op, am, sort_family)
#define AMPROC(oid, family, left, right, number, fn)
#define LANGUAGE(oid, name, is_pl, trusted)
#define NAMESPACE(oid, name, description)
#define ROLE(oid, name)
#define TABLESPACE(oid, name)
#define COLLATION(oid, name, provider, encoding, collate, ctype, icu)

#undef AM
#define AM(oid, name, handler, type) {oid, name, handler, type},
const AmDef builtin_ams[] = {
#include "core/catalog/misc.def"
};
#undef AM
#define AM(oid, name, handler, type)
#undef OPFAMILY
#define OPFAMILY(oid, am, name) {oid, am, name},
const OpFamilyDef builtin_opfamilies[] = {
#include "core/catalog/misc.def"
};
#undef OPFAMILY
#define OPFAMILY(oid, am, name)
#undef OPCLASS
#define OPCLASS(oid, am, name, family, type, is_default, key_type) {oid, am, name, family, type, is_default, key_type},
const OpClassDef builtin_opclasses[] = {
#include "core/catalog/misc.def"
};
#undef OPCLASS
#define OPCLASS(oid, am, name, family, type, is_default, key_type)
#undef AMOP
#define AMOP(oid, family, left, right, strategy, purpose, op, am, sort_family) \
    {oid, family, left, right, strategy, purpose, op, am, sort_family},
const AmOpDef builtin_amops[] = {
#include "core/catalog/misc.def"
};
#undef AMOP
#define AMOP(oid, family, left, right, strategy, purpose, op, am, sort_family)
#undef AMPROC
#define AMPROC(oid, family, left, right, number, fn) {oid, family, left, right, number, fn},
const AmProcDef builtin_amprocs[] = {
#include "core/catalog/misc.def"
};
#undef AMPROC
#define AMPROC(oid, family, left, right, number, fn)
#undef LANGUAGE
#define LANGUAGE(oid, name, is_pl, trusted) {oid, name, is_pl, trusted},
const LanguageDef builtin_languages[] = {
#include "core/catalog/misc.def"
};
#undef LANGUAGE
#define LANGUAGE(oid, name, is_pl, trusted)
#undef NAMESPACE
#define NAMESPACE(oid, name, description) {oid, name, description},
const NamespaceDef builtin_namespaces[] = {
#include "core/catalog/misc.def"
};
#undef NAMESPACE
#define NAMESPACE(oid, name, description)
#undef ROLE
#define ROLE(oid, name) {oid, name},
const RoleDef builtin_roles[] = {
#include "core/catalog/misc.def"
};
#undef ROLE
#define ROLE(oid, name)
#undef TABLESPACE
#define TABLESPACE(oid, name) {oid, name},
const TablespaceDef builtin_tablespaces[] = {
#include "core/catalog/misc.def"
};
#undef TABLESPACE
#define TABLESPACE(oid, name)
#undef COLLATION
#define COLLATION(oid, name, provider, encoding, collate, ctype, icu) {oid, name, provider, encoding, collate, ctype, icu},
const CollationDef builtin_collations[] = {
#include "core/catalog/misc.def"
};
const int builtin_am_count = COUNT_OF(builtin_ams), builtin_opfamily_count = COUNT_OF(builtin_opfamilies),
          builtin_opclass_count = COUNT_OF(builtin_opclasses), builtin_amop_count = COUNT_OF(builtin_amops),
          builtin_amproc_count = COUNT_OF(builtin_amprocs), builtin_language_count = COUNT_OF(builtin_languages),
          builtin_namespace_count = COUNT_OF(builtin_namespaces), builtin_role_count = COUNT_OF(builtin_roles),
          builtin_tablespace_count = COUNT_OF(builtin_tablespaces), builtin_collation_count = COUNT_OF(builtin_collations);

STATIC_ASSERT(COUNT_OF(fn_defs) < UINT16_MAX);

int
builtin_agg_direct(Oid fn)
{
    return fn < 3972 || fn > 3984 || (fn & 1) ? -1 : fn != 3984;
}

int builtin_fn_count(void) { return COUNT_OF(fn_defs); }
const FnDef *builtin_fn_at(int i) { return &fn_defs[i]; }
int builtin_op_count(void) { return COUNT_OF(op_defs); }
const OpDef *builtin_op_at(int i) { return &op_defs[i]; }
int builtin_cast_count(void) { return COUNT_OF(cast_defs); }
const CastDef *builtin_cast_at(int i) { return &cast_defs[i]; }

/* ---- look-up structures; entry numbers are stored plus one, 0 is the end ---- */

#define NAME_BUCKETS 4096u
#define CAST_SLOTS 2048u /* open addressing, at most half full */
STATIC_ASSERT(COUNT_OF(cast_defs) * 2 <= CAST_SLOTS);

static bool ready;
static uint16_t type_by_oid[BUILTIN_OIDS], fn_by_oid[BUILTIN_OIDS], op_by_oid[BUILTIN_OIDS];
static uint16_t type_heads[NAME_BUCKETS], fn_heads[NAME_BUCKETS], op_heads[NAME_BUCKETS];
static uint16_t type_links[COUNT_OF(builtin_types)], fn_links[COUNT_OF(fn_defs)], op_links[COUNT_OF(op_defs)];
static FnInfo fn_infos[COUNT_OF(fn_defs)];
static OpInfo op_infos[COUNT_OF(op_defs)];
static TypeInfo type_infos[COUNT_OF(builtin_types)];
static CastInfo cast_slots[CAST_SLOTS];

static inline uint32_t
name_bucket(const char *name)
{
    return (uint32_t)hash_bytes(name, strlen(name)) & (NAME_BUCKETS - 1);
}

/* Chains are filled from the last entry down, so that they run in the order of the files. */
static void
link_name(uint16_t *heads, uint16_t *links, const char *name, int i)
{
    uint32_t b = name_bucket(name);

    links[i] = heads[b];
    heads[b] = (uint16_t)(i + 1);
}

Oid
builtin_type_oid(const char *name)
{
    for (int i = type_heads[name_bucket(name)]; i; i = type_links[i - 1])
        if (strcmp(builtin_types[i - 1].name, name) == 0)
            return builtin_types[i - 1].oid;
    return 0;
}

const TypeDef *
builtin_type_def(Oid oid)
{
    int i = oid < BUILTIN_OIDS ? type_by_oid[oid] : 0;

    return i ? &builtin_types[i - 1] : NULL;
}

TypeInfo *
builtin_type_info(Oid oid)
{
    int i = oid < BUILTIN_OIDS ? type_by_oid[oid] : 0;

    return i ? &type_infos[i - 1] : NULL;
}

const FnInfo *
builtin_fn_info(Oid oid)
{
    int i = oid < BUILTIN_OIDS ? fn_by_oid[oid] : 0;

    return i ? &fn_infos[i - 1] : NULL;
}

const OpInfo *
builtin_op_info(Oid oid)
{
    int i = oid < BUILTIN_OIDS ? op_by_oid[oid] : 0;

    return i ? &op_infos[i - 1] : NULL;
}

static const FnInfo *
fn_from(int i, const char *name)
{
    for (; i; i = fn_links[i - 1])
        if (strcmp(fn_defs[i - 1].name, name) == 0)
            return &fn_infos[i - 1];
    return NULL;
}

const FnInfo *builtin_fn_first(const char *name) { return fn_from(fn_heads[name_bucket(name)], name); }
const FnInfo *builtin_fn_next(const FnInfo *f) { return fn_from(fn_links[f - fn_infos], f->name); }

static const OpInfo *
op_from(int i, const char *name)
{
    for (; i; i = op_links[i - 1])
        if (strcmp(op_defs[i - 1].name, name) == 0)
            return &op_infos[i - 1];
    return NULL;
}

const OpInfo *builtin_op_first(const char *name) { return op_from(op_heads[name_bucket(name)], name); }
const OpInfo *builtin_op_next(const OpInfo *o) { return op_from(op_links[o - op_infos], o->name); }

Oid
builtin_fn_named(const char *name)
{
    const FnInfo *f = name[0] ? builtin_fn_first(name) : NULL;

    return f ? f->oid : 0;
}

static inline uint32_t
cast_slot(Oid source, Oid target)
{
    return (uint32_t)hash_u64((uint64_t)source << 32 | target) & (CAST_SLOTS - 1);
}

const CastInfo *
builtin_cast(Oid source, Oid target)
{
    for (uint32_t i = cast_slot(source, target);; i = (i + 1) & (CAST_SLOTS - 1)) {
        const CastInfo *c = &cast_slots[i];

        if (c->source == source && c->target == target)
            return c;
        if (c->source == 0)
            return NULL;
    }
}

const OpClassDef *
builtin_opclass(Oid oid)
{
    for (int i = 0; i < builtin_opclass_count; i++)
        if (builtin_opclasses[i].oid == oid)
            return &builtin_opclasses[i];
    return NULL;
}

/* ---- building ---- */

static Oid
type_named(const char *name, const char *where, Oid oid)
{
    Oid t;

    if (name[0] == '\0')
        return 0;
    t = builtin_type_oid(name);
    if (t == 0)
        PANIC("%s %u names the unknown type \"%s\"", where, oid, name);
    return t;
}

/* "int4 int4" -> OIDs; returns how many. */
static int
type_list(const char *text, Oid *out, const char *where, Oid oid)
{
    int n = 0;

    while (*text) {
        char name[NAME_BYTES];
        size_t len = strcspn(text, " ");

        CHECK(len < sizeof name && n < MAX_FN_ARGS);
        memcpy(name, text, len);
        name[len] = '\0';
        if (len)
            out[n++] = type_named(name, where, oid);
        text += len;
        text += *text == ' ';
    }
    return n;
}

/* "name type, name type" of table functions. */
static void
out_columns(Arena *a, FnInfo *f, const char *text)
{
    Oid types[MAX_FN_ARGS];
    char *names[MAX_FN_ARGS];
    int n = 0;

    while (*text) {
        size_t len = strcspn(text, ",");
        char *one = arena_strndup(a, text, len), *space = strchr(one, ' ');

        CHECK(space != NULL && n < MAX_FN_ARGS);
        *space++ = '\0';
        names[n] = one;
        types[n++] = type_named(space, "function", f->oid);
        text += len;
        text += strspn(text, ", ");
    }
    f->nout = n;
    if (n == 0)
        return;
    f->out_types = arena_memdup(a, types, sizeof(Oid) * (size_t)n);
    f->out_names = arena_memdup(a, names, sizeof(char *) * (size_t)n);
}

static void
build_function(Arena *a, const FnDef *d, FnInfo *f)
{
    Oid args[MAX_FN_ARGS];

    f->oid = d->oid;
    f->name = (char *)(uintptr_t)d->name;
    f->nsp = 11;
    f->owner = 10;
    f->lang = 12;
    f->ret = type_named(d->ret, "function", d->oid);
    f->nargs = type_list(d->args, args, "function", d->oid);
    f->args = arena_memdup(a, args, sizeof(Oid) * (size_t)MAX(f->nargs, 1));
    if (d->flags & FN_VARIADIC) {
        Oid last = args[f->nargs - 1];

        f->variadic = last == ANY_OID ? ANY_OID
                      : last == ANYARRAY_OID ? ANYELEMENT_OID
                      : last == ANYCOMPATIBLEARRAY_OID ? ANYCOMPATIBLE_OID
                                                        : type_builtin_element(last);
    }
    f->kind = d->kind == FNKIND_AGG ? 'a' : d->kind == FNKIND_WINDOW ? 'w' : 'f';
    f->strict = (d->flags & FN_STRICT) != 0;
    f->retset = d->kind == FNKIND_SET;
    f->leakproof = (d->flags & FN_LEAKPROOF) != 0;
    f->volatility = d->flags & FN_VOLATILE ? 'v' : d->flags & FN_STABLE ? 's' : 'i';
    f->parallel = d->flags & FN_PARALLEL_UNSAFE ? 'u' : d->flags & FN_PARALLEL_RESTRICTED ? 'r' : 's';
    f->builtin = d;
    out_columns(a, f, d->outs);
    f->source = d->name;
    f->cost = 1;
    f->rows = !f->retset ? 0 : d->oid == 2331 || d->oid == 2022 ? 100 : d->oid == 1689 ? 10 : 1000; /* unnest, activity, aclexplode */
}

/* Argument names and defaults; the latter as the text of a list of Const nodes (core/sql/tree_text.c). */
#define FNARGS(oid, names, defaults) {oid, names, defaults},
static const struct { Oid oid; const char *names, *defaults; } fn_args[] = {
#include "core/catalog/fn_args.def"
};

static void
write_default(StrBuf *s, const char *d, size_t n)
{
    Datum v = 0;

    switch (*d) {
    case 'i':
        str_printf(s, "{Const %u -1 0 -1 0 4 1 v%llx } ", INT4_OID, (unsigned long long)int32_datum((int32_t)strtol(d + 1, NULL, 10)));
        return;
    case 'l':
        str_printf(s, "{Const %u -1 0 -1 0 8 1 v%llx } ", INT8_OID, (unsigned long long)int64_datum(strtoll(d + 1, NULL, 10)));
        return;
    case 'd':
        v = float8_datum(strtod(d + 1, NULL));
        str_printf(s, "{Const %u -1 0 -1 0 8 1 v%llx } ", FLOAT8_OID, (unsigned long long)v);
        return;
    case 'b':
        str_printf(s, "{Const %u -1 0 -1 0 1 1 v%c } ", BOOL_OID, d[1]);
        return;
    case 'n': /* a null int8 */
        str_printf(s, "{Const %u -1 0 -1 1 8 1 - } ", INT8_OID);
        return;
    default: /* text: a short value's header, then the bytes */
        str_printf(s, "{Const %u -1 %u -1 0 -1 0 h%02x", TEXT_OID, COLLATION_DEFAULT, (unsigned)(n << 1 | 1));
        for (size_t i = 1; i < n; i++)
            str_printf(s, "%02x", (unsigned char)d[i]);
        str_add(s, " } ");
    }
}

static void
add_arguments(Arena *a, FnInfo *f, const char *names, const char *defaults)
{
    StrBuf s;

    if (*names) {
        char **list = ARENA_ARRAY(a, char *, f->nargs);

        for (int i = 0; i < f->nargs; i++) {
            size_t n = strcspn(names, ",");

            list[i] = arena_strndup(a, names, n);
            names += n;
            names += *names == ',';
        }
        f->arg_names = list;
    }
    if (!*defaults)
        return;
    str_init(&s, a);
    str_add(&s, "( ");
    while (*defaults) {
        size_t n = strcspn(defaults, " ");

        write_default(&s, defaults, n);
        f->ndefaults++;
        defaults += n;
        defaults += *defaults == ' ';
    }
    str_add(&s, ") ");
    f->default_tree = s.data;
}

static void
build_type(const TypeDef *d, TypeInfo *t)
{
    t->oid = d->oid;
    t->name = (char *)(uintptr_t)d->name;
    t->nsp = 11;
    t->owner = 10;
    t->typlen = d->len == -2 ? -1 : d->len;
    t->byval = d->byval;
    t->typtype = d->type;
    t->category = d->category;
    t->preferred = d->preferred;
    t->defined = true;
    t->delim = d->delim;
    t->align = d->align;
    t->storage = d->storage;
    t->elem = d->elem;
    t->array = d->array;
    t->typmod = -1;
    t->collation = d->collation;
    t->ops = type_ops(d->oid);
    if (t->ops) { /* what counts inside the engine */
        t->typlen = t->ops->len;
        t->byval = t->ops->byval;
    }
    t->in_fn = builtin_fn_named(d->in);
    t->out_fn = builtin_fn_named(d->out);
    t->recv_fn = builtin_fn_named(d->recv);
    t->send_fn = builtin_fn_named(d->send);
}

static void
build_operator(const OpDef *d, OpInfo *o)
{
    *o = (OpInfo){
        .oid = d->oid,
        .name = d->name,
        .nsp = 11,
        .left = type_named(d->left, "operator", d->oid),
        .right = type_named(d->right, "operator", d->oid),
        .ret = type_named(d->ret, "operator", d->oid),
        .fn = d->fn,
        .commutator = d->commutator,
        .negator = d->negator,
        .merges = (d->flags & OP_MERGES) != 0,
        .hashes = (d->flags & OP_HASHES) != 0,
        .restrict_est = d->restrict_est,
        .join_est = d->join_est,
    };
}

static void
index_oid(uint16_t *table, Oid oid, int i, const char *what)
{
    CHECK(oid < BUILTIN_OIDS);
    if (table[oid] != 0)
        PANIC("%s %u is defined twice", what, oid);
    table[oid] = (uint16_t)(i + 1);
}

void
builtins_init(void)
{
    Arena *a;

    if (ready)
        return;
    types_hooks_init();
    a = arena_create(arena_top(), "builtins");
    for (int i = builtin_type_count - 1; i >= 0; i--) {
        index_oid(type_by_oid, builtin_types[i].oid, i, "type");
        link_name(type_heads, type_links, builtin_types[i].name, i);
    }
    for (int i = builtin_fn_count() - 1; i >= 0; i--) {
        index_oid(fn_by_oid, fn_defs[i].oid, i, "function");
        link_name(fn_heads, fn_links, fn_defs[i].name, i);
        build_function(a, &fn_defs[i], &fn_infos[i]);
    }
    for (size_t i = 0; i < COUNT_OF(fn_args); i++)
        if (fn_by_oid[fn_args[i].oid])
            add_arguments(a, &fn_infos[fn_by_oid[fn_args[i].oid] - 1], fn_args[i].names, fn_args[i].defaults);
    for (int i = builtin_op_count() - 1; i >= 0; i--) {
        index_oid(op_by_oid, op_defs[i].oid, i, "operator");
        link_name(op_heads, op_links, op_defs[i].name, i);
        build_operator(&op_defs[i], &op_infos[i]);
    }
    for (int i = 0; i < builtin_type_count; i++)
        build_type(&builtin_types[i], &type_infos[i]);
    for (int i = 0; i < builtin_cast_count(); i++) {
        Oid s = type_named(cast_defs[i].source, "cast", 0), t = type_named(cast_defs[i].target, "cast", 0);
        uint32_t k = cast_slot(s, t);

        while (cast_slots[k].source)
            k = (k + 1) & (CAST_SLOTS - 1);
        cast_slots[k] = (CastInfo){s, t, cast_defs[i].fn, cast_defs[i].context, cast_defs[i].method};
    }
    ready = true;
}

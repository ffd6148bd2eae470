/*
 * Types: TypeInfo by OID, names as format_type prints them, arrays, domains.
 *
 * Built-in types come from the tables of builtins.c. For others a TypeInfo is made from pg_type on first
 * use and stays at its address for the life of the process: invalidation marks it stale, and the next
 * look-up fills it anew. So a pointer to it may be kept.
 */
#include "core/base/hash.h"
#include "core/catalog/cat_internal.h"
#include "core/types/collation.h"
#include "core/types/ops_list.h"
#include "core/types/text.h"

typedef struct TypeEntry {
    TypeInfo info;
    bool fresh;
} TypeEntry;

static TypeEntry **slots; /* open addressing by OID */
static uint32_t slot_count, used;

static TypeEntry **
slot_of(Oid type)
{
    for (uint32_t i = (uint32_t)hash_u64(type) & (slot_count - 1);; i = (i + 1) & (slot_count - 1))
        if (!slots[i] || slots[i]->info.oid == type)
            return &slots[i];
}

static TypeEntry *
entry_for(Oid type)
{
    TypeEntry **s;

    if (used * 2 >= slot_count) {
        TypeEntry **old = slots;
        uint32_t n = slot_count;

        slot_count = n ? n * 2 : 256;
        slots = ARENA_ARRAY(arena_top(), TypeEntry *, slot_count);
        for (uint32_t i = 0; i < n; i++)
            if (old[i])
                *slot_of(old[i]->info.oid) = old[i];
    }
    s = slot_of(type);
    if (!*s) {
        *s = ARENA_NEW(arena_top(), TypeEntry);
        (*s)->info.oid = type;
        used++;
    }
    return *s;
}

static const TypeOps *record_ops; /* of composite values: the executor's, when it has registered them */

/* The engine's view of a type that is not built in: arrays of any element are one kind, a domain is its
 * base type, composites are records. Enum types have no values yet. */
static const TypeOps *
ops_from(const TypeInfo *t)
{
    switch (t->typtype) {
    case 'b':
        return t->elem && t->storage != 'p' ? type_ops(ANYARRAY_OID) : NULL;
    case 'd':
        return type_ops(t->base);
    case 'c':
        return record_ops;
    default:
        return NULL;
    }
}

void
catalog_set_record_ops(const TypeOps *ops)
{
    TypeInfo *t;

    record_ops = ops;
    builtins_init();
    t = builtin_type_info(RECORD_OID);
    t->ops = ops;
    t->typlen = ops->len;
    t->byval = ops->byval;
    for (uint32_t i = 0; i < slot_count; i++)
        if (slots[i])
            slots[i]->fresh = false;
}

static bool
load(TypeEntry *e)
{
    const CatRow *r = cat_get_by_oid(CAT_PG_TYPE, e->info.oid);
    TypeInfo *t = &e->info;
    const char *name;

    if (!r)
        return false;
    name = datum_ptr(cat_val(r, PG_TYPE_TYPNAME));
    if (!t->name || strcmp(t->name, name) != 0)
        t->name = arena_strdup(arena_top(), name);
    t->nsp = cat_oid(r, PG_TYPE_TYPNAMESPACE);
    t->owner = cat_oid(r, PG_TYPE_TYPOWNER);
    t->typlen = datum_int16(cat_val(r, PG_TYPE_TYPLEN));
    t->byval = cat_bool(r, PG_TYPE_TYPBYVAL);
    t->typtype = cat_char(r, PG_TYPE_TYPTYPE);
    t->category = cat_char(r, PG_TYPE_TYPCATEGORY);
    t->preferred = cat_bool(r, PG_TYPE_TYPISPREFERRED);
    t->defined = cat_bool(r, PG_TYPE_TYPISDEFINED);
    t->delim = cat_char(r, PG_TYPE_TYPDELIM);
    t->align = cat_char(r, PG_TYPE_TYPALIGN);
    t->storage = cat_char(r, PG_TYPE_TYPSTORAGE);
    t->rel = cat_oid(r, PG_TYPE_TYPRELID);
    t->elem = cat_oid(r, PG_TYPE_TYPELEM);
    t->array = cat_oid(r, PG_TYPE_TYPARRAY);
    t->base = cat_oid(r, PG_TYPE_TYPBASETYPE);
    t->typmod = datum_int32(cat_val(r, PG_TYPE_TYPTYPMOD));
    t->ndims = datum_int32(cat_val(r, PG_TYPE_TYPNDIMS));
    t->collation = cat_oid(r, PG_TYPE_TYPCOLLATION);
    t->not_null = cat_bool(r, PG_TYPE_TYPNOTNULL);
    t->in_fn = cat_oid(r, PG_TYPE_TYPINPUT);
    t->out_fn = cat_oid(r, PG_TYPE_TYPOUTPUT);
    t->recv_fn = cat_oid(r, PG_TYPE_TYPRECEIVE);
    t->send_fn = cat_oid(r, PG_TYPE_TYPSEND);
    t->ops = ops_from(t);
    if (t->ops) {
        t->typlen = t->ops->len;
        t->byval = t->ops->byval;
    }
    e->fresh = true;
    return true;
}

TypeInfo *
type_info_or_null(Oid type)
{
    TypeInfo *t = builtin_type_info(type);
    TypeEntry *e;

    if (LIKELY(t != NULL))
        return t;
    if (type == 0 || catalog_database == 0 || catalog_bootstrapping)
        return NULL;
    inval_own();
    e = slots ? *slot_of(type) : NULL;
    if (e && e->fresh)
        return &e->info;
    if (!e) {
        if (!cat_get_by_oid(CAT_PG_TYPE, type))
            return NULL;
        e = entry_for(type);
    }
    return load(e) ? &e->info : NULL;
}

const TypeInfo *
type_info(Oid type)
{
    const TypeInfo *t = type_info_or_null(type);

    if (UNLIKELY(!t))
        INTERNAL_ERROR("cache lookup failed for type %u", type);
    return t;
}

void
types_invalidate(Oid table, Oid object)
{
    if (table == CAT_PG_COLLATION || table == 0)
        collation_forget(object);
    if (table != CAT_PG_TYPE && table != 0)
        return;
    for (uint32_t i = 0; i < slot_count; i++)
        if (slots[i] && (object == 0 || slots[i]->info.oid == object || slots[i]->info.base == object))
            slots[i]->fresh = false;
}

Oid
type_array_of(Oid elem)
{
    const TypeInfo *t = type_info_or_null(elem);

    return t ? t->array : 0;
}

/* record[] is of category P, yet an array. int2vector and oidvector are arrays too, if of a restricted kind; name and point only look like it. */
Oid
type_element_of(Oid array)
{
    const TypeInfo *t = type_info_or_null(array);

    return t && t->elem && (t->category == 'A' || array == RECORD_ARRAY_OID) ? t->elem : 0;
}

Oid
type_base(Oid type, int32_t *typmod)
{
    for (;;) {
        const TypeInfo *t = builtin_type_info(type);

        if (LIKELY(t != NULL))
            return type;
        t = type_info(type);
        if (t->typtype != 'd')
            return type;
        type = t->base;
        if (typmod && *typmod < 0)
            *typmod = t->typmod;
    }
}

/* ---- names ---- */

static const char *
sql_name(Oid type, const char **tail)
{
    *tail = "";
    switch (type) {
    case BIT_OID: return "bit";
    case BOOL_OID: return "boolean";
    case BPCHAR_OID: return "character";
    case FLOAT4_OID: return "real";
    case FLOAT8_OID: return "double precision";
    case INT2_OID: return "smallint";
    case INT4_OID: return "integer";
    case INT8_OID: return "bigint";
    case NUMERIC_OID: return "numeric";
    case INTERVAL_OID: return "interval";
    case TIME_OID: *tail = " without time zone"; return "time";
    case TIMETZ_OID: *tail = " with time zone"; return "time";
    case TIMESTAMP_OID: *tail = " without time zone"; return "timestamp";
    case TIMESTAMPTZ_OID: *tail = " with time zone"; return "timestamp";
    case VARBIT_OID: return "bit varying";
    case VARCHAR_OID: return "character varying";
    default: return NULL;
    }
}

char *
type_format(Arena *a, Oid type, int32_t typmod, bool qualify)
{
    const TypeInfo *t = type_info_or_null(type);
    bool array = false;
    const char *name, *tail;
    StrBuf s;

    if (!t)
        return arena_strdup(a, type == 0 ? "-" : "???");
    str_init(&s, a);
    if (type_element_of(type) && t->storage != 'p') {
        array = true;
        type = t->elem;
        t = type_info_or_null(type);
        if (!t)
            return arena_strdup(a, "???[]");
    }
    name = sql_name(type, &tail);
    if (name) {
        str_add(&s, name);
        /* Those of times come with their tail. */
        if (typmod >= 0 && t->ops && t->ops->typmod_out)
            t->ops->typmod_out(typmod, &s);
        else
            str_add(&s, tail);
    } else {
        if (qualify || !type_is_visible(type)) {
            char *nsp = nsp_name(a, t->nsp);

            if (nsp) {
                quote_ident_append(&s, (Span){nsp, strlen(nsp)});
                str_add_char(&s, '.');
            }
        }
        quote_ident_append(&s, (Span){t->name, strlen(t->name)});
        if (typmod >= 0 && t->ops && t->ops->typmod_out)
            t->ops->typmod_out(typmod, &s);
    }
    if (array)
        str_add(&s, "[]");
    return s.data;
}

/* ---- hooks of core/types ---- */

static const TypeOps *
resolve_type(Oid type)
{
    const TypeInfo *t;

    switch (type) {
    case ACLITEM_OID:
        return &type_ops_aclitem;
    case RECORD_OID:
        return record_ops;
    case INET_OID: /* shown by pg_stat_activity; no input yet */
        return &type_ops_inet_text;
    case PG_NDISTINCT_OID: /* kinds of bytea; columns of pg_statistic_ext_data, where no rows are made */
    case PG_DEPENDENCIES_OID:
    case PG_MCV_LIST_OID:
        return type_ops(BYTEA_OID);
    default:
        break;
    }
    if (builtin_type_info(type))
        return NULL;
    t = txn_in_progress() ? type_info_or_null(type) : NULL;
    return t ? t->ops : NULL;
}

static bool
lookup_collation(Oid collation, CollationInfo *out)
{
    const CatRow *r = catalog_database && txn_in_progress() ? cat_get_by_oid(CAT_PG_COLLATION, collation) : NULL;
    Arena *a;

    if (!r)
        return false;
    a = txn_current_arena();
    out->name = cat_name(a, r, PG_COLLATION_COLLNAME);
    out->provider = cat_char(r, PG_COLLATION_COLLPROVIDER);
    out->deterministic = cat_bool(r, PG_COLLATION_COLLISDETERMINISTIC);
    out->collate = cat_name(a, r, PG_COLLATION_COLLCOLLATE);
    out->ctype = cat_name(a, r, PG_COLLATION_COLLCTYPE);
    out->icu_locale = cat_name(a, r, PG_COLLATION_COLLICULOCALE);
    return true;
}

void
types_hooks_init(void)
{
    type_resolve_hook = resolve_type;
    collation_lookup_hook = lookup_collation;
}

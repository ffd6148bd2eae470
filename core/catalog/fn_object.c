/*
 * Functions that describe objects: for people, for pg_dump, for ORMs.
 */
#include "core/catalog/fn_util.h"

Datum
fnc_describe_object(FnCtx *c, const Datum *args, bool *isnull)
{
    if (datum_oid(args[0]) == 0 && datum_oid(args[1]) == 0)
        return null_datum(isnull);
    return text_or_null(c, object_describe(c->arena, (ObjAddr){datum_oid(args[0]), datum_oid(args[1]), datum_int32(args[2])}), isnull);
}

/* ---- pg_identify_object ---- */

typedef struct Kind { Oid cls; const char *type; int name, nsp; } Kind;
static const Kind kinds[] = {
    {CAT_PG_NAMESPACE, "schema", PG_NAMESPACE_NSPNAME, 0},
    {CAT_PG_DATABASE, "database", PG_DATABASE_DATNAME, 0},
    {CAT_PG_AUTHID, "role", PG_AUTHID_ROLNAME, 0},
    {CAT_PG_TABLESPACE, "tablespace", PG_TABLESPACE_SPCNAME, 0},
    {CAT_PG_LANGUAGE, "language", PG_LANGUAGE_LANNAME, 0},
    {CAT_PG_AM, "access method", PG_AM_AMNAME, 0},
    {CAT_PG_EXTENSION, "extension", PG_EXTENSION_EXTNAME, 0},
    {CAT_PG_COLLATION, "collation", PG_COLLATION_COLLNAME, PG_COLLATION_COLLNAMESPACE},
    {CAT_PG_CONVERSION, "conversion", PG_CONVERSION_CONNAME, PG_CONVERSION_CONNAMESPACE},
    {CAT_PG_STATISTIC_EXT, "statistics object", PG_STATISTIC_EXT_STXNAME, PG_STATISTIC_EXT_STXNAMESPACE},
};

static const char *
relation_type(char kind)
{
    switch (kind) {
    case 'i': case 'I': return "index";
    case 'S': return "sequence";
    case 't': return "toast table";
    case 'v': return "view";
    case 'm': return "materialized view";
    case 'c': return "composite type";
    case 'f': return "foreign table";
    default: return "table";
    }
}

static void
identify_relation(FnRows *rows, Datum *v, bool *n, const CatRow *r, int sub)
{
    Arena *a = rows->arena;
    char *nsp = nsp_name(a, cat_oid(r, PG_CLASS_RELNAMESPACE)), *name = cat_name(a, r, PG_CLASS_RELNAME);
    char *identity = name_qualified(a, cat_oid(r, PG_CLASS_RELNAMESPACE), name, false);
    const char *type = relation_type(cat_char(r, PG_CLASS_RELKIND));

    if (sub) {
        const CatRow *att = cat_get(IDX_PG_ATTRIBUTE_RELID_ATTNUM_INDEX, cat_val(r, PG_CLASS_OID), int16_datum((int16_t)sub), 0, 0);

        if (!att)
            return;
        type = arena_printf(a, "%s column", type);
        identity = arena_printf(a, "%s.%s", identity, name_qualified(a, 0, cat_name(a, att, PG_ATTRIBUTE_ATTNAME), true));
    }
    ROW_TEXT(0, type);
    ROW_TEXT(1, name_qualified(a, 0, nsp, true));
    if (!sub)
        ROW_TEXT(2, name_qualified(a, 0, name, true));
    ROW_TEXT(3, identity);
}

bool
setc_identify_object(FnCtx *c, const Datum *args, Datum *out, bool *outnull)
{
    FnRows *rows = fn_rows_begin(c, 4);

    if (rows) {
        Oid cls = datum_oid(args[0]), obj = datum_oid(args[1]);
        const CatTable *t = cat_table_find(cls);
        const CatRow *r = t && t->oid_index ? cat_get_by_oid(cls, obj) : NULL;
        Arena *a = rows->arena;
        Datum *v;
        bool *n;

        fn_rows_add(rows, &v, &n);
        if (!r) {
            ;
        } else if (cls == CAT_PG_CLASS) {
            identify_relation(rows, v, n, r, datum_int32(args[2]));
        } else if (cls == CAT_PG_TYPE) {
            ROW_TEXT(0, "type");
            ROW_TEXT(1, name_qualified(a, 0, nsp_name(a, cat_oid(r, PG_TYPE_TYPNAMESPACE)), true));
            ROW_TEXT(2, name_qualified(a, 0, cat_name(a, r, PG_TYPE_TYPNAME), true));
            ROW_TEXT(3, type_format(a, obj, -1, true));
        } else if (cls == CAT_PG_PROC) {
            ROW_TEXT(0, fn_info(obj)->kind == 'a' ? "aggregate" : "function");
            ROW_TEXT(1, name_qualified(a, 0, nsp_name(a, fn_info(obj)->nsp), true));
            ROW_TEXT(3, fn_signature(a, obj, true));
        } else {
            for (size_t i = 0; i < COUNT_OF(kinds); i++)
                if (kinds[i].cls == cls) {
                    char *name = cat_name(a, r, kinds[i].name);

                    ROW_TEXT(0, kinds[i].type);
                    if (kinds[i].nsp)
                        ROW_TEXT(1, name_qualified(a, 0, nsp_name(a, cat_oid(r, kinds[i].nsp)), true));
                    ROW_TEXT(2, name_qualified(a, 0, name, true));
                    ROW_TEXT(3, kinds[i].nsp ? name_qualified(a, cat_oid(r, kinds[i].nsp), name, false) : name_qualified(a, 0, name, true));
                }
            if (n[0]) { /* parts of a relation and the rest: in words */
                ROW_TEXT(0, t->name);
                ROW_TEXT(3, object_describe(a, (ObjAddr){cls, obj, datum_int32(args[2])}));
            }
        }
    }
    return fn_rows_next(c, out, outnull);
}

/* ---- properties of indexes ---- */

typedef struct Property { const char *name; bool yes; } Property;

static Datum
property(const Property *p, size_t n, const char *name, bool *isnull)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(p[i].name, name) == 0)
            return bool_datum(p[i].yes);
    return null_datum(isnull);
}

static IndexDesc *
index_argument(Datum d)
{
    const CatRow *r = cat_get_by_oid(CAT_PG_CLASS, datum_oid(d));

    return r && cat_char(r, PG_CLASS_RELKIND) == 'i' ? index_open(datum_oid(d), LOCK_ACCESS_SHARE) : NULL;
}

Datum
fnc_index_column_has_property(FnCtx *c, const Datum *args, bool *isnull)
{
    IndexDesc *x = index_argument(args[0]);
    int col = datum_int32(args[1]);
    bool key, desc, first;

    if (!x || col < 1 || col > x->ncolumns)
        return null_datum(isnull);
    key = col <= x->nkeys;
    desc = key && (x->options[col - 1] & 1);
    first = key && (x->options[col - 1] & 2);
    const Property p[] = {
        {"asc", key && !desc}, {"desc", desc}, {"nulls_first", first}, {"nulls_last", key && !first}, {"orderable", key},
        {"distance_orderable", false}, {"returnable", x->btree->can_return_values}, {"search_array", key}, {"search_nulls", key},
    };
    return property(p, COUNT_OF(p), text_arg(c, args[2]), isnull);
}

Datum
fnc_index_has_property(FnCtx *c, const Datum *args, bool *isnull)
{
    static const Property p[] = {{"clusterable", true}, {"index_scan", true}, {"bitmap_scan", true}, {"backward_scan", true}};

    return index_argument(args[0]) ? property(p, COUNT_OF(p), text_arg(c, args[1]), isnull) : null_datum(isnull);
}

Datum
fnc_indexam_has_property(FnCtx *c, const Datum *args, bool *isnull)
{
    static const Property p[] = {{"can_order", true}, {"can_unique", true}, {"can_multi_col", true}, {"can_exclude", false}, {"can_include", true}};

    return datum_oid(args[0]) == AM_BTREE ? property(p, COUNT_OF(p), text_arg(c, args[1]), isnull) : null_datum(isnull);
}

/* ---- updatable relations: bits 1 << command (UPDATE 2, INSERT 3, DELETE 4) ---- */

static int
updatable(Oid rel)
{
    const CatRow *r = cat_get_by_oid(CAT_PG_CLASS, rel);

    /* Views are not automatically updatable in this release. */
    return r && cat_char(r, PG_CLASS_RELKIND) == 'r' && !cat_is_system_rel(rel) ? 4 | 8 | 16 : 0;
}

Datum
fnc_relation_is_updatable(FnCtx *c, const Datum *args, bool *isnull)
{
    return int32_datum(updatable(datum_oid(args[0])));
}

Datum
fnc_column_is_updatable(FnCtx *c, const Datum *args, bool *isnull)
{
    return bool_datum(datum_int16(args[1]) > 0 && updatable(datum_oid(args[0])) != 0);
}

Datum
fnc_relation_is_publishable(FnCtx *c, const Datum *args, bool *isnull)
{
    const CatRow *r = cat_get_by_oid(CAT_PG_CLASS, datum_oid(args[0]));

    if (!r)
        return null_datum(isnull);
    return bool_datum(cat_char(r, PG_CLASS_RELKIND) == 'r' && cat_char(r, PG_CLASS_RELPERSISTENCE) == 'p' && cat_oid(r, PG_CLASS_OID) >= OID_FIRST_USER);
}

/* No table is a partition: only itself where it could be one. */
Datum
fnc_partition_root(FnCtx *c, const Datum *args, bool *isnull)
{
    return null_datum(isnull);
}

bool
setc_partition_ancestors(FnCtx *c, const Datum *args, Datum *out, bool *outnull)
{
    return false;
}

bool
setc_options_to_table(FnCtx *c, const Datum *args, Datum *out, bool *outnull)
{
    FnRows *rows = fn_rows_begin(c, 2);

    if (rows) {
        Datum *items, *v;
        bool *nulls, *n;
        int count;

        array_deconstruct(rows->arena, args[0], &items, &nulls, &count);
        for (int i = 0; i < count; i++) {
            char *text, *eq;

            if (nulls[i])
                continue;
            text = var_to_cstring(rows->arena, items[i]);
            eq = strchr(text, '=');
            fn_rows_add(rows, &v, &n);
            if (eq) {
                *eq = '\0';
                ROW_TEXT(1, eq + 1);
            }
            ROW_TEXT(0, text);
        }
    }
    return fn_rows_next(c, out, outnull);
}

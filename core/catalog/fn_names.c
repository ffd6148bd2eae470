/*
 * Functions about names: what the search path shows, who and where the session is, types in words,
 * comments, texts to reg* types.
 */
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/settings.h"
#include "core/catalog/fn_util.h"
#include "core/types/collation.h"

/* ---- visibility ---- */

Datum
fnc_table_is_visible(FnCtx *c, const Datum *args, bool *isnull)
{
    if (!cat_get_by_oid(CAT_PG_CLASS, datum_oid(args[0])))
        return null_datum(isnull);
    return bool_datum(rel_is_visible(datum_oid(args[0])));
}

Datum
fnc_type_is_visible(FnCtx *c, const Datum *args, bool *isnull)
{
    if (!type_info_or_null(datum_oid(args[0])))
        return null_datum(isnull);
    return bool_datum(type_is_visible(datum_oid(args[0])));
}

Datum
fnc_function_is_visible(FnCtx *c, const Datum *args, bool *isnull)
{
    if (!fn_exists(datum_oid(args[0])))
        return null_datum(isnull);
    return bool_datum(fn_is_visible(datum_oid(args[0])));
}

Datum
fnc_operator_is_visible(FnCtx *c, const Datum *args, bool *isnull)
{
    if (!op_exists(datum_oid(args[0])))
        return null_datum(isnull);
    return bool_datum(op_is_visible(datum_oid(args[0])));
}

/* Kinds that live in pg_catalog alone, or whose names nothing else can hide: visible if their schema is
 * on the path and no earlier schema of the path has an object of that name. */
static Datum
row_is_visible(Oid table, Oid oid, int nsp_att, int name_att, bool *isnull)
{
    const CatRow *r = cat_get_by_oid(table, oid), *o;
    const Oid *path;
    char name[NAME_BYTES];
    int n, rank = -1;
    Oid nsp;
    CatScan *s;
    bool hidden = false;

    if (!r)
        return null_datum(isnull);
    nsp = cat_oid(r, nsp_att);
    memcpy(name, datum_ptr(cat_val(r, name_att)), NAME_BYTES);
    path = search_path_oids(&n);
    for (int i = 0; i < n && rank < 0; i++)
        if (path[i] == nsp)
            rank = i;
    if (rank <= 0)
        return bool_datum(rank == 0);
    s = cat_scan_begin(table, 0, 0, NULL);
    while (!hidden && (o = cat_scan_next(s)) != NULL)
        for (int i = 0; i < rank && !hidden; i++)
            hidden = cat_oid(o, nsp_att) == path[i] && strncmp(datum_ptr(cat_val(o, name_att)), name, NAME_BYTES) == 0;
    cat_scan_end(s);
    return bool_datum(!hidden);
}

#define VISIBLE(fn, table, nsp, name)                                                                \
    Datum fn(FnCtx *c, const Datum *args, bool *isnull)                                              \
    {                                                                                                \
        return row_is_visible(CAT_##table, datum_oid(args[0]), table##_##nsp, table##_##name, isnull); \
    }
VISIBLE(fnc_opclass_is_visible, PG_OPCLASS, OPCNAMESPACE, OPCNAME)
VISIBLE(fnc_opfamily_is_visible, PG_OPFAMILY, OPFNAMESPACE, OPFNAME)
VISIBLE(fnc_conversion_is_visible, PG_CONVERSION, CONNAMESPACE, CONNAME)
VISIBLE(fnc_collation_is_visible, PG_COLLATION, COLLNAMESPACE, COLLNAME)
VISIBLE(fnc_statistics_obj_is_visible, PG_STATISTIC_EXT, STXNAMESPACE, STXNAME)
VISIBLE(fnc_ts_dict_is_visible, PG_TS_DICT, DICTNAMESPACE, DICTNAME)
VISIBLE(fnc_ts_config_is_visible, PG_TS_CONFIG, CFGNAMESPACE, CFGNAME)
VISIBLE(fnc_ts_parser_is_visible, PG_TS_PARSER, PRSNAMESPACE, PRSNAME)
VISIBLE(fnc_ts_template_is_visible, PG_TS_TEMPLATE, TMPLNAMESPACE, TMPLNAME)

Datum
fnc_my_temp_schema(FnCtx *c, const Datum *args, bool *isnull)
{
    return oid_datum(nsp_temp_if_any());
}

Datum
fnc_is_other_temp_schema(FnCtx *c, const Datum *args, bool *isnull)
{
    return bool_datum(nsp_is_any_temp(datum_oid(args[0])) && !nsp_is_temp(datum_oid(args[0])));
}

/* ---- where and who ---- */

static Datum
name_of(FnCtx *c, const char *z)
{
    return name_make(c->arena, z, strlen(z));
}

Datum
fnc_get_userbyid(FnCtx *c, const Datum *args, bool *isnull)
{
    char *name = role_name(c->arena, datum_oid(args[0]));

    return name_of(c, name ? name : arena_printf(c->arena, "unknown (OID=%u)", datum_oid(args[0])));
}

Datum
fnc_current_user(FnCtx *c, const Datum *args, bool *isnull)
{
    char *name = role_name(c->arena, current_user_oid);

    return name_of(c, name ? name : "");
}

Datum
fnc_session_user(FnCtx *c, const Datum *args, bool *isnull)
{
    char *name = role_name(c->arena, session_user_oid);

    return name_of(c, name ? name : "");
}

Datum
fnc_current_database(FnCtx *c, const Datum *args, bool *isnull)
{
    const CatRow *r = cat_get_by_oid(CAT_PG_DATABASE, catalog_database);

    return r ? name_of(c, cat_name(c->arena, r, PG_DATABASE_DATNAME)) : null_datum(isnull);
}

Datum
fnc_current_schema(FnCtx *c, const Datum *args, bool *isnull)
{
    Oid nsp = nsp_current();
    char *name = nsp ? nsp_name(c->arena, nsp) : NULL;

    return name ? name_of(c, name) : null_datum(isnull);
}

Datum
fnc_current_schemas(FnCtx *c, const Datum *args, bool *isnull)
{
    int n, count = 0;
    const Oid *path = datum_bool(args[0]) ? search_path_oids(&n) : search_path_named(&n);
    Datum *names = ARENA_ARRAY(c->arena, Datum, MAX(n, 1));

    for (int i = 0; i < n; i++) {
        char *name = nsp_name(c->arena, path[i]);

        if (name)
            names[count++] = name_of(c, name);
    }
    return array_construct_1d(c->arena, NAME_OID, names, NULL, count);
}

#if defined(__x86_64__)
#define ARCH "x86_64"
#elif defined(__aarch64__)
#define ARCH "aarch64"
#else
#define ARCH "unknown"
#endif

Datum
fnc_version(FnCtx *c, const Datum *args, bool *isnull)
{
    return text_datum(c, arena_printf(c->arena, "PostgreSQL %s (Posthaste) on %s-linux, compiled by gcc %s, %d-bit",
                                      settings_get(c->arena, "server_version", true) ? settings_get(c->arena, "server_version", true) : "15.20", ARCH,
                                      __VERSION__, (int)sizeof(void *) * 8));
}

Datum
fnc_backend_pid(FnCtx *c, const Datum *args, bool *isnull)
{
    return int32_datum((int32_t)getpid());
}

/* The supervisor notes when it started in its own slot. */
Datum
fnc_postmaster_start_time(FnCtx *c, const Datum *args, bool *isnull)
{
    TimestampTz first = 0;

    for (int i = 0; i < proc_slot_count; i++) {
        const ProcSlot *s = &proc_slots[i];
        /* relaxed: an observer */
        TimestampTz t = atomic_load_explicit(&s->backend_start, memory_order_relaxed);

        if (atomic_load_explicit(&s->pid, memory_order_relaxed) && t && (first == 0 || t < first))
            first = t;
    }
    return int64_datum(catalog_start_time ? catalog_start_time : first ? first : clock_now());
}

Datum
fnc_conf_load_time(FnCtx *c, const Datum *args, bool *isnull)
{
    if (catalog_conf_load_time == 0)
        return fnc_postmaster_start_time(c, args, isnull);
    return int64_datum(catalog_conf_load_time);
}

Datum
fnc_client_encoding(FnCtx *c, const Datum *args, bool *isnull)
{
    const char *e = settings_get(c->arena, "client_encoding", true);

    return name_of(c, e ? e : "UTF8");
}

/* ---- types ---- */

Datum
fnc_format_type(FnCtx *c, const Datum *args, bool *isnull)
{
    Oid type = datum_oid(args[0]);
    int32_t typmod = c->argnull[1] ? -1 : datum_int32(args[1]);

    if (c->argnull[0])
        return null_datum(isnull);
    if (!c->argnull[1] && typmod < 0) { /* said to have none: then these two are not their short names */
        if (type == BPCHAR_OID)
            return text_datum(c, "bpchar");
        if (type == BIT_OID)
            return text_datum(c, "\"bit\"");
    }
    return text_datum(c, type_format(c->arena, type, typmod, false));
}

Datum
fnc_typeof(FnCtx *c, const Datum *args, bool *isnull)
{
    return oid_datum(c->arg_types[0]);
}

Datum
fnc_collation_for(FnCtx *c, const Datum *args, bool *isnull)
{
    Oid type = c->arg_types[0];
    const CatRow *r;

    if (c->argnull[0] && type == UNKNOWN_OID)
        return null_datum(isnull);
    if (type_info(type)->collation == 0 && type != UNKNOWN_OID)
        RAISE(SQLSTATE_DATATYPE_MISMATCH, "collations are not supported by type %s", type_format(c->arena, type, -1, false));
    if (c->collation == 0)
        return null_datum(isnull);
    r = cat_get_by_oid(CAT_PG_COLLATION, c->collation);
    if (!r)
        return null_datum(isnull);
    char *name = cat_name(c->arena, r, PG_COLLATION_COLLNAME);
    Oid nsp = cat_oid(r, PG_COLLATION_COLLNAMESPACE);
    return text_datum(c, name_qualified(c->arena, nsp, name, collation_lookup(NULL, name) == c->collation));
}

Datum
fnc_column_size(FnCtx *c, const Datum *args, bool *isnull)
{
    const TypeOps *ops = type_ops(c->arg_types[0]);

    if (ops == NULL)
        return null_datum(isnull);
    if (ops->len > 0)
        return int32_datum(ops->len);
    if (c->arg_types[0] == UNKNOWN_OID || c->arg_types[0] == CSTRING_OID)
        return int32_datum((int32_t)strlen(datum_ptr(args[0])) + 1);
    return int32_datum((int32_t)var_size(datum_ptr(args[0])));
}

Datum
fnc_internal_only(FnCtx *c, const Datum *args, bool *isnull)
{
    UNSUPPORTED("function %s cannot be called", fn_info(c->fn_oid)->name);
}

/* ---- comments ---- */

static Oid
catalog_named(const char *name)
{
    for (int i = 0; i < cat_table_count; i++)
        if (strcmp(cat_tables[i].name, name) == 0)
            return cat_tables[i].oid;
    return 0;
}

Datum
fnc_obj_description(FnCtx *c, const Datum *args, bool *isnull)
{
    Oid cls;

    if (c->nargs == 1) { /* the old form: whichever catalog */
        Datum key = args[0];
        CatScan *s = cat_scan_begin(CAT_PG_DESCRIPTION, IDX_PG_DESCRIPTION_O_C_O_INDEX, 1, &key);
        const CatRow *r;
        char *text = NULL;

        while (!text && (r = cat_scan_next(s)) != NULL)
            if (datum_int32(cat_val(r, PG_DESCRIPTION_OBJSUBID)) == 0)
                text = cat_name(c->arena, r, PG_DESCRIPTION_DESCRIPTION);
        cat_scan_end(s);
        return text_or_null(c, text, isnull);
    }
    cls = catalog_named(name_arg(c, args[1]));
    if (!cls || cat_table(cls)->shared)
        return null_datum(isnull);
    return text_or_null(c, comment_get(c->arena, (ObjAddr){cls, datum_oid(args[0]), 0}), isnull);
}

Datum
fnc_col_description(FnCtx *c, const Datum *args, bool *isnull)
{
    if (datum_int32(args[1]) == 0)
        return null_datum(isnull);
    return text_or_null(c, comment_get(c->arena, (ObjAddr){CAT_PG_CLASS, datum_oid(args[0]), datum_int32(args[1])}), isnull);
}

Datum
fnc_shobj_description(FnCtx *c, const Datum *args, bool *isnull)
{
    Oid cls = catalog_named(name_arg(c, args[1]));

    if (!cls || !cat_table(cls)->shared)
        return null_datum(isnull);
    return text_or_null(c, comment_get(c->arena, (ObjAddr){cls, datum_oid(args[0]), 0}), isnull);
}

/* ---- to_reg* ---- */

static Datum
to_reg(FnCtx *c, const Datum *args, Oid type, bool *isnull)
{
    Oid oid = reg_in(c->arena, type, text_arg(c, args[0]), true);

    return oid ? oid_datum(oid) : null_datum(isnull);
}

Datum fnc_to_regclass(FnCtx *c, const Datum *args, bool *isnull) { return to_reg(c, args, REGCLASS_OID, isnull); }
Datum fnc_to_regtype(FnCtx *c, const Datum *args, bool *isnull) { return to_reg(c, args, REGTYPE_OID, isnull); }
Datum fnc_to_regproc(FnCtx *c, const Datum *args, bool *isnull) { return to_reg(c, args, REGPROC_OID, isnull); }
Datum fnc_to_regprocedure(FnCtx *c, const Datum *args, bool *isnull) { return to_reg(c, args, REGPROCEDURE_OID, isnull); }
Datum fnc_to_regoper(FnCtx *c, const Datum *args, bool *isnull) { return to_reg(c, args, REGOPER_OID, isnull); }
Datum fnc_to_regoperator(FnCtx *c, const Datum *args, bool *isnull) { return to_reg(c, args, REGOPERATOR_OID, isnull); }
Datum fnc_to_regnamespace(FnCtx *c, const Datum *args, bool *isnull) { return to_reg(c, args, REGNAMESPACE_OID, isnull); }
Datum fnc_to_regrole(FnCtx *c, const Datum *args, bool *isnull) { return to_reg(c, args, REGROLE_OID, isnull); }
Datum fnc_to_regcollation(FnCtx *c, const Datum *args, bool *isnull) { return to_reg(c, args, REGCOLLATION_OID, isnull); }

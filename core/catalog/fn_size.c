/*
 * Sizes and places of files.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/catalog/fn_util.h"

/* ---- relations ---- */

static const char *const fork_names[FORK_COUNT] = {"main", "fsm", "vm", "init"};

static int64_t
fork_bytes(RelLocator l, ForkNo f)
{
    BlockNo n;

    if (!relfile_exists(l, f))
        return 0;
    RAISE_ON(relfile_block_count(l, f, &n));
    return (int64_t)n * PAGE_BYTES;
}

static int64_t
all_forks(RelLocator l)
{
    int64_t n = 0;

    for (int f = 0; f < FORK_COUNT; f++)
        n += fork_bytes(l, (ForkNo)f);
    return n;
}

static bool
has_files(char kind)
{
    return kind == 'r' || kind == 'i' || kind == 't' || kind == 'm' || kind == 'S';
}

static int64_t
relation_bytes(Oid rel)
{
    const CatRow *r = cat_get_by_oid(CAT_PG_CLASS, rel);

    return r && has_files(cat_char(r, PG_CLASS_RELKIND)) ? all_forks(rel_locator(r)) : 0;
}

static int64_t
indexes_bytes(RelDesc *d)
{
    int64_t n = 0;

    for (int i = 0; i < d->nindexes; i++)
        n += relation_bytes(d->indexes[i]);
    return n;
}

static int64_t
table_bytes(RelDesc *d)
{
    int64_t n = relation_bytes(d->oid);

    if (d->toast_rel) {
        n += relation_bytes(d->toast_rel);
        n += indexes_bytes(rel_cached(d->toast_rel));
    }
    return n;
}

static RelDesc *
rel_argument(Datum d)
{
    return rel_try_open(datum_oid(d), LOCK_ACCESS_SHARE);
}

Datum
fnc_relation_size(FnCtx *c, const Datum *args, bool *isnull)
{
    RelDesc *d = rel_argument(args[0]);
    const char *fork = c->nargs > 1 ? text_arg(c, args[1]) : "main";
    int f = 0;

    if (!d)
        return null_datum(isnull);
    while (f < FORK_COUNT && strcmp(fork_names[f], fork) != 0)
        f++;
    if (f == FORK_COUNT)
        RAISE_ERR(SQLSTATE_INVALID_PARAMETER_VALUE, err_message("invalid fork name"),
                  err_hint("Valid fork names are \"main\", \"fsm\", \"vm\", and \"init\"."));
    return int64_datum(has_files(d->kind) ? fork_bytes(d->heap.locator, (ForkNo)f) : 0);
}

Datum
fnc_table_size(FnCtx *c, const Datum *args, bool *isnull)
{
    RelDesc *d = rel_argument(args[0]);

    return d ? int64_datum(table_bytes(d)) : null_datum(isnull);
}

Datum
fnc_indexes_size(FnCtx *c, const Datum *args, bool *isnull)
{
    RelDesc *d = rel_argument(args[0]);

    return d ? int64_datum(indexes_bytes(d)) : null_datum(isnull);
}

Datum
fnc_total_relation_size(FnCtx *c, const Datum *args, bool *isnull)
{
    RelDesc *d = rel_argument(args[0]);

    return d ? int64_datum(table_bytes(d) + indexes_bytes(d)) : null_datum(isnull);
}

Datum
fnc_relation_filenode(FnCtx *c, const Datum *args, bool *isnull)
{
    const CatRow *r = cat_get_by_oid(CAT_PG_CLASS, datum_oid(args[0]));

    if (!r || !has_files(cat_char(r, PG_CLASS_RELKIND)))
        return null_datum(isnull);
    return oid_datum(rel_locator(r).rel);
}

Datum
fnc_relation_filepath(FnCtx *c, const Datum *args, bool *isnull)
{
    const CatRow *r = cat_get_by_oid(CAT_PG_CLASS, datum_oid(args[0]));
    char path[MAX_PATH_BYTES];

    if (!r || !has_files(cat_char(r, PG_CLASS_RELKIND)))
        return null_datum(isnull);
    relfile_path(rel_locator(r), FORK_MAIN, 0, path, sizeof path);
    return text_datum(c, path);
}

Datum
fnc_filenode_relation(FnCtx *c, const Datum *args, bool *isnull)
{
    Oid spc = datum_oid(args[0]) == catalog_database_tablespace ? 0 : datum_oid(args[0]);
    Datum keys[2] = {oid_datum(spc), args[1]};
    CatScan *s = cat_scan_begin(CAT_PG_CLASS, IDX_PG_CLASS_TBLSPC_RELFILENODE_INDEX, 2, keys);
    const CatRow *r = cat_scan_next(s);
    Oid rel = r ? cat_oid(r, PG_CLASS_OID) : 0;

    cat_scan_end(s);
    return rel ? oid_datum(rel) : null_datum(isnull);
}

/* ---- databases and tablespaces ---- */

static int64_t
directory_bytes(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *e;
    int64_t total = 0;

    if (!dir)
        return 0;
    while ((e = readdir(dir)) != NULL) {
        char file[MAX_PATH_BYTES];
        struct stat st;

        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        snprintf(file, sizeof file, "%s/%s", path, e->d_name);
        if (stat(file, &st) == 0)
            total += S_ISDIR(st.st_mode) ? directory_bytes(file) : st.st_size;
    }
    closedir(dir);
    return total;
}

Datum
fnc_database_size(FnCtx *c, const Datum *args, bool *isnull)
{
    char path[MAX_PATH_BYTES];
    const CatRow *r;
    Oid db;

    if (declared_arg(c, 0) == NAME_OID) {
        char *name = name_arg(c, args[0]);

        r = cat_get(IDX_PG_DATABASE_DATNAME_INDEX, ptr_datum(name), 0, 0, 0);
        if (!r)
            RAISE(SQLSTATE_UNDEFINED_DATABASE, "database \"%s\" does not exist", name);
    } else {
        r = cat_get_by_oid(CAT_PG_DATABASE, datum_oid(args[0]));
        if (!r)
            return null_datum(isnull);
    }
    db = cat_oid(r, PG_DATABASE_OID);
    if (!acl_check(CAT_PG_DATABASE, db, current_user_oid, ACL_CONNECT) && !role_is_member(current_user_oid, 3375))
        acl_raise(CAT_PG_DATABASE, db);
    relfile_db_path(cat_oid(r, PG_DATABASE_DATTABLESPACE), db, path, sizeof path);
    return int64_datum(directory_bytes(path));
}

Datum
fnc_tablespace_size(FnCtx *c, const Datum *args, bool *isnull)
{
    Oid spc;
    char path[64];

    if (declared_arg(c, 0) == NAME_OID) {
        char *name = name_arg(c, args[0]);
        const CatRow *r = cat_get(IDX_PG_TABLESPACE_SPCNAME_INDEX, ptr_datum(name), 0, 0, 0);

        if (!r)
            RAISE(SQLSTATE_UNDEFINED_OBJECT, "tablespace \"%s\" does not exist", name);
        spc = cat_oid(r, PG_TABLESPACE_OID);
    } else {
        spc = datum_oid(args[0]);
        if (!cat_get_by_oid(CAT_PG_TABLESPACE, spc))
            return null_datum(isnull);
    }
    if (spc == SPC_DEFAULT)
        snprintf(path, sizeof path, "base");
    else if (spc == SPC_GLOBAL)
        snprintf(path, sizeof path, "global");
    else
        snprintf(path, sizeof path, "pg_tblspc/%u", spc);
    return int64_datum(directory_bytes(path));
}

Datum
fnc_tablespace_location(FnCtx *c, const Datum *args, bool *isnull)
{
    char link[64], target[MAX_PATH_BYTES];
    Oid spc = datum_oid(args[0]) ? datum_oid(args[0]) : catalog_database_tablespace;

    if (spc == SPC_DEFAULT || spc == SPC_GLOBAL)
        return text_datum(c, "");
    snprintf(link, sizeof link, "pg_tblspc/%u", spc);
    if (!realpath(link, target))
        RAISE(SQLSTATE_INTERNAL_ERROR, "could not read symbolic link \"%s\": %m", link);
    return text_datum(c, target);
}

/* ---- texts of sizes ---- */

extern Datum fn_pg_size_pretty(FnCtx *c, const Datum *args, bool *isnull); /* of int8: core/types */

Datum
fnc_size_pretty(FnCtx *c, const Datum *args, bool *isnull)
{
    int64_t v;
    Datum d;

    if (!numeric_to_int64(args[0], &v)) { /* beyond 8 EB */
        double f = numeric_to_float8(args[0]);

        return text_datum(c, arena_printf(c->arena, "%.0f PB", f / 1125899906842624.0));
    }
    d = int64_datum(v);
    return fn_pg_size_pretty(c, &d, isnull);
}

Datum
fnc_size_bytes(FnCtx *c, const Datum *args, bool *isnull)
{
    static const struct { const char *name; int shift; } units[] = {{"bytes", 0}, {"b", 0}, {"kb", 10}, {"mb", 20}, {"gb", 30}, {"tb", 40}, {"pb", 50}};
    char *text = text_arg(c, args[0]), *p = text, *end, *unit;
    double v;
    size_t n;
    int shift = -1;

    p += strspn(p, " \t\n\r\f\v");
    v = strtod(p, &end);
    if (end == p)
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "invalid size: \"%s\"", text);
    unit = end + strspn(end, " \t\n\r\f\v");
    n = strlen(unit);
    while (n > 0 && strchr(" \t\n\r\f\v", unit[n - 1]))
        unit[--n] = '\0';
    if (n == 0)
        shift = 0;
    for (size_t i = 0; i < COUNT_OF(units) && shift < 0; i++)
        if (str_casecmp_ascii(unit, units[i].name) == 0)
            shift = units[i].shift;
    if (shift < 0)
        RAISE_ERR(SQLSTATE_INVALID_PARAMETER_VALUE, err_message("invalid size: \"%s\"", text), err_detail("Invalid size unit: \"%s\".", unit),
                  err_hint("Valid units are \"bytes\", \"B\", \"kB\", \"MB\", \"GB\", \"TB\", and \"PB\"."));
    v *= (double)(INT64_C(1) << shift);
    if (!(v > -9.2e18 && v < 9.2e18))
        RAISE(SQLSTATE_NUMERIC_VALUE_OUT_OF_RANGE, "bigint out of range");
    return int64_datum((int64_t)(v < 0 ? v - 0.5 : v + 0.5));
}

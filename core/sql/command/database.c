/*
 * CREATE, ALTER and DROP DATABASE. A new database is a copy of its template's files, taken between two
 * checkpoints: the first brings the template's buffers to its files, the second keeps a crash from
 * replaying the copy from a template that has changed since.
 *
 * Log: RMGR_DATABASE, info 0x00 copy {spc, db, source}, 0x10 remove {spc, db}. A directory made by a
 * transaction that aborts is removed again at its end; after a crash it is a leftover no row names.
 */
#include <locale.h>

#include "core/sql/command/command_internal.h"

#define XLOG_DBASE_CREATE 0x00u
#define XLOG_DBASE_DROP 0x10u
#define SPC_PG_DEFAULT 1663u
#define ENCODING_UTF8 6

typedef struct DbRecord { Oid spc, db, source; } DbRecord;
static Oid made_here; /* directory to remove if the transaction aborts */

static Lsn
log_database(uint8_t info, Oid db, Oid source)
{
    DbRecord r = {SPC_PG_DEFAULT, db, source};

    wal_begin();
    wal_add_data(&r, sizeof r);
    return wal_insert(RMGR_DATABASE, info, NULL);
}

static void
database_redo(const WalRecord *rec)
{
    DbRecord r;
    char from[MAX_PATH_BYTES], to[MAX_PATH_BYTES];

    memcpy(&r, rec->data, sizeof r);
    relfile_db_path(r.spc, r.db, to, sizeof to);
    buf_drop_database(r.db);
    fsyncq_forget_database(r.db);
    relfile_forget_all();
    if (relfile_remove_dir(to) == ERR_OK) /* may not be there */
        LOG("removed directory \"%s\"", to);
    if ((rec->info & 0xF0) != XLOG_DBASE_CREATE)
        return;
    relfile_db_path(r.spc, r.source, from, sizeof from);
    RAISE_ON(buf_flush_database(r.source));
    RAISE_ON(relfile_copy_dir(from, to));
}

static void
database_describe(const WalRecord *rec, StrBuf *out)
{
    DbRecord r;

    memcpy(&r, rec->data, sizeof r);
    if ((rec->info & 0xF0) == XLOG_DBASE_CREATE)
        str_printf(out, "copy dir %u/%u to %u/%u", r.spc, r.source, r.spc, r.db);
    else
        str_printf(out, "dir %u/%u", r.spc, r.db);
}

static const char *
database_identify(uint8_t info)
{
    return (info & 0xF0) == XLOG_DBASE_CREATE ? "CREATE_FILE_COPY" : "DROP";
}

void
database_register_redo(void)
{
    static const WalRmgrOps ops = {.name = "Database", .redo = database_redo, .describe = database_describe, .identify = database_identify};
    wal_register_rmgr(RMGR_DATABASE, &ops);
}

static void
database_at_end(TxnEvent e, int nesting)
{
    if (made_here && e == TXN_ABORT) {
        char path[MAX_PATH_BYTES];
        relfile_db_path(SPC_PG_DEFAULT, made_here, path, sizeof path);
        buf_drop_database(made_here);
        if (relfile_remove_dir(path) != ERR_OK)
            LOG("could not remove directory \"%s\": it is not used", path);
    }
    if (e == TXN_ABORT || e == TXN_COMMIT)
        made_here = 0;
}

/* ---- names, users ---- */

Oid
database_oid(const char *name, bool missing_ok)
{
    const CatRow *r = cat_get(IDX_PG_DATABASE_DATNAME_INDEX, ptr_datum(name), 0, 0, 0);

    if (r)
        return datum_oid(cat_val(r, PG_DATABASE_OID));
    if (!missing_ok)
        RAISE(SQLSTATE_UNDEFINED_DATABASE, "database \"%s\" does not exist", name);
    return 0;
}

static const CatRow *
database_row(Oid oid)
{
    const CatRow *r = cat_get_by_oid(CAT_PG_DATABASE, oid);

    if (r == NULL)
        RAISE(SQLSTATE_UNDEFINED_DATABASE, "database with OID %u does not exist", oid);
    return r;
}

static int
other_sessions(Oid db)
{
    int n = 0;

    for (int i = 0; i < proc_slot_count; i++) {
        ProcSlot *p = &proc_slots[i];
        /* acquire: a slot's identity is published by its pid; who comes later waits for our lock */
        if (p != proc_self && atomic_load_explicit(&p->pid, memory_order_acquire) != 0 && atomic_load_explicit(&p->database, memory_order_acquire) == db)
            n++;
    }
    return n;
}

/* Sessions on their way out (a client that has just left) are given a moment. */
static int
other_sessions_settled(Oid db)
{
    int n = 0;

    for (int tries = 0; tries < 50; tries++) {
        n = other_sessions(db);
        if (n == 0)
            return 0;
        CHECK_INTERRUPTS();
        latch_wait(WAIT_LATCH | WAIT_TIMEOUT, -1, 100, WAIT_EVENT_BACKEND_TERMINATION);
        latch_reset(&proc_self->latch);
    }
    return n;
}

static void
raise_in_use(const char *message, const char *name, int n)
{
    RAISE_ERR(SQLSTATE_OBJECT_IN_USE, err_message(message, name),
              err_detail(n == 1 ? "There is %d other session using the database." : "There are %d other sessions using the database.", n));
}

static bool
may_create(void)
{
    const CatRow *r = cat_get_by_oid(CAT_PG_AUTHID, current_user_oid);

    return role_is_superuser(current_user_oid) || (r && datum_bool(cat_val(r, PG_AUTHID_ROLCREATEDB)));
}

/* ---- CREATE DATABASE ---- */

typedef struct DbOptions {
    const char *template, *collate, *ctype;
    Oid owner;
    int limit;
    bool is_template, allow_connections, limit_given;
    Oid oid;
} DbOptions;

static bool
encoding_is_utf8(const char *name)
{
    char clean[32];
    size_t n = 0;

    for (const char *p = name; *p && n + 1 < sizeof clean; p++)
        if (*p != '-' && *p != '_' && *p != ' ')
            clean[n++] = char_lower_ascii(*p);
    clean[n] = '\0';
    return strcmp(clean, "utf8") == 0 || strcmp(clean, "unicode") == 0;
}

static void
check_encoding(Arena *a, const PgQuery__DefElem *d)
{
    static const char *const known[] = {"sqlascii", "latin1", "latin2", "latin9", "euc_jp", "win1252", "win1251", "koi8r", "iso88591", "iso885915"};

    if (d->arg->node_case == PN(INTEGER) ? d->arg->integer->ival == ENCODING_UTF8 : encoding_is_utf8(def_string(a, d)))
        return;
    const char *name = def_string(a, d);
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        char clean[32];
        size_t n = 0;
        for (const char *p = name; *p && n + 1 < sizeof clean; p++)
            if (*p != '-' && *p != '_')
                clean[n++] = char_lower_ascii(*p);
        clean[n] = '\0';
        if (strcmp(clean, known[i]) == 0)
            UNSUPPORTED("encoding \"%s\" is not supported: databases are UTF8", name);
    }
    RAISE_AT(SQLSTATE_UNDEFINED_OBJECT, d->location, "%s is not a valid encoding name", name);
}

static void
read_options(CommandContext *c, PNode **options, size_t n, DbOptions *o, bool altering)
{
    for (size_t i = 0; i < n; i++) {
        const PgQuery__DefElem *d = options[i]->def_elem;
        for (size_t k = 0; k < i; k++)
            if (strcmp(options[k]->def_elem->defname, d->defname) == 0)
                RAISE_AT(SQLSTATE_SYNTAX_ERROR, d->location, "conflicting or redundant options");
        bool has = d->arg && d->arg->node_case != PG_QUERY__NODE__NODE__NOT_SET;
        if (strcmp(d->defname, "is_template") == 0)
            o->is_template = def_bool(d);
        else if (strcmp(d->defname, "allow_connections") == 0)
            o->allow_connections = def_bool(d);
        else if (strcmp(d->defname, "connection_limit") == 0) {
            int64_t v = has ? def_int64(d) : -1;
            if (v < -1 || v > INT32_MAX)
                RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "invalid connection limit: %lld", (long long)v);
            o->limit = (int)v;
        } else if (strcmp(d->defname, "tablespace") == 0) {
            if (has && strcmp(def_string(c->arena, d), "pg_default") != 0)
                RAISE(SQLSTATE_UNDEFINED_OBJECT, "tablespace \"%s\" does not exist", def_string(c->arena, d));
        } else if (altering)
            RAISE_AT(SQLSTATE_SYNTAX_ERROR, d->location, "option \"%s\" not recognized", d->defname);
        else if (strcmp(d->defname, "owner") == 0) {
            if (has)
                o->owner = role_oid(def_string(c->arena, d), false);
        } else if (strcmp(d->defname, "template") == 0) {
            if (has)
                o->template = def_string(c->arena, d);
        } else if (strcmp(d->defname, "encoding") == 0) {
            if (has)
                check_encoding(c->arena, d);
        } else if (strcmp(d->defname, "lc_collate") == 0)
            o->collate = has ? def_string(c->arena, d) : NULL;
        else if (strcmp(d->defname, "lc_ctype") == 0)
            o->ctype = has ? def_string(c->arena, d) : NULL;
        else if (strcmp(d->defname, "locale") == 0)
            o->collate = o->ctype = has ? def_string(c->arena, d) : NULL;
        else if (strcmp(d->defname, "oid") == 0)
            o->oid = (Oid)def_int64(d);
        else if (strcmp(d->defname, "strategy") == 0) {
            const char *s = def_string(c->arena, d);
            if (str_casecmp_ascii(s, "wal_log") != 0 && str_casecmp_ascii(s, "file_copy") != 0)
                RAISE_ERR(SQLSTATE_INVALID_PARAMETER_VALUE, err_message("invalid create database strategy \"%s\"", s),
                          err_hint("Valid strategies are \"wal_log\", and \"file_copy\"."));
        } else if (strcmp(d->defname, "locale_provider") == 0) {
            const char *s = def_string(c->arena, d);
            if (str_casecmp_ascii(s, "libc") != 0)
                UNSUPPORTED("locale provider \"%s\" is not supported", s);
        } else if (strcmp(d->defname, "collation_version") == 0)
            continue;
        else
            RAISE_AT(SQLSTATE_SYNTAX_ERROR, d->location, "option \"%s\" not recognized", d->defname);
    }
}

static void
check_locale(Arena *a, const DbOptions *o, const CatRow *template)
{
    char *collate = cat_name(a, template, PG_DATABASE_DATCOLLATE), *ctype = cat_name(a, template, PG_DATABASE_DATCTYPE);
    bool from_template0 = strcmp(o->template, "template0") == 0;
    const char *names[] = {o->collate, o->ctype};

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        locale_t l = names[i] ? newlocale(LC_ALL_MASK, names[i], (locale_t)0) : (locale_t)0;
        if (names[i] && l == (locale_t)0)
            RAISE(SQLSTATE_WRONG_OBJECT_TYPE, "invalid locale name: \"%s\"", names[i]);
        if (l)
            freelocale(l);
    }
    if (from_template0)
        return;
    if (o->collate && strcmp(o->collate, collate) != 0)
        RAISE_ERR(SQLSTATE_INVALID_PARAMETER_VALUE, err_message("new collation (%s) is incompatible with the collation of the template database (%s)", o->collate, collate),
                  err_hint("Use the same collation as in the template database, or use template0 as template."));
    if (o->ctype && strcmp(o->ctype, ctype) != 0)
        RAISE_ERR(SQLSTATE_INVALID_PARAMETER_VALUE, err_message("new LC_CTYPE (%s) is incompatible with the LC_CTYPE of the template database (%s)", o->ctype, ctype),
                  err_hint("Use the same LC_CTYPE as in the template database, or use template0 as template."));
}

static void
copy_files(Oid source, Oid db)
{
    char from[MAX_PATH_BYTES], to[MAX_PATH_BYTES];

    relfile_db_path(SPC_PG_DEFAULT, source, from, sizeof from);
    relfile_db_path(SPC_PG_DEFAULT, db, to, sizeof to);
    wal_request_checkpoint(CHECKPOINT_IMMEDIATE | CHECKPOINT_FORCE | CHECKPOINT_WAIT | CHECKPOINT_FLUSH_ALL);
    RAISE_ON(buf_flush_database(source)); /* hint bits set since */
    made_here = db;
    ErrCode rc = relfile_copy_dir(from, to);
    if (rc != ERR_OK)
        err_raise_code(rc);
    wal_flush_to(log_database(XLOG_DBASE_CREATE, db, source));
    wal_request_checkpoint(CHECKPOINT_IMMEDIATE | CHECKPOINT_FORCE | CHECKPOINT_WAIT);
}

static void
insert_row(Arena *a, const char *name, Oid oid, const DbOptions *o, const CatRow *template)
{
    RowEdit *row = row_edit(a, CAT_PG_DATABASE, template);

    row_set(row, PG_DATABASE_OID, oid_datum(oid));
    row_set_name(a, row, PG_DATABASE_DATNAME, name);
    row_set(row, PG_DATABASE_DATDBA, oid_datum(o->owner));
    row_set(row, PG_DATABASE_DATISTEMPLATE, bool_datum(o->is_template));
    row_set(row, PG_DATABASE_DATALLOWCONN, bool_datum(o->allow_connections));
    row_set(row, PG_DATABASE_DATCONNLIMIT, int32_datum(o->limit));
    row_null(row, PG_DATABASE_DATACL);
    if (o->collate)
        row_set(row, PG_DATABASE_DATCOLLATE, var_from_cstring(a, o->collate));
    if (o->ctype)
        row_set(row, PG_DATABASE_DATCTYPE, var_from_cstring(a, o->ctype));
    row_insert(row);
    depend_add_owner(CAT_PG_DATABASE, oid, o->owner);
}

void
cmd_create_database(CommandContext *c, const PgQuery__CreatedbStmt *s)
{
    static bool hooked;
    DbOptions o = {.template = "template1", .owner = current_user_oid, .limit = -1, .allow_connections = true};
    Arena *a = c->arena;

    if (session_hooks.require_no_block)
        session_hooks.require_no_block(c, "CREATE DATABASE");
    if (!hooked)
        txn_on_event(database_at_end);
    hooked = true;
    read_options(c, s->options, s->n_options, &o, false);
    if (!may_create())
        RAISE(SQLSTATE_INSUFFICIENT_PRIVILEGE, "permission denied to create database");
    if (!role_is_member(current_user_oid, o.owner))
        RAISE(SQLSTATE_INSUFFICIENT_PRIVILEGE, "must be member of role \"%s\"", role_name(a, o.owner));
    Oid source = database_oid(o.template, true);
    if (source == 0)
        RAISE(SQLSTATE_UNDEFINED_DATABASE, "template database \"%s\" does not exist", o.template);
    lock_acquire_or_raise(lock_tag_object(0, CAT_PG_DATABASE, source, 0), LOCK_SHARE);
    const CatRow *template = database_row(source);
    if (!datum_bool(cat_val(template, PG_DATABASE_DATISTEMPLATE)) && !role_is_superuser(current_user_oid) &&
        datum_oid(cat_val(template, PG_DATABASE_DATDBA)) != current_user_oid)
        RAISE(SQLSTATE_INSUFFICIENT_PRIVILEGE, "permission denied to copy database \"%s\"", o.template);
    check_locale(a, &o, template);
    if (database_oid(s->dbname, true))
        RAISE(SQLSTATE_DUPLICATE_DATABASE, "database \"%s\" already exists", s->dbname);
    if (source != catalog_database || other_sessions(source)) {
        int n = other_sessions_settled(source);
        if (n || source == catalog_database)
            if (n)
                raise_in_use("source database \"%s\" is being accessed by other users", o.template, n);
    }
    Oid oid = o.oid ? o.oid : cat_new_oid(CAT_PG_DATABASE);
    lock_acquire_or_raise(lock_tag_object(0, CAT_PG_DATABASE, oid, 0), LOCK_ACCESS_EXCLUSIVE);
    insert_row(a, s->dbname, oid, &o, template);
    copy_files(source, oid);
    txn_force_sync_commit();
}

/* ---- DROP DATABASE ---- */

static void
terminate_sessions(Oid db)
{
    for (int i = 0; i < proc_slot_count; i++) {
        ProcSlot *p = &proc_slots[i];
        uint32_t pid = atomic_load_explicit(&p->pid, memory_order_acquire); /* acquire: identity after pid */
        if (p != proc_self && pid && atomic_load_explicit(&p->database, memory_order_acquire) == db)
            (void)kill((pid_t)pid, SIGTERM);
    }
}

static void
delete_settings(Oid db)
{
    Datum key = oid_datum(db);
    CatScan *s = cat_scan_begin(CAT_PG_DB_ROLE_SETTING, IDX_PG_DB_ROLE_SETTING_DATABASEID_ROL_INDEX, 1, &key);
    const CatRow *r;

    while ((r = cat_scan_next(s)) != NULL)
        cat_delete(CAT_PG_DB_ROLE_SETTING, r->tid);
    cat_scan_end(s);
}

static void
delete_shared_dependencies(Oid db)
{
    CatScan *s = cat_scan_begin(CAT_PG_SHDEPEND, 0, 0, NULL);
    const CatRow *r;

    while ((r = cat_scan_next(s)) != NULL)
        if (datum_oid(cat_val(r, PG_SHDEPEND_DBID)) == db)
            cat_delete(CAT_PG_SHDEPEND, r->tid);
    cat_scan_end(s);
}

void
cmd_drop_database(CommandContext *c, const PgQuery__DropdbStmt *s)
{
    bool force = false;
    char path[MAX_PATH_BYTES];

    for (size_t i = 0; i < s->n_options; i++) {
        if (strcmp(s->options[i]->def_elem->defname, "force") != 0)
            RAISE_AT(SQLSTATE_SYNTAX_ERROR, s->options[i]->def_elem->location, "unrecognized DROP DATABASE option \"%s\"", s->options[i]->def_elem->defname);
        force = true;
    }
    if (session_hooks.require_no_block)
        session_hooks.require_no_block(c, "DROP DATABASE");
    Oid oid = database_oid(s->dbname, s->missing_ok);
    if (oid == 0) {
        REPORT(LEVEL_NOTICE, SQLSTATE_SUCCESS, err_message("database \"%s\" does not exist, skipping", s->dbname));
        return;
    }
    lock_acquire_or_raise(lock_tag_object(0, CAT_PG_DATABASE, oid, 0), LOCK_ACCESS_EXCLUSIVE);
    const CatRow *row = database_row(oid);
    acl_require_owner(CAT_PG_DATABASE, oid);
    if (datum_bool(cat_val(row, PG_DATABASE_DATISTEMPLATE)))
        RAISE(SQLSTATE_WRONG_OBJECT_TYPE, "cannot drop a template database");
    if (oid == catalog_database)
        RAISE(SQLSTATE_OBJECT_IN_USE, "cannot drop the currently open database");
    if (force)
        terminate_sessions(oid);
    int n = other_sessions_settled(oid);
    if (n)
        raise_in_use("database \"%s\" is being accessed by other users", s->dbname, n);
    comment_delete((ObjAddr){CAT_PG_DATABASE, oid, 0});
    depend_delete_for((ObjAddr){CAT_PG_DATABASE, oid, 0}, 0);
    cat_delete(CAT_PG_DATABASE, row->tid);
    delete_settings(oid);
    delete_shared_dependencies(oid);
    txn_command_increment();
    buf_drop_database(oid);
    fsyncq_forget_database(oid);
    /* No process holds files of it open or will write to it after this. */
    wal_request_checkpoint(CHECKPOINT_IMMEDIATE | CHECKPOINT_FORCE | CHECKPOINT_WAIT);
    wal_flush_to(log_database(XLOG_DBASE_DROP, oid, 0));
    relfile_db_path(SPC_PG_DEFAULT, oid, path, sizeof path);
    RAISE_ON(relfile_remove_dir(path));
    stats_drop_database(oid);
    txn_force_sync_commit();
}

/* ---- ALTER DATABASE ---- */

void
cmd_alter_database(CommandContext *c, const PgQuery__AlterDatabaseStmt *s)
{
    DbOptions o = {.limit = INT32_MIN};
    Oid oid = database_oid(s->dbname, false);
    RowEdit *row = row_edit(c->arena, CAT_PG_DATABASE, database_row(oid));

    o.is_template = datum_bool(row->values[PG_DATABASE_DATISTEMPLATE - 1]);
    o.allow_connections = datum_bool(row->values[PG_DATABASE_DATALLOWCONN - 1]);
    read_options(c, s->options, s->n_options, &o, true);
    acl_require_owner(CAT_PG_DATABASE, oid);
    if (!o.allow_connections && oid == catalog_database)
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "cannot disallow connections for current database");
    row_set(row, PG_DATABASE_DATISTEMPLATE, bool_datum(o.is_template));
    row_set(row, PG_DATABASE_DATALLOWCONN, bool_datum(o.allow_connections));
    if (o.limit != INT32_MIN)
        row_set(row, PG_DATABASE_DATCONNLIMIT, int32_datum(o.limit));
    row_save(row);
}

void
database_rename(CommandContext *c, const char *from, const char *to)
{
    Oid oid = database_oid(from, false);

    lock_acquire_or_raise(lock_tag_object(0, CAT_PG_DATABASE, oid, 0), LOCK_ACCESS_EXCLUSIVE);
    acl_require_owner(CAT_PG_DATABASE, oid);
    if (!may_create())
        RAISE(SQLSTATE_INSUFFICIENT_PRIVILEGE, "permission denied to rename database");
    if (database_oid(to, true))
        RAISE(SQLSTATE_DUPLICATE_DATABASE, "database \"%s\" already exists", to);
    if (oid == catalog_database)
        UNSUPPORTED("current database cannot be renamed");
    int n = other_sessions_settled(oid);
    if (n)
        raise_in_use("database \"%s\" is being accessed by other users", from, n);
    RowEdit *row = row_edit(c->arena, CAT_PG_DATABASE, database_row(oid));
    row_set_name(c->arena, row, PG_DATABASE_DATNAME, to);
    row_save(row);
}

void
database_change_owner(const char *name, Oid owner)
{
    Oid oid = database_oid(name, false);
    Arena *a = txn_arena();

    acl_require_owner(CAT_PG_DATABASE, oid);
    if (!role_is_member(current_user_oid, owner))
        RAISE(SQLSTATE_INSUFFICIENT_PRIVILEGE, "must be member of role \"%s\"", role_name(a, owner));
    RowEdit *row = row_edit(a, CAT_PG_DATABASE, database_row(oid));
    row_set(row, PG_DATABASE_DATDBA, oid_datum(owner));
    row_save(row);
    depend_delete_for((ObjAddr){CAT_PG_DATABASE, oid, 0}, 'o');
    depend_add_owner(CAT_PG_DATABASE, oid, owner);
}

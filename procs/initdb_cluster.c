/*
 * initdb's child: an instance of its own, without a server around it. It writes the first log segment
 * and the control file, has the catalog module make template1, runs the SQL of the system views, and
 * copies template1 to template0 and postgres.
 *
 * Its shared memory is private (nobody else attaches), and it does not sync: initdb syncs everything
 * at the end, once.
 */
#include "procs/procs.h"

#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/settings.h"
#include "core/session/session.h"
#include "core/shm/shm.h"

extern const char catalog_system_views_sql[] __attribute__((weak)); /* until the catalog has it */

#define CATALOG_VERSION 202209061u /* PostgreSQL 15's: the catalogs are its */
#define TEMPLATE1_OID 1u
#define TEMPLATE0_OID 4u
#define POSTGRES_OID 5u

/* As PostgreSQL forms it: time and process make it unique enough to tell clusters apart. */
static uint64_t
new_system_identifier(void)
{
    struct timeval tv;
    gettimeofday(&tv, NULL);
    return (uint64_t)tv.tv_sec << 32 | (uint64_t)tv.tv_usec << 12 | ((uint64_t)getpid() & 0xFFF);
}

static void
quote(StrBuf *s, const char *text, char mark)
{
    str_add_char(s, mark);
    for (; *text; text++) {
        if (*text == mark)
            str_add_char(s, mark);
        str_add_char(s, *text);
    }
    str_add_char(s, mark);
}

static void
set_password(const InitdbOptions *o)
{
    StrBuf s;
    str_init(&s, arena_top());
    str_add(&s, "ALTER USER ");
    quote(&s, o->user, '"');
    str_add(&s, " WITH PASSWORD ");
    quote(&s, o->password, '\'');
    session_run_script(s.data);
}

/* A database row like template1's, and its files. template1's pages must be on disk. */
static void
copy_database(Oid oid, const char *name, bool template)
{
    char from[MAX_PATH_BYTES], to[MAX_PATH_BYTES];
    Datum values[CAT_MAX_COLUMNS];
    bool nulls[CAT_MAX_COLUMNS];

    txn_begin();
    snapshot_push_active(snapshot_latest());
    const CatRow *r = cat_get_by_oid(CAT_PG_DATABASE, TEMPLATE1_OID);
    if (r == NULL)
        INTERNAL_ERROR("template1 is missing");
    memcpy(values, r->values, sizeof(Datum) * (size_t)r->ncols);
    memcpy(nulls, r->nulls, sizeof(bool) * (size_t)r->ncols);
    values[PG_DATABASE_OID - 1] = oid_datum(oid);
    values[PG_DATABASE_DATNAME - 1] = cat_name_datum(txn_arena(), name);
    values[PG_DATABASE_DATISTEMPLATE - 1] = bool_datum(template);
    values[PG_DATABASE_DATALLOWCONN - 1] = bool_datum(!template);
    nulls[PG_DATABASE_DATACL - 1] = true;
    cat_insert(CAT_PG_DATABASE, values, nulls);
    snapshot_pop_active();
    txn_commit();

    relfile_db_path(datum_oid(values[PG_DATABASE_DATTABLESPACE - 1]), TEMPLATE1_OID, from, sizeof(from));
    relfile_db_path(datum_oid(values[PG_DATABASE_DATTABLESPACE - 1]), oid, to, sizeof(to));
    RAISE_ON(relfile_copy_dir(from, to));
}

static void
begin_instance(void)
{
    settings_set_argv("fsync", "off");
    settings_set_argv("shared_buffers", "32MB");
    settings_set_argv("max_connections", "10");
    settings_set_argv("superuser_reserved_connections", "0");
    settings_set_argv("huge_pages", "off");
    settings_set_argv("log_min_messages", "warning");
    settings_set_argv("log_checkpoints", "off");
    settings_set_argv("log_line_prefix", "");
    shm_create_for_test(); /* private, anonymous: as good for an instance of one process */
    RAISE_ON(proc_attach(PROC_STANDALONE));
    child_release_at_exit();
    modules_process_init();
}

/* The control file is to show the settings of the cluster, not those used here. */
static void
restore_control_settings(void)
{
    control_lock();
    control_file->max_connections = 100;
    control_file->catalog_version = CATALOG_VERSION;
    control_write();
    control_unlock();
}

void
initdb_fill_cluster(const InitdbOptions *o)
{
    printf("running bootstrap script ... ");
    fflush(stdout);
    if (chdir(o->data_dir) != 0)
        die("error: could not change directory to \"%s\": %m", o->data_dir);
    begin_instance();
    wal_bootstrap(new_system_identifier(), XID_FIRST_NORMAL, OID_FIRST_USER);
    txn_bootstrap_files();
    txn_startup();
    catalog_bootstrap(o->user, o->collate, o->ctype, o->encoding);
    printf("ok\nperforming post-bootstrap initialization ... ");
    fflush(stdout);

    session_attach_standalone("template1");
    catalog_system_oids = true;
    if (catalog_system_views_sql)
        session_run_script(catalog_system_views_sql);
    catalog_system_oids = false;
    txn_begin();
    snapshot_push_active(snapshot_latest());
    catalog_record_init_privs();
    snapshot_pop_active();
    txn_commit();
    if (o->password)
        set_password(o);
    wal_checkpoint(CHECKPOINT_IMMEDIATE | CHECKPOINT_FORCE);
    copy_database(TEMPLATE0_OID, "template0", true);
    copy_database(POSTGRES_OID, "postgres", false);
    wal_checkpoint(CHECKPOINT_IS_SHUTDOWN | CHECKPOINT_IMMEDIATE);
    restore_control_settings();
    printf("ok\n");
    fflush(stdout);
}

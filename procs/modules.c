/*
 * Every module of the house, registered in the order of the layers: what the server and initdb have
 * in common before shared memory is made, and what each process does after it has its slot.
 */
#include "procs/procs.h"
#include "procs/autovac.h"

#include "core/access/sequence.h"
#include "core/access/settings.h"
#include "core/base/cpu.h"
#include "core/base/settings.h"
#include "core/base/stack.h"
#include "core/catalog/builtins.h"
#include "core/session/session.h"
#include "core/stats/stats.h"
#include "core/types/datetime.h"
#include "core/types/number.h"

static const char *
time_text(Arena *a, TimestampTz t)
{
    StrBuf s;
    str_init(&s, a);
    format_tstz(&s, t, date_style);
    return s.data;
}

void
modules_register(void)
{
    cpu_init();
    stack_set_base();
    float_format_init();
    builtins_init();
    proc_shm_register();
    fsyncq_shm_register();
    lock_shm_register();
    stats_shm_register();
    wal_settings_register();
    wal_shm_register();
    buf_settings_register();
    buf_shm_register();
    txn_settings_register();
    txn_shm_register();
    txn_register_redo();
    autovac_shm_register();
    types_settings_register();
    access_settings_register();
    heap_register_redo();
    btree_register_redo();
    seq_register_redo();
    catalog_settings_register();
    catalog_shm_register();
    sql_register();
    wire_settings_register();
    session_settings_register();
    procs_settings_register();
    wal_time_parse_hook = timestamptz_parse;
    wal_time_text_hook = time_text;
    settings_boot();
}

void
modules_process_init(void)
{
    stats_process_init();
    relfile_init();
    buf_process_init();
    txn_process_init();
    catalog_process_init();
}

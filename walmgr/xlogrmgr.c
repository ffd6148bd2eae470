/*
 * The log's own resource manager: what its records say, and their redo; the table of all managers.
 */
#include "walmgr/wal_internal.h"

#include <stdio.h>

const WalRmgrOps *wal_rmgr_ops[RMGR_COUNT] = {[RMGR_XLOG] = &wal_xlog_ops};
static void (*image_redo)(const WalRecord *r);
void (*wal_redo_record_hook)(const WalRecord *r);
void (*wal_redo_checkpoint_hook)(const WalCheckpoint *c, bool shutdown);
void (*wal_redo_next_oid_hook)(Oid next);

static const char *const rmgr_names[RMGR_COUNT] = {
    "XLOG",  "Transaction", "Storage", "CLOG", "Database", "Tablespace", "MultiXact",
    "RelMap", "Standby",    "Heap",    "Heap2", "Btree",   "Hash",       "Gin",
    "Gist",  "Sequence",    "SPGist",  "BRIN",  "CommitTs", "Generic",   "LogicalMessage"};

void
wal_register_rmgr(WalRmgr id, const WalRmgrOps *ops)
{
    ASSERT(id < RMGR_COUNT && id != RMGR_XLOG);
    wal_rmgr_ops[id] = ops;
}

void
wal_set_image_redo(void (*fn)(const WalRecord *r))
{
    image_redo = fn;
}

const char *
wal_rmgr_name(unsigned rmgr)
{
    return rmgr < RMGR_COUNT ? rmgr_names[rmgr] : "UNKNOWN";
}

#ifdef ENABLE_FAULT_POINTS
void
wal_record_point(const char *when, unsigned rmgr, unsigned info)
{
    char name[48];
    snprintf(name, sizeof(name), "%s_%s_%02x", when, wal_rmgr_name(rmgr), info);
    fault_point_hit(name);
}
#endif

void
wal_describe(const WalRecord *r, StrBuf *out)
{
    const WalRmgrOps *ops = r->rmgr < RMGR_COUNT ? wal_rmgr_ops[r->rmgr] : NULL;
    const char *name = ops && ops->identify ? ops->identify(r->info) : NULL;
    if (name)
        str_add(out, name);
    else
        str_printf(out, "UNKNOWN (%x)", r->info & 0xF0u);
    str_add_char(out, ' ');
    if (ops && ops->describe)
        ops->describe(r, out);
}

static const char *
xlog_identify(uint8_t info)
{
    switch (info) {
    case XLOG_CHECKPOINT_SHUTDOWN: return "CHECKPOINT_SHUTDOWN";
    case XLOG_CHECKPOINT_ONLINE: return "CHECKPOINT_ONLINE";
    case XLOG_NOOP: return "NOOP";
    case XLOG_NEXTOID: return "NEXTOID";
    case XLOG_SWITCH: return "SWITCH";
    case XLOG_BACKUP_END: return "BACKUP_END";
    case XLOG_PARAMETER_CHANGE: return "PARAMETER_CHANGE";
    case XLOG_RESTORE_POINT: return "RESTORE_POINT";
    case XLOG_END_OF_RECOVERY: return "END_OF_RECOVERY";
    case XLOG_FPI_FOR_HINT: return "FPI_FOR_HINT";
    case XLOG_FPI: return "FPI";
    case XLOG_CHECKPOINT_REDO: return "CHECKPOINT_REDO";
    default: return NULL;
    }
}

static void
xlog_describe(const WalRecord *r, StrBuf *out)
{
    if ((r->info == XLOG_CHECKPOINT_SHUTDOWN || r->info == XLOG_CHECKPOINT_ONLINE) &&
        r->data_bytes == sizeof(WalCheckpoint)) {
        WalCheckpoint c;
        memcpy(&c, r->data, sizeof(c));
        str_printf(out, "redo %s; tli %u; prev tli %u; fpw %s; xid %llu; oid %u; multi %llu; offset %llu; "
                   "oldest xid %llu in DB %u; oldest multi %llu; oldest running xid %llu; %s",
                   lsn_text(c.redo), c.timeline, c.prev_timeline, c.full_page_writes ? "true" : "false",
                   (unsigned long long)c.next_xid, c.next_oid, (unsigned long long)c.next_multi,
                   (unsigned long long)c.next_multi_offset, (unsigned long long)c.oldest_xid,
                   c.oldest_xid_db, (unsigned long long)c.oldest_multi,
                   (unsigned long long)c.oldest_active_xid,
                   r->info == XLOG_CHECKPOINT_SHUTDOWN ? "shutdown" : "online");
    } else if (r->info == XLOG_NEXTOID && r->data_bytes == sizeof(Oid)) {
        str_printf(out, "%u", load_u32(r->data));
    } else if (r->info == XLOG_BACKUP_END && r->data_bytes == sizeof(Lsn)) {
        str_add(out, lsn_text(load_u64(r->data)));
    } else if (r->info == XLOG_RESTORE_POINT && r->data_bytes == sizeof(WalRestorePoint)) {
        WalRestorePoint p;
        memcpy(&p, r->data, sizeof(p));
        p.name[sizeof(p.name) - 1] = '\0';
        str_add(out, p.name);
    }
}

static void
redo_checkpoint(const WalRecord *r)
{
    WalCheckpoint c;
    if (r->data_bytes != sizeof(c))
        PANIC("checkpoint record at %s has a wrong length", lsn_text(r->start));
    memcpy(&c, r->data, sizeof(c));
    if (wal_redo_checkpoint_hook)
        wal_redo_checkpoint_hook(&c, r->info == XLOG_CHECKPOINT_SHUTDOWN);
}

static void
redo_next_oid(const WalRecord *r)
{
    if (r->data_bytes != sizeof(Oid))
        PANIC("NEXTOID record at %s has a wrong length", lsn_text(r->start));
    Oid next = load_u32(r->data);
    control_lock();
    if (next > control_file->checkpoint_copy.next_oid)
        control_file->checkpoint_copy.next_oid = next;
    control_unlock();
    if (wal_redo_next_oid_hook)
        wal_redo_next_oid_hook(next);
}

/* What the server that writes the log can do must be known to whoever follows it. */
static void
redo_parameter_change(const WalRecord *r)
{
    int32_t body[6];
    if (r->data_bytes != sizeof(body))
        return;
    memcpy(body, r->data, sizeof(body));
    if (wal_in_archive_recovery() && body[5] == WAL_LEVEL_MINIMAL) {
        err_start(LEVEL_FATAL, SQLSTATE_OBJECT_NOT_IN_PREREQUISITE_STATE, __FILE__, __LINE__, __func__);
        err_message("WAL was generated with \"wal_level=minimal\", cannot continue recovering");
        err_detail("This happens if you temporarily set \"wal_level=minimal\" on the server.");
        err_hint("Use a backup taken after setting \"wal_level\" to higher than \"minimal\".");
        err_throw();
    }
    control_lock();
    control_file->max_connections = body[0];
    control_file->max_worker_processes = body[1];
    control_file->max_wal_senders = body[2];
    control_file->max_prepared_xacts = body[3];
    control_file->max_locks_per_xact = body[4];
    control_file->wal_level = (uint32_t)body[5];
    control_write();
    control_unlock();
}

static void
xlog_redo(const WalRecord *r)
{
    switch (r->info) {
    case XLOG_CHECKPOINT_SHUTDOWN:
    case XLOG_CHECKPOINT_ONLINE:
        redo_checkpoint(r);
        break;
    case XLOG_NEXTOID:
        redo_next_oid(r);
        break;
    case XLOG_FPI:
    case XLOG_FPI_FOR_HINT:
        if (!image_redo)
            PANIC("no handler for the page images of the record at %s", lsn_text(r->start));
        image_redo(r);
        break;
    case XLOG_PARAMETER_CHANGE:
        redo_parameter_change(r);
        break;
    case XLOG_NOOP: /* these change nothing here */
    case XLOG_SWITCH:
    case XLOG_BACKUP_END: /* recovery.c looks at it */
    case XLOG_RESTORE_POINT:
    case XLOG_END_OF_RECOVERY:
    case XLOG_CHECKPOINT_REDO:
        break;
    default:
        PANIC("xlog_redo: unknown op code %u", r->info);
    }
}

const WalRmgrOps wal_xlog_ops = {"XLOG", xlog_redo, xlog_describe, xlog_identify, NULL, NULL};

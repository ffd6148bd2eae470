/*
 * Relation files that come or go with the end of the transaction.
 *
 * A file made by a transaction that aborts is removed with it, one dropped by a transaction that
 * commits only then; both lists stand in the end record, so redo does the same. A file whose
 * creation is in the log but whose transaction's end is not is removed after redo.
 */
#include "core/txn/txn_internal.h"

#define SMGR_OP_CREATE 0
#define SMGR_OP_TRUNCATE 1

typedef struct PendingFile {
    struct PendingFile *next; /* newest first */
    RelLocator rel;
    bool at_commit; /* removed at commit (dropped) or at abort (created) */
    int nesting;
} PendingFile;

static PendingFile *pending; /* in the transaction's arena */

static void
pending_add(RelLocator r, bool at_commit)
{
    PendingFile *p = ARENA_NEW(txn_arena(), PendingFile);

    p->rel = r;
    p->at_commit = at_commit;
    p->nesting = txn_nesting();
    p->next = pending;
    pending = p;
}

void
storage_create(RelLocator r, bool logged)
{
    pending_add(r, false); /* first: a failure half-way is cleaned up too */
    RAISE_ON(relfile_create(r, FORK_MAIN, false));
    if (logged) {
        (void)txn_xid();
        critical_enter();
        wal_begin();
        wal_add_data(&r, sizeof r);
        (void)wal_insert(RMGR_SMGR, SMGR_OP_CREATE, NULL);
        critical_leave();
    }
}

bool
storage_is_new(RelLocator r)
{
    for (const PendingFile *p = pending; p; p = p->next)
        if (!p->at_commit && p->nesting == txn_nesting() && rel_locator_equal(p->rel, r))
            return true;
    return false;
}

void
storage_drop(RelLocator r)
{
    pending_add(r, true);
}

void
storage_truncate(RelLocator r, BlockNo blocks)
{
    struct {
        RelLocator r;
        BlockNo blocks;
    } rec = {r, blocks};
    Lsn lsn;

    /* The frames go only after the record is durable: else a crash could find pages that the log
     * expects cut off by a file that has shrunk. */
    critical_enter();
    wal_begin();
    wal_add_data(&rec, sizeof rec);
    lsn = wal_insert(RMGR_SMGR, SMGR_OP_TRUNCATE, NULL);
    wal_flush_to(lsn);
    FAULT_POINT("storage_truncate_logged");
    buf_drop_relation(r, blocks);
    FAULT_POINT("storage_truncate_frames_gone");
    if (relfile_truncate(r, FORK_MAIN, blocks) != ERR_OK)
        PANIC("%s", err_sys()->what);
    critical_leave();
}

void
drop_relation_files(RelLocator r, bool redo)
{
    FAULT_POINT("storage_drop");
    buf_drop_relation(r, 0);
    FAULT_POINT("storage_drop_frames_gone");
    if (relfile_unlink(r, redo) != ERR_OK)
        LOG("could not remove files of relation %u/%u/%u: %s", r.spc, r.db, r.rel, err_sys()->what);
}

/* How many relations go at this end; with an arena also which. */
int
storage_pending_drops(bool commit, Arena *a, RelLocator **out)
{
    int n = 0;

    for (PendingFile *p = pending; p; p = p->next)
        n += p->at_commit == commit;
    if (n && a) {
        int i = 0;

        *out = arena_alloc(a, sizeof(RelLocator) * (size_t)n);
        for (PendingFile *p = pending; p; p = p->next)
            if (p->at_commit == commit)
                (*out)[i++] = p->rel;
    }
    return n;
}

void
storage_at_end(bool commit)
{
    for (PendingFile *p = pending; p; p = p->next)
        if (p->at_commit == commit)
            drop_relation_files(p->rel, false);
    pending = NULL;
}

void
storage_at_sub_end(int nesting, bool commit)
{
    PendingFile **p = &pending;

    while (*p) {
        PendingFile *f = *p;

        if (f->nesting < nesting) {
            p = &f->next;
        } else if (commit) {
            f->nesting = nesting - 1;
            p = &f->next;
        } else {
            *p = f->next;
            if (!f->at_commit)
                drop_relation_files(f->rel, false);
        }
    }
}

/* ---- redo ---- */

typedef struct CreatedFile {
    struct CreatedFile *next;
    RelLocator rel;
    Xid xid;
} CreatedFile;
static CreatedFile *redo_created;
static Arena *redo_arena;

void
storage_redo(const WalRecord *r)
{
    if (r->info == SMGR_OP_CREATE) {
        RelLocator rel;
        CreatedFile *c;

        memcpy(&rel, r->data, sizeof rel);
        if (relfile_create(rel, FORK_MAIN, true) != ERR_OK)
            PANIC("%s", err_sys()->what);
        if (!redo_arena)
            redo_arena = arena_create(arena_top(), "redo: created files");
        c = ARENA_NEW(redo_arena, CreatedFile);
        c->rel = rel;
        c->xid = r->xid;
        c->next = redo_created;
        redo_created = c;
    } else {
        struct {
            RelLocator r;
            BlockNo blocks;
        } rec;
        BlockNo have;

        memcpy(&rec, r->data, sizeof rec);
        if (!relfile_exists(rec.r, FORK_MAIN))
            return; /* dropped later in the log */
        buf_drop_relation(rec.r, rec.blocks);
        if (relfile_block_count(rec.r, FORK_MAIN, &have) == ERR_OK && have > rec.blocks &&
            relfile_truncate(rec.r, FORK_MAIN, rec.blocks) != ERR_OK)
            PANIC("%s", err_sys()->what);
    }
}

static bool
xid_among(Xid x, Xid xid, const Xid *subs, int nsubs)
{
    if (x == xid)
        return true;
    for (int i = 0; i < nsubs; i++)
        if (subs[i] == x)
            return true;
    return false;
}

/* The transaction has ended, or (xid 0) redo has: what is left then was never decided. */
void
storage_redo_forget(const RelLocator *drops, int n, Xid xid, const Xid *subs, int nsubs)
{
    CreatedFile **p = &redo_created;

    while (*p) {
        CreatedFile *c = *p;

        if (xid == XID_INVALID) {
            drop_relation_files(c->rel, true);
            *p = c->next;
        } else if (xid_among(c->xid, xid, subs, nsubs)) {
            *p = c->next;
        } else {
            p = &c->next;
        }
    }
    if (!redo_created && redo_arena)
        arena_reset(redo_arena);
}

const char *
storage_identify(uint8_t info)
{
    return info == SMGR_OP_CREATE ? "CREATE" : info == SMGR_OP_TRUNCATE ? "TRUNCATE" : NULL;
}

void
storage_describe(const WalRecord *r, StrBuf *out)
{
    RelLocator rel;

    memcpy(&rel, r->data, sizeof rel);
    str_printf(out, "rel %u/%u/%u", rel.spc, rel.db, rel.rel);
    if (r->info == SMGR_OP_TRUNCATE)
        str_printf(out, " to %u blocks", load_u32(r->data + sizeof rel));
}

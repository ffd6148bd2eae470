/*
 * What redo handlers of page-based modules share: bringing in the page a record speaks of.
 */
#include "bufmgr/buf_redo.h"
#include "core/txn/txn_internal.h"

RedoAction
redo_read_init(const WalRecord *r, int ref, Buf *out)
{
    *out = BUF_INVALID;
    if (!wal_has_ref(r, ref))
        return REDO_NOTFOUND;
    *out = buf_redo_init_block(r, ref);
    return REDO_NEEDED;
}

RedoAction
redo_read(const WalRecord *r, int ref, Buf *out)
{
    *out = BUF_INVALID;
    if (!wal_has_ref(r, ref))
        return REDO_NOTFOUND;
    switch (buf_redo_block(r, ref, out)) {
    case BUF_REDO_APPLY:
        return REDO_NEEDED;
    case BUF_REDO_DONE:
        return REDO_DONE;
    case BUF_REDO_RESTORED:
        return REDO_RESTORED;
    default:
        *out = BUF_INVALID;
        return REDO_NOTFOUND; /* a later record removes or cuts the file */
    }
}

/*
 * The commit log: two bits for each transaction id, in pg_xact.
 *
 * Nothing here is on the path of a commit: a recent transaction's fate stands in the ring of commit
 * sequence numbers (csn.c). The bits are written in bulk when ids leave the ring and at
 * checkpoints, and by redo.
 */
#include "core/txn/txn_internal.h"

#define CLOG_PER_BYTE 4u
#define CLOG_PER_PAGE (SLRU_PAYLOAD * CLOG_PER_BYTE)

Slru clog_slru = {"pg_xact", LWT_COMMIT_LOG, 8, STATS_SLRU_XACT, NULL, {0}};

uint64_t
clog_page_of(Xid xid)
{
    return xid / CLOG_PER_PAGE;
}

ClogStatus
clog_get(Xid xid)
{
    SlruHandle h;
    unsigned in = (unsigned)(xid % CLOG_PER_PAGE);
    ClogStatus st;

    if (UNLIKELY(xid < xid_oldest()))
        return CLOG_COMMITTED; /* a locker on a page all frozen: over (rule 13) */
    slru_open(&clog_slru, xid / CLOG_PER_PAGE, LW_SHARED, &h);
    st = (ClogStatus)((unsigned char)h.payload[in / CLOG_PER_BYTE] >> in % CLOG_PER_BYTE * 2 & 3);
    slru_close(&h);
    return st;
}

void
clog_set_range(Xid first, const uint8_t *statuses, int n, Lsn lsn)
{
    int i = 0;

    while (i < n) {
        SlruHandle h;
        uint64_t page = (first + (Xid)i) / CLOG_PER_PAGE;
        bool changed = false;

        slru_open(&clog_slru, page, LW_EXCLUSIVE, &h);
        for (; i < n && (first + (Xid)i) / CLOG_PER_PAGE == page; i++) {
            unsigned in = (unsigned)((first + (Xid)i) % CLOG_PER_PAGE),
                     shift = in % CLOG_PER_BYTE * 2;
            unsigned char *b = (unsigned char *)&h.payload[in / CLOG_PER_BYTE];

            if (statuses[i] == CLOG_NONE || (*b >> shift & 3u) == statuses[i])
                continue;
            *b = (unsigned char)((*b & ~(3u << shift)) | (unsigned)statuses[i] << shift);
            changed = true;
        }
        if (changed)
            slru_mark_dirty(&h, lsn);
        slru_close(&h);
    }
}

void
clog_set(Xid xid, ClogStatus st, Lsn lsn)
{
    uint8_t s = (uint8_t)st;

    clog_set_range(xid, &s, 1, lsn);
}

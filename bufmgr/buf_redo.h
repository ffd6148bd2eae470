/*
 * What redo handlers need: the page of a block reference, with its image restored if it has one.
 */
#ifndef BUFMGR_BUF_REDO_H
#define BUFMGR_BUF_REDO_H

#include "bufmgr/bufmgr.h"
#include "walmgr/walmgr.h"

typedef enum BufRedo {
    BUF_REDO_APPLY,    /* pinned, locked exclusively: change it, set its LSN to r->end, mark it dirty */
    BUF_REDO_DONE,     /* pinned, locked: the page is newer already */
    BUF_REDO_RESTORED, /* pinned, locked: the image was put in place, LSN set, marked dirty */
    BUF_REDO_GONE      /* no buffer: a later record removes or cuts the file */
} BufRedo;
/* For references with WAL_REF_WILL_INIT the page is zeroed and must be initialised: APPLY. */
BufRedo buf_redo_block(const WalRecord *r, int ref, Buf *out);
/* Any reference page, zeroed for the caller to build. */
Buf buf_redo_init_block(const WalRecord *r, int ref);
/* The end of a redo routine for one page. */
static inline void
buf_redo_finish(const WalRecord *r, Buf b)
{
    page_set_lsn(buf_page(b), r->end);
    buf_mark_dirty(b);
}
void buf_redo_images(const WalRecord *r); /* registered for FPI and FPI_FOR_HINT */

#endif

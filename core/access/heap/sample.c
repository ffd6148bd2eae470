/*
 * A random sample of rows for ANALYZE: as many random blocks as rows are wanted (Knuth's algorithm
 * S), and of the rows met there a reservoir (Vitter's algorithm R).
 */
#include "core/access/heap/heap_internal.h"
#include "core/base/clock.h"
#include "core/base/hash.h"
#include "core/base/interrupt.h"

typedef struct Sampler {
    Arena *arena;
    Tuple *rows;
    int want, have;
    uint64_t seed;
    double live, dead;
} Sampler;

static double
uniform(Sampler *s) /* [0, 1) */
{
    s->seed += UINT64_C(0x9E3779B97F4A7C15);
    return (double)(hash_u64(s->seed) >> 11) / (double)(UINT64_C(1) << 53);
}

static void
row_offer(Sampler *s, const char *t, uint32_t size, ItemPtr tid)
{
    Tuple *slot;

    s->live++;
    if (s->have < s->want) {
        slot = &s->rows[s->have++];
        slot->bytes = NULL;
        slot->size = 0;
    } else {
        double k = uniform(s) * s->live;

        if (k >= s->want)
            return;
        slot = &s->rows[(int)k];
    }
    if (slot->size < size)
        slot->bytes = arena_alloc(s->arena, size);
    memcpy(slot->bytes, t, size);
    slot->size = size;
    slot->tid = tid;
}

static void
sample_page(Sampler *s, HeapRel *rel, BlockNo block, Lsn horizon, BufRing *ring)
{
    Buf b = rbuf_read_mode(rel->locator, FORK_MAIN, block, BUF_NORMAL, ring);
    char *page = buf_page(b);

    buf_lock(b, LW_EXCLUSIVE); /* tuple_vacuum_state leaves hints */
    for (int i = 1; i <= page_line_count(page); i++) {
        LinePtr lp = page_line(page, (OffsetNo)i);
        char *t;

        if (LINE_STATE(lp) == LINE_DEAD)
            s->dead++;
        if (LINE_STATE(lp) != LINE_NORMAL)
            continue;
        t = page_item(page, lp);
        switch (tuple_vacuum_state(t, horizon, b)) {
        case TUPLE_LIVE:
            row_offer(s, t, LINE_LENGTH(lp), (ItemPtr){block, (OffsetNo)i});
            break;
        case TUPLE_INSERT_IN_PROGRESS: /* our own rows will be there; others' are counted by their
                                          end */
            if (xid_is_current(tuple_xmin(t)))
                row_offer(s, t, LINE_LENGTH(lp), (ItemPtr){block, (OffsetNo)i});
            break;
        case TUPLE_DELETE_IN_PROGRESS:
            if (xid_is_current(tuple_update_xid(t)))
                s->dead++;
            else
                row_offer(s, t, LINE_LENGTH(lp), (ItemPtr){block, (OffsetNo)i});
            break;
        default:
            s->dead++;
        }
    }
    rbuf_release(b);
}

int
heap_sample(Arena *a, HeapRel *rel, const Snapshot *snapshot, int want, Tuple **out,
            double *live_rows, double *dead_rows)
{
    Sampler s = {.arena = a, .want = want, .seed = (uint64_t)clock_now()};
    BlockNo blocks = heap_blocks(rel), chosen = 0, target = MIN(blocks, (BlockNo)want);
    Lsn horizon = horizon_lsn(rel->db == 0);
    Arena *scratch = arena_create(txn_arena(), "sample");
    BufRing *ring = buf_ring_create(scratch, BUF_RING_VACUUM);

    s.rows = ARENA_ARRAY(a, Tuple, want > 0 ? want : 1);
    proc_progress_set(1, target);
    for (BlockNo b = 0; b < blocks && chosen < target; b++) {
        if (uniform(&s) * (blocks - b) >= target - chosen)
            continue;
        vacuum_pace_point();
        sample_page(&s, rel, b, horizon, ring);
        proc_progress_set(2, ++chosen);
    }
    arena_destroy(scratch);
    *out = s.rows;
    *live_rows = chosen ? s.live / chosen * blocks : 0;
    *dead_rows = chosen ? s.dead / chosen * blocks : 0;
    return s.have;
}

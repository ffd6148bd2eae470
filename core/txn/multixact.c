/*
 * Multixacts: the set of transactions that hold locks on one row (and at most one that updated it).
 *
 * pg_multixact/offsets: one word per id: where its members begin (48 bits) and how many there are
 * (16). pg_multixact/members: one word per member: xid (48 bits) and status. A set never changes; a
 * further member makes a new id. Every creation is one log record; a small cache keeps the last
 * sets, so that many rows locked by the same transactions share one id.
 */
#include "core/txn/txn_internal.h"

#define PER_PAGE (SLRU_PAYLOAD / 8u)
#define MEMBERS_MAX 65535
#define CACHE_SETS 16
#define CACHE_MEMBERS 16

#define MULTI_OP_CREATE 0

Slru multi_offsets_slru = {"pg_multixact/offsets", LWT_MULTIXACT, 2, STATS_SLRU_MULTIXACT_OFFSET, NULL, {0}};
Slru multi_members_slru = {"pg_multixact/members", LWT_MULTIXACT, 4, STATS_SLRU_MULTIXACT_MEMBER, NULL, {0}};

typedef struct CachedSet {
    MultiId id;
    int n;
    uint64_t words[CACHE_MEMBERS];
} CachedSet;
static CachedSet cache[CACHE_SETS];
static unsigned cache_next;

static inline uint64_t
member_word(MultiMember m)
{
    return m.xid | (uint64_t)m.status << 48;
}

static MultiId
cache_find(const uint64_t *words, int n)
{
    for (int i = 0; i < CACHE_SETS; i++)
        if (cache[i].id != 0 && cache[i].n == n &&
            memcmp(cache[i].words, words, sizeof(uint64_t) * (size_t)n) == 0)
            return cache[i].id;
    return 0;
}

static void
cache_add(MultiId id, const uint64_t *words, int n)
{
    CachedSet *c = &cache[cache_next++ % CACHE_SETS];

    if (n > CACHE_MEMBERS)
        return;
    c->id = id;
    c->n = n;
    memcpy(c->words, words, sizeof(uint64_t) * (size_t)n);
}

void
multixact_at_end(void)
{
    /* Sets of ended transactions are not asked for again. */
    if (cache_next != 0) {
        memset(cache, 0, sizeof cache);
        cache_next = 0;
    }
}

static void
pages_store(Slru *s, uint64_t first, const uint64_t *words, int n, Lsn lsn)
{
    int i = 0;

    while (i < n) {
        SlruHandle h;
        uint64_t page = (first + (uint64_t)i) / PER_PAGE;

        slru_open(s, page, LW_EXCLUSIVE, &h);
        for (; i < n && (first + (uint64_t)i) / PER_PAGE == page; i++)
            store_u64(h.payload + (first + (uint64_t)i) % PER_PAGE * 8, words[i]);
        slru_mark_dirty(&h, lsn);
        slru_close(&h);
    }
}

static void
set_store(MultiId id, uint64_t at, const uint64_t *words, int n, Lsn lsn)
{
    uint64_t head = at | (uint64_t)n << 48;

    pages_store(&multi_members_slru, at, words, n, lsn);
    pages_store(&multi_offsets_slru, id, &head, 1, lsn); /* last: it makes the set readable */
}

/* Members are few: insertion sort, so that equal sets compare equal. */
static void
words_sort(uint64_t *w, int n)
{
    for (int i = 1; i < n; i++) {
        uint64_t x = w[i];
        int k = i - 1;

        while (k >= 0 && (w[k] & XID_MASK_48) > (x & XID_MASK_48)) {
            w[k + 1] = w[k];
            k--;
        }
        w[k + 1] = x;
    }
}

MultiId
multi_create(const MultiMember *members, int n)
{
    TxnShared *t = txn_shared;
    struct {
        MultiId id;
        uint64_t at;
    } head;
    uint64_t *words;
    MultiId id;
    Lsn lsn;

    ASSERT(n >= 1);
    if (n > MEMBERS_MAX)
        RAISE(SQLSTATE_PROGRAM_LIMIT_EXCEEDED, "too many transactions hold locks on one row");
    words = arena_alloc(txn_arena(), sizeof(uint64_t) * (size_t)n);
    for (int i = 0; i < n; i++)
        words[i] = member_word(members[i]);
    words_sort(words, n);
    id = cache_find(words, n);
    if (id != 0)
        return id;
    lw_acquire(&t->multi_gen, LW_EXCLUSIVE);
    head.id = id = t->next_multi++;
    head.at = t->next_member;
    t->next_member += (uint64_t)n;
    lw_release(&t->multi_gen);
    critical_enter();
    wal_checkpoint_hold(); /* the files are changed after the record */
    wal_begin();
    wal_add_data(&head, sizeof head);
    wal_add_data(words, (uint32_t)n * 8);
    lsn = wal_insert(RMGR_MULTIXACT, MULTI_OP_CREATE, NULL);
    set_store(head.id, head.at, words, n, lsn);
    wal_checkpoint_unhold();
    critical_leave();
    cache_add(id, words, n);
    return id;
}

static int
members_out(Arena *a, const uint64_t *words, int n, MultiMember **out)
{
    MultiMember *m = arena_alloc(a, sizeof(MultiMember) * (size_t)n);

    for (int i = 0; i < n; i++)
        m[i] = (MultiMember){words[i] & XID_MASK_48, (MultiStatus)(words[i] >> 48)};
    *out = m;
    return n;
}

int
multi_members(MultiId id, Arena *a, MultiMember **out)
{
    SlruHandle h;
    uint64_t head, at, *words;
    int n, i = 0;

    for (int k = 0; k < CACHE_SETS; k++)
        if (cache[k].id == id && id != 0)
            return members_out(a, cache[k].words, cache[k].n, out);
    if (UNLIKELY(id < multi_oldest())) {
        *out = NULL; /* only lockers, all over (rule 13) */
        return 0;
    }
    slru_open(&multi_offsets_slru, id / PER_PAGE, LW_SHARED, &h);
    head = load_u64(h.payload + id % PER_PAGE * 8);
    slru_close(&h);
    n = (int)(head >> 48);
    at = head & XID_MASK_48;
    if (n == 0)
        RAISE(SQLSTATE_INTERNAL_ERROR,
              "MultiXactId %llu does no longer exist -- apparent wraparound",
              (unsigned long long)id);
    words = arena_alloc(a, sizeof(uint64_t) * (size_t)n);
    while (i < n) {
        uint64_t page = (at + (uint64_t)i) / PER_PAGE;

        slru_open(&multi_members_slru, page, LW_SHARED, &h);
        for (; i < n && (at + (uint64_t)i) / PER_PAGE == page; i++)
            words[i] = load_u64(h.payload + (at + (uint64_t)i) % PER_PAGE * 8);
        slru_close(&h);
    }
    cache_add(id, words, n);
    return members_out(a, words, n, out);
}

uint64_t
multi_first_member(MultiId id)
{
    SlruHandle h;
    uint64_t head;

    slru_open(&multi_offsets_slru, id / PER_PAGE, LW_SHARED, &h);
    head = load_u64(h.payload + id % PER_PAGE * 8);
    slru_close(&h);
    return head & XID_MASK_48;
}

void
multi_truncate(MultiId first_kept, uint64_t first_kept_member)
{
    slru_truncate(&multi_offsets_slru, first_kept / PER_PAGE);
    slru_truncate(&multi_members_slru, first_kept_member / PER_PAGE);
}

void
multixact_redo(const WalRecord *r)
{
    TxnShared *t = txn_shared;
    MultiId id = load_u64(r->data);
    uint64_t at = load_u64(r->data + 8);
    int n = (int)((r->data_bytes - 16) / 8);
    Arena *a = arena_create(NULL, "multixact redo");
    uint64_t *words = arena_memdup(a, r->data + 16, (size_t)n * 8);

    set_store(id, at, words, n, r->end);
    for (int i = 0; i < n; i++)
        txn_redo_saw_xid(words[i] & XID_MASK_48);
    if (id >= t->next_multi)
        t->next_multi = id + 1;
    if (at + (uint64_t)n > t->next_member)
        t->next_member = at + (uint64_t)n;
    arena_destroy(a);
}

const char *
multixact_identify(uint8_t info)
{
    return info == MULTI_OP_CREATE ? "CREATE_ID" : NULL;
}

void
multixact_describe(const WalRecord *r, StrBuf *out)
{
    str_printf(out, "multi %llu: %u members", (unsigned long long)load_u64(r->data),
               (unsigned)(r->data_bytes - 16) / 8);
}

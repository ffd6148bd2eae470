/*
 * Invalidation: how caches of this and other processes learn that catalog rows have changed.
 *
 * A message names a database (0: shared), a catalog table and the object whose row changed; table 0
 * means the descriptor of a relation. They go three ways:
 *  - to the own caches when the command after the change begins to look (rule 3): a command sees the
 *    catalogs as they were before it;
 *  - to the own caches again when the transaction or subtransaction rolls back;
 *  - to everybody else when the transaction has committed and before its locks go (rule 4): who then
 *    gets a lock finds the messages in the queue.
 *
 * The queue is a ring in shared memory. Readers keep their own position; a reader the writers have
 * lapped throws away all its caches, so no reader ever holds up a writer.
 */
#include <unistd.h>

#include "core/catalog/cat_internal.h"
#include "core/shm/shm.h"

#define RING_MESSAGES 8192u /* a power of two; 128 KiB */
#define ALL_TABLES UINT32_MAX
#define COPY_BATCH 64

typedef struct InvalMessage {
    Oid db, table, object;
    uint32_t sender; /* slot number + 1; 0: a process without a slot */
} InvalMessage;

typedef struct InvalShared {
    LwLock lock;
    /* Messages ever written. Stored with release after the message itself, under the lock held
     * exclusively; readers load with acquire. */
    CACHE_ALIGNED _Atomic uint64_t head;
    InvalMessage ring[RING_MESSAGES];
} InvalShared;

typedef struct OwnMessage {
    InvalMessage m;
    CommandId cid;
    int nesting;
} OwnMessage;

static InvalShared *shared;
static uint64_t next_message; /* first one this process has not read */

static OwnMessage *own;       /* of the current transaction; kept between transactions */
static int own_count, own_cap, own_applied;
int inval_unapplied;
uint64_t inval_epoch = 1;

#define CALLBACKS_MAX 16
static CatInvalCallback callbacks[CALLBACKS_MAX];
static int callback_count;
static uint64_t version;

void
catalog_on_invalidation(CatInvalCallback fn)
{
    CHECK(callback_count < CALLBACKS_MAX);
    callbacks[callback_count++] = fn;
}

uint64_t
catalog_version(void)
{
    return version;
}

/* ---- applying ---- */

static void
tell_callbacks(Oid table, Oid object)
{
    for (int i = 0; i < callback_count; i++)
        callbacks[i](table, object);
}

static void
apply(const InvalMessage *m)
{
    if (m->db != 0 && m->db != catalog_database)
        return;
    if (m->table == 0) {
        relcache_invalidate(m->object);
        tell_callbacks(CAT_PG_CLASS, m->object);
        return;
    }
    cache_invalidate(m->table, m->object);
    types_invalidate(m->table, m->object);
    functions_invalidate(m->table, m->object);
    names_invalidate(m->table);
    roles_invalidate(m->table);
    tell_callbacks(m->table, m->object);
}

void
inval_reset_all(void)
{
    version++;
    inval_epoch++;
    cache_reset();
    relcache_reset();
    types_invalidate(0, 0);
    functions_invalidate(0, 0);
    names_invalidate(0);
    roles_invalidate(0);
    tell_callbacks(CAT_PG_CLASS, 0);
    for (int i = 0; i < cat_table_count; i++)
        if (cat_tables[i].oid != CAT_PG_CLASS)
            tell_callbacks(cat_tables[i].oid, 0);
}

/* ---- the own transaction ---- */

static void
own_push(Oid db, Oid table, Oid object)
{
    OwnMessage *e;

    /* One statement often changes many rows of one object: the last few of this command are looked
     * through (an older message must not move to a later command: those behind it wait for it). */
    CommandId now = txn_command(true);
    for (int i = own_count - 1; i >= own_applied && i >= own_count - 8; i--)
        if (own[i].m.table == table && own[i].m.object == object && own[i].m.db == db && own[i].cid == now && own[i].nesting == txn_nesting())
            return;
    if (own_count == own_cap) {
        int cap = own_cap ? own_cap * 2 : 256;

        own = arena_realloc(arena_top(), own, sizeof *own * (size_t)own_cap, sizeof *own * (size_t)cap);
        own_cap = cap;
    }
    e = &own[own_count++];
    e->m = (InvalMessage){db, table, object, proc_self ? proc_self->index + 1 : 0};
    e->cid = now;
    e->nesting = txn_nesting();
    inval_unapplied = own_count - own_applied;
}

void
inval_relation(Oid rel)
{
    if (!catalog_bootstrapping && rel)
        own_push(cat_table_find(rel) && cat_table(rel)->shared ? 0 : catalog_database, 0, rel);
}

void
rel_invalidate(Oid oid)
{
    inval_relation(oid);
}

/* Relations whose descriptor is made of this row too. */
static void
inval_relations_of(const CatTable *t, const Datum *v, const bool *n)
{
#define REL(att) do { if (!n[(att)-1]) inval_relation(datum_oid(v[(att)-1])); } while (0)
    switch (t->oid) {
    case CAT_PG_CLASS: REL(PG_CLASS_OID); break;
    case CAT_PG_ATTRIBUTE: REL(PG_ATTRIBUTE_ATTRELID); break;
    case CAT_PG_INDEX: REL(PG_INDEX_INDEXRELID); REL(PG_INDEX_INDRELID); break;
    case CAT_PG_CONSTRAINT: REL(PG_CONSTRAINT_CONRELID); REL(PG_CONSTRAINT_CONFRELID); break;
    case CAT_PG_ATTRDEF: REL(PG_ATTRDEF_ADRELID); break;
    case CAT_PG_REWRITE: REL(PG_REWRITE_EV_CLASS); break;
    case CAT_PG_TRIGGER: REL(PG_TRIGGER_TGRELID); break;
    case CAT_PG_SEQUENCE: REL(PG_SEQUENCE_SEQRELID); break;
    case CAT_PG_POLICY: REL(PG_POLICY_POLRELID); break;
    case CAT_PG_INHERITS: REL(PG_INHERITS_INHRELID); REL(PG_INHERITS_INHPARENT); break;
    default: break;
    }
#undef REL
}

void
inval_row(const CatTable *t, const Datum *values, const bool *nulls)
{
    if (catalog_bootstrapping)
        return;
    switch (t->oid) { /* never cached */
    case CAT_PG_DEPEND:
    case CAT_PG_SHDEPEND:
    case CAT_PG_DESCRIPTION:
    case CAT_PG_SHDESCRIPTION:
    case CAT_PG_LARGEOBJECT:
        return;
    default:
        break;
    }
    own_push(cat_table_db(t), t->oid, datum_oid(values[0]));
    inval_relations_of(t, values, nulls);
}

void
inval_own_slow(void)
{
    CommandId now = txn_command(false);

    if (own_applied < own_count && own[own_applied].cid >= now)
        return;
    version++;
    inval_epoch++;
    while (own_applied < own_count && own[own_applied].cid < now)
        apply(&own[own_applied++].m);
    inval_unapplied = own_count - own_applied;
}

/* ---- the shared queue ---- */

static size_t queue_size(void) { return sizeof(InvalShared); }

static void
queue_init(void *base)
{
    shared = base;
    lw_init(&shared->lock, LWT_SINVAL);
}

void
catalog_shm_register(void)
{
    static const ShmRequest request = {"catalog invalidation", SHM_CONTROL, queue_size, queue_init};

    catalog_settings_register();
    cat_tables_init(); /* before the first fork: the tables are shared by copy on write */
    shm_register(&request);
}

static void
send_messages(const OwnMessage *m, int n)
{
    uint64_t head;

    if (n == 0 || !shared)
        return;
    lw_acquire(&shared->lock, LW_EXCLUSIVE);
    /* relaxed: only holders of the lock write it */
    head = atomic_load_explicit(&shared->head, memory_order_relaxed);
    if ((uint32_t)n > RING_MESSAGES / 2) {
        shared->ring[head++ % RING_MESSAGES] = (InvalMessage){0, ALL_TABLES, 0, 0};
    } else {
        for (int i = 0; i < n; i++)
            shared->ring[head++ % RING_MESSAGES] = m[i].m;
    }
    /* release: publishes the messages; pairs with the acquire in catalog_accept_invalidations */
    atomic_store_explicit(&shared->head, head, memory_order_release);
    lw_release(&shared->lock);
}

void
inval_send_all(void)
{
    OwnMessage all = {.m = {0, ALL_TABLES, 0, 0}};

    send_messages(&all, 1);
}

/* What the bearer of this slot sent is in its own caches already; 0: nobody's is. */
static void
accept_slow(uint64_t head, uint32_t own_sender)
{
    version++;
    inval_epoch++;
    while (next_message < head) {
        InvalMessage batch[COPY_BATCH];
        int n = (int)MIN(head - next_message, COPY_BATCH);
        bool lapped;

        lw_acquire(&shared->lock, LW_SHARED);
        /* relaxed: the lock orders it */
        lapped = atomic_load_explicit(&shared->head, memory_order_relaxed) - next_message > RING_MESSAGES;
        for (int i = 0; i < n && !lapped; i++)
            batch[i] = shared->ring[(next_message + (uint64_t)i) % RING_MESSAGES];
        if (lapped)
            next_message = head = atomic_load_explicit(&shared->head, memory_order_relaxed);
        lw_release(&shared->lock);
        if (lapped) {
            inval_reset_all();
            return;
        }
        next_message += (uint64_t)n;
        for (int i = 0; i < n; i++) {
            if (batch[i].table == ALL_TABLES)
                inval_reset_all();
            else if (own_sender == 0 || batch[i].sender != own_sender)
                apply(&batch[i]);
        }
    }
}

void
catalog_accept_invalidations(void)
{
    uint64_t head;

    if (UNLIKELY(!shared))
        return;
    /* acquire: pairs with the release in send_messages */
    head = atomic_load_explicit(&shared->head, memory_order_acquire);
    if (UNLIKELY(head != next_message))
        accept_slow(head, proc_self ? proc_self->index + 1 : 0);
}

/* ---- life of a transaction ---- */

static void
forget_from(int first)
{
    if (first < own_count) {
        version++;
        inval_epoch++;
    }
    for (int i = first; i < own_count; i++)
        apply(&own[i].m);
    own_count = first;
    own_applied = MIN(own_applied, own_count);
    inval_unapplied = own_count - own_applied;
}

static void
at_txn_event(TxnEvent e, int nesting)
{
    switch (e) {
    case TXN_COMMIT:
    case TXN_PREPARE:
        send_messages(own, own_count);
        if (own_applied < own_count) {
            version++;
            inval_epoch++;
            while (own_applied < own_count)
                apply(&own[own_applied++].m);
        }
        own_count = own_applied = inval_unapplied = 0;
        break;
    case TXN_ABORT:
        forget_from(0);
        break;
    case TXN_SUB_COMMIT:
        for (int i = own_count - 1; i >= 0 && own[i].nesting >= nesting; i--)
            own[i].nesting = nesting - 1;
        break;
    case TXN_SUB_ABORT: {
        int first = own_count;

        while (first > 0 && own[first - 1].nesting >= nesting)
            first--;
        forget_from(first);
        break;
    }
    default:
        return;
    }
    names_at_end(e, nesting);
    if (e == TXN_COMMIT || e == TXN_ABORT || e == TXN_PREPARE) {
        cache_at_end();
        relcache_at_end();
    }
}

/* The messages stand in the commit record as well: that makes the commit durable before others hear
 * of it (core/txn, rule 7), and a replica's backends will take them from there. */
static void
record_fill(bool commit, StrBuf *out)
{
    if (!commit)
        return;
    for (int i = 0; i < own_count; i++)
        str_add_bytes(out, &own[i].m, 12);
}

static void
record_redo(Xid xid, bool commit, const char *bytes, size_t n)
{
    /* Nobody caches anything while the server starts. */
}

void
inval_init(void)
{
    static bool done;
    static pid_t reader; /* whose position next_message is */

    if (!done) {
        txn_on_event(at_txn_event);
        txn_register_record_part(record_fill, record_redo);
        done = true;
    }
    if (!shared)
        return;
    /* acquire: what was sent before is in the tables this process will read */
    uint64_t head = atomic_load_explicit(&shared->head, memory_order_acquire);
    if (reader != getpid()) {
        reader = getpid();
        next_message = head;
    } else if (next_message != head) {
        /* Between two sessions: the new slot's number is on messages of those who had it before. */
        accept_slow(head, 0);
    }
}

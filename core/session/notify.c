/*
 * LISTEN and NOTIFY.
 *
 * Committed notifications go through a ring of bytes in shared memory. A session that listens has a
 * position in it; the ring's tail is the least of them, so what somebody has still to read is never
 * written over, and reading needs no lock. What a transaction sends is kept by it, without duplicates,
 * gets its space at pre-commit, where a full ring is still an error, and is written once it has committed.
 * Listeners of that database then get SIGUSR1, which only they heed: it raises INTERRUPT_CATCHUP.
 *
 * LISTEN and UNLISTEN, too, take effect at commit. A first LISTEN takes its position at pre-commit, before
 * anything that commits later can be written.
 */
#include <signal.h>

#include "core/session/session_internal.h"
#include "core/shm/shm.h"
#include "lockmgr/lockmgr.h"

#define RING_BYTES (UINT64_C(4) << 20)
#define NOT_LISTENING UINT64_MAX
#define PAYLOAD_MAX 7999

typedef struct Listener {
    _Atomic uint64_t position; /* next byte to read; set under the lock, advanced by its owner alone */
    uint32_t pid;              /* whose entry this is: a slot's earlier owner may have died with it */
    Oid database;
    uint64_t reserved;         /* space granted at pre-commit and not yet written */
} Listener;

typedef struct NotifyShared {
    LwLock lock;                         /* writing, and every field of the listeners but position */
    CACHE_ALIGNED _Atomic uint64_t head; /* next byte to write */
    CACHE_ALIGNED Listener listeners[];  /* by slot of a session; the ring follows */
} NotifyShared;

typedef struct Record { uint32_t size, pid; Oid database; uint32_t channel_bytes; } Record; /* then channel, payload, zero-terminated */

static NotifyShared *shared;
static char *ring;
static int nlisteners;

typedef struct Note { struct Note *next; const char *channel, *payload; int nesting; } Note;
typedef struct Action { struct Action *next; const char *channel; /* NULL: all */ bool on; int nesting; } Action;
static Arena *pending_arena; /* of the transaction */
static Note *notes, **notes_end = &notes;
static Action *actions, **actions_end = &actions;

static char (*channels)[NAME_BYTES]; /* what this session listens to */
static int nchannels, cap_channels;

/* ---- shared memory ---- */

static size_t
listeners_bytes(void)
{
    return (sizeof(NotifyShared) + sizeof(Listener) * (size_t)max_connections + 63) & ~(size_t)63;
}

static size_t
notify_shm_size(void)
{
    return listeners_bytes() + RING_BYTES;
}

static void
notify_shm_init(void *base)
{
    shared = base;
    ring = (char *)base + listeners_bytes();
    nlisteners = max_connections;
    lw_init(&shared->lock, LWT_NOTIFY);
    for (int i = 0; i < nlisteners; i++)
        atomic_store_explicit(&shared->listeners[i].position, NOT_LISTENING, memory_order_relaxed); /* nobody else runs yet */
}

void
notify_shm_register(void)
{
    static const ShmRequest request = {.name = "notifications", .segment = SHM_CONTROL, .size = notify_shm_size, .init = notify_shm_init};
    shm_register(&request);
}

/* ---- this session's entry ---- */

static Listener *
own_entry(void)
{
    if (shared == NULL || proc_self == NULL || (int)proc_self->index >= nlisteners)
        UNSUPPORTED("LISTEN and NOTIFY are only supported in client sessions");
    return &shared->listeners[proc_self->index];
}

/* Under the lock: makes the entry this process's, whatever an earlier owner of the slot left there. */
static Listener *
claim_entry(void)
{
    Listener *l = own_entry();
    uint32_t pid = atomic_load_explicit(&proc_self->pid, memory_order_relaxed); /* relaxed: own */
    if (l->pid != pid) {
        l->pid = pid;
        l->reserved = 0;
        atomic_store_explicit(&l->position, NOT_LISTENING, memory_order_relaxed); /* relaxed: under the lock */
    }
    l->database = catalog_database;
    return l;
}

static bool
entry_lives(int i)
{
    /* relaxed: a slot given up meanwhile is only seen as alive a little longer */
    uint32_t pid = atomic_load_explicit(&proc_slots[i].pid, memory_order_relaxed);
    return pid != 0 && pid == shared->listeners[i].pid;
}

static void
on_catchup(int sig)
{
    (void)sig;
    interrupts_raise(INTERRUPT_CATCHUP);
    if (proc_self)
        latch_set(&proc_self->latch);
}

static void
start_listening(void)
{
    struct sigaction sa = {.sa_handler = on_catchup, .sa_flags = SA_RESTART};
    sigemptyset(&sa.sa_mask);
    sigaction(SIGUSR1, &sa, NULL);
    lw_acquire(&shared->lock, LW_EXCLUSIVE);
    Listener *l = claim_entry();
    if (atomic_load_explicit(&l->position, memory_order_relaxed) == NOT_LISTENING) /* relaxed: both under the lock */
        atomic_store_explicit(&l->position, atomic_load_explicit(&shared->head, memory_order_relaxed), memory_order_relaxed);
    lw_release(&shared->lock);
}

static void
stop_listening(void)
{
    lw_acquire(&shared->lock, LW_EXCLUSIVE);
    atomic_store_explicit(&claim_entry()->position, NOT_LISTENING, memory_order_relaxed); /* relaxed: under the lock */
    lw_release(&shared->lock);
}

/* ---- the statements ---- */

static Arena *
arena_of_transaction(void)
{
    if (pending_arena == NULL)
        pending_arena = arena_create(arena_top(), "notifications");
    return pending_arena;
}

void
notify_listen(const char *channel, bool on)
{
    (void)own_entry();
    if (!on && nchannels == 0 && actions == NULL)
        return;
    Arena *a = arena_of_transaction();
    Action *x = ARENA_NEW(a, Action);
    x->channel = channel ? arena_strdup(a, channel) : NULL;
    x->on = on;
    x->nesting = txn_nesting();
    *actions_end = x;
    actions_end = &x->next;
}

void
notify_send(const char *channel, const char *payload)
{
    (void)own_entry();
    if (payload == NULL)
        payload = "";
    if (channel == NULL || channel[0] == '\0')
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "channel name cannot be empty");
    if (strlen(channel) >= NAME_BYTES)
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "channel name too long");
    if (strlen(payload) > PAYLOAD_MAX)
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "payload string too long");
    for (const Note *n = notes; n; n = n->next)
        if (strcmp(n->channel, channel) == 0 && strcmp(n->payload, payload) == 0)
            return;
    Arena *a = arena_of_transaction();
    Note *n = ARENA_NEW(a, Note);
    n->channel = arena_strdup(a, channel);
    n->payload = arena_strdup(a, payload);
    n->nesting = txn_nesting();
    *notes_end = n;
    notes_end = &n->next;
}

/* ---- commit ---- */

static uint32_t
record_bytes(const Note *n)
{
    return (uint32_t)((sizeof(Record) + strlen(n->channel) + strlen(n->payload) + 2 + 7) & ~(size_t)7);
}

/* Under the lock. */
static uint64_t
bytes_taken(void)
{
    uint64_t head = atomic_load_explicit(&shared->head, memory_order_relaxed), tail = head, reserved = 0; /* relaxed: under the lock */
    for (int i = 0; i < nlisteners; i++) {
        if (!entry_lives(i))
            continue;
        reserved += shared->listeners[i].reserved;
        /* acquire: what its owner read there is read before it is written over */
        uint64_t p = atomic_load_explicit(&shared->listeners[i].position, memory_order_acquire);
        tail = MIN(tail, p);
    }
    return head - tail + reserved;
}

static void
before_commit(void)
{
    for (const Action *x = actions; x; x = x->next)
        if (x->on) {
            start_listening();
            break;
        }
    if (notes == NULL)
        return;
    uint64_t bytes = 0;
    for (const Note *n = notes; n; n = n->next)
        bytes += record_bytes(n);
    lw_acquire(&shared->lock, LW_EXCLUSIVE);
    Listener *l = claim_entry();
    bool fits = bytes_taken() + bytes <= RING_BYTES;
    if (fits)
        l->reserved = bytes;
    lw_release(&shared->lock);
    if (!fits)
        RAISE(SQLSTATE_PROGRAM_LIMIT_EXCEEDED, "too many notifications in the NOTIFY queue");
}

static void
ring_write(uint64_t at, const void *data, size_t n)
{
    size_t from = (size_t)(at % RING_BYTES), first = MIN(n, (size_t)RING_BYTES - from);
    memcpy(ring + from, data, first);
    memcpy(ring, (const char *)data + first, n - first);
}

static void
ring_read(uint64_t at, void *data, size_t n)
{
    size_t from = (size_t)(at % RING_BYTES), first = MIN(n, (size_t)RING_BYTES - from);
    memcpy(data, ring + from, first);
    memcpy((char *)data + first, ring, n - first);
}

static void
write_notes(void)
{
    uint32_t pid = atomic_load_explicit(&proc_self->pid, memory_order_relaxed); /* relaxed: own */
    lw_acquire(&shared->lock, LW_EXCLUSIVE);
    uint64_t head = atomic_load_explicit(&shared->head, memory_order_relaxed); /* relaxed: under the lock */
    for (const Note *n = notes; n; n = n->next) {
        size_t c = strlen(n->channel) + 1, p = strlen(n->payload) + 1;
        Record r = {record_bytes(n), pid, catalog_database, (uint32_t)c};
        ring_write(head, &r, sizeof r);
        ring_write(head + sizeof r, n->channel, c);
        ring_write(head + sizeof r + c, n->payload, p);
        head += r.size;
    }
    /* release: a listener that sees the new head sees the bytes before it */
    atomic_store_explicit(&shared->head, head, memory_order_release);
    claim_entry()->reserved = 0;
    for (int i = 0; i < nlisteners; i++)
        if (i != (int)proc_self->index && entry_lives(i) && shared->listeners[i].database == catalog_database &&
            atomic_load_explicit(&shared->listeners[i].position, memory_order_relaxed) != NOT_LISTENING) /* relaxed: set under the lock */
            kill((pid_t)shared->listeners[i].pid, SIGUSR1);
    lw_release(&shared->lock);
}

static int
channel_index(const char *name)
{
    for (int i = 0; i < nchannels; i++)
        if (strcmp(channels[i], name) == 0)
            return i;
    return -1;
}

static void
apply(const Action *x)
{
    if (x->channel == NULL) {
        nchannels = 0;
        return;
    }
    int at = channel_index(x->channel);
    if (!x->on) {
        if (at >= 0)
            memmove(channels + at, channels + at + 1, sizeof *channels * (size_t)(--nchannels - at));
        return;
    }
    if (at >= 0)
        return;
    if (nchannels == cap_channels) {
        int cap = cap_channels ? cap_channels * 2 : 16;
        char(*more)[NAME_BYTES] = arena_alloc(arena_top(), sizeof *channels * (size_t)cap);
        if (nchannels)
            memcpy(more, channels, sizeof *channels * (size_t)nchannels);
        channels = more;
        cap_channels = cap;
    }
    strncpy(channels[nchannels], x->channel, NAME_BYTES - 1);
    channels[nchannels++][NAME_BYTES - 1] = '\0';
}

static void
forget_pending(void)
{
    notes = NULL;
    notes_end = &notes;
    actions = NULL;
    actions_end = &actions;
    if (pending_arena)
        arena_reset(pending_arena);
}

static void
after_commit(void)
{
    if (notes)
        write_notes();
    bool acted = actions != NULL;
    for (const Action *x = actions; x; x = x->next)
        apply(x);
    if (acted && nchannels == 0)
        stop_listening();
    forget_pending();
}

static void
after_abort(void)
{
    if (notes == NULL && actions == NULL)
        return;
    lw_acquire(&shared->lock, LW_EXCLUSIVE);
    Listener *l = claim_entry();
    l->reserved = 0;
    if (nchannels == 0)
        atomic_store_explicit(&l->position, NOT_LISTENING, memory_order_relaxed); /* relaxed: under the lock */
    lw_release(&shared->lock);
    forget_pending();
}

/* A subtransaction is over: what it left is its parent's, or nobody's. */
static void
after_sub(int nesting, bool commit)
{
    for (Note **at = &notes; *at;) {
        if ((*at)->nesting >= nesting && !commit) {
            *at = (*at)->next;
            continue;
        }
        if (commit)
            (*at)->nesting = MIN((*at)->nesting, nesting - 1);
        at = &(*at)->next;
    }
    notes_end = &notes;
    while (*notes_end)
        notes_end = &(*notes_end)->next;
    for (Action **at = &actions; *at;) {
        if ((*at)->nesting >= nesting && !commit) {
            *at = (*at)->next;
            continue;
        }
        if (commit)
            (*at)->nesting = MIN((*at)->nesting, nesting - 1);
        at = &(*at)->next;
    }
    actions_end = &actions;
    while (*actions_end)
        actions_end = &(*actions_end)->next;
}

void
notify_at_event(TxnEvent e, int nesting)
{
    if (notes == NULL && actions == NULL)
        return;
    switch (e) {
    case TXN_PRE_COMMIT: before_commit(); break;
    case TXN_COMMIT: after_commit(); break;
    case TXN_ABORT: after_abort(); break;
    case TXN_PRE_PREPARE: UNSUPPORTED("cannot PREPARE a transaction that has executed LISTEN, UNLISTEN, or NOTIFY");
    case TXN_SUB_COMMIT: case TXN_SUB_ABORT: after_sub(nesting, e == TXN_SUB_COMMIT); break;
    default: break;
    }
}

static int
list_channels(Arena *a, const char ***names)
{
    *names = ARENA_ARRAY(a, const char *, nchannels + 1);
    for (int i = 0; i < nchannels; i++)
        (*names)[i] = arena_strdup(a, channels[i]);
    return nchannels;
}

static double
queue_usage(void)
{
    lw_acquire(&shared->lock, LW_SHARED);
    double part = (double)bytes_taken() / (double)RING_BYTES;
    lw_release(&shared->lock);
    return part;
}

const NotifyHooks notify_hooks = {.send = notify_send, .channels = list_channels, .usage = queue_usage};

/* The session ends or is made anew: nothing more to listen to. */
void
notify_end(void)
{
    forget_pending();
    if (nchannels) {
        nchannels = 0;
        stop_listening();
    }
}

/* ---- delivery, between transactions ---- */

void
notify_deliver(void)
{
    if (nchannels == 0)
        return;
    Listener *l = own_entry();
    static char buffer[sizeof(Record) + NAME_BYTES + PAYLOAD_MAX + 16];
    uint64_t at = atomic_load_explicit(&l->position, memory_order_relaxed); /* relaxed: own */
    /* acquire: pairs with the writer's release; the bytes below head are whole */
    uint64_t head = atomic_load_explicit(&shared->head, memory_order_acquire);
    while (at < head) {
        Record r;
        ring_read(at, &r, sizeof r);
        ring_read(at, buffer, MIN(r.size, sizeof buffer));
        const char *channel = buffer + sizeof r, *payload = channel + r.channel_bytes;
        if (r.database == catalog_database && channel_index(channel) >= 0) {
            wire_begin('A');
            wire_put_int32((int32_t)r.pid);
            wire_put_string(channel);
            wire_put_string(payload);
            wire_end();
        }
        at += r.size;
        /* release: the bytes were read before their place is given up */
        atomic_store_explicit(&l->position, at, memory_order_release);
    }
}

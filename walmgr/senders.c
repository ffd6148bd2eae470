/*
 * The processes that send log to clients: how many there may be, how far each has got, and how they learn
 * that more is durable.
 */
#include "walmgr/wal_internal.h"

#include <unistd.h>

#include "core/base/clock.h"
#include "core/shm/shm.h"

typedef struct SendersShared {
    _Atomic uint32_t count;   /* of processes that want to be woken: read by each flush */
    WalLock lock;             /* all below */
    WalSenderView senders[];
} SendersShared;

static SendersShared *shared;
static WalSenderView *self;

static size_t
senders_size(void)
{
    return sizeof(SendersShared) + sizeof(WalSenderView) * (size_t)MAX(max_wal_senders, 1);
}

static void
senders_init(void *base)
{
    shared = base;
    self = NULL;
}

void
wal_senders_shm_register(void)
{
    static const ShmRequest request = {"WAL senders", SHM_CONTROL, senders_size, senders_init};
    shm_register(&request);
}

static void
lock(void)
{
    wal_lock_take(&shared->lock, WAL_WAIT_CONTROL_LOCK);
}

static void
leave(void *arg)
{
    if (!self)
        return;
    lock();
    memset(self, 0, sizeof(*self));
    wal_lock_release(&shared->lock);
    self = NULL;
    atomic_fetch_sub_explicit(&shared->count, 1, memory_order_relaxed); /* only a hint for the flusher */
}

bool
wal_sender_register(void)
{
    lock();
    for (int i = 0; i < max_wal_senders && !self; i++)
        if (shared->senders[i].pid == 0)
            self = &shared->senders[i];
    if (self) {
        memset(self, 0, sizeof(*self));
        self->pid = (uint32_t)getpid();
        self->slot = proc_self->index;
        self->state = WAL_SENDER_STARTUP;
    }
    wal_lock_release(&shared->lock);
    if (!self)
        return false;
    proc_on_exit(leave, NULL);
    /* seq_cst: before this process looks at the flushed position; pairs with wal_senders_wake */
    atomic_fetch_add_explicit(&shared->count, 1, memory_order_seq_cst);
    return true;
}

void
wal_sender_set_state(WalSenderState state)
{
    lock();
    self->state = state;
    wal_lock_release(&shared->lock);
}

void
wal_sender_set_sent(Lsn sent)
{
    lock();
    self->sent = sent;
    wal_lock_release(&shared->lock);
}

void
wal_sender_set_reply(Lsn written, Lsn flushed, Lsn applied)
{
    lock();
    self->written = written;
    self->flushed = flushed;
    self->applied = applied;
    self->reply_time = clock_now();
    wal_lock_release(&shared->lock);
}

void
wal_senders_wake(void)
{
    /* seq_cst: a sender counted itself before it looked at the flushed position, which was stored before this */
    if (LIKELY(!shared || atomic_load_explicit(&shared->count, memory_order_seq_cst) == 0))
        return;
    for (int i = 0; i < max_wal_senders; i++)
        if (shared->senders[i].pid) /* unlocked: a latch may be set at any time, and nobody else's harm is done */
            latch_set(&proc_slots[shared->senders[i].slot].latch);
}

bool
wal_sender_view(int index, WalSenderView *out)
{
    if (!shared || index >= max_wal_senders)
        return false;
    lock();
    *out = shared->senders[index];
    wal_lock_release(&shared->lock);
    return true;
}

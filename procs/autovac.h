/* What autovacuum's launcher and workers share. */
#ifndef PROCS_AUTOVAC_H
#define PROCS_AUTOVAC_H

#include "lockmgr/lockmgr.h"

typedef struct AutovacWorker {
    uint32_t pid;      /* 0: free */
    Oid database;
    Oid table;         /* being worked on, 0 none */
    bool table_shared, balanced;
    double cost_delay_ms;
    int cost_limit_base, cost_limit; /* the table's wish; this worker's share */
} AutovacWorker;

typedef struct AutovacShared {
    LwLock lock; /* over everything below; held for a few lines, nothing raises under it */
    Oid starting; /* the database the next worker is to take, 0 none */
    uint64_t starting_since_us;
    uint32_t launcher_slot; /* index + 1: woken when a worker has taken its database, or has ended */
    AutovacWorker workers[]; /* autovacuum_max_workers */
} AutovacShared;
extern AutovacShared *autovac_shared;

void autovac_shm_register(void);
void autovac_wake_launcher(void); /* the lock is held */

#endif

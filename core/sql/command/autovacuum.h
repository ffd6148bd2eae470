/*
 * Autovacuum's part inside a database: which tables need vacuum or analyze, doing it, and what dead
 * sessions have left. Processes, their number and their pace are procs' (autovacuum.c, autovac_worker.c).
 */
#ifndef CORE_SQL_COMMAND_AUTOVACUUM_H
#define CORE_SQL_COMMAND_AUTOVACUUM_H

#include "core/sql/sql.h"

typedef struct AutovacTable {
    Oid rel;
    bool shared;
    bool vacuum, analyze;
    bool freeze;        /* its oldest ids keep the commit log from being cut */
    bool own_pace;      /* the table says how fast: no share in the balance between workers */
    double cost_delay_ms;
    int cost_limit;
    int log_min_ms;
    int64_t freeze_min_age; /* -1: the setting */
} AutovacTable;

typedef struct AutovacHooks {
    bool (*claim)(const AutovacTable *t); /* false: another worker is at it; sets the pace */
    void (*unclaim)(void);
} AutovacHooks;

extern double autovacuum_cost_delay_ms; /* -1: vacuum_cost_delay */
extern int autovacuum_cost_limit;       /* -1: vacuum_cost_limit */

void autovacuum_settings_register(void);
/* Does the database (a row of pg_database) hold back the commit log? Then it is visited, whatever else. */
bool autovacuum_is_overdue(uint32_t frozen_xid);
/* One round through the open database, each table in a transaction of its own. An error of one table is
 * logged and the next one comes. */
void autovacuum_database(const AutovacHooks *h);

#endif

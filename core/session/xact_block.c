/*
 * Transaction blocks: BEGIN ... COMMIT, savepoints, the aborted state, and the implicit block around
 * several statements in one message.
 *
 * An error ends what it happened in at once: the innermost savepoint's subtransaction or, without one, the
 * whole transaction; the block then waits, aborted, for ROLLBACK or ROLLBACK TO.
 */
#include <stdio.h>

#include "core/session/session_internal.h"

#define TRANS(x) PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_##x

typedef struct Savepoint {
    char name[NAME_BYTES];
    bool live; /* its subtransaction is open */
} Savepoint;

static bool explicit_block, implicit_block, aborted;
/* Of an implicit transaction in the extended protocol: it holds an executed statement already; what ran
 * cannot be left uncommitted until Sync (VACUUM, CREATE DATABASE ...). */
static bool pipelining, commit_at_once;
static Savepoint *savepoints;
static int nsavepoints, cap_savepoints;

bool xact_is_aborted(void) { return aborted; }
bool xact_in_explicit_block(void) { return explicit_block; }
bool xact_in_block(void) { return explicit_block || implicit_block || nsavepoints > 0; }

char
xact_ready_status(void)
{
    return !explicit_block ? 'I' : aborted ? 'E' : 'T';
}

void
xact_reset(void)
{
    explicit_block = implicit_block = aborted = pipelining = commit_at_once = false;
    nsavepoints = 0;
}

void
xact_start_command(void)
{
    if (!txn_in_progress() && !aborted)
        txn_begin();
}

static void
commit_all(void)
{
    while (nsavepoints > 0) {
        if (savepoints[nsavepoints - 1].live)
            txn_commit_sub();
        nsavepoints--;
    }
    explicit_block = implicit_block = pipelining = commit_at_once = false;
    txn_commit();
}

static void
abort_all(void)
{
    explicit_block = implicit_block = aborted = pipelining = commit_at_once = false;
    nsavepoints = 0;
    if (txn_in_progress())
        txn_abort();
}

void
xact_finish_command(void)
{
    if (explicit_block || implicit_block) {
        if (txn_in_progress() && !aborted)
            txn_command_increment();
        return;
    }
    if (txn_in_progress())
        commit_all();
}

void
xact_finish_execute(void)
{
    if (commit_at_once) {
        xact_finish_command();
        return;
    }
    if (txn_in_progress() && !aborted)
        txn_command_increment();
    pipelining = !explicit_block;
}

void
xact_abort_command(void)
{
    if (!explicit_block) {
        abort_all();
        return;
    }
    if (aborted)
        return;
    aborted = true;
    implicit_block = false;
    if (nsavepoints > 0 && savepoints[nsavepoints - 1].live) {
        savepoints[nsavepoints - 1].live = false;
        txn_abort_sub();
    } else if (txn_in_progress())
        txn_abort();
}

void
xact_begin_implicit_block(void)
{
    if (!explicit_block)
        implicit_block = true;
}

void
xact_end_implicit_block(void)
{
    implicit_block = false;
}

void
xact_check_not_aborted(const PgQuery__Node *stmt)
{
    if (aborted && !(stmt && sql_is_transaction_exit(stmt)))
        RAISE(SQLSTATE_IN_FAILED_SQL_TRANSACTION, "current transaction is aborted, commands ignored until end of transaction block");
}

void
xact_require_no_block(CommandContext *c, const char *what)
{
    if (explicit_block || implicit_block)
        RAISE(SQLSTATE_ACTIVE_SQL_TRANSACTION, "%s cannot run inside a transaction block", what);
    if (nsavepoints > 0)
        RAISE(SQLSTATE_ACTIVE_SQL_TRANSACTION, "%s cannot run inside a subtransaction", what);
    if (pipelining)
        RAISE(SQLSTATE_ACTIVE_SQL_TRANSACTION, "%s cannot be executed within a pipeline", what);
    if (c && !c->top_level)
        RAISE(SQLSTATE_ACTIVE_SQL_TRANSACTION, "%s cannot be executed from a function", what);
    commit_at_once = true;
}

void
xact_require_block(CommandContext *c, const char *what)
{
    (void)c;
    if (!xact_in_block())
        RAISE(SQLSTATE_NO_ACTIVE_SQL_TRANSACTION, "%s can only be used in transaction blocks", what);
}

/* ---- the statements ---- */

static void
apply_modes(PgQuery__Node **options, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const PgQuery__DefElem *d = options[i]->def_elem;
        const PgQuery__AConst *k = d->arg && d->arg->node_case == PG_QUERY__NODE__NODE_A_CONST ? d->arg->a_const : NULL;
        bool on = k && k->val_case == PG_QUERY__A__CONST__VAL_IVAL && k->ival->ival != 0;
        if (strcmp(d->defname, "transaction_isolation") == 0)
            settings_set("transaction_isolation", k->sval->sval, CONTEXT_USER, SOURCE_SESSION, ACTION_LOCAL);
        else if (strcmp(d->defname, "transaction_read_only") == 0)
            settings_set("transaction_read_only", on ? "on" : "off", CONTEXT_USER, SOURCE_SESSION, ACTION_LOCAL);
        else if (strcmp(d->defname, "transaction_deferrable") == 0)
            settings_set("transaction_deferrable", on ? "on" : "off", CONTEXT_USER, SOURCE_SESSION, ACTION_LOCAL);
    }
}

static void
begin_block(const PgQuery__TransactionStmt *s)
{
    if (explicit_block) {
        REPORT(LEVEL_WARNING, SQLSTATE_ACTIVE_SQL_TRANSACTION, err_message("there is already a transaction in progress"));
    } else {
        explicit_block = true;
        implicit_block = false;
    }
    apply_modes(s->options, s->n_options);
}

static void
chain(bool wanted, int isolation, bool read_only, bool deferrable)
{
    if (!wanted)
        return;
    txn_begin();
    explicit_block = true;
    txn_isolation = isolation;
    txn_read_only = read_only;
    txn_deferrable = deferrable;
}

static void
end_block(CommandContext *c, bool commit, bool chained)
{
    int iso = txn_isolation;
    bool ro = txn_read_only, de = txn_deferrable;
    if (!explicit_block) {
        if (chained)
            RAISE(SQLSTATE_NO_ACTIVE_SQL_TRANSACTION, "%s can only be used in transaction blocks", commit ? "COMMIT AND CHAIN" : "ROLLBACK AND CHAIN");
        REPORT(LEVEL_WARNING, SQLSTATE_NO_ACTIVE_SQL_TRANSACTION, err_message("there is no transaction in progress"));
        if (commit)
            commit_all();
        else
            abort_all();
        return;
    }
    if (commit && aborted)
        snprintf(c->tag, sizeof c->tag, "ROLLBACK");
    if (commit && !aborted)
        commit_all();
    else
        abort_all();
    chain(chained, iso, ro, de);
}

static void
define_savepoint(const char *name)
{
    if (!explicit_block)
        RAISE(SQLSTATE_NO_ACTIVE_SQL_TRANSACTION, "SAVEPOINT can only be used in transaction blocks");
    if (nsavepoints == cap_savepoints) {
        int cap = cap_savepoints ? cap_savepoints * 2 : 16;
        Savepoint *more = arena_alloc(arena_top(), sizeof(Savepoint) * (size_t)cap);
        if (nsavepoints)
            memcpy(more, savepoints, sizeof(Savepoint) * (size_t)nsavepoints);
        savepoints = more;
        cap_savepoints = cap;
    }
    txn_begin_sub();
    Savepoint *s = &savepoints[nsavepoints++];
    snprintf(s->name, sizeof s->name, "%s", name);
    s->live = true;
}

static int
find_savepoint(const char *name)
{
    for (int i = nsavepoints - 1; i >= 0; i--)
        if (strcmp(savepoints[i].name, name) == 0)
            return i;
    RAISE(SQLSTATE_S_E_INVALID_SPECIFICATION, "savepoint \"%s\" does not exist", name);
}

static void
release_savepoint(const char *name)
{
    if (!explicit_block)
        RAISE(SQLSTATE_NO_ACTIVE_SQL_TRANSACTION, "RELEASE SAVEPOINT can only be used in transaction blocks");
    int at = find_savepoint(name);
    while (nsavepoints > at) {
        txn_commit_sub();
        nsavepoints--;
    }
}

static void
rollback_to(const char *name)
{
    if (!explicit_block)
        RAISE(SQLSTATE_NO_ACTIVE_SQL_TRANSACTION, "ROLLBACK TO SAVEPOINT can only be used in transaction blocks");
    if (aborted && !txn_in_progress())
        RAISE(SQLSTATE_S_E_INVALID_SPECIFICATION, "savepoint \"%s\" does not exist", name);
    int at = find_savepoint(name);
    while (nsavepoints > at) {
        if (savepoints[nsavepoints - 1].live)
            txn_abort_sub();
        nsavepoints--;
    }
    aborted = false;
    define_savepoint(name);
}

void
xact_statement(CommandContext *c, const PgQuery__TransactionStmt *s)
{
    switch (s->kind) {
    case TRANS(BEGIN): case TRANS(START): begin_block(s); break;
    case TRANS(COMMIT): end_block(c, true, s->chain); break;
    case TRANS(ROLLBACK): end_block(c, false, s->chain); break;
    case TRANS(SAVEPOINT): define_savepoint(s->savepoint_name); break;
    case TRANS(RELEASE): release_savepoint(s->savepoint_name); break;
    case TRANS(ROLLBACK_TO): rollback_to(s->savepoint_name); break;
    case TRANS(PREPARE):
        if (!explicit_block) {
            REPORT(LEVEL_WARNING, SQLSTATE_NO_ACTIVE_SQL_TRANSACTION, err_message("there is no transaction in progress"));
            snprintf(c->tag, sizeof c->tag, "ROLLBACK");
            break;
        }
        if (aborted) {
            snprintf(c->tag, sizeof c->tag, "ROLLBACK");
            abort_all();
            break;
        }
        while (nsavepoints > 0) {
            txn_commit_sub();
            nsavepoints--;
        }
        txn_prepare(s->gid);
        explicit_block = implicit_block = false;
        break;
    case TRANS(COMMIT_PREPARED): case TRANS(ROLLBACK_PREPARED):
        xact_require_no_block(c, s->kind == TRANS(COMMIT_PREPARED) ? "COMMIT PREPARED" : "ROLLBACK PREPARED");
        txn_finish_prepared(s->gid, s->kind == TRANS(COMMIT_PREPARED));
        break;
    default: INTERNAL_ERROR("unrecognized transaction statement: %d", (int)s->kind);
    }
}

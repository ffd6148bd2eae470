/*
 * ALTER TABLE: the subcommands in PostgreSQL's order of passes (drops, changes of type, new columns,
 * attributes, constraints, the rest), and the rewrite of the rows where one is needed.
 *
 * The rewrite reads the rows by the descriptor from before the first change (`old`: its layout and its
 * files, which stay until the transaction ends) and writes them into new files by the new one. It comes
 * after the new columns and before attributes and constraints, so that these see the rows as they are.
 */
#include "core/sql/command/alter_internal.h"

#include "core/sql/command/scan_rows.h"

#define AT(x) PG_QUERY__ALTER_TABLE_TYPE__AT_##x

typedef enum Pass { PASS_DROP, PASS_TYPE, PASS_ADD_COLUMN, PASS_ATTRIBUTES, PASS_KEYS, PASS_CONSTRAINTS, PASS_MISC, PASS_COUNT } Pass;

/* kinds: relkinds the action is for. */
typedef struct Action { int type; const char *text; const char *kinds; Pass pass; LockMode lock; } Action;
static const Action actions[] = {
    {AT(AddColumn), "ADD COLUMN", "rc", PASS_ADD_COLUMN, LOCK_ACCESS_EXCLUSIVE},
    {AT(ColumnDefault), "ALTER COLUMN ... SET DEFAULT", "rv", PASS_CONSTRAINTS, LOCK_ACCESS_EXCLUSIVE},
    {AT(DropNotNull), "ALTER COLUMN ... DROP NOT NULL", "r", PASS_DROP, LOCK_ACCESS_EXCLUSIVE},
    {AT(SetNotNull), "ALTER COLUMN ... SET NOT NULL", "r", PASS_ATTRIBUTES, LOCK_ACCESS_EXCLUSIVE},
    {AT(DropExpression), "ALTER COLUMN ... DROP EXPRESSION", "r", PASS_DROP, LOCK_ACCESS_EXCLUSIVE},
    {AT(SetStatistics), "ALTER COLUMN ... SET STATISTICS", "rmi", PASS_MISC, LOCK_SHARE_UPDATE_EXCLUSIVE},
    {AT(SetOptions), "ALTER COLUMN ... SET", "rm", PASS_MISC, LOCK_SHARE_UPDATE_EXCLUSIVE},
    {AT(ResetOptions), "ALTER COLUMN ... RESET", "rm", PASS_MISC, LOCK_SHARE_UPDATE_EXCLUSIVE},
    {AT(SetStorage), "ALTER COLUMN ... SET STORAGE", "rm", PASS_MISC, LOCK_ACCESS_EXCLUSIVE},
    {AT(SetCompression), "ALTER COLUMN ... SET COMPRESSION", "rm", PASS_MISC, LOCK_ACCESS_EXCLUSIVE},
    {AT(DropColumn), "DROP COLUMN", "rc", PASS_DROP, LOCK_ACCESS_EXCLUSIVE},
    {AT(AddConstraint), "ADD CONSTRAINT", "r", PASS_CONSTRAINTS, LOCK_ACCESS_EXCLUSIVE},
    {AT(AlterConstraint), "ALTER CONSTRAINT", "r", PASS_MISC, LOCK_ACCESS_EXCLUSIVE},
    {AT(ValidateConstraint), "VALIDATE CONSTRAINT", "r", PASS_MISC, LOCK_SHARE_UPDATE_EXCLUSIVE},
    {AT(DropConstraint), "DROP CONSTRAINT", "r", PASS_DROP, LOCK_ACCESS_EXCLUSIVE},
    {AT(AlterColumnType), "ALTER COLUMN ... SET DATA TYPE", "rc", PASS_TYPE, LOCK_ACCESS_EXCLUSIVE},
    {AT(ChangeOwner), "OWNER TO", "rvmSic", PASS_MISC, LOCK_ACCESS_EXCLUSIVE},
    {AT(ClusterOn), "CLUSTER ON", "rm", PASS_MISC, LOCK_SHARE_UPDATE_EXCLUSIVE},
    {AT(DropCluster), "SET WITHOUT CLUSTER", "rm", PASS_MISC, LOCK_SHARE_UPDATE_EXCLUSIVE},
    {AT(SetLogged), "SET LOGGED", "r", PASS_MISC, LOCK_ACCESS_EXCLUSIVE},
    {AT(SetUnLogged), "SET UNLOGGED", "r", PASS_MISC, LOCK_ACCESS_EXCLUSIVE},
    {AT(DropOids), "SET WITHOUT OIDS", "r", PASS_DROP, LOCK_ACCESS_EXCLUSIVE},
    {AT(SetAccessMethod), "SET ACCESS METHOD", "rm", PASS_MISC, LOCK_ACCESS_EXCLUSIVE},
    {AT(SetTableSpace), "SET TABLESPACE", "rmi", PASS_MISC, LOCK_ACCESS_EXCLUSIVE},
    {AT(SetRelOptions), "SET", "rvmi", PASS_MISC, LOCK_SHARE_UPDATE_EXCLUSIVE},
    {AT(ResetRelOptions), "RESET", "rvmi", PASS_MISC, LOCK_SHARE_UPDATE_EXCLUSIVE},
    {AT(ReplicaIdentity), "REPLICA IDENTITY", "rm", PASS_MISC, LOCK_ACCESS_EXCLUSIVE},
    {AT(EnableRowSecurity), "ENABLE ROW SECURITY", "r", PASS_MISC, LOCK_ACCESS_EXCLUSIVE},
    {AT(DisableRowSecurity), "DISABLE ROW SECURITY", "r", PASS_MISC, LOCK_ACCESS_EXCLUSIVE},
    {AT(ForceRowSecurity), "FORCE ROW SECURITY", "r", PASS_MISC, LOCK_ACCESS_EXCLUSIVE},
    {AT(NoForceRowSecurity), "NO FORCE ROW SECURITY", "r", PASS_MISC, LOCK_ACCESS_EXCLUSIVE},
    {AT(AddIdentity), "ALTER COLUMN ... ADD IDENTITY", "rv", PASS_CONSTRAINTS, LOCK_ACCESS_EXCLUSIVE},
    {AT(SetIdentity), "ALTER COLUMN ... SET", "rv", PASS_ATTRIBUTES, LOCK_ACCESS_EXCLUSIVE},
    {AT(DropIdentity), "ALTER COLUMN ... DROP IDENTITY", "rv", PASS_DROP, LOCK_ACCESS_EXCLUSIVE},
};

static const Action *
action_of(const PgQuery__AlterTableCmd *cmd)
{
    for (size_t i = 0; i < COUNT_OF(actions); i++)
        if (actions[i].type == (int)cmd->subtype)
            return &actions[i];
    switch (cmd->subtype) {
    case AT(AddInherit): case AT(DropInherit): UNSUPPORTED("table inheritance is not supported");
    case AT(AttachPartition): case AT(DetachPartition): case AT(DetachPartitionFinalize): UNSUPPORTED("table partitioning is not supported");
    case AT(AddOf): case AT(DropOf): UNSUPPORTED("typed tables are not supported");
    case AT(EnableTrig): case AT(EnableAlwaysTrig): case AT(EnableReplicaTrig): case AT(DisableTrig): case AT(EnableTrigAll): case AT(DisableTrigAll):
    case AT(EnableTrigUser): case AT(DisableTrigUser): UNSUPPORTED("enabling and disabling triggers is not supported");
    case AT(EnableRule): case AT(EnableAlwaysRule): case AT(EnableReplicaRule): case AT(DisableRule): UNSUPPORTED("enabling and disabling rules is not supported");
    default: UNSUPPORTED("this form of ALTER TABLE is not supported");
    }
}

static Pass
pass_of(const PgQuery__AlterTableCmd *cmd, const Action *a)
{
    bool no_def = cmd->def == NULL || cmd->def->node_case == PG_QUERY__NODE__NODE__NOT_SET;

    if (cmd->subtype == AT(ColumnDefault) && no_def)
        return PASS_DROP;
    return a->pass;
}

/* ---- the state ---- */

int
alter_attnum(AlterTable *t, const char *name)
{
    RelDesc *r = alter_rel(t);
    int att = rel_attnum(r, name);

    if (att == 0)
        RAISE(SQLSTATE_UNDEFINED_COLUMN, "column \"%s\" of relation \"%s\" does not exist", name, r->name);
    if (att < 0)
        UNSUPPORTED("cannot alter system column \"%s\"", name);
    return att;
}

void
alter_remember_old(AlterTable *t)
{
    if (t->old == NULL)
        t->old = alter_rel(t);
}

void
alter_add_value(AlterTable *t, int attnum, Expr *e, bool generated)
{
    NewValue *v = ARENA_NEW(t->arena, NewValue);

    *v = (NewValue){attnum, e, generated};
    list_push(t->new_values, v);
    t->rewrite = true;
}

/* ---- the rewrite ---- */

/* In new files every column may stand where the layout likes it best, and none is missing. */
static void
reset_layout(AlterTable *t)
{
    RelDesc *r = alter_rel(t);

    for (int i = 1; i <= r->natts; i++) {
        const CatRow *row = cat_get(IDX_PG_ATTRIBUTE_RELID_ATTNUM_INDEX, oid_datum(t->oid), int16_datum((int16_t)i), 0, 0);
        if (datum_int32(cat_val(row, PG_ATTRIBUTE_ATTCACHEOFF)) < 0 && !datum_bool(cat_val(row, PG_ATTRIBUTE_ATTHASMISSING)))
            continue;
        RowEdit *e = row_edit(t->arena, CAT_PG_ATTRIBUTE, row);
        row_set(e, PG_ATTRIBUTE_ATTCACHEOFF, int32_datum(-1));
        row_set(e, PG_ATTRIBUTE_ATTHASMISSING, bool_datum(false));
        row_null(e, PG_ATTRIBUTE_ATTMISSINGVAL);
        row_save(e);
    }
    rel_invalidate(t->oid);
    txn_command_increment();
}

typedef struct Prepared { const NewValue *v; ExprState *state; } Prepared;

static void
compute(const Prepared *p, int n, bool generated, Arena *row, const Datum *in, const bool *in_nulls, Datum *values, bool *nulls)
{
    for (int i = 0; i < n; i++) {
        bool isnull = false;
        if (p[i].v->generated != generated)
            continue;
        Datum d = expr_eval(p[i].state, row, in, in_nulls, &isnull);
        values[p[i].v->attnum - 1] = d;
        nulls[p[i].v->attnum - 1] = isnull;
    }
}

static void
copy_rows(AlterTable *t, RelDesc *to)
{
    Arena *tmp = arena_create(t->arena, "rewrite"), *row = arena_create(tmp, "row");
    RelDesc *from = t->old;
    int n = list_count(t->new_values);
    Prepared *p = ARENA_ARRAY(tmp, Prepared, n + 1);
    Datum *values = ARENA_ARRAY(tmp, Datum, to->natts + 1), *in = ARENA_ARRAY(tmp, Datum, to->natts + 1);
    bool *nulls = ARENA_ARRAY(tmp, bool, to->natts + 1), *in_nulls = ARENA_ARRAY(tmp, bool, to->natts + 1);
    const Datum *rows_values[1] = {values};
    const bool *rows_nulls[1] = {nulls};

    for (int i = 0; i < n; i++) {
        p[i].v = list_at(t->new_values, i);
        p[i].state = expr_prepare(tmp, p[i].v->expr);
    }
    RowScan *s = row_scan_begin(tmp, from);
    HeapBulk *bulk = heap_bulk_begin(tmp, &to->heap, txn_command(true), HEAP_INSERT_SKIP_FSM | HEAP_INSERT_UNCOUNTED);
    while (row_scan_next(s)) {
        arena_reset(row);
        for (int i = 0; i < to->natts; i++) {
            bool have = i < from->natts && !to->cols[i].dropped;
            in_nulls[i] = nulls[i] = !have || s->nulls[i];
            in[i] = values[i] = nulls[i] ? 0 : s->values[i];
        }
        compute(p, n, false, row, in, in_nulls, values, nulls);
        compute(p, n, true, row, values, nulls, values, nulls);
        heap_bulk_insert(bulk, rows_values, rows_nulls, 1, NULL);
    }
    heap_bulk_end(bulk);
    row_scan_end(s);
    arena_destroy(tmp);
}

void
alter_rewrite(AlterTable *t)
{
    if (!t->rewrite)
        return;
    alter_remember_old(t);
    reset_layout(t);
    rel_set_new_storage(t->oid);
    rel_invalidate(t->oid);
    txn_command_increment();
    RelDesc *to = alter_rel(t);
    copy_rows(t, to);
    txn_command_increment();
    for (int i = 0; i < to->nindexes; i++) {
        index_build(to->indexes[i]);
        txn_command_increment();
    }
    t->rewrite = false;
    t->old = NULL;
    t->new_values = list_new(t->arena);
}

/* ---- subcommands ---- */

static void
no_tablespace(const char *name)
{
    if (strcmp(name, "pg_default") != 0)
        RAISE(SQLSTATE_UNDEFINED_OBJECT, "tablespace \"%s\" does not exist", name);
}

static void
access_method(const char *name)
{
    if (strcmp(name, "heap") != 0)
        RAISE(SQLSTATE_UNDEFINED_OBJECT, "access method \"%s\" does not exist", name);
}

static void
run(AlterTable *t, const PgQuery__AlterTableCmd *cmd)
{
    switch (cmd->subtype) {
    case AT(AddColumn): alter_add_column(t, cmd); break;
    case AT(ColumnDefault): alter_column_default(t, cmd); break;
    case AT(DropNotNull): alter_drop_not_null(t, cmd); break;
    case AT(SetNotNull): alter_set_not_null(t, cmd); break;
    case AT(DropExpression): alter_drop_expression(t, cmd); break;
    case AT(SetStatistics): alter_set_statistics(t, cmd); break;
    case AT(SetOptions): alter_column_options(t, cmd, false); break;
    case AT(ResetOptions): alter_column_options(t, cmd, true); break;
    case AT(SetStorage): alter_set_storage(t, cmd); break;
    case AT(SetCompression): alter_set_compression(t, cmd); break;
    case AT(DropColumn): alter_drop_column(t, cmd); break;
    case AT(AddConstraint): break; /* read beforehand, made by alter_add_constraints */
    case AT(AlterConstraint): alter_constraint(t, cmd); break;
    case AT(ValidateConstraint): alter_validate_constraint(t, cmd); break;
    case AT(DropConstraint): alter_drop_constraint(t, cmd); break;
    case AT(AlterColumnType): alter_column_type(t, cmd); break;
    case AT(ChangeOwner): relation_change_owner(t->arena, alter_rel(t), role_spec_oid(cmd->newowner, false)); break;
    case AT(ClusterOn): alter_cluster_on(t, cmd->name); break;
    case AT(DropCluster): alter_cluster_on(t, NULL); break;
    case AT(SetLogged): alter_persistence(t, 'p'); break;
    case AT(SetUnLogged): alter_persistence(t, 'u'); break;
    case AT(DropOids): break;
    case AT(SetAccessMethod): access_method(cmd->name); break;
    case AT(SetTableSpace): no_tablespace(cmd->name); break;
    case AT(SetRelOptions): alter_relation_options(t, cmd, false); break;
    case AT(ResetRelOptions): alter_relation_options(t, cmd, true); break;
    case AT(ReplicaIdentity): alter_replica_identity(t, cmd->def->replica_identity_stmt); break;
    case AT(EnableRowSecurity): alter_row_security(t, PG_CLASS_RELROWSECURITY, true); break;
    case AT(DisableRowSecurity): alter_row_security(t, PG_CLASS_RELROWSECURITY, false); break;
    case AT(ForceRowSecurity): alter_row_security(t, PG_CLASS_RELFORCEROWSECURITY, true); break;
    case AT(NoForceRowSecurity): alter_row_security(t, PG_CLASS_RELFORCEROWSECURITY, false); break;
    case AT(AddIdentity): alter_add_identity(t, cmd); break;
    case AT(SetIdentity): alter_set_identity(t, cmd); break;
    case AT(DropIdentity): alter_drop_identity(t, cmd); break;
    default: UNSUPPORTED("this form of ALTER TABLE is not supported");
    }
    txn_command_increment();
}

static void
check_action(RelDesc *r, const Action *a)
{
    if (strchr(a->kinds, r->kind) == NULL)
        RAISE_ERR(SQLSTATE_WRONG_OBJECT_TYPE, err_message("ALTER action %s cannot be performed on relation \"%s\"", a->text, r->name),
                  err_detail("This operation is not supported for %s.", relkind_plural(r->kind)));
}

/* ADD CONSTRAINT is read before anything is done: primary keys of several commands collide early. */
static void
collect_constraints(AlterTable *t, const PgQuery__AlterTableStmt *s)
{
    for (size_t i = 0; i < s->n_cmds; i++) {
        const PgQuery__AlterTableCmd *cmd = s->cmds[i]->alter_table_cmd;
        if (cmd->subtype == AT(AddConstraint))
            table_spec_constraint(&t->spec, cmd->def->constraint);
    }
}

static void
run_pass(AlterTable *t, const PgQuery__AlterTableStmt *s, Pass pass)
{
    for (size_t i = 0; i < s->n_cmds; i++) {
        const PgQuery__AlterTableCmd *cmd = s->cmds[i]->alter_table_cmd;
        if (pass_of(cmd, action_of(cmd)) == pass)
            run(t, cmd);
    }
}

static bool
changes_rows(const PgQuery__AlterTableStmt *s)
{
    for (size_t i = 0; i < s->n_cmds; i++)
        if (action_of(s->cmds[i]->alter_table_cmd)->lock == LOCK_ACCESS_EXCLUSIVE)
            return true;
    return false;
}

void
cmd_alter_table(CommandContext *c, const PgQuery__AlterTableStmt *s)
{
    AlterTable t = {.c = c, .arena = c->arena};
    LockMode lock = LOCK_SHARE_UPDATE_EXCLUSIVE;

    for (size_t i = 0; i < s->n_cmds; i++)
        lock = MAX(lock, action_of(s->cmds[i]->alter_table_cmd)->lock);
    RelDesc *r = alter_open(s->relation, s->objtype, lock, s->missing_ok, false);
    if (r == NULL)
        return;
    if (changes_rows(s))
        check_relation_busy(r->oid, "ALTER TABLE");
    for (size_t i = 0; i < s->n_cmds; i++)
        check_action(r, action_of(s->cmds[i]->alter_table_cmd));
    t.oid = r->oid;
    t.new_values = list_new(t.arena);
    t.rebuild = list_new(t.arena);
    t.not_null = list_new(t.arena);
    table_spec_init(&t.spec, c, r->name, r->nsp, r->persistence);
    t.spec.is_alter = true;
    collect_constraints(&t, s);
    run_pass(&t, s, PASS_DROP);
    run_pass(&t, s, PASS_TYPE);
    run_pass(&t, s, PASS_ADD_COLUMN);
    alter_rewrite(&t);
    for (int i = 0; i < list_count(t.not_null); i++) {
        int att = (int)(intptr_t)list_at(t.not_null, i);
        validate_not_null(t.arena, alter_rel(&t), att);
        set_not_null(t.arena, t.oid, att, true);
    }
    alter_rebuild(&t);
    run_pass(&t, s, PASS_ATTRIBUTES);
    alter_add_constraints(&t, true);
    run_pass(&t, s, PASS_CONSTRAINTS);
    alter_add_constraints(&t, false);
    run_pass(&t, s, PASS_MISC);
    rel_invalidate(t.oid);
    txn_command_increment();
}

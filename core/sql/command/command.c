/*
 * Dispatch of utility statements: by the grammar's node to the file of its object. What has no case
 * here is refused with 0A000 under its command tag.
 */
#include "core/sql/command/command_internal.h"

SessionHooks session_hooks;
char *(*password_encrypt_hook)(Arena *a, const char *user, const char *password);

#define TRANS(x) PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_##x

static void
need_session(const void *hook, const char *tag)
{
    if (hook == NULL)
        UNSUPPORTED("%s is not supported without a session", tag);
}

/* Commands that change nothing a read-only transaction protects. */
static bool
allowed_read_only(const PNode *n)
{
    switch (n->node_case) {
    case PN(COPY_STMT): return true; /* decides by direction and table */
    case PN(VACUUM_STMT): case PN(CLUSTER_STMT): case PN(REINDEX_STMT): case PN(ALTER_SYSTEM_STMT): case PN(NOTIFY_STMT):
    case PN(CALL_STMT): case PN(DO_STMT): return true;
    case PN(TRANSACTION_STMT): return true;
    default: return sql_is_read_only(n);
    }
}

static void
check_read_only(const PNode *n)
{
    if (!txn_read_only || allowed_read_only(n))
        return;
    RAISE(SQLSTATE_READ_ONLY_SQL_TRANSACTION, "cannot execute %s in a read-only transaction", sql_command_tag(n));
}

static bool
session_statement(CommandContext *c, const PNode *n)
{
    const SessionHooks *h = &session_hooks;
    const char *tag = c->tag;

    switch (n->node_case) {
    case PN(TRANSACTION_STMT): need_session((void *)h->transaction_stmt, tag); h->transaction_stmt(c, n->transaction_stmt); return true;
    case PN(PREPARE_STMT): need_session((void *)h->prepare, tag); h->prepare(c, n->prepare_stmt); return true;
    case PN(EXECUTE_STMT): need_session((void *)h->execute, tag); h->execute(c, n->execute_stmt); return true;
    case PN(DEALLOCATE_STMT): need_session((void *)h->deallocate, tag); h->deallocate(c, n->deallocate_stmt); return true;
    case PN(DECLARE_CURSOR_STMT): need_session((void *)h->declare_cursor, tag); h->declare_cursor(c, n->declare_cursor_stmt); return true;
    case PN(FETCH_STMT): need_session((void *)h->fetch, tag); h->fetch(c, n->fetch_stmt); return true;
    case PN(CLOSE_PORTAL_STMT): need_session((void *)h->close_portal, tag); h->close_portal(c, n->close_portal_stmt); return true;
    case PN(DISCARD_STMT): need_session((void *)h->discard, tag); h->discard(c, n->discard_stmt); return true;
    case PN(NOTIFY_STMT): need_session((void *)h->notify, tag); h->notify(n->notify_stmt->conditionname, n->notify_stmt->payload); return true;
    case PN(LISTEN_STMT): need_session((void *)h->listen, tag); h->listen(n->listen_stmt->conditionname, true); return true;
    case PN(UNLISTEN_STMT):
        need_session((void *)h->listen, tag);
        h->listen(GIVEN(n->unlisten_stmt->conditionname) ? n->unlisten_stmt->conditionname : NULL, false);
        return true;
    default: return false;
    }
}

static bool
definition_statement(CommandContext *c, const PNode *n)
{
    switch (n->node_case) {
    case PN(CREATE_STMT): cmd_create_table(c, n->create_stmt); return true;
    case PN(CREATE_TABLE_AS_STMT): cmd_create_table_as(c, n->create_table_as_stmt); return true;
    case PN(SELECT_STMT): cmd_select_into(c, n->select_stmt); return true;
    case PN(REFRESH_MAT_VIEW_STMT): cmd_refresh_matview(c, n->refresh_mat_view_stmt); return true;
    case PN(INDEX_STMT): cmd_create_index(c, n->index_stmt); return true;
    case PN(REINDEX_STMT): cmd_reindex(c, n->reindex_stmt); return true;
    case PN(VIEW_STMT): cmd_create_view(c, n->view_stmt); return true;
    case PN(CREATE_SEQ_STMT): cmd_create_sequence(c, n->create_seq_stmt); return true;
    case PN(ALTER_SEQ_STMT): cmd_alter_sequence(c, n->alter_seq_stmt); return true;
    case PN(CREATE_SCHEMA_STMT): cmd_create_schema(c, n->create_schema_stmt); return true;
    case PN(CREATEDB_STMT): cmd_create_database(c, n->createdb_stmt); return true;
    case PN(DROPDB_STMT): cmd_drop_database(c, n->dropdb_stmt); return true;
    case PN(ALTER_DATABASE_STMT): cmd_alter_database(c, n->alter_database_stmt); return true;
    case PN(ALTER_DATABASE_SET_STMT): cmd_alter_database_set(c, n->alter_database_set_stmt); return true;
    case PN(CREATE_ROLE_STMT): cmd_create_role(c, n->create_role_stmt); return true;
    case PN(ALTER_ROLE_STMT): cmd_alter_role(c, n->alter_role_stmt); return true;
    case PN(ALTER_ROLE_SET_STMT): cmd_alter_role_set(c, n->alter_role_set_stmt); return true;
    case PN(DROP_ROLE_STMT): cmd_drop_role(c, n->drop_role_stmt); return true;
    case PN(GRANT_ROLE_STMT): cmd_grant_role(c, n->grant_role_stmt); return true;
    case PN(ALTER_DEFAULT_PRIVILEGES_STMT): cmd_alter_default_privileges(c, n->alter_default_privileges_stmt); return true;
    case PN(GRANT_STMT): cmd_grant(c, n->grant_stmt); return true;
    case PN(DROP_OWNED_STMT): cmd_drop_owned(c, n->drop_owned_stmt); return true;
    case PN(REASSIGN_OWNED_STMT): cmd_reassign_owned(c, n->reassign_owned_stmt); return true;
    case PN(DROP_STMT): cmd_drop(c, n->drop_stmt); return true;
    case PN(COMMENT_STMT): cmd_comment(c, n->comment_stmt); return true;
    case PN(CREATE_DOMAIN_STMT): cmd_create_domain(c, n->create_domain_stmt); return true;
    case PN(ALTER_DOMAIN_STMT): cmd_alter_domain(c, n->alter_domain_stmt); return true;
    case PN(CREATE_ENUM_STMT): cmd_create_enum(c, n->create_enum_stmt); return true;
    case PN(ALTER_ENUM_STMT): cmd_alter_enum(c, n->alter_enum_stmt); return true;
    case PN(COMPOSITE_TYPE_STMT): cmd_create_composite(c, n->composite_type_stmt); return true;
    case PN(CREATE_EXTENSION_STMT): cmd_create_extension(c, n->create_extension_stmt); return true;
    case PN(ALTER_TABLE_STMT): cmd_alter_table(c, n->alter_table_stmt); return true;
    case PN(RENAME_STMT): cmd_rename(c, n->rename_stmt); return true;
    case PN(ALTER_OBJECT_SCHEMA_STMT): cmd_alter_schema(c, n->alter_object_schema_stmt); return true;
    case PN(ALTER_OWNER_STMT): cmd_alter_owner(c, n->alter_owner_stmt); return true;
    default: return false;
    }
}

static void
checkpoint(void)
{
    if (!role_is_superuser(current_user_oid) && !role_is_member(current_user_oid, role_oid("pg_checkpoint", true)))
        RAISE(SQLSTATE_INSUFFICIENT_PRIVILEGE, "must be superuser or have privileges of pg_checkpoint to do CHECKPOINT");
    wal_request_checkpoint(CHECKPOINT_IMMEDIATE | CHECKPOINT_FORCE | CHECKPOINT_WAIT);
}

static bool
other_statement(CommandContext *c, const PNode *n)
{
    switch (n->node_case) {
    case PN(TRUNCATE_STMT): cmd_truncate(c, n->truncate_stmt); return true;
    case PN(LOCK_STMT): cmd_lock(c, n->lock_stmt); return true;
    case PN(CONSTRAINTS_SET_STMT): cmd_set_constraints(c, n->constraints_set_stmt); return true;
    case PN(CHECK_POINT_STMT): checkpoint(); return true;
    case PN(VARIABLE_SET_STMT): cmd_variable_set(c, n->variable_set_stmt); return true;
    case PN(VARIABLE_SHOW_STMT): cmd_variable_show(c, n->variable_show_stmt); return true;
    case PN(ALTER_SYSTEM_STMT): cmd_alter_system(c, n->alter_system_stmt); return true;
    case PN(COPY_STMT): cmd_copy(c, n->copy_stmt); return true;
    case PN(VACUUM_STMT): cmd_vacuum(c, n->vacuum_stmt); return true;
    case PN(EXPLAIN_STMT): cmd_explain(c, n->explain_stmt); return true;
    default: return false;
    }
}

void
command_execute(CommandContext *c, const UtilityStmt *stmt)
{
    const PNode *n = stmt->stmt;

    snprintf(c->tag, sizeof c->tag, "%s", sql_command_tag(n));
    check_read_only(n);
    if (session_statement(c, n) || definition_statement(c, n) || other_statement(c, n))
        return;
    UNSUPPORTED("%s is not supported", c->tag);
}

bool
command_returns_rows(const UtilityStmt *stmt, Arena *a, RowDesc **desc)
{
    const PNode *n = stmt->stmt;

    *desc = NULL;
    switch (n->node_case) {
    case PN(VARIABLE_SHOW_STMT): *desc = variable_show_desc(a, n->variable_show_stmt); break;
    case PN(EXPLAIN_STMT): *desc = explain_desc(a, n->explain_stmt); break;
    case PN(EXECUTE_STMT): *desc = session_hooks.execute_desc ? session_hooks.execute_desc(a, n->execute_stmt) : NULL; break;
    case PN(FETCH_STMT):
        if (!n->fetch_stmt->ismove && session_hooks.fetch_desc)
            *desc = session_hooks.fetch_desc(a, n->fetch_stmt);
        break;
    default: break;
    }
    return *desc != NULL;
}

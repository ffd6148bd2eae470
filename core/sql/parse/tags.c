/*
 * What can be said of a statement from its raw tree alone: the command tag, whether it may run in an
 * aborted transaction, whether it needs a snapshot, whether it only reads.
 */
#include <stdio.h>

#include "core/sql/sql.h"

#define N(x) PG_QUERY__NODE__NODE_##x
#define OBJ(x) PG_QUERY__OBJECT_TYPE__OBJECT_##x
#define TRANS(x) PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_##x

/* Object type as in "DROP TABLE", "ALTER TABLE": NULL when no such command exists. */
static const char *
object_word(PgQuery__ObjectType t)
{
    switch (t) {
    case OBJ(ACCESS_METHOD): return "ACCESS METHOD";
    case OBJ(AGGREGATE): return "AGGREGATE";
    case OBJ(ATTRIBUTE): return "TYPE";
    case OBJ(CAST): return "CAST";
    case OBJ(COLUMN): return "TABLE";
    case OBJ(COLLATION): return "COLLATION";
    case OBJ(CONVERSION): return "CONVERSION";
    case OBJ(DATABASE): return "DATABASE";
    case OBJ(DOMAIN): case OBJ(DOMCONSTRAINT): return "DOMAIN";
    case OBJ(EVENT_TRIGGER): return "EVENT TRIGGER";
    case OBJ(EXTENSION): return "EXTENSION";
    case OBJ(FDW): return "FOREIGN DATA WRAPPER";
    case OBJ(FOREIGN_SERVER): return "SERVER";
    case OBJ(FOREIGN_TABLE): return "FOREIGN TABLE";
    case OBJ(FUNCTION): return "FUNCTION";
    case OBJ(INDEX): return "INDEX";
    case OBJ(LANGUAGE): return "LANGUAGE";
    case OBJ(LARGEOBJECT): return "LARGE OBJECT";
    case OBJ(MATVIEW): return "MATERIALIZED VIEW";
    case OBJ(OPCLASS): return "OPERATOR CLASS";
    case OBJ(OPERATOR): return "OPERATOR";
    case OBJ(OPFAMILY): return "OPERATOR FAMILY";
    case OBJ(POLICY): return "POLICY";
    case OBJ(PROCEDURE): return "PROCEDURE";
    case OBJ(PUBLICATION): return "PUBLICATION";
    case OBJ(ROLE): return "ROLE";
    case OBJ(ROUTINE): return "ROUTINE";
    case OBJ(RULE): return "RULE";
    case OBJ(SCHEMA): return "SCHEMA";
    case OBJ(SEQUENCE): return "SEQUENCE";
    case OBJ(SUBSCRIPTION): return "SUBSCRIPTION";
    case OBJ(STATISTIC_EXT): return "STATISTICS";
    case OBJ(TABLE): case OBJ(TABCONSTRAINT): return "TABLE";
    case OBJ(TABLESPACE): return "TABLESPACE";
    case OBJ(TRANSFORM): return "TRANSFORM";
    case OBJ(TRIGGER): return "TRIGGER";
    case OBJ(TSCONFIGURATION): return "TEXT SEARCH CONFIGURATION";
    case OBJ(TSDICTIONARY): return "TEXT SEARCH DICTIONARY";
    case OBJ(TSPARSER): return "TEXT SEARCH PARSER";
    case OBJ(TSTEMPLATE): return "TEXT SEARCH TEMPLATE";
    case OBJ(TYPE): return "TYPE";
    case OBJ(USER_MAPPING): return "USER MAPPING";
    case OBJ(VIEW): return "VIEW";
    default: return NULL;
    }
}

static const char *
object_tag(PgQuery__ObjectType t, int verb /* 0 drop, 1 alter, 2 create */)
{
    static const char *const verbs[] = {"DROP", "ALTER", "CREATE"};
    static _Thread_local char tag[64];
    const char *word = object_word(t);
    if (word == NULL)
        return "???";
    snprintf(tag, sizeof tag, "%s %s", verbs[verb], word);
    return tag;
}

static const char *
transaction_tag(const PgQuery__TransactionStmt *s)
{
    switch (s->kind) {
    case TRANS(BEGIN): return "BEGIN";
    case TRANS(START): return "START TRANSACTION";
    case TRANS(COMMIT): return "COMMIT";
    case TRANS(ROLLBACK): case TRANS(ROLLBACK_TO): return "ROLLBACK";
    case TRANS(SAVEPOINT): return "SAVEPOINT";
    case TRANS(RELEASE): return "RELEASE";
    case TRANS(PREPARE): return "PREPARE TRANSACTION";
    case TRANS(COMMIT_PREPARED): return "COMMIT PREPARED";
    case TRANS(ROLLBACK_PREPARED): return "ROLLBACK PREPARED";
    default: return "???";
    }
}

static const char *
select_tag(const PgQuery__SelectStmt *s)
{
    if (s->into_clause != NULL)
        return "SELECT INTO";
    if (s->n_locking_clause > 0) {
        switch (s->locking_clause[s->n_locking_clause - 1]->locking_clause->strength) {
        case PG_QUERY__LOCK_CLAUSE_STRENGTH__LCS_FORKEYSHARE: return "SELECT FOR KEY SHARE";
        case PG_QUERY__LOCK_CLAUSE_STRENGTH__LCS_FORSHARE: return "SELECT FOR SHARE";
        case PG_QUERY__LOCK_CLAUSE_STRENGTH__LCS_FORNOKEYUPDATE: return "SELECT FOR NO KEY UPDATE";
        case PG_QUERY__LOCK_CLAUSE_STRENGTH__LCS_FORUPDATE: return "SELECT FOR UPDATE";
        default: break;
        }
    }
    return "SELECT";
}

static const char *
variable_set_tag(const PgQuery__VariableSetStmt *s)
{
    switch (s->kind) {
    case PG_QUERY__VARIABLE_SET_KIND__VAR_RESET:
    case PG_QUERY__VARIABLE_SET_KIND__VAR_RESET_ALL: return "RESET";
    default: return "SET";
    }
}

/* Statements whose tag does not depend on their content. */
static const struct {
    PgQuery__Node__NodeCase node;
    const char *tag;
} fixed_tags[] = {
    {N(INSERT_STMT), "INSERT"}, {N(DELETE_STMT), "DELETE"}, {N(UPDATE_STMT), "UPDATE"}, {N(MERGE_STMT), "MERGE"},
    {N(DECLARE_CURSOR_STMT), "DECLARE CURSOR"}, {N(CREATE_SCHEMA_STMT), "CREATE SCHEMA"},
    {N(CREATE_STMT), "CREATE TABLE"}, {N(CREATE_TABLE_SPACE_STMT), "CREATE TABLESPACE"},
    {N(DROP_TABLE_SPACE_STMT), "DROP TABLESPACE"}, {N(ALTER_TABLE_SPACE_OPTIONS_STMT), "ALTER TABLESPACE"},
    {N(CREATE_EXTENSION_STMT), "CREATE EXTENSION"}, {N(ALTER_EXTENSION_STMT), "ALTER EXTENSION"},
    {N(ALTER_EXTENSION_CONTENTS_STMT), "ALTER EXTENSION"}, {N(CREATE_FDW_STMT), "CREATE FOREIGN DATA WRAPPER"},
    {N(ALTER_FDW_STMT), "ALTER FOREIGN DATA WRAPPER"}, {N(CREATE_FOREIGN_SERVER_STMT), "CREATE SERVER"},
    {N(ALTER_FOREIGN_SERVER_STMT), "ALTER SERVER"}, {N(CREATE_USER_MAPPING_STMT), "CREATE USER MAPPING"},
    {N(ALTER_USER_MAPPING_STMT), "ALTER USER MAPPING"}, {N(DROP_USER_MAPPING_STMT), "DROP USER MAPPING"},
    {N(CREATE_FOREIGN_TABLE_STMT), "CREATE FOREIGN TABLE"}, {N(IMPORT_FOREIGN_SCHEMA_STMT), "IMPORT FOREIGN SCHEMA"},
    {N(TRUNCATE_STMT), "TRUNCATE TABLE"}, {N(COMMENT_STMT), "COMMENT"}, {N(SEC_LABEL_STMT), "SECURITY LABEL"},
    {N(COPY_STMT), "COPY"}, {N(ALTER_DOMAIN_STMT), "ALTER DOMAIN"}, {N(ALTER_DEFAULT_PRIVILEGES_STMT), "ALTER DEFAULT PRIVILEGES"},
    {N(COMPOSITE_TYPE_STMT), "CREATE TYPE"}, {N(CREATE_ENUM_STMT), "CREATE TYPE"}, {N(CREATE_RANGE_STMT), "CREATE TYPE"},
    {N(ALTER_ENUM_STMT), "ALTER TYPE"}, {N(ALTER_TYPE_STMT), "ALTER TYPE"}, {N(VIEW_STMT), "CREATE VIEW"},
    {N(INDEX_STMT), "CREATE INDEX"}, {N(RULE_STMT), "CREATE RULE"}, {N(CREATE_SEQ_STMT), "CREATE SEQUENCE"},
    {N(ALTER_SEQ_STMT), "ALTER SEQUENCE"}, {N(DO_STMT), "DO"}, {N(CREATEDB_STMT), "CREATE DATABASE"},
    {N(ALTER_DATABASE_STMT), "ALTER DATABASE"}, {N(ALTER_DATABASE_SET_STMT), "ALTER DATABASE"},
    {N(ALTER_DATABASE_REFRESH_COLL_STMT), "ALTER DATABASE"}, {N(DROPDB_STMT), "DROP DATABASE"},
    {N(NOTIFY_STMT), "NOTIFY"}, {N(LISTEN_STMT), "LISTEN"}, {N(UNLISTEN_STMT), "UNLISTEN"}, {N(LOAD_STMT), "LOAD"},
    {N(CALL_STMT), "CALL"}, {N(CLUSTER_STMT), "CLUSTER"}, {N(EXPLAIN_STMT), "EXPLAIN"},
    {N(REFRESH_MAT_VIEW_STMT), "REFRESH MATERIALIZED VIEW"}, {N(ALTER_SYSTEM_STMT), "ALTER SYSTEM"},
    {N(VARIABLE_SHOW_STMT), "SHOW"}, {N(CREATE_TRANSFORM_STMT), "CREATE TRANSFORM"},
    {N(CREATE_TRIG_STMT), "CREATE TRIGGER"}, {N(CREATE_EVENT_TRIG_STMT), "CREATE EVENT TRIGGER"},
    {N(ALTER_EVENT_TRIG_STMT), "ALTER EVENT TRIGGER"}, {N(CREATE_PLANG_STMT), "CREATE LANGUAGE"},
    {N(CREATE_DOMAIN_STMT), "CREATE DOMAIN"}, {N(CREATE_ROLE_STMT), "CREATE ROLE"}, {N(ALTER_ROLE_STMT), "ALTER ROLE"},
    {N(ALTER_ROLE_SET_STMT), "ALTER ROLE"}, {N(DROP_ROLE_STMT), "DROP ROLE"}, {N(DROP_OWNED_STMT), "DROP OWNED"},
    {N(REASSIGN_OWNED_STMT), "REASSIGN OWNED"}, {N(LOCK_STMT), "LOCK TABLE"}, {N(CONSTRAINTS_SET_STMT), "SET CONSTRAINTS"},
    {N(CHECK_POINT_STMT), "CHECKPOINT"}, {N(REINDEX_STMT), "REINDEX"}, {N(CREATE_CONVERSION_STMT), "CREATE CONVERSION"},
    {N(CREATE_CAST_STMT), "CREATE CAST"}, {N(CREATE_OP_CLASS_STMT), "CREATE OPERATOR CLASS"},
    {N(CREATE_OP_FAMILY_STMT), "CREATE OPERATOR FAMILY"}, {N(ALTER_OP_FAMILY_STMT), "ALTER OPERATOR FAMILY"},
    {N(ALTER_OPERATOR_STMT), "ALTER OPERATOR"}, {N(ALTER_TSDICTIONARY_STMT), "ALTER TEXT SEARCH DICTIONARY"},
    {N(ALTER_TSCONFIGURATION_STMT), "ALTER TEXT SEARCH CONFIGURATION"}, {N(CREATE_POLICY_STMT), "CREATE POLICY"},
    {N(ALTER_POLICY_STMT), "ALTER POLICY"}, {N(CREATE_AM_STMT), "CREATE ACCESS METHOD"},
    {N(CREATE_PUBLICATION_STMT), "CREATE PUBLICATION"}, {N(ALTER_PUBLICATION_STMT), "ALTER PUBLICATION"},
    {N(CREATE_SUBSCRIPTION_STMT), "CREATE SUBSCRIPTION"}, {N(ALTER_SUBSCRIPTION_STMT), "ALTER SUBSCRIPTION"},
    {N(DROP_SUBSCRIPTION_STMT), "DROP SUBSCRIPTION"}, {N(ALTER_COLLATION_STMT), "ALTER COLLATION"},
    {N(PREPARE_STMT), "PREPARE"}, {N(EXECUTE_STMT), "EXECUTE"}, {N(CREATE_STATS_STMT), "CREATE STATISTICS"},
    {N(ALTER_STATS_STMT), "ALTER STATISTICS"}, {N(REPLICA_IDENTITY_STMT), "ALTER TABLE"},
};

const char *
sql_command_tag(const PgQuery__Node *n)
{
    switch (n->node_case) {
    case N(SELECT_STMT): return select_tag(n->select_stmt);
    case N(TRANSACTION_STMT): return transaction_tag(n->transaction_stmt);
    case N(VARIABLE_SET_STMT): return variable_set_tag(n->variable_set_stmt);
    case N(CLOSE_PORTAL_STMT): return n->close_portal_stmt->portalname[0] ? "CLOSE CURSOR" : "CLOSE CURSOR ALL";
    case N(FETCH_STMT): return n->fetch_stmt->ismove ? "MOVE" : "FETCH";
    case N(DEALLOCATE_STMT): return n->deallocate_stmt->name[0] ? "DEALLOCATE" : "DEALLOCATE ALL";
    case N(VACUUM_STMT): return n->vacuum_stmt->is_vacuumcmd ? "VACUUM" : "ANALYZE";
    case N(GRANT_STMT): return n->grant_stmt->is_grant ? "GRANT" : "REVOKE";
    case N(GRANT_ROLE_STMT): return n->grant_role_stmt->is_grant ? "GRANT ROLE" : "REVOKE ROLE";
    case N(CREATE_FUNCTION_STMT): return n->create_function_stmt->is_procedure ? "CREATE PROCEDURE" : "CREATE FUNCTION";
    case N(ALTER_FUNCTION_STMT): return object_tag(n->alter_function_stmt->objtype, 1);
    case N(DROP_STMT): return object_tag(n->drop_stmt->remove_type, 0);
    case N(ALTER_TABLE_STMT): return object_tag(n->alter_table_stmt->objtype, 1);
    case N(RENAME_STMT):
        return object_tag(n->rename_stmt->rename_type == OBJ(COLUMN) || n->rename_stmt->rename_type == OBJ(ATTRIBUTE)
                              ? n->rename_stmt->relation_type : n->rename_stmt->rename_type, 1);
    case N(ALTER_OBJECT_SCHEMA_STMT): return object_tag(n->alter_object_schema_stmt->object_type, 1);
    case N(ALTER_OWNER_STMT): return object_tag(n->alter_owner_stmt->object_type, 1);
    case N(ALTER_OBJECT_DEPENDS_STMT): return object_tag(n->alter_object_depends_stmt->object_type, 1);
    case N(ALTER_TABLE_MOVE_ALL_STMT): return object_tag(n->alter_table_move_all_stmt->objtype, 1);
    case N(DEFINE_STMT): return object_tag(n->define_stmt->kind, 2);
    case N(CREATE_TABLE_AS_STMT):
        if (n->create_table_as_stmt->objtype == OBJ(MATVIEW))
            return "CREATE MATERIALIZED VIEW";
        return n->create_table_as_stmt->is_select_into ? "SELECT INTO" : "CREATE TABLE AS";
    case N(DISCARD_STMT):
        switch (n->discard_stmt->target) {
        case PG_QUERY__DISCARD_MODE__DISCARD_ALL: return "DISCARD ALL";
        case PG_QUERY__DISCARD_MODE__DISCARD_PLANS: return "DISCARD PLANS";
        case PG_QUERY__DISCARD_MODE__DISCARD_TEMP: return "DISCARD TEMP";
        case PG_QUERY__DISCARD_MODE__DISCARD_SEQUENCES: return "DISCARD SEQUENCES";
        default: return "???";
        }
    default: break;
    }
    for (size_t i = 0; i < COUNT_OF(fixed_tags); i++)
        if (fixed_tags[i].node == n->node_case)
            return fixed_tags[i].tag;
    return "???";
}

bool
sql_is_transaction_exit(const PgQuery__Node *n)
{
    if (n->node_case != N(TRANSACTION_STMT))
        return false;
    switch (n->transaction_stmt->kind) {
    case TRANS(COMMIT): case TRANS(PREPARE): case TRANS(ROLLBACK): case TRANS(ROLLBACK_TO): return true;
    default: return false;
    }
}

bool
sql_needs_snapshot(const PgQuery__Node *n)
{
    switch (n->node_case) {
    case N(SELECT_STMT): case N(INSERT_STMT): case N(UPDATE_STMT): case N(DELETE_STMT): case N(MERGE_STMT):
    case N(EXPLAIN_STMT): case N(CREATE_TABLE_AS_STMT): case N(DECLARE_CURSOR_STMT): case N(COPY_STMT):
        return true;
    default: return false;
    }
}

bool
sql_is_read_only(const PgQuery__Node *n)
{
    switch (n->node_case) {
    case N(SELECT_STMT): {
        const PgQuery__SelectStmt *s = n->select_stmt; /* a set operation carries its INTO in the leftmost branch */
        while (s->into_clause == NULL && s->larg)
            s = s->larg;
        return s->into_clause == NULL;
    }
    case N(VARIABLE_SHOW_STMT): case N(VARIABLE_SET_STMT): case N(TRANSACTION_STMT): case N(DECLARE_CURSOR_STMT):
    case N(FETCH_STMT): case N(CLOSE_PORTAL_STMT): case N(EXPLAIN_STMT): case N(PREPARE_STMT): case N(EXECUTE_STMT):
    case N(DEALLOCATE_STMT): case N(DISCARD_STMT): case N(CHECK_POINT_STMT): case N(CONSTRAINTS_SET_STMT):
    case N(LISTEN_STMT): case N(UNLISTEN_STMT): case N(LOAD_STMT): case N(LOCK_STMT):
        return true;
    default: return false;
    }
}

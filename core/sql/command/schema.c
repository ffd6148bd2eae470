/*
 * CREATE SCHEMA, with the elements that may stand in it.
 */
#include "core/base/settings.h"
#include "core/sql/command/command_internal.h"

static void
check_schema_name(const char *name)
{
    if (strncmp(name, "pg_", 3) == 0 && !system_changes_allowed())
        RAISE_ERR(SQLSTATE_RESERVED_NAME, err_message("unacceptable schema name \"%s\"", name),
                  err_detail("The prefix \"pg_\" is reserved for system schemas."));
}

static Oid
schema_make(Arena *a, const char *name, Oid owner)
{
    RowEdit *row = row_new(a, CAT_PG_NAMESPACE);
    Oid oid = cat_new_oid(CAT_PG_NAMESPACE);
    bool isnull = true;

    row_set(row, PG_NAMESPACE_OID, oid_datum(oid));
    row_set_name(a, row, PG_NAMESPACE_NSPNAME, name);
    row_set(row, PG_NAMESPACE_NSPOWNER, oid_datum(owner));
    Datum acl = acl_for_new(a, 'n', owner, 0, &isnull);
    if (!isnull)
        row_set(row, PG_NAMESPACE_NSPACL, acl);
    row_insert(row);
    depend_add_owner(CAT_PG_NAMESPACE, oid, owner);
    txn_command_increment();
    return oid;
}

/* Which elements come first: tables and sequences before what refers to them. */
static int
element_rank(const PNode *n)
{
    switch (n->node_case) {
    case PN(CREATE_SEQ_STMT): return 0;
    case PN(CREATE_STMT): return 1;
    case PN(VIEW_STMT): return 2;
    case PN(INDEX_STMT): return 3;
    case PN(GRANT_STMT): return 5;
    default: return 4;
    }
}

static PgQuery__RangeVar *
element_name(const PNode *n, const char **what)
{
    switch (n->node_case) {
    case PN(CREATE_SEQ_STMT): *what = "sequence"; return n->create_seq_stmt->sequence;
    case PN(CREATE_STMT): *what = "table"; return n->create_stmt->relation;
    case PN(VIEW_STMT): *what = "view"; return n->view_stmt->view;
    case PN(INDEX_STMT): *what = "index"; return n->index_stmt->relation;
    default: return NULL;
    }
}

static void
set_path(const char *path)
{
    settings_set("search_path", path ? path : "", CONTEXT_USER, SOURCE_SESSION, ACTION_LOCAL);
}

static void
run_elements(CommandContext *c, const PgQuery__CreateSchemaStmt *s, const char *name)
{
    char *path = search_path_text ? arena_strdup(c->arena, search_path_text) : NULL;
    char tag[sizeof c->tag];

    memcpy(tag, c->tag, sizeof tag);
    set_path(arena_printf(c->arena, "%s%s%s", sql_quote_ident(c->arena, name), path && path[0] ? ", " : "", path ? path : ""));
    for (int rank = 0; rank <= 5; rank++)
        for (size_t i = 0; i < s->n_schema_elts; i++) {
            PNode *n = s->schema_elts[i];
            const char *what = NULL;
            if (element_rank(n) != rank)
                continue;
            PgQuery__RangeVar *rv = element_name(n, &what);
            if (rv && GIVEN(rv->schemaname) && strcmp(rv->schemaname, name) != 0)
                RAISE(SQLSTATE_INVALID_SCHEMA_DEFINITION, "CREATE specifies a schema (%s) different from the one being created (%s)", rv->schemaname, name);
            if (rv && !GIVEN(rv->schemaname))
                rv->schemaname = (char *)name;
            UtilityStmt u = {TAG_UTILITY, n, 0, 0};
            command_execute(c, &u);
            txn_command_increment();
        }
    set_path(path);
    memcpy(c->tag, tag, sizeof tag);
}

void
cmd_create_schema(CommandContext *c, const PgQuery__CreateSchemaStmt *s)
{
    Oid owner = s->authrole ? role_spec_oid(s->authrole, false) : current_user_oid;
    const char *name = GIVEN(s->schemaname) ? s->schemaname : role_name(c->arena, owner);
    Oid saved = current_user_oid;

    if (!acl_check(CAT_PG_DATABASE, catalog_database, current_user_oid, ACL_CREATE))
        acl_raise(CAT_PG_DATABASE, catalog_database);
    if (owner != current_user_oid && !role_is_member(current_user_oid, owner))
        RAISE(SQLSTATE_INSUFFICIENT_PRIVILEGE, "must be member of role \"%s\"", role_name(c->arena, owner));
    check_schema_name(name);
    if (nsp_oid(name, true)) {
        if (!s->if_not_exists)
            RAISE(SQLSTATE_DUPLICATE_SCHEMA, "schema \"%s\" already exists", name);
        REPORT(LEVEL_NOTICE, SQLSTATE_DUPLICATE_SCHEMA, err_message("schema \"%s\" already exists, skipping", name));
        return;
    }
    schema_make(c->arena, name, owner);
    if (s->n_schema_elts == 0)
        return;
    current_user_oid = owner;
    ERR_TRY
    {
        run_elements(c, s, name);
    }
    ERR_CATCH
    {
        current_user_oid = saved;
        err_rethrow();
    }
    ERR_END;
    current_user_oid = saved;
}

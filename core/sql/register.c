/*
 * One call per process start: what core/sql registers with the layers below.
 */
#include "core/sql/command/autovacuum.h"
#include "core/sql/command/command.h"
#include "core/sql/command/command_internal.h"
#include "core/sql/deparse/deparse.h"
#include "core/sql/sql.h"
#include "core/sql/tree_deps.h"

void
sql_register(void)
{
    plan_settings_register();
    exec_settings_register();
    variables_register();
    tree_deps_register();
    deparse_register();
    exec_register();
    database_register_redo();
    unique_build_register();
    autovacuum_settings_register();
    txn_on_event(command_transaction_event);
}

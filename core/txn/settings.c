/*
 * The transaction settings of PostgreSQL: defaults for new transactions, and the characteristics of
 * the current one (SET TRANSACTION sets those), plus the size of the ring of commit sequence numbers.
 */
#include "core/base/settings.h"

#include "core/txn/txn_internal.h"

int txn_isolation, default_txn_isolation;
bool txn_read_only, txn_deferrable, default_txn_read_only, default_txn_deferrable;
int max_prepared_xacts;
int csn_ring_words_setting = 1 << 20;

static const SettingEnum isolation_options[] = {
    {"serializable", ISO_SERIALIZABLE, false},
    {"repeatable read", ISO_REPEATABLE_READ, false},
    {"read committed", ISO_READ_COMMITTED, false},
    {"read uncommitted", ISO_READ_UNCOMMITTED, false},
    {NULL, 0, false}
};

static const char *
isolation_name(int level)
{
    for (const SettingEnum *e = isolation_options; e->name; e++)
        if (e->value == level)
            return e->name;
    return "read committed";
}

static bool
check_isolation(const SettingDef *def, const char **text, SettingSource source)
{
    if (!txn_in_progress() || str_casecmp_ascii(*text, isolation_name(txn_isolation)) == 0)
        return true;
    if (snapshot_was_taken())
        RAISE(SQLSTATE_ACTIVE_SQL_TRANSACTION, "SET TRANSACTION ISOLATION LEVEL must be called before any query");
    if (txn_nesting() > 1)
        RAISE(SQLSTATE_ACTIVE_SQL_TRANSACTION, "SET TRANSACTION ISOLATION LEVEL must not be called in a subtransaction");
    return true;
}

static bool
check_read_only(const SettingDef *def, const char **text, SettingSource source)
{
    bool wanted;

    if (!settings_parse_bool(*text, &wanted) || wanted || !txn_read_only || !txn_in_progress())
        return true;
    if (txn_nesting() > 1)
        RAISE(SQLSTATE_ACTIVE_SQL_TRANSACTION, "cannot set transaction read-write mode inside a read-only transaction");
    if (snapshot_was_taken())
        RAISE(SQLSTATE_ACTIVE_SQL_TRANSACTION, "transaction read-write mode must be set before any query");
    return true;
}

static bool
check_deferrable(const SettingDef *def, const char **text, SettingSource source)
{
    if (!txn_in_progress())
        return true;
    if (txn_nesting() > 1)
        RAISE(SQLSTATE_ACTIVE_SQL_TRANSACTION, "SET TRANSACTION [NOT] DEFERRABLE cannot be called within a subtransaction");
    if (snapshot_was_taken())
        RAISE(SQLSTATE_ACTIVE_SQL_TRANSACTION, "SET TRANSACTION [NOT] DEFERRABLE must be called before any query");
    return true;
}

static const char *show_isolation(Arena *a) { return isolation_name(txn_isolation); }
static const char *show_read_only(Arena *a) { return txn_read_only ? "on" : "off"; }
static const char *show_deferrable(Arena *a) { return txn_deferrable ? "on" : "off"; }

#define CLIENT_GROUP "Client Connection Defaults / Statement Behavior"

static const SettingDef defs[] = {
    {.name = "default_transaction_isolation", .type = SETTING_ENUM, .context = CONTEXT_USER, .flags = SETTING_NOT_IN_PLANS,
     .group = CLIENT_GROUP, .description = "Isolation level of new transactions.",
     .variable = &default_txn_isolation, .boot = "read committed", .options = isolation_options},
    {.name = "default_transaction_read_only", .type = SETTING_BOOL, .context = CONTEXT_USER, .flags = SETTING_NOT_IN_PLANS | SETTING_REPORT,
     .group = CLIENT_GROUP, .description = "Whether new transactions are read-only.",
     .variable = &default_txn_read_only, .boot = "off"},
    {.name = "default_transaction_deferrable", .type = SETTING_BOOL, .context = CONTEXT_USER, .flags = SETTING_NOT_IN_PLANS,
     .group = CLIENT_GROUP, .description = "Whether new transactions are deferrable.",
     .variable = &default_txn_deferrable, .boot = "off"},
    {.name = "transaction_isolation", .type = SETTING_ENUM, .context = CONTEXT_USER, .flags = SETTING_NOT_IN_PLANS | SETTING_NO_RESET_ALL | SETTING_NO_SHOW_ALL,
     .group = CLIENT_GROUP, .description = "Isolation level of the current transaction.",
     .variable = &txn_isolation, .boot = "read committed", .options = isolation_options,
     .check = check_isolation, .show = show_isolation},
    {.name = "transaction_read_only", .type = SETTING_BOOL, .context = CONTEXT_USER, .flags = SETTING_NOT_IN_PLANS | SETTING_NO_RESET_ALL | SETTING_NO_SHOW_ALL,
     .group = CLIENT_GROUP, .description = "Whether the current transaction is read-only.",
     .variable = &txn_read_only, .boot = "off", .check = check_read_only, .show = show_read_only},
    {.name = "transaction_deferrable", .type = SETTING_BOOL, .context = CONTEXT_USER, .flags = SETTING_NOT_IN_PLANS | SETTING_NO_RESET_ALL | SETTING_NO_SHOW_ALL,
     .group = CLIENT_GROUP, .description = "Whether the current transaction is deferrable.",
     .variable = &txn_deferrable, .boot = "off", .check = check_deferrable, .show = show_deferrable},
    {.name = "max_prepared_transactions", .type = SETTING_INT, .context = CONTEXT_POSTMASTER,
     .group = "Resource Usage / Memory", .description = "How many transactions may be prepared at once.",
     .variable = &max_prepared_xacts, .boot = "0", .min = 0, .max = 262143},
    {.name = "csn_ring_size", .type = SETTING_INT, .context = CONTEXT_POSTMASTER,
     .group = "Resource Usage / Memory", .description = "How many recent transaction ids are looked up without the commit log.",
     .variable = &csn_ring_words_setting, .boot = "1048576", .min = 2048, .max = 1 << 28},
};

void
txn_settings_register(void)
{
    settings_register(defs, (int)COUNT_OF(defs));
}

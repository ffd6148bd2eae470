/*
 * From a type's OID to its TypeOps, to its array type and back; the list of settings the types own.
 *
 * All built-in OIDs are below TABLE_OIDS, so the look-up is one byte from a table that fits the
 * first-level cache beside one pointer: no hashing, no search. The table is filled by the compiler
 * from ops_list.def and array_list.def.
 */
#include "core/types/type.h"

#include "core/base/clock.h"
#include "core/base/settings.h"
#include "core/types/datetime.h"
#include "core/types/number.h"
#include "core/types/ops_list.h"
#include "core/types/text.h"

#define TABLE_OIDS 8192u

/* One small number per line of ops_list.def; 0 stands for no type. */
enum {
    INDEX_NONE,
#define TYPEOPS(oid_macro, ops_symbol) INDEX_##ops_symbol##_##oid_macro,
#include "core/types/ops_list.def"
#undef TYPEOPS
    INDEX_ARRAY,
    INDEX_COUNT
};
STATIC_ASSERT(INDEX_COUNT < 256);

static const TypeOps *const ops_table[INDEX_COUNT] = {
#define TYPEOPS(oid_macro, ops_symbol) [INDEX_##ops_symbol##_##oid_macro] = &ops_symbol,
#include "core/types/ops_list.def"
#undef TYPEOPS
    [INDEX_ARRAY] = &type_ops_array,
};

/* A family's own line may override the general rule for its array type: the later one wins. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
static const uint8_t index_table[TABLE_OIDS] = {
#define TYPEARRAY(elem, array) [array] = INDEX_ARRAY,
#include "core/types/array_list.def"
#undef TYPEARRAY
#define TYPEOPS(oid_macro, ops_symbol) [oid_macro] = INDEX_##ops_symbol##_##oid_macro,
#include "core/types/ops_list.def"
#undef TYPEOPS
};

static const uint16_t array_table[TABLE_OIDS] = {
#define TYPEARRAY(elem, array) [elem] = array,
#include "core/types/array_list.def"
#undef TYPEARRAY
};

static const uint16_t element_table[TABLE_OIDS] = {
#define TYPEARRAY(elem, array) [array] = elem,
#include "core/types/array_list.def"
#undef TYPEARRAY
};
#pragma GCC diagnostic pop

const TypeOps *(*type_resolve_hook)(Oid type);

static TimestampTz
now_without_transaction(void)
{
    return clock_now();
}

TimestampTz (*types_xact_start_time)(void) = now_without_transaction;
TimestampTz (*types_statement_start_time)(void) = now_without_transaction;

const TypeOps *
type_ops(Oid type)
{
    if (LIKELY(type < TABLE_OIDS)) {
        const TypeOps *ops = ops_table[index_table[type]];
        if (LIKELY(ops != NULL))
            return ops;
    }
    return type_resolve_hook ? type_resolve_hook(type) : NULL;
}

Oid
type_builtin_element(Oid array)
{
    return array < TABLE_OIDS ? element_table[array] : 0;
}

Oid
type_builtin_array(Oid element)
{
    return element < TABLE_OIDS ? array_table[element] : 0;
}

/* ---- settings ---- */

/* Locale names are kept and shown; formatting by to_char and money follows C, messages are English. */
static char *lc_messages, *lc_monetary, *lc_numeric, *lc_time;

static const SettingEnum bytea_output_options[] = {{"escape", 1, false}, {"hex", 0, false}, {NULL, 0, false}};

#define LOCALE_SETTING(name_, context_, boot_, text)                                                 \
    {                                                                                                \
        .name = #name_, .type = SETTING_STRING, .context = context_,                                 \
        .group = "Client Connection Defaults / Locale and Formatting", .description = text,          \
        .variable = &name_, .boot = boot_                                                            \
    }

static const SettingDef shared_settings[] = {
    {
        .name = "bytea_output",
        .type = SETTING_ENUM,
        .context = CONTEXT_USER,
        .group = "Client Connection Defaults / Statement Behavior",
        .description = "Text form of bytea values.",
        .variable = &bytea_output,
        .boot = "hex",
        .options = bytea_output_options,
    },
    LOCALE_SETTING(lc_messages, CONTEXT_SUPERUSER, "", "Language of messages."),
    LOCALE_SETTING(lc_monetary, CONTEXT_USER, "C", "Locale for formatting amounts of money."),
    LOCALE_SETTING(lc_numeric, CONTEXT_USER, "C", "Locale for formatting numbers."),
    LOCALE_SETTING(lc_time, CONTEXT_USER, "C", "Locale for formatting dates and times."),
};

void
types_settings_register(void)
{
    settings_register(shared_settings, COUNT_OF(shared_settings));
    types_number_settings_register();
    types_datetime_settings_register();
}

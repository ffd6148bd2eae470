/*
 * Settings of core/access: memory for index builds and vacuum.
 */
#include "core/access/settings.h"

#include "core/access/btree/btree.h"
#include "core/base/settings.h"

int maintenance_work_mem_kb = 65536;

#define COST "Resource Usage / Cost-Based Vacuum Delay"
static const SettingDef defs[] = {
    {.name = "vacuum_cost_delay", .type = SETTING_REAL, .context = CONTEXT_USER, .unit = UNIT_MS, .group = COST,
     .description = "Pause of vacuum at its cost limit.", .variable = &vacuum_cost_delay_ms, .boot = "0", .min = 0, .max = 100},
    {.name = "vacuum_cost_page_hit", .type = SETTING_INT, .context = CONTEXT_USER, .group = COST,
     .description = "Cost of a page found in memory.", .variable = &vacuum_cost_page_hit, .boot = "1", .min = 0, .max = 10000},
    {.name = "vacuum_cost_page_miss", .type = SETTING_INT, .context = CONTEXT_USER, .group = COST,
     .description = "Cost of a page read.", .variable = &vacuum_cost_page_miss, .boot = "2", .min = 0, .max = 10000},
    {.name = "vacuum_cost_page_dirty", .type = SETTING_INT, .context = CONTEXT_USER, .group = COST,
     .description = "Cost of a page made dirty.", .variable = &vacuum_cost_page_dirty, .boot = "20", .min = 0, .max = 10000},
    {.name = "vacuum_cost_limit", .type = SETTING_INT, .context = CONTEXT_USER, .group = COST,
     .description = "Cost before a pause.", .variable = &vacuum_cost_limit, .boot = "200", .min = 1, .max = 10000},
    {.name = "vacuum_freeze_min_age", .type = SETTING_INT, .context = CONTEXT_USER,
     .group = "Client Connection Defaults / Statement Behavior", .description = "Age in transactions at which vacuum freezes rows.",
     .variable = &vacuum_freeze_min_age, .boot = "50000000", .min = 0, .max = 1000000000},
    {.name = "vacuum_freeze_table_age", .type = SETTING_INT, .context = CONTEXT_USER,
     .group = "Client Connection Defaults / Statement Behavior", .description = "Age in transactions at which vacuum reads all pages that are not frozen.",
     .variable = &vacuum_freeze_table_age, .boot = "150000000", .min = 0, .max = 2000000000},
    {.name = "maintenance_work_mem", .type = SETTING_INT, .context = CONTEXT_USER, .unit = UNIT_KB, .group = "Resource Usage / Memory",
     .description = "Memory that one maintenance operation (CREATE INDEX, VACUUM) may use.", .variable = &maintenance_work_mem_kb, .boot = "64MB",
     .min = 1024, .max = 2147483647.0},
};

void
access_settings_register(void)
{
    settings_register(defs, (int)COUNT_OF(defs));
}

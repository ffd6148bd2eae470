/*
 * Settings of core/access: memory for index builds and vacuum.
 */
#include "core/access/settings.h"

#include "core/access/btree/btree.h"
#include "core/base/settings.h"

int maintenance_work_mem_kb = 65536;

static const SettingDef defs[] = {
    {.name = "maintenance_work_mem", .type = SETTING_INT, .context = CONTEXT_USER, .unit = UNIT_KB, .group = "Resource Usage / Memory",
     .description = "Memory that one maintenance operation (CREATE INDEX, VACUUM) may use.", .variable = &maintenance_work_mem_kb, .boot = "64MB",
     .min = 1024, .max = 2147483647.0},
};

void
access_settings_register(void)
{
    settings_register(defs, (int)COUNT_OF(defs));
}

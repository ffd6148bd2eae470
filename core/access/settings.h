/*
 * Settings of core/access.
 */
#ifndef CORE_ACCESS_SETTINGS_H
#define CORE_ACCESS_SETTINGS_H

void access_settings_register(void); /* maintenance_work_mem; before settings_boot */

#endif

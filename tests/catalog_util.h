/*
 * Shared by the catalog tests: an instance whose template1 has been written by catalog_bootstrap.
 */
#ifndef TESTS_CATALOG_UTIL_H
#define TESTS_CATALOG_UTIL_H

#include "txn_util.h"

#include "core/access/sequence.h"
#include "core/catalog/cat_internal.h"
#include "core/catalog/privileges.h"

static void UNUSED
catalog_test_register(void)
{
    test_register("16MB");
    catalog_shm_register();
    types_settings_register();
    settings_boot();
    btree_register_redo();
    seq_register_redo();
}

static void
catalog_test_init(void *arg)
{
    catalog_bootstrap("postgres", "C", "C", 6);
    test_shutdown();
}

/* A process of the instance that works in template1. */
static void UNUSED
catalog_test_open(void)
{
    catalog_process_init();
    catalog_open_database(1);
}

#endif

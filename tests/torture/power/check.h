/*
 * Recovery and judgement of one image, in this process (which is forked for it): redo as the server
 * does it, then what the load promised.
 */
#ifndef TESTS_TORTURE_POWER_CHECK_H
#define TESTS_TORTURE_POWER_CHECK_H

#include <stdint.h>

#define POWER_CLIENTS_MAX 64

void check_register(void); /* once per program */
/* acked: last acknowledged number by client. Ends the process: 0 sound, 1 not (stderr says why). `thorough`: the
 * system catalogs' indexes too. */
void check_image(const char *dir, const uint64_t *acked, int thorough) __attribute__((noreturn));

#endif

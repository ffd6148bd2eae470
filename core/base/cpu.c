/*
 * CPU features. x86-64: CPUID tells what the processor has, XGETBV what of it the kernel saves at a
 * task switch; AVX needs both. ARM64: the kernel tells in the auxiliary vector.
 */
#include "core/base/cpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#include "core/base/crc32c.h"
#include "core/base/macros.h"

CpuFeatures cpu_features;
static bool initialised;
void crc32c_select(void); /* crc32c_dispatch.c */

static const struct {
    const char *name;
    size_t offset;
} feature_names[] = {
    {"sse42", offsetof(CpuFeatures, sse42)},     {"pclmul", offsetof(CpuFeatures, pclmul)},
    {"avx2", offsetof(CpuFeatures, avx2)},       {"avx512", offsetof(CpuFeatures, avx512)},
    {"vpclmul", offsetof(CpuFeatures, vpclmul)}, {"bmi2", offsetof(CpuFeatures, bmi2)},
    {"neon", offsetof(CpuFeatures, neon)},       {"arm_crc", offsetof(CpuFeatures, arm_crc)},
    {"pmull", offsetof(CpuFeatures, pmull)},     {"lse", offsetof(CpuFeatures, lse)},
};

static bool *
feature_at(size_t i)
{
    return (bool *)((char *)&cpu_features + feature_names[i].offset);
}

#if defined(__x86_64__)
static uint64_t
read_xcr0(void)
{
    uint32_t lo, hi;
    __asm__("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return (uint64_t)hi << 32 | lo;
}

static void
detect(CpuFeatures *f)
{
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d))
        return;
    f->sse42 = (c & bit_SSE4_2) && (c & bit_POPCNT);
    f->pclmul = (c & bit_PCLMUL) != 0;
    uint64_t xcr0 = (c & bit_OSXSAVE) ? read_xcr0() : 0;
    bool ymm = (xcr0 & 0x06) == 0x06;         /* SSE and AVX state */
    bool zmm = (xcr0 & 0xE6) == 0xE6;         /* and masks, upper ZMM halves, ZMM16-31 */
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return;
    f->bmi2 = (b & bit_BMI2) != 0 && (b & bit_BMI) != 0;
    f->avx2 = ymm && (b & bit_AVX2) && f->bmi2;
    f->avx512 = zmm && f->avx2 && (b & bit_AVX512F) && (b & bit_AVX512BW) && (b & bit_AVX512VL) &&
                (b & bit_AVX512DQ);
    f->vpclmul = f->avx512 && (c & bit_VPCLMULQDQ);
}
#elif defined(__aarch64__)
static void
detect(CpuFeatures *f)
{
    unsigned long caps = getauxval(AT_HWCAP);
    f->neon = (caps & HWCAP_ASIMD) != 0;
    f->arm_crc = (caps & HWCAP_CRC32) != 0;
    f->pmull = (caps & HWCAP_PMULL) != 0;
    f->lse = (caps & HWCAP_ATOMICS) != 0;
}
#else
static void
detect(CpuFeatures *f)
{
}
#endif

/* Is `name` an item of the comma-separated list? */
static bool
listed(const char *list, const char *name)
{
    size_t n = strlen(name);
    for (const char *p = list; *p;) {
        size_t len = strcspn(p, ",");
        if (len == n && memcmp(p, name, n) == 0)
            return true;
        p += len;
        if (*p == ',')
            p++;
    }
    return false;
}

void
cpu_init(void)
{
    if (initialised)
        return;
    initialised = true;
    detect(&cpu_features);
    const char *mask = getenv("POSTHASTE_CPU_MASK");
    for (size_t i = 0; mask && i < COUNT_OF(feature_names); i++)
        if (!listed(mask, feature_names[i].name))
            *feature_at(i) = false;
    crc32c_select();
}

const char *
cpu_features_text(void)
{
    static char text[128];
    text[0] = '\0';
    for (size_t i = 0; i < COUNT_OF(feature_names); i++)
        if (*feature_at(i)) {
            if (text[0])
                strcat(text, " ");
            strcat(text, feature_names[i].name);
        }
    return text;
}

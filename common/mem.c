/* SPDX-License-Identifier: MIT
 *
 * mem: allocation with a replaceable table and fault injection; see mem.h.
 * The fault counter is atomic, so that a test with threads stays exact.
 */
#include "common/mem.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLOAT_ALIGNMENT 64

static const struct mem_functions default_functions = {malloc, realloc, free};
static const struct mem_functions *functions_now = &default_functions;
static atomic_long fault_countdown = -1;
static atomic_int fault_repeat;
static atomic_long fault_count;
static atomic_ulong refused;

void mem_set_functions(const struct mem_functions *functions)
{
    functions_now = functions != NULL ? functions : &default_functions;
}

void mem_fail_after(long countdown, int repeat)
{
    atomic_store(&fault_count, 0);
    atomic_store(&fault_repeat, repeat);
    atomic_store(&fault_countdown, countdown);
}

long mem_failures(void)
{
    return atomic_load(&fault_count);
}

unsigned long mem_refused(void)
{
    return atomic_load(&refused);
}

/* Counts what is handed out as NULL. */
static void *counted(void *p)
{
    if (p == NULL) {
        atomic_fetch_add(&refused, 1);
    }
    return p;
}

static int fault_now(void)
{
    long left = atomic_load(&fault_countdown);
    long next;

    do {
        if (left < 0) {
            return 0;
        }
        next = left > 0 || !atomic_load(&fault_repeat) ? left - 1 : 0;
    } while (!atomic_compare_exchange_weak(&fault_countdown, &left, next));
    if (left > 0) {
        return 0;
    }
    atomic_fetch_add(&fault_count, 1);
    return 1;
}

void *mem_alloc(size_t size)
{
    return counted(fault_now() ? NULL
                               : functions_now->alloc(size != 0 ? size : 1));
}

void *mem_zalloc(size_t size)
{
    void *p = mem_alloc(size);

    if (p != NULL) {
        memset(p, 0, size);
    }
    return p;
}

void *mem_array(size_t n, size_t size)
{
    if (size != 0 && n > SIZE_MAX / size) {
        return NULL;
    }
    return mem_alloc(n * size);
}

void *mem_zarray(size_t n, size_t size)
{
    void *p = mem_array(n, size);

    if (p != NULL) {
        memset(p, 0, n * size);
    }
    return p;
}

void *mem_resize(void *p, size_t size)
{
    return counted(
        fault_now() ? NULL : functions_now->resize(p, size != 0 ? size : 1));
}

void *mem_resize_array(void *p, size_t n, size_t size)
{
    if (size != 0 && n > SIZE_MAX / size) {
        return NULL;
    }
    return mem_resize(p, n * size);
}

void *mem_copy(const void *p, size_t size)
{
    void *copy = mem_alloc(size);

    if (copy != NULL && size != 0) {
        memcpy(copy, p, size);
    }
    return copy;
}

char *mem_strdup(const char *s)
{
    return mem_copy(s, strlen(s) + 1);
}

char *mem_strndup(const char *s, size_t n)
{
    size_t size = strnlen(s, n);
    char *copy = mem_alloc(size + 1);

    if (copy != NULL) {
        memcpy(copy, s, size);
        copy[size] = '\0';
    }
    return copy;
}

char *mem_printf(const char *format, ...)
{
    va_list ap;
    int size;
    char *text;

    va_start(ap, format);
    size = vsnprintf(NULL, 0, format, ap);
    va_end(ap);
    if (size < 0 || (text = mem_alloc((size_t)size + 1)) == NULL) {
        return NULL;
    }
    va_start(ap, format);
    (void)vsnprintf(text, (size_t)size + 1, format, ap);
    va_end(ap);
    return text;
}

void mem_free(void *p)
{
    functions_now->release(p);
}

float *mem_floats(size_t n)
{
    void *p = NULL;

    if (fault_now() || n > (SIZE_MAX - FLOAT_ALIGNMENT) / sizeof(float) ||
        posix_memalign(&p, FLOAT_ALIGNMENT, (n != 0 ? n : 1) * sizeof(float)) !=
            0) {
        return NULL;
    }
    return p;
}

float *mem_zfloats(size_t n)
{
    float *p = mem_floats(n);

    if (p != NULL) {
        memset(p, 0, n * sizeof(float));
    }
    return p;
}

void mem_free_aligned(void *p)
{
    free(p);
}

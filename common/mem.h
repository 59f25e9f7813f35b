/* SPDX-License-Identifier: MIT
 *
 * mem: every allocation of the project goes through here. The functions are
 * malloc's, with overflow-checked array forms, behind a process-wide table
 * that a test can replace to make the k-th allocation fail. The same table is
 * given to libevent, libcurl, jansson and protobuf-c, so one switch reaches
 * all. NULL is returned when memory runs out; nothing aborts.
 *
 * The table is the one piece of mutable global state besides the log; it is
 * set before threads start.
 */
#ifndef COMMON_MEM_H
#define COMMON_MEM_H

#include <stddef.h>

struct mem_functions {
    void *(*alloc)(size_t size);
    void *(*resize)(void *p, size_t size);
    void (*release)(void *p);
};

/* Replaces the allocator; NULL restores malloc. */
void mem_set_functions(const struct mem_functions *functions);

/* Makes the allocation after the next `countdown` ones fail, once, or every
 * one from there on if `repeat`. Negative: no failure. For tests. */
void mem_fail_after(long countdown, int repeat);

/* How many allocations mem_fail_after() has refused since it was set. */
long mem_failures(void);

/* How many allocations have returned NULL so far, for any reason. It tells
 * whether a library that reports running out of memory badly did so. */
unsigned long mem_refused(void);

void *mem_alloc(size_t size);            /* uninitialised */
void *mem_zalloc(size_t size);           /* zeroed */
void *mem_array(size_t n, size_t size);  /* n * size, overflow is NULL */
void *mem_zarray(size_t n, size_t size); /* the same, zeroed */
void *mem_resize(void *p, size_t size);  /* realloc; p stays on NULL */
void *mem_resize_array(void *p, size_t n, size_t size);
void *mem_copy(const void *p, size_t size);
char *mem_strdup(const char *s);
char *mem_strndup(const char *s, size_t n);
char *mem_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
void mem_free(void *p); /* accepts NULL */

/* Memory for float vectors: aligned to 64 bytes, uninitialised. Release it
 * with mem_free_aligned(). */
float *mem_floats(size_t n);
float *mem_zfloats(size_t n);
void mem_free_aligned(void *p);

#endif

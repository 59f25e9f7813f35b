/* SPDX-License-Identifier: MIT
 *
 * job_read: reading the members of a job request's objects; what is common to
 * all of them. Errors name the key and are ERR_INVALID, ERR_LIMIT or
 * ERR_NOMEM. `object` may be NULL: all members are absent then.
 */
#ifndef DRIVER_CORE_JOB_READ_H
#define DRIVER_CORE_JOB_READ_H

#include "driver/core/job.h"

/* Refuses any key that is not in the NULL-terminated list. */
int job_check_keys(const json_t *object, const char *const *keys,
                   struct err *err) ERR_CHECKED;
/* An object that may be absent: *out is NULL then; else borrowed. */
int job_read_object(const json_t *object, const char *key, const json_t **out,
                    struct err *err) ERR_CHECKED;
/* A text that may be absent: *out stays. Else it is the caller's; one line,
 * not empty, of bounded length. */
int job_read_text(const json_t *object, const char *key, char **out,
                  struct err *err) ERR_CHECKED;
/* The same for a text that is there already. */
int job_copy_text(const char *key, const char *text, char **out,
                  struct err *err) ERR_CHECKED;
/* An integer from min to max; `missing` if absent. */
int job_read_int(const json_t *object, const char *key, int64_t missing,
                 int64_t min, int64_t max, int64_t *out,
                 struct err *err) ERR_CHECKED;
/* A list of texts, or one text alone; integers count as their digits (a
 * column by its index). Absent: empty. Also after a failure, *out is to be
 * released with job_strings_deinit(). */
int job_read_strings(const json_t *object, const char *key,
                     struct job_strings *out, struct err *err) ERR_CHECKED;
void job_strings_deinit(struct job_strings *strings);

#endif

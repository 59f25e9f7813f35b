/* SPDX-License-Identifier: MIT
 *
 * api: the handlers of the routes (docs/PROTOCOL.md section 2). Each answers
 * the exchange, now or later. job is the one named in the path, NULL where the
 * path names none.
 */
#ifndef DRIVER_API_H
#define DRIVER_API_H

struct daemon;
struct http_exchange;
struct job;

/* api_health.c */
void api_page(struct daemon *d, struct http_exchange *x, struct job *job);
void api_healthz(struct daemon *d, struct http_exchange *x, struct job *job);
void api_readyz(struct daemon *d, struct http_exchange *x, struct job *job);
void api_metrics(struct daemon *d, struct http_exchange *x, struct job *job);
/* api_models.c */
void api_model_post(struct daemon *d, struct http_exchange *x, struct job *job);
void api_model_get(struct daemon *d, struct http_exchange *x, struct job *job);
void api_job_model(struct daemon *d, struct http_exchange *x, struct job *job);
/* api_jobs.c */
void api_job_post(struct daemon *d, struct http_exchange *x, struct job *job);
void api_job_list(struct daemon *d, struct http_exchange *x, struct job *job);
void api_job_get(struct daemon *d, struct http_exchange *x, struct job *job);
void api_job_stop(struct daemon *d, struct http_exchange *x, struct job *job);
void api_job_delete(struct daemon *d, struct http_exchange *x, struct job *job);
void api_job_history(struct daemon *d, struct http_exchange *x,
                     struct job *job);
void api_job_predictions(struct daemon *d, struct http_exchange *x,
                         struct job *job);
/* api_events.c */
void api_job_events(struct daemon *d, struct http_exchange *x, struct job *job);
void api_job_logs(struct daemon *d, struct http_exchange *x, struct job *job);
/* api_work.c */
void api_job_task(struct daemon *d, struct http_exchange *x, struct job *job);
void api_job_join(struct daemon *d, struct http_exchange *x, struct job *job);
void api_job_update(struct daemon *d, struct http_exchange *x, struct job *job);
/* api_shard.c */
void api_job_shard(struct daemon *d, struct http_exchange *x, struct job *job);
void api_job_part(struct daemon *d, struct http_exchange *x, struct job *job);
void api_job_result(struct daemon *d, struct http_exchange *x, struct job *job);
/* api_engine.c */
void api_job_engine(struct daemon *d, struct http_exchange *x, struct job *job);
void api_job_report(struct daemon *d, struct http_exchange *x, struct job *job);
void api_job_rows(struct daemon *d, struct http_exchange *x, struct job *job);
/* api_parameters.c */
void api_job_parameters(struct daemon *d, struct http_exchange *x,
                        struct job *job);
/* api_frames.c */
void api_job_frames(struct daemon *d, struct http_exchange *x, struct job *job);

#endif

-- Jobs that people start on a page, comparisons, pauses, counts of webhooks.

-- name: job_columns
job.id, job.kind, job.flow, job.choices, job.asked_by, job.asked_at, job.started_at, job.attempts, job.progress,
    job.stopped_by, job.done_at, job.problem, job.result, job.task

-- name: ask_job
-- Nothing comes back when the same is asked for already.
with forgotten as (delete from job where done_at < %(asked_at)s - interval '30 days'),
made as (
    insert into job (id, kind, flow, choices, asked_by, asked_at)
    values (%(id)s, %(kind)s, %(flow)s, %(choices)s, %(asked_by)s, %(asked_at)s)
    on conflict (kind, flow) where done_at is null and kind <> 'decide' do nothing
    returning {job_columns}
),
told as (select pg_notify('isthmus_jobs', 'asked ' || made.id) from made)
select made.* from made, told;

-- name: open_job
select {job_columns} from job where kind = %(kind)s and flow = %(flow)s and done_at is null;

-- name: open_jobs
-- The oldest first, each with the seconds that the same took the last time it succeeded.
select {job_columns}, (
    select extract(epoch from before.done_at - before.started_at)::float8
    from job as before
    where before.kind = job.kind and before.flow = job.flow and before.done_at is not null and before.problem = ''
    order by before.done_at desc limit 1)
from job
where done_at is null
order by asked_at, id;

-- name: one_job
select {job_columns} from job where id = %(id)s;

-- name: jobs
-- Those that are not done, and the last one of each kind and flow that is.
select {job_columns}
from job
where kind = any(%(kinds)s) and (%(flow)s::text is null or flow in (%(flow)s, '')) and (
    done_at is null or not exists (
        select from job as later
        where later.kind = job.kind and later.flow = job.flow and later.done_at > job.done_at))
order by asked_at desc, id
limit 50;

-- name: begin_job
-- Whoever begins it has it: what those who had it before still tell of it is not heard.
update job set started_at = %(now)s, attempts = attempts + 1, progress = '{}'
where id = %(id)s and done_at is null
returning attempts, pg_notify('isthmus_jobs', 'told ' || id);

-- name: tell_job
update job set progress = %(progress)s
where id = %(id)s and attempts = %(attempt)s and done_at is null
returning stopped_by, pg_notify('isthmus_jobs', 'told ' || id);

-- name: put_back_job
update job set attempts = greatest(0, attempts - 1), started_at = null
where id = %(id)s and attempts = %(attempt)s and done_at is null
returning pg_notify('isthmus_jobs', 'asked ' || id);

-- name: end_job
update job set done_at = %(now)s, problem = %(problem)s, result = %(result)s
where id = %(id)s and done_at is null and (%(attempt)s::integer is null or attempts = %(attempt)s)
returning pg_notify('isthmus_jobs', 'ended ' || id);

-- name: stop_job
update job set stopped_by = %(by)s where id = %(id)s and done_at is null
returning id, pg_notify('isthmus_jobs', 'stopped ' || id);

-- name: note_comparison
insert into comparison (flow, began_at, done_at, records) values (%(flow)s, %(began_at)s, %(now)s, %(records)s)
on conflict (flow) do update set began_at = excluded.began_at, done_at = excluded.done_at, records = excluded.records;

-- name: comparisons
select flow, began_at, done_at, records from comparison order by flow;

-- name: pauses
select system, resource, paused_by, since, reason from pause order by system, resource;

-- name: add_pause
with told as (select pg_notify('isthmus', 'pauses'))
insert into pause (system, resource, paused_by, since, reason)
select %(system)s, %(resource)s, %(paused_by)s, %(since)s, %(reason)s from told
on conflict (system, resource) do nothing
returning system;

-- name: end_pause
with told as (select pg_notify('isthmus', 'pauses'))
delete from pause using told where system = %(system)s and resource = %(resource)s returning system;

-- name: count_hook
insert into hook_count (system, taken, refused, taken_at, refused_at)
values (%(system)s, %(taken)s::integer, %(refused)s::integer,
    case when %(taken)s::integer > 0 then %(now)s::timestamptz end,
    case when %(refused)s::integer > 0 then %(now)s::timestamptz end)
on conflict (system) do update set taken = hook_count.taken + excluded.taken,
    refused = hook_count.refused + excluded.refused,
    taken_at = coalesce(excluded.taken_at, hook_count.taken_at),
    refused_at = coalesce(excluded.refused_at, hook_count.refused_at);

-- name: hook_counts
select system, taken, refused, taken_at, refused_at from hook_count order by system;

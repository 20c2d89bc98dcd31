-- Decisions on many questions at once, as jobs.

-- name: ask_decisions
with forgotten as (delete from job where done_at < %(asked_at)s - interval '30 days'),
made as (
    insert into job (id, kind, flow, choices, asked_by, asked_at, task)
    values (%(id)s, 'decide', %(flow)s, '{}', %(asked_by)s, %(asked_at)s, %(task)s)
    returning {job_columns}
),
parts as (
    insert into job_entry (job, place, entry)
    select %(id)s, given.place, given.entry
    from unnest(%(entries)s::text[]) with ordinality as given (entry, place)
    on conflict (job, entry) do nothing
),
told as (select pg_notify('isthmus_jobs', 'asked ' || made.id) from made)
select made.* from made, told;

-- name: decision_jobs
select {job_columns} from job where kind = 'decide' order by done_at is null desc, asked_at desc, id limit %(limit)s;

-- name: entries_under_way
-- Which of these a job that is not done will decide, and whose.
select job_entry.entry, job.asked_by
from job_entry join job on job.id = job_entry.job
where job_entry.entry = any(%(entries)s) and job_entry.state = 'waiting' and job.done_at is null
order by job.asked_at, job.id;

-- name: waiting_entries
select entry from job_entry where job = %(job)s and state = 'waiting' order by place limit %(limit)s;

-- name: left_entries
-- What may be tried again when the job is done.
select entry from job_entry where job = %(job)s and state in ('waiting', 'refused') order by place;

-- name: note_entries
-- What is noted stays: an attempt that is not heard any more changes nothing.
update job_entry set state = given.state, reason = given.reason
from jsonb_to_recordset(%(rows)s) as given (entry text, state text, reason text)
where job_entry.job = %(job)s and job_entry.entry = given.entry and job_entry.state = 'waiting';

-- name: count_entries
select job, state, count(*)::integer from job_entry where job = any(%(jobs)s) group by job, state;

-- name: entry_reasons
select state, reason, count(*)::integer, min(place)
from job_entry
where job = %(job)s and state in ('passed', 'refused')
group by state, reason
order by state desc, 3 desc, 4
limit %(limit)s;

-- name: not_done_entries
select entry, state, reason
from job_entry
where job = %(job)s and state in ('passed', 'refused')
order by state desc, place
limit %(limit)s;

-- Processes. Turns are workflows of the library dbos in its own schema; each belongs to the partition of its process.

-- name: add_process
insert into process (
    id, name, input, state, version, step, question, who, since, wake_at, attempts, result, problem, started_at)
select id, name, input, state, version, step, question, who, since, wake_at, attempts, result, problem, started_at
from jsonb_to_recordset(%(rows)s) as given (
    id text, name text, input jsonb, state text, version bigint, step text, question text, who text, since timestamptz,
    wake_at timestamptz, attempts integer, result jsonb, problem jsonb, started_at timestamptz)
on conflict do nothing
returning id;

-- name: process
select {process_columns} from process where id = %(id)s for no key update;

-- name: process_history
select process, seq, kind, name, value, problem, until, done, at
from process_history where process = %(id)s order by seq;

-- name: save_process
update process set
    state = given.state, version = process.version + 1, step = given.step, question = given.question, who = given.who,
    since = given.since, wake_at = given.wake_at, attempts = given.attempts, result = given.result,
    problem = given.problem
from jsonb_to_recordset(%(rows)s) as given (
    id text, state text, version bigint, step text, question text, who text, since timestamptz, wake_at timestamptz,
    attempts integer, result jsonb, problem jsonb)
where process.id = given.id and process.version = given.version
    and (%(over)s or process.state in ('running', 'waiting', 'sleeping', 'retrying'))
returning process.id;

-- name: forget_refusal
-- The last entry, when it is a step that was refused: it will be done again.
delete from process_history
where process = %(id)s and problem is not null
    and seq = (select max(seq) from process_history where process = %(id)s);

-- name: add_entry
insert into process_history (process, seq, kind, name, value, problem, until, done, at)
select given.process, seq, kind, given.name, value, given.problem, until, done, given.at
from jsonb_to_recordset(%(rows)s) as given (
    process text, seq integer, kind text, name text, value jsonb, problem jsonb, until timestamptz, done boolean,
    at timestamptz)
    join process on process.id = given.process
where process.state in ('running', 'waiting', 'sleeping', 'retrying')
on conflict do nothing
returning seq;

-- name: close_entry
update process_history set value = given.value, done = true, at = given.at
from jsonb_to_recordset(%(rows)s) as given (process text, seq integer, value jsonb, at timestamptz)
where process_history.process = given.process and process_history.seq = given.seq and not process_history.done
returning process_history.seq;

-- name: add_signal
insert into process_signal (process, id, topic, value, by, at)
select process, id, topic, value, by, at
from jsonb_to_recordset(%(rows)s) as given (
    process text, id text, topic text, value jsonb, by text, at timestamptz)
on conflict do nothing
returning id;

-- name: take_signal
update process_signal set taken = true
where process = %(process)s and id = (
    select id from process_signal
    where process = %(process)s and topic = %(topic)s and not taken
    order by seq limit 1 for update)
returning process, id, topic, value, by, at;

-- name: request_turn
-- One turn for each instant that was asked for; the present one has a turn of its own each time, and workers are told.
select case when %(at)s::timestamptz is null then pg_notify('isthmus_turns', '')::text end, dbos.enqueue_workflow(
    'isthmus.turn', 'isthmus_turns', array[to_json(%(id)s::text)],
    workflow_id => %(id)s || '@' || coalesce(extract(epoch from %(at)s::timestamptz)::text, gen_random_uuid()::text),
    app_version => 'isthmus', application_name => 'isthmus', queue_partition_key => %(id)s,
    delay_until_epoch_ms => ceil(extract(epoch from %(at)s::timestamptz) * 1000)::bigint);

-- name: processes
select {process_columns} from process
where cardinality(%(states)s::text[]) = 0 or state = any(%(states)s::text[])
order by started_at desc, id
limit %(limit)s;

-- name: one_process
select {process_columns} from process where id = %(id)s;

-- name: signals_of_process
select process, id, topic, value, by, at from process_signal where process = %(id)s order by seq;

-- name: turns_under_way
-- By worker.
select executor_id, array_agg(workflow_uuid order by workflow_uuid)
from dbos.workflow_status
where status = 'PENDING' and name = 'isthmus.turn' and executor_id is not null
group by executor_id;

-- name: lost_turns
-- Open processes that nothing will ever move again: no turn waits, runs or is to come, though there is something to do.
select process.id
from process
where state in ('running', 'waiting', 'sleeping', 'retrying')
    and (state = 'running' or wake_at is not null or exists (
        select from process_signal where process_signal.process = process.id and topic = process.step and not taken))
    and not exists (
        select from dbos.workflow_status as turn
        where turn.queue_partition_key = process.id and turn.status in ('ENQUEUED', 'PENDING', 'DELAYED'))
limit 1000;

-- name: poisoned
-- Processes whose turns killed every worker that took them.
select distinct process.id
from dbos.workflow_status as turn join process on process.id = turn.queue_partition_key
where turn.status = 'MAX_RECOVERY_ATTEMPTS_EXCEEDED' and turn.updated_at >= extract(epoch from process.since) * 1000
    and process.state in ('running', 'waiting', 'sleeping', 'retrying');

-- name: give_up
update process set
    state = 'failed', version = version + 1, wake_at = null, since = %(now)s,
    problem = jsonb_build_object('code', 'error', 'message', %(reason)s::text, 'at', %(now)s::timestamptz)
where id = %(id)s and state in ('running', 'waiting', 'sleeping', 'retrying');

-- name: old_turns
select workflow_uuid from dbos.workflow_status
where name = 'isthmus.turn' and status not in ('ENQUEUED', 'PENDING', 'DELAYED')
    and updated_at < extract(epoch from %(before)s::timestamptz) * 1000
limit 5000;

-- name: forget_processes
-- What a process has behind it and was told goes with it. In portions, so that none of them takes long.
delete from process where id in (
    select id from process
    where state in ('done', 'cancelled') and since < %(now)s::timestamptz - make_interval(months => %(months)s)
    limit 1000)
returning id;

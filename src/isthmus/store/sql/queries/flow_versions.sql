-- Versions of flows.

-- name: flow_versions
select {flow_version_columns} from flow_version
where %(flow)s::text is null or flow = %(flow)s
order by flow, number;

-- name: add_flow_version
-- Unless the last one is the same: then it has run now, if it had not. Two processes that start at once note it once.
with last as (
    select distinct on (flow) flow, number, file, content, pack, ran_at from flow_version order by flow, number desc),
given as (
    select flow, file, content, pack, ran_at, noted_at, by
    from jsonb_to_recordset(%(rows)s) as given (
        flow text, file text, content text, pack text, ran_at timestamptz, noted_at timestamptz, by text)),
ran as (
    update flow_version set ran_at = given.ran_at, by = given.by
    from given join last using (flow)
    where flow_version.flow = last.flow and flow_version.number = last.number and last.ran_at is null
        and given.ran_at is not null
        and (last.content, last.pack) is not distinct from (given.content, given.pack)
    returning flow_version.flow)
insert into flow_version (flow, number, file, content, pack, ran_at, noted_at, by)
select given.flow, coalesce(last.number, 0) + 1, given.file, given.content, given.pack, given.ran_at, given.noted_at,
    given.by
from given left join last on last.flow = given.flow
where last.flow is null and (given.content is not null or given.pack is not null)
    or last.flow is not null and (last.content, last.pack) is distinct from (given.content, given.pack)
on conflict do nothing
returning flow, number;

-- name: writes_of_flow
-- What was written for a flow in a time; the newest first.
select {effect_columns} from effect
where flow = %(flow)s and at >= %(since)s and (%(until)s::timestamptz is null or at < %(until)s)
order by seq desc
limit %(limit)s;

-- name: count_writes_of_flow
select system, kind, outcome, count(*) as writes from effect
where flow = %(flow)s and at >= %(since)s and (%(until)s::timestamptz is null or at < %(until)s)
group by system, kind, outcome
order by system, kind, outcome;

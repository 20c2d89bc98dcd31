-- Changes of flows that people make: drafts, proposals, decisions.

-- name: flow_change_columns
id, flow, file, base, content, edits, note, state, made_by, made_at, saved_at, decided_by, decided_at, answer, place,
    in_force_at, problem

-- name: add_flow_change
-- Nothing comes back when this person has a draft of this flow already.
insert into flow_change (id, flow, file, base, content, edits, note, state, made_by, made_at, saved_at, answer, problem)
values (%(id)s, %(flow)s, %(file)s, %(base)s, %(content)s, 0, %(note)s, %(state)s, %(made_by)s, %(now)s, %(now)s, '', '')
on conflict do nothing
returning {flow_change_columns};

-- name: flow_change
select {flow_change_columns} from flow_change where id = %(id)s;

-- name: flow_changes
-- The newest first; drafts that have nothing in them are nobody's business.
select {flow_change_columns} from flow_change
where (%(flow)s::text is null or flow = %(flow)s) and state = any(%(states)s)
order by coalesce(decided_at, saved_at) desc, id
limit %(limit)s;

-- name: flow_reviews
select flow, count(*) from flow_change where state = 'proposed' group by flow order by flow;

-- name: flow_draft
select {flow_change_columns} from flow_change
where flow = %(flow)s and made_by = %(made_by)s and state = 'draft';

-- name: save_flow_draft
-- Nothing comes back when it was saved from another window meanwhile, or is no draft any more.
update flow_change set content = %(content)s, edits = edits + 1, saved_at = %(now)s
where id = %(id)s and state = 'draft' and edits = %(edits)s
returning {flow_change_columns};

-- name: rebase_flow_draft
update flow_change set base = %(base)s, edits = edits + 1, saved_at = %(now)s
where id = %(id)s and state = 'draft'
returning {flow_change_columns};

-- name: drop_flow_draft
delete from flow_change where id = %(id)s and state = 'draft' returning id;

-- name: propose_flow_change
update flow_change set state = 'proposed', note = %(note)s, saved_at = %(now)s
where id = %(id)s and state = 'draft' and edits = %(edits)s
returning {flow_change_columns};

-- name: lock_flow_changes
select pg_advisory_xact_lock(hashtext('isthmus flow changes'));

-- name: decide_flow_change
-- Under the lock: approvals follow one another, and each has the place after the last one.
update flow_change
set state = %(state)s, decided_by = %(by)s, decided_at = %(now)s, answer = %(answer)s,
    place = case when %(state)s = 'approved'
        then (select coalesce(max(before.place), 0) + 1 from flow_change as before) end
where id = %(id)s and state = 'proposed' and (%(state)s <> 'approved' or not exists (
    -- Nobody knows yet which text this one would be laid over.
    select from flow_change as before
    where before.flow = flow_change.flow and before.state = 'approved' and before.in_force_at is null
        and before.problem = ''))
returning {flow_change_columns};

-- name: tell_flows
select pg_notify('isthmus', 'flows');

-- name: approved_flow_changes
select {flow_change_columns} from flow_change where place is not null order by place;

-- name: note_flow_change
update flow_change set in_force_at = coalesce(in_force_at, %(at)s), problem = %(problem)s where id = %(id)s;

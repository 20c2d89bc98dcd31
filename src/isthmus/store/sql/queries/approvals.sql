-- Approvals of documents, and deputies.

-- name: approval_request_columns
id, process, document, key, title, facts, details, requester, rule, stages, four_eyes, state, stage, escalated, since,
due_at, requested_at, ended_at, tell

-- name: approval_answer_columns
request, stage, escalated, seat, choice, by, on_behalf_of, comment, via, at

-- name: delegation_columns
id, person, deputy, from_at, until_at, made_by, made_at, ended_at

-- name: add_approval_request
insert into approval_request ({approval_request_columns})
select {approval_request_columns}
from jsonb_to_recordset(%(rows)s) as given (
    id text, process text, document text, key text, title text, facts jsonb, details jsonb, requester text, rule text,
    stages jsonb, four_eyes boolean, state text, stage integer, escalated boolean, since timestamptz, due_at timestamptz,
    requested_at timestamptz, ended_at timestamptz, tell jsonb)
on conflict do nothing
returning id;

-- name: approval_request
select {approval_request_columns} from approval_request where id = %(id)s for update;

-- name: save_approval_request
update approval_request set
    state = given.state, stage = given.stage, escalated = given.escalated, since = given.since, due_at = given.due_at,
    ended_at = given.ended_at
from jsonb_to_recordset(%(rows)s) as given (
    id text, state text, stage integer, escalated boolean, since timestamptz, due_at timestamptz, ended_at timestamptz)
where approval_request.id = given.id;

-- name: approval_answers
select {approval_answer_columns} from approval_answer where request = %(id)s order by seq;

-- name: add_approval_answer
insert into approval_answer ({approval_answer_columns})
select {approval_answer_columns}
from jsonb_to_recordset(%(rows)s) as given (
    request text, stage integer, escalated boolean, seat text, choice text, by text, on_behalf_of text, comment text,
    via text, at timestamptz)
on conflict do nothing
returning request;

-- name: valid_delegations
select {delegation_columns} from delegation
where (person = any(%(people)s::text[]) or deputy = any(%(deputies)s::text[]))
    and from_at <= %(now)s and until_at > %(now)s and ended_at is null
order by id;

-- name: add_delegation
insert into delegation ({delegation_columns})
select {delegation_columns}
from jsonb_to_recordset(%(rows)s) as given (
    id text, person text, deputy text, from_at timestamptz, until_at timestamptz, made_by text, made_at timestamptz,
    ended_at timestamptz);

-- name: end_delegation
update delegation set ended_at = %(now)s where id = %(id)s and ended_at is null and until_at > %(now)s returning id;

-- name: list_approvals
-- One whose process was cancelled needs nobody any more.
select {approval_request_columns} from approval_request
where (%(state)s::text is null or state = %(state)s)
    and (state <> 'open' or not exists (
        select 1 from process where process.id = approval_request.process and process.state = 'cancelled'))
order by requested_at, id
limit %(limit)s;

-- name: one_approval
select {approval_request_columns} from approval_request where id = %(id)s;

-- name: list_delegations
select {delegation_columns} from delegation
where %(all)s or (ended_at is null and until_at > %(now)s)
order by from_at, id;

-- name: decided_approvals
select {approval_request_columns} from approval_request
where state <> 'open'
order by ended_at desc nulls last, id
limit %(limit)s;

-- name: answers_of_approvals
select {approval_answer_columns} from approval_answer where request = any(%(ids)s::text[]) order by seq;

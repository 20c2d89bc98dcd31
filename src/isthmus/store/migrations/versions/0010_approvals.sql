-- Approvals of documents, and deputies. (The table "approval" is the brake's.)

create table approval_request (
    id text primary key,
    process text not null,
    document text not null,
    key text not null,
    title text not null,
    facts jsonb not null,
    details jsonb not null,
    requester text not null,
    rule text not null,
    stages jsonb not null,
    four_eyes boolean not null,
    state text not null check (state in ('open', 'approved', 'refused', 'expired')),
    stage integer not null,
    escalated boolean not null,
    since timestamptz not null,
    due_at timestamptz,
    requested_at timestamptz not null,
    ended_at timestamptz,
    tell jsonb
) with (fillfactor = 85);
comment on table approval_request is
    'What people must approve: what is asked, by whom, the stages of its rule, which one is open, since and until when.';
create index approval_request_open on approval_request (requested_at) where state = 'open';
create index approval_request_document on approval_request (document, key);

create table approval_answer (
    seq bigint generated always as identity,
    request text not null references approval_request (id) on delete cascade,
    stage integer not null,
    escalated boolean not null,
    seat text not null,
    choice text not null check (choice in ('approve', 'refuse')),
    by text not null,
    on_behalf_of text not null,
    comment text not null,
    via text not null,
    at timestamptz not null,
    primary key (request, stage, escalated, seat)
);
comment on table approval_answer is 'What was answered, by whom and by whose right. One answer for each seat of a stage.';

create table delegation (
    id text primary key,
    person text not null,
    deputy text not null,
    from_at timestamptz not null,
    until_at timestamptz not null,
    made_by text not null,
    made_at timestamptz not null,
    ended_at timestamptz,
    check (until_at > from_at),
    check (deputy <> person)
);
comment on table delegation is 'Who answers for whom, from when until when.';
create index delegation_person on delegation (person, until_at);
create index delegation_deputy on delegation (deputy, until_at);

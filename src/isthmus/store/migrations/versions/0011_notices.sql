-- Notices: the outbox of mail.

create table notice (
    seq bigint generated always as identity,
    id text primary key,
    milestone text not null,
    document text not null,
    key text not null,
    recipient text not null,
    language text not null,
    context jsonb not null,
    thread text not null,
    state text not null check (state in ('queued', 'sending', 'sent', 'refused', 'bounced', 'off')),
    attempts integer not null,
    next_at timestamptz not null,
    queued_at timestamptz not null,
    sent_at timestamptz,
    problem jsonb
) with (fillfactor = 85);
comment on table notice is
    'Mail that is to be sent or was: queued in the transaction of what it tells. The id is made of what it is about, so '
    'that nothing is sent twice; the Message-ID is made of the id.';
create index notice_waiting on notice (next_at, seq) where state in ('queued', 'sending');
create index notice_document on notice (document, key, recipient, seq);
create index notice_seq on notice (seq);

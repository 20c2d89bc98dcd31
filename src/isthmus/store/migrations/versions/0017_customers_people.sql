-- People of customers (portal), and calls of the API that must not be carried out twice.
alter table person add column customer text references item (id) deferrable initially deferred;
comment on column person.customer is 'The customer whose documents this person may see and for whom they order; null: staff.';

create table api_call (
    login text not null,
    key text not null,
    digest bytea not null,
    made_at timestamptz not null,
    status integer,
    headers jsonb,
    body bytea,
    primary key (login, key)
);
comment on table api_call is 'Calls with an Idempotency-Key: what was asked, and what was answered; kept for a day.';
comment on column api_call.digest is 'SHA-256 over method, path and body.';
comment on column api_call.status is 'Null while it is under way.';
create index api_call_made_at on api_call (made_at);
